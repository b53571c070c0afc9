-- The reward of AtomMem (arXiv 2601.08323): only success at the end counts, and all steps of a rollout have the same advantage,
--
--   A_i = r_i - mean(r), not divided by the deviation.
--
-- Ours: the paper's tasks have one question; here r_i is the mean score of the final questions.

local fm = require "finemem"

local atommem = { name = "atommem" }

function atommem.steps(batch)
  local outcome = fm.reward.outcome { batch = batch }
  return { total = outcome, terms = { outcome = outcome }, grouping = "trajectory", scale_rewards = false }
end

return atommem
