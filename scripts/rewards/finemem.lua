-- The reward of Fine-Mem (arXiv 2601.08435), for each step t of each rollout:
--
--   r(t) = r_evidence(t) + r_format(t) + w1 * r_chunk(t) + w2 * r_compression
--
-- r_evidence shares out the score of the final questions: the part beta goes to the steps that wrote the items from which the questions
-- were answered, the rest equally to all steps. r_chunk is the score of the chunk's own questions right after the step. w1 = 0.5, w2 = 0.05
-- and beta = 0.5 are the paper's. Without the evidence, every step gets the whole score of the final questions; this is our reading of the
-- paper's "outcome reward only".

local fm = require "finemem"
local shared = require "rewards.shared"

local finemem = { name = "finemem" }

-- `option.without` leaves parts out: { chunk = true, evidence = true }. `option.untagged` is what a valid call counts in r_format that was read
-- although the dialect's tags are missing; by default as much as any other.
function finemem.steps(batch, option)
  option = option or {}
  local without = option.without or {}
  local parts = {
    format = { 1, fm.reward.format { batch = batch, untagged = option.untagged } },
    compression = { option.w2 or 0.05, fm.reward.compression { batch = batch } },
  }
  if without.evidence then
    parts.outcome = { 1, fm.reward.outcome { batch = batch } }
  else
    parts.evidence = { 1, fm.reward.evidence { batch = batch, beta = option.beta or 0.5 } }
  end
  if not without.chunk then
    parts.chunk = { option.w1 or 0.5, fm.reward.chunk_step { batch = batch } }
  end
  return shared.sum(batch, parts)
end

return finemem
