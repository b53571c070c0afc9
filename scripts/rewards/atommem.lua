-- The reward of AtomMem (arXiv 2601.08323): the task's success at the end and nothing else, and one advantage for all steps of a rollout,
--
--   A_i = r_i - mean(r), not divided by the deviation.
--
-- Ours: its tasks have one question; here r_i is the mean score of the final questions.

local fm = require "finemem"

local atommem = { name = "atommem" }

function atommem.steps(batch)
  local outcome = fm.reward.outcome { batch = batch }
  return { total = outcome, terms = { outcome = outcome }, grouping = "trajectory", scale_rewards = false }
end

return atommem
