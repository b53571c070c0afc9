-- Fine-Mem's reward with credit only for evidence that mattered. This method is ours.
--
--   r(t) = r_evidence(t) + r_format(t) + w1 * r_chunk(t) + w2 * r_compression
--   r_evidence(t) = (1 - beta) * r_global / T + beta * N_t
--   N_t = (1/n) sum_j s_j * sum_{m written at t} d_jm / sum_m' d_jm',   d_jm = max(0, s_j - s_j without m)
--
-- The reasoner answers each question that scored once more for every retrieved item, without that item; d is what its score loses. Fine-Mem
-- shares a question's score equally among all retrieved items, used or not. A question that no single item decides, because two items tell
-- the same or none does, is shared equally among the steps, so that sum_t r_evidence(t) = r_global. The weights are Fine-Mem's.

local fm = require "finemem"
local shared = require "rewards.shared"

local leave_one_out = { name = "leave_one_out", needs = { "reasoner" } }

-- What a question's score loses without each item of its evidence, and the sum of these losses.
local function losses(reasoner, asked)
  local lost, sum = {}, 0
  for k = 1, asked.score > 0 and #asked.evidence or 0 do
    local others = table.clone(asked.evidence)
    table.remove(others, k)
    local answer = reasoner:answer { question = asked.question, items = others }
    lost[k] = math.max(0, asked.score - shared.rescore(asked, answer.text))
    sum += lost[k]
  end
  return lost, sum
end

function leave_one_out.steps(batch, option)
  local beta, credit = option.beta or 0.5, {}
  for i, rollout in ipairs(batch.rollouts) do
    local steps, questions = #rollout.steps, math.max(1, #rollout.answers)
    credit[i] = table.create(steps, (1 - beta) * shared.score(rollout.answers) / steps)
    for _, asked in ipairs(rollout.answers) do
      local lost, sum = losses(option.reasoner, asked)
      local share = beta * asked.score / questions
      for k, loss in ipairs(lost) do
        if loss > 0 then
          local t = asked.evidence[k].step
          credit[i][t] += share * loss / sum
        end
      end
      for t = 1, sum == 0 and steps or 0 do
        credit[i][t] += share / steps
      end
    end
  end
  return shared.sum(batch, {
    evidence = { 1, credit },
    format = { 1, fm.reward.format { batch = batch } },
    chunk = { option.w1 or 0.5, fm.reward.chunk_step { batch = batch } },
    compression = { option.w2 or 0.05, fm.reward.compression { batch = batch } },
  })
end

return leave_one_out
