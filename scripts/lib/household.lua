-- Training on the household world, as train.lua and compare.lua do it. The office world is only measured.

local fm = require "finemem"
local alarms = require "lib.alarms"
local harm = require "lib.harm"
local loop = require "lib.loop"
local measure = require "lib.measure"
local office = require "worlds.office"
local world = require "worlds.household"

local household = {}

-- Plain episodes: short names, and only everyday relations. Half of them begin with a full memory.
local plain = { variety = 0.1, made_up = 0, full = 0.5, ids = 90000 }
-- Every other training step has texts of one fact, so that a step's reward belongs to one call; the others have texts of four facts, so that
-- the policy does not forget how to go from statement to statement. There is more about namesakes and twins than in the held-out episodes, and
-- fewer changes, so that what is new about somebody known is not rare either. Names and relations are of all kinds, so that the policy does not
-- learn by heart what the plain ones look like.
local lessons = {
  facts = function(step) return step % 2 == 1 and 1 or 4 end,
  chunks = function(step) return step % 2 == 1 and 12 or 4 end,
  change = 0.36, namesake = 0.14, twin = 0.12, made_up = 0.4, variety = 0.5,
}
-- The parameters of the world that a run can set for its training episodes.
local settable = { "chunks", "facts", "noise", "change", "namesake", "twin", "neighbour", "made_up", "variety", "full", "least", "past" }

-- What a run can be given, with the defaults. The weights of Fine-Mem's reward are larger than the paper's 0.5 and 0.05: with short texts, w1
-- tells apart single calls, and w2 is all that says that small talk is not worth keeping. `rewards` is a reward's name, `settings` are its
-- settings. The settings, `lr` and the parameters of the world may be functions of the step.
household.defaults = {
  steps = 25, seed = 7, rewards = "finemem", settings = { w1 = 1, w2 = 1 }, loss = "verl", policy = "models/tiny",
  episodes = 6, group = 8, lr = 6e-4, held_out = 48,
}
for _, name in ipairs(settable) do
  household.defaults[name] = lessons[name] or plain[name] or world.defaults[name]
end

-- The seed of the held-out episodes. Training never sees them: no step's seed comes near this one.
local HELD_OUT = 1000000

-- Episodes of a world, plain but for the parameters `more`.
function household.sample(of, count, seed, more)
  local parameters = { count = count, seed = seed }
  for _, some in ipairs { plain, more } do
    for name, value in pairs(some) do
      parameters[name] = value
    end
  end
  return of.sample(parameters)
end

-- The value of a setting at a step.
local function at(value, step)
  if type(value) == "function" then
    return value(step)
  end
  return value
end

-- The first held-out episodes of a world.
function household.held_out(of, count)
  return household.sample(of, count, HELD_OUT, {})
end

-- The training episodes of a step.
function household.episodes(option, step)
  local more = {}
  for _, name in ipairs(settable) do
    more[name] = at(option[name], step)
  end
  return household.sample(world, option.episodes, option.seed * 1000 + step, more)
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
    group = given.group, episodes = given.episodes, seed = given.seed, lr = at(given.lr, 1), loss = given.loss, freeze_embedding = true,
    view = require "views.statements", view_items = 20, max_tokens = 200, max_prompt = 1024,
  }
  local function count(text)
    return #policy:encode { text = text }
  end
  return { option = given, policy = policy, reasoner = reasoner, trainer = trainer, harm = { reasoner = reasoner, count = count } }
end

-- Reads episodes greedily; of `training` it takes `trainer` and `harm`. Returns the figures, those of lib/harm.lua and their counts `n` too, and the batch.
function household.read(training, episodes)
  local batch = training.trainer:rollout { episodes = episodes, group = 1, temperature = 0 }
  local figures = measure.batch(batch)
  figures.n = measure.harm(figures, "", batch, episodes, training.harm).n
  return figures, batch
end

-- Reads the held-out episodes, and half as many of the office. Returns the figures of the former, with `office`, the accuracy in the latter,
-- and the batch.
function household.measure(training)
  local count = training.option.held_out
  local figures, batch = household.read(training, household.held_out(world, count))
  figures.office = household.read(training, household.held_out(office, (count + 1) // 2)).accuracy
  return figures, batch
end

-- The figures of a quarter as many held-out episodes that begin with a memory of `size` items. `told` is the accuracy in questions about what
-- the texts tell, `kept` in those about facts that they do not touch; a large memory has more of the latter.
function household.measure_at(training, size)
  local count = (training.option.held_out + 3) // 4
  local figures, batch = household.read(training, household.sample(world, count, HELD_OUT, { full = 1, least = size, past = size }))
  local right, asked = { told = 0, kept = 0 }, { told = 0, kept = 0 }
  for _, rollout in ipairs(batch.rollouts) do
    for _, answer in ipairs(rollout.answers) do
      local kind = answer.kind == "kept" and "kept" or "told"
      right[kind], asked[kind] = right[kind] + answer.score, asked[kind] + 1
    end
  end
  for kind, n in pairs(asked) do
    figures[kind] = n > 0 and right[kind] / n or nil
  end
  return figures
end

-- What the office gains as a share of what the household gains; nil if that gains nothing.
function household.office_share(before, after)
  local gain = after.accuracy - before.accuracy
  return gain > 0 and (after.office - before.office) / gain or nil
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
  both("answer accuracy in the office", "%.3f", function(f) return f.office end)
  local share = household.office_share(before, after)
  row("  its gain, of the household's", "", share and string.format("%.0f %%", 100 * share) or "-")
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
    office_before = before.office, office_after = after.office, office_share = share,
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
      return household.episodes(option, step)
    end,
    -- Falls to a fifth, so that the last steps settle what the first have found.
    rate = function(step)
      return at(option.lr, step) * (1 - 0.8 * (step - 1) / math.max(1, option.steps - 1))
    end,
  }
end

return household
