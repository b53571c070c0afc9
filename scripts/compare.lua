-- Compares methods on equal terms: trains each of them with several seeds on the household world, evaluates all on the same held-out
-- episodes, and reports on all runs in the folder.

local fm = require "finemem"
local arguments = require "lib.arguments"
local compare = require "lib.compare"
local household = require "lib.household"
local length = require "lib.length"
local measure = require "lib.measure"
local published = require "lib.published"

local option = arguments.read([[
Trains every method of a table with several seeds on the household world, evaluates all on the same held-out episodes, and compares them.

  finemem-engine run scripts/compare.lua -- [--table comparisons.fine_mem] [--seeds N] [--steps N] [--out DIR] [--add DIR,…] [--data FILE,…]

The same command continues a comparison that was stopped. A table is a module with { seeds, methods, shared, variants }: a method has a name and
options of lib/household.lua, `shared` has options for all methods, and each of `variants` makes every method once more. A table with `sizes` has every method evaluated
with memories of so many items too. --data has every trained policy read published files too, as eval.lua does.]], {
  { "table", "NAME", "comparisons.fine_mem", "the table, a module" },
  { "out", "DIR", nil, "the folder of the runs and the report; by default runs/compare-TABLE" },
  { "add", "DIR,…", nil, "more folders of runs to report on, made elsewhere" },
  { "data", "FILE,…", nil, "published files that every trained policy reads, in any format that fm.data.open reads" },
  { "seeds", "integer", nil, "seeds to train each method with, in place of the table's; 0 only reports" },
  { "steps", "integer", nil, "training steps, in place of the table's" },
  { "episodes", "integer", nil, "episodes in each step, in place of the table's" },
  { "group", "integer", nil, "rollouts of each episode, in place of the table's" },
  { "held_out", "integer", nil, "episodes of the evaluation, in place of the table's" },
})
local methods, names, seeds, sizes = compare.methods(option)
local data = published.files(option.data)
local out = option.out or "runs/compare-" .. option.table:match "[^.]*$"

-- The figures of policies before training, by folder and number of held-out episodes.
local measured = {}

local function before(training)
  local key = training.option.policy .. " " .. training.option.held_out
  measured[key] = measured[key] or household.measure(training)
  return measured[key]
end

-- Trains and evaluates one method with one seed. False when somebody pressed Ctrl-C.
local function train(made, seed, folder, title)
  made.option.seed = seed
  local training = household.open(made.option)
  local first = before(training)
  local run = fm.run.open { path = folder, resume = true, seed = seed, arguments = { method = made.name, steps = made.option.steps } }
  local finished = household.train(training, {
    run = run, done = run:restore { trainer = training.trainer }, checkpoint = 10, title = title,
    finish = function(stats)
      training.policy:save { path = folder .. "/policy" }
      local figures = household.measure(training)
      for name, value in pairs(figures) do
        -- Counts of what the shares are of are no figures of their own.
        stats["eval/" .. name] = name ~= "n" and value or nil
      end
      stats["before/accuracy"], stats["before/office"] = first.accuracy, first.office
      stats["eval/office_share"] = household.office_share(first, figures)
      for _, size in ipairs(sizes) do
        length.log(stats, size, household.measure_at(training, size))
      end
    end,
  })
  if finished then
    run:close {}
  end
  return finished
end

-- All methods are trained with one seed before any with the next, so that a comparison that is stopped early has something to show.
local total, worked, began = seeds * #methods, 0, fm.seconds {}
for seed = 1, seeds do
  for i, made in ipairs(methods) do
    local folder = string.format("%s/%s/%d", out, made.name, seed)
    local place, title = (seed - 1) * #methods + i, string.format("%s, seed %d", made.name, seed)
    local done, files = compare.done(measure.logged(folder), made.option.steps), published.missing(folder, data)
    if not done or #files > 0 then
      local left = worked > 0 and string.format(", about %.0f minutes left", (fm.seconds {} - began) / worked * (total - place + 1) / 60) or ""
      print(string.format("%d of %d: %s%s", place, total, title, left))
      if not done and not train(made, seed, folder, title) then
        print("stopped; the same command continues")
        return
      end
      for _, file in ipairs(files) do
        published.measure(folder, file)
      end
      worked += 1
    end
  end
end
if worked > 0 then
  print(string.format("%d runs took %.1f minutes", worked, (fm.seconds {} - began) / 60))
end

compare.report(out, option.add, names, option.table:match "[^.]*$")
