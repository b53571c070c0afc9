-- Every reward gives the same numbers for rollouts that were written and read back, as scripts/replay.lua does.

local fm = require "finemem"
local batches = require "tests.batches"
local loop = require "lib.loop"

for _, name in ipairs(loop.rewards()) do
  local reward = loop.reward(name)
  local rng, trainer = fm.rng.new { seed = { 11, 1 } }, batches.trainer(1, 4)
  local option = { reasoner = batches.reasoner, policy = batches.policy(), seed = 3, step = 1 }
  local _, batch = loop.rollout(trainer, reward, { batches.episode(rng, 5), batches.episode(rng, 4) }, option)
  local credit = fm.reward.call { batch = batch, reward = reward, option = option }
  local again = fm.json.decode { text = fm.json.encode { value = { rollouts = batch.rollouts } } }
  local replayed = fm.reward.call { batch = again, reward = reward, option = option }
  assert(
    fm.json.encode { value = { credit.total, credit.terms, credit.advantages or {}, credit.weights or {} } }
      == fm.json.encode { value = { replayed.total, replayed.terms, replayed.advantages or {}, replayed.weights or {} } },
    name .. " gives something else for rollouts that were read back"
  )
end
