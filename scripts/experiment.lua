-- Training on the household world: what scripts/train.lua shows and scripts/compare.lua repeats.

local fm = require "finemem"
local learn = require "learn"
local measure = require "measure"
local world = require "worlds.household"

local experiment = {}

-- What a run can be given, with the defaults. `rewards` is a name of learn.lua, `settings` are those of the reward. These settings, `lr` and
-- `chunks` may be functions of the step.
experiment.defaults = {
  steps = 24, seed = 7, rewards = "finemem", settings = {}, loss = "verl", policy = "models/tiny",
  episodes = 6, group = 8, chunks = 6, lr = 6e-4, held_out = 48,
}

-- What training never sees: no step's seed is near this one.
local HELD_OUT = 1000000

-- Plain episodes: short names, and only relations of everyday life.
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

-- Loads the policy and makes its trainer: what the other functions take. `option` has some of the defaults' names.
function experiment.open(option)
  local given = {}
  for name, default in pairs(experiment.defaults) do
    given[name] = option[name] == nil and default or option[name]
  end
  local policy = fm.model.load { path = given.policy }
  local reasoner = fm.reasoner.extractive {}
  local trainer = fm.grpo.new {
    policy = policy, tools = require "tools.flat", prompt = require "prompts.flat", reasoner = reasoner,
    group = given.group, episodes = given.episodes, seed = given.seed, lr = at(given.lr, 1), loss = given.loss,
    view = "relevant", view_items = 10, max_tokens = 160, max_prompt = 512,
  }
  return { option = given, policy = policy, reasoner = reasoner, trainer = trainer, reward = learn.open(given.rewards) }
end

-- Held-out episodes, read without chance: their figures, and the batch.
function experiment.measure(training)
  local option = training.option
  local episodes = sample(option.held_out, experiment.defaults.chunks, HELD_OUT)
  local batch = training.trainer:rollout { episodes = episodes, group = 1, temperature = 0 }
  return measure.batch(batch), batch
end

-- One step: the update's figures with those of the batch, the latter alone, the batch, and what its steps got.
function experiment.step(training, step)
  local option, trainer = training.option, training.trainer
  local given = { reasoner = training.reasoner, policy = training.policy, seed = option.seed, step = step }
  for name, value in pairs(option.settings) do
    given[name] = at(value, step)
  end
  local episodes = sample(option.episodes, at(option.chunks, step), option.seed * 1000 + step)
  local batches, batch, shown = learn.rollout(trainer, training.reward, episodes, given)
  local credit = training.reward.steps(batch, given)
  local stats = learn.update(trainer, batches, credit, at(option.lr, step))
  return stats, measure.step(stats, shown, credit), batch, credit
end

return experiment
