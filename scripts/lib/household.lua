-- Training on the household world, as train.lua and compare.lua do it.

local fm = require "finemem"
local alarms = require "lib.alarms"
local harm = require "lib.harm"
local loop = require "lib.loop"
local measure = require "lib.measure"
local world = require "worlds.household"

local household = {}

-- What a run can be given, with the defaults. `rewards` is a reward's name, `settings` are its settings. The settings, `lr` and `chunks`
-- may be functions of the step.
household.defaults = {
  steps = 24, seed = 7, rewards = "finemem", settings = {}, loss = "verl", policy = "models/tiny",
  episodes = 6, group = 8, chunks = 6, lr = 6e-4, held_out = 48,
}

-- The seed of the held-out episodes. Training never sees them: no step's seed comes near this one.
local HELD_OUT = 1000000

-- Plain episodes: short names, and only everyday relations.
local function sample(count, chunks, seed)
  return world.sample { count = count, chunks = chunks, seed = seed, variety = 0.1, made_up = 0 }
end

-- The value of a setting at a step.
local function at(value, step)
  if type(value) == "function" then
    return value(step)
  end
  return value
end

-- Loads the policy and makes its trainer. The other functions take what this returns. `option` has some of the defaults' names.
function household.open(option)
  local given = {}
  for name, default in pairs(household.defaults) do
    given[name] = option[name] == nil and default or option[name]
  end
  -- Refuses an unknown reward before anything takes time.
  loop.reward(given.rewards)
  local policy = fm.model.load { path = given.policy }
  local reasoner = fm.reasoner.extractive {}
  local trainer = fm.grpo.new {
    policy = policy, tools = require "tools.flat", prompt = require "prompts.flat", reasoner = reasoner,
    group = given.group, episodes = given.episodes, seed = given.seed, lr = at(given.lr, 1), loss = given.loss,
    view = "relevant", view_items = 10, max_tokens = 160, max_prompt = 512,
  }
  local function count(text)
    return #policy:encode { text = text }
  end
  return { option = given, policy = policy, reasoner = reasoner, trainer = trainer, harm = { reasoner = reasoner, count = count } }
end

-- Reads the held-out episodes greedily. Returns the figures, those of lib/harm.lua and their counts `n` too, and the batch.
function household.measure(training)
  local option = training.option
  local episodes = sample(option.held_out, household.defaults.chunks, HELD_OUT)
  local batch = training.trainer:rollout { episodes = episodes, group = 1, temperature = 0 }
  local figures = measure.batch(batch)
  figures.n = measure.harm(figures, "", batch, episodes, training.harm).n
  return figures, batch
end

-- The figures of the held-out episodes, with the memories of the first three as `shown`, and what is true there as `truth`.
function household.measure_and_show(training)
  local figures, batch = household.measure(training)
  figures.shown, figures.truth = {}, {}
  for i = 1, math.min(3, #batch.rollouts) do
    local rollout, memory, truth = batch.rollouts[i], {}, {}
    for j, item in ipairs(rollout.memory) do
      memory[j] = string.format("[%d] %s", item.id, item.content)
    end
    for j, asked in ipairs(rollout.answers) do
      truth[j] = asked.question .. " " .. asked.gold[1]
    end
    figures.shown[i], figures.truth[i] = memory, truth
  end
  return figures
end

-- Prints what training changed, with the alarms that hold after it, and writes summary.json.
function household.report(folder, held_out, before, after)
  local function row(name, first, second)
    print(string.format("%-34s %16s %16s", name, first, second))
  end
  local function both(name, format, value)
    row(name, string.format(format, value(before)), string.format(format, value(after)))
  end
  print()
  row(string.format("%d held-out episodes", held_out), "before", "after")
  both("answer accuracy", "%.3f", function(f) return f.accuracy end)
  both("  95 % interval", "%.3f-%.3f", function(f) return f.low, f.high end)
  both("memory, tokens", "%.0f", function(f) return f.memory_tokens end)
  for _, kind in ipairs { "insert", "update", "delete", "skip" } do
    both(kind .. "s per chunk", "%.2f", function(f) return f[kind] end)
  end
  both("invalid calls", "%.1f %%", function(f) return 100 * f.invalid end)
  for _, line in ipairs(harm.rows) do
    row(line.title, harm.shown(line, before[line.name], before.n), harm.shown(line, after[line.name], after.n))
  end
  local raised = alarms.of(after)
  for _, alarm in ipairs(raised) do
    print(string.format("alarm, %s: %s", alarm.name, alarm.text))
  end
  local function list(title, lines)
    print(title .. "\n  " .. table.concat(lines, "\n  "))
  end
  for i = 1, #after.shown do
    list(string.format("\nheld-out episode %d, what is true at its end:", i), after.truth[i])
    list("memory before training:", before.shown[i])
    list("memory after training:", after.shown[i])
  end
  local summary = {
    accuracy_before = before.accuracy, accuracy_after = after.accuracy,
    memory_tokens_before = before.memory_tokens, memory_tokens_after = after.memory_tokens,
    alarms = raised, seconds = fm.seconds {},
  }
  for _, line in ipairs(harm.rows) do
    summary[line.name .. "_before"], summary[line.name .. "_after"] = before[line.name], after[line.name]
  end
  fm.write { path = folder .. "/summary.json", text = fm.json.encode { pretty = true, value = summary } }
end

-- Trains with loop.run. `more` are those of its options that are not the same for every run: `run`, `done`, `checkpoint`, `title`,
-- `finish`.
function household.train(training, more)
  local option = training.option
  return loop.run {
    trainer = training.trainer, steps = option.steps, seed = option.seed, reward = option.rewards,
    run = more.run, done = more.done, checkpoint = more.checkpoint, title = more.title, finish = more.finish, harm = training.harm,
    given = function(step)
      local given = { reasoner = training.reasoner, policy = training.policy }
      for name, value in pairs(option.settings) do
        given[name] = at(value, step)
      end
      return given
    end,
    sample = function(step)
      return sample(option.episodes, at(option.chunks, step), option.seed * 1000 + step)
    end,
    rate = function(step)
      return at(option.lr, step)
    end,
  }
end

return household
