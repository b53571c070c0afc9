-- Compares methods on equal terms: trains each with several seeds on the household world, evaluates all on the same held-out episodes, and
-- reports on everything that is in the folder. Started again it goes on where it was stopped, and skips what is done.
--
--   finemem-engine run scripts/compare.lua -- [--table comparisons.fine_mem] [--seeds N] [--steps N] [--out DIR] [--add DIR,…]
--
-- The table is a module that returns { seeds, methods, shared, variants }: a method has a name and options of experiment.lua, `shared` has
-- those of all methods, and `variants`, like methods, make every method one more time each. `--add` takes in folders of runs that were made
-- elsewhere. There is no training with `--seeds 0`, only the report.

local fm = require "finemem"
local arguments = require "arguments"
local comparison = require "comparison"
local experiment = require "experiment"
local learn = require "learn"

local option = arguments.read {
  table = "comparisons.fine_mem", out = false, add = false, seeds = false, steps = false, episodes = false, group = false, held_out = false,
}
local compared = require(option.table)
local out = option.out or "runs/compare-" .. option.table:match "[^.]*$"

-- A number of the command line, or what the table says.
local function number(name, default)
  if not option[name] then
    return default
  end
  return tonumber(option[name]) or error(string.format("--%s needs a number, not '%s'", name, option[name]), 0)
end

-- A method as it is run: its name, and its options.
local function method(...)
  local parts, made = {}, {}
  for _, from in ipairs { compared.shared or {}, ... } do
    for key, value in pairs(from) do
      if key == "name" then
        parts[#parts + 1] = value
      elseif experiment.defaults[key] == nil then
        error(string.format("%s: '%s' is no option of experiment.lua", option.table, key), 0)
      else
        made[key] = value
      end
    end
  end
  for _, key in ipairs { "steps", "episodes", "group", "held_out" } do
    made[key] = number(key, made[key] or experiment.defaults[key])
  end
  local name = table.concat(parts, ", ")
  if not name:match "^[%w+_ ,-]+$" then
    error(string.format("%s: '%s' names a folder: letters, digits, spaces and + _ , - are possible", option.table, name), 0)
  end
  learn.open(made.rewards or experiment.defaults.rewards)
  return { name = name, option = made }
end

local methods, names, known = {}, {}, {}
for _, one in ipairs(compared.methods) do
  for _, variant in ipairs(compared.variants or { {} }) do
    local made = method(one, variant)
    if known[made.name] then
      error(string.format("%s: two methods are called '%s'", option.table, made.name), 0)
    end
    known[made.name] = true
    methods[#methods + 1], names[#names + 1] = made, made.name
  end
end

-- Trains and evaluates one method with one seed; false when somebody pressed Ctrl-C.
local function train(made, seed, folder, title)
  made.option.seed = seed
  local training = experiment.open(made.option)
  local steps = training.option.steps
  local run = fm.run.open { path = folder, resume = true, seed = seed, arguments = { method = made.name, steps = steps } }
  for step = run:restore { trainer = training.trainer } + 1, steps do
    local stats, figures, batch, credit = experiment.step(training, step)
    if step == steps then
      training.policy:save { path = folder .. "/policy" }
      for name, value in pairs(experiment.measure(training)) do
        stats["eval/" .. name] = value
      end
    end
    run:log { step = step, stats = stats }
    run:rollouts { step = step, batch = batch, count = 1, rewards = credit }
    run:progress { step = step, total = steps, text = string.format("%s  accuracy %.3f", title, figures.accuracy) }
    local stop = fm.stopping {} and step < steps
    if stop or step % 10 == 0 and step < steps then
      run:checkpoint { step = step, trainer = training.trainer }
    end
    if stop then
      return false
    end
  end
  run:close {}
  return true
end

-- All methods with one seed before any with the next, so that a comparison that is stopped early has something to show.
local total, trained, began = number("seeds", compared.seeds) * #methods, 0, fm.seconds {}
for seed = 1, total / #methods do
  for i, made in ipairs(methods) do
    local folder = string.format("%s/%s/%d", out, made.name, seed)
    local place = (seed - 1) * #methods + i
    if not comparison.done(comparison.figures(folder), made.option.steps) then
      local left = trained > 0 and string.format(", about %.0f minutes left", (fm.seconds {} - began) / trained * (total - place + 1) / 60) or ""
      print(string.format("%d of %d: %s, seed %d%s", place, total, made.name, seed, left))
      if not train(made, seed, folder, string.format("%s, seed %d", made.name, seed)) then
        print("stopped; the same command goes on from here")
        return
      end
      trained += 1
    end
  end
end
if trained > 0 then
  print(string.format("trained %d runs in %.1f minutes", trained, (fm.seconds {} - began) / 60))
end

local folders = { out }
for folder in (option.add or ""):gmatch "[^,]+" do
  folders[#folders + 1] = folder
end
local found, unfinished = comparison.read(folders, names)
if #found == 0 then
  error("there is no finished run in " .. table.concat(folders, ", "), 0)
end
local rows = comparison.rows(found)
local text = comparison.markdown(rows)
print("\n" .. text)
if unfinished > 0 then
  print(string.format("%d unfinished runs are left out", unfinished))
end
fm.write { path = out .. "/table.md", text = text }
comparison.page(out .. "/page.html", option.table:match "[^.]*$", found, rows)
print(string.format("written: %s (table.md, page.html, and a folder for each run)", out))
