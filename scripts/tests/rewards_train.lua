-- Every reward trains the tiny model on the household world for two short steps, or three where the rollouts of both were worth the same.

local fm = require "finemem"
local learn = require "learn"
local measure = require "measure"
local world = require "worlds.household"

local policy = fm.model.load { path = "models/tiny" }
local reasoner = fm.reasoner.extractive {}
local trainer = fm.grpo.new {
  policy = policy, tools = require "tools.flat", prompt = require "prompts.flat", reasoner = reasoner,
  group = 4, seed = 5, lr = 1e-4, view = "relevant", view_items = 6, max_tokens = 64,
}

for n, name in ipairs(learn.names) do
  local reward, moved, step = learn.open(name), false, 0
  while step < 2 or not moved do
    step += 1
    assert(step <= 3, name .. " never gives an advantage")
    local began = fm.seconds {}
    local episodes = world.sample { count = 1, seed = 10 * n + step, chunks = 3, facts = 2, variety = 0.1, made_up = 0 }
    local option = { reasoner = reasoner, policy = policy, seed = 5, step = step, trees = 2, pivots = 1, p = 0.5, m = 2, stages = 2 }
    local batches, batch, shown = learn.rollout(trainer, reward, episodes, option)
    local rolled = fm.seconds {}
    local credit = reward.steps(batch, option)
    local rewarded = fm.seconds {}
    local stats = learn.update(trainer, batches, credit)
    local figures = measure.step(stats, shown, credit)
    moved = moved or stats.loss ~= nil
    for _, key in ipairs(stats.loss and { "reward", "loss", "grad_norm" } or { "reward" }) do
      local value = stats[key]
      assert(type(value) == "number" and value == value and math.abs(value) < math.huge, name .. ": " .. key .. " is " .. tostring(value))
    end
    print(string.format("%-14s step %d  %2d rollouts  reward %7.3f  accuracy %.3f  rollout %.2f s, reward %.3f s, update %.2f s", name, step,
      #batch.rollouts, stats.reward, figures.accuracy, rolled - began, rewarded - rolled, fm.seconds {} - rewarded))
  end
end
