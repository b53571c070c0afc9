-- Every reward trains the tiny model on the household world for ten short steps: all figures are finite, and some steps have an advantage.

local fm = require "finemem"
local loop = require "lib.loop"
local measure = require "lib.measure"
local world = require "worlds.household"

local STEPS = 10

local policy = fm.model.load { path = "models/tiny" }
local reasoner = fm.reasoner.extractive {}
local trainer = fm.grpo.new {
  policy = policy, tools = require "tools.flat", prompt = require "prompts.flat", reasoner = reasoner,
  group = 4, seed = 5, lr = 1e-4, view = "relevant", view_items = 6, max_tokens = 64,
}

for n, name in ipairs(loop.rewards()) do
  local reward = loop.reward(name)
  local taught, sums = 0, { rollouts = 0, reward = 0, accuracy = 0 }
  local spent = { rollout = 0, reward = 0, update = 0 }
  for step = 1, STEPS do
    local began = fm.seconds {}
    local episodes = world.sample { count = 1, seed = 100 * n + step, chunks = 3, facts = 2, variety = 0.1, made_up = 0 }
    local option = { reasoner = reasoner, policy = policy, seed = 5, step = step, trees = 2, pivots = 1, p = 0.5, m = 2, stages = 2 }
    local batches, batch, shown = loop.rollout(trainer, reward, episodes, option)
    local rolled = fm.seconds {}
    local credit = reward.steps(batch, option)
    local rewarded = fm.seconds {}
    local stats = loop.update(trainer, batches, credit)
    local figures = measure.step(stats, shown, credit)
    -- If no step has an advantage, there is no loss.
    taught += stats.loss and 1 or 0
    for key, value in pairs(stats) do
      assert(value == value and math.abs(value) < math.huge, string.format("%s, step %d: %s is %s", name, step, key, tostring(value)))
    end
    assert(stats.reward and (not stats.loss or stats.grad_norm), name .. " logs no reward, or a loss without its gradient")
    sums.rollouts += #batch.rollouts
    sums.reward += stats.reward / STEPS
    sums.accuracy += figures.accuracy / STEPS
    spent.rollout += rolled - began
    spent.reward += rewarded - rolled
    spent.update += fm.seconds {} - rewarded
  end
  print(string.format("%-14s %d steps, %2d of them teach; %3d rollouts  reward %7.3f  accuracy %.3f  rollout %.2f s, reward %.3f s, update %.2f s",
    name, STEPS, taught, sums.rollouts, sums.reward, sums.accuracy, spent.rollout, spent.reward, spent.update))
  assert(taught > 0, name .. " never gives an advantage")
end
