-- The reward of Mem-α (arXiv 2509.25911, eq. 1), for each step t of each rollout:
--
--   r(t) = r1 + r2(t) + beta * r3 + gamma * r4(t)
--
-- r1 is the mean score of the final questions, r2 the share of the step's calls that were carried out, r3 = 1 - memory / input in tokens,
-- r4 the share of the step's calls that write something valid. beta = 0.05 and gamma = 0.1 as in its code (its section 4.1 has gamma = 1).
-- All steps of all rollouts of an episode are one group.
--
-- Ours: the paper's judge for r4 is a 32B model that reads the call. Here a call is valid if the reasoner can answer one of the chunk's
-- questions from the written item alone. As in the paper, inserts and updates can be valid and deletes cannot. An item that the same step
-- removes again does not count.

local fm = require "finemem"
local shared = require "rewards.shared"

local mem_alpha = { name = "mem_alpha", needs = { "reasoner" } }

-- `option`: the weights `compression` and `content`, and the `reasoner`.
function mem_alpha.steps(batch, option)
  local content, cases = shared.zeros(batch), {}
  for i, rollout in ipairs(batch.rollouts) do
    for t, step in ipairs(rollout.steps) do
      for _, item in ipairs(shared.written(step)) do
        cases[#cases + 1] = { item = item, asked = step.chunk_answers, i = i, t = t, share = 1 / #step.calls }
      end
    end
  end
  for c, valid in ipairs(shared.useful(option.reasoner, cases)) do
    local case = cases[c]
    content[case.i][case.t] += valid * case.share
  end
  local result = shared.sum(batch, {
    outcome = { 1, fm.reward.outcome { batch = batch } },
    format = { 1, fm.reward.format { batch = batch, untagged = option.untagged } },
    compression = { option.compression or 0.05, fm.reward.compression { batch = batch } },
    content = { option.content or 0.1, content },
  })
  result.grouping = "instance"
  return result
end

return mem_alpha
