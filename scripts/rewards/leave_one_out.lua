-- Fine-Mem's reward, but with credit only for evidence that mattered. This method is ours.
--
--   r(t) = r_evidence(t) + r_format(t) + w1 * r_chunk(t) + w2 * r_compression
--   r_evidence(t) = (1 - beta) * r_global / T + beta * N_t
--   N_t = (1/n) sum_j s_j * sum_{m written at t} d_jm / sum_m' d_jm',   d_jm = max(0, s_j - s_j without m)
--
-- The reasoner answers each question that scored again, once for every retrieved item, without that item; d is what the score loses.
-- Fine-Mem shares a question's score equally among all retrieved items, used or not. If no single item decides a question, because two
-- items say the same or none says it, its score is shared equally among the steps, so that sum_t r_evidence(t) = r_global. The weights are
-- Fine-Mem's.

local fm = require "finemem"
local shared = require "rewards.shared"

local leave_one_out = { name = "leave_one_out", needs = { "reasoner" } }

-- What each answer that scored loses without item k of its evidence, as lost[answer][k], and the sum. All questions are asked in one batch.
local function losses(reasoner, batch)
  local cases, queries, lost = {}, {}, {}
  for _, rollout in ipairs(batch.rollouts) do
    for _, asked in ipairs(rollout.answers) do
      lost[asked] = { sum = 0 }
      for k = 1, asked.score > 0 and #asked.evidence or 0 do
        local others = table.clone(asked.evidence)
        table.remove(others, k)
        cases[#cases + 1] = { asked = asked, k = k }
        queries[#queries + 1] = { question = asked.question, items = others }
      end
    end
  end
  for c, answer in ipairs(reasoner:answer_all { queries = queries }) do
    local asked, k = cases[c].asked, cases[c].k
    lost[asked][k] = math.max(0, asked.score - shared.rescore(asked, answer.text))
    lost[asked].sum += lost[asked][k]
  end
  return lost
end

function leave_one_out.steps(batch, option)
  local beta, credit, lost = option.beta or 0.5, {}, losses(option.reasoner, batch)
  for i, rollout in ipairs(batch.rollouts) do
    local steps, questions = #rollout.steps, math.max(1, #rollout.answers)
    credit[i] = table.create(steps, (1 - beta) * shared.score(rollout.answers) / steps)
    for _, asked in ipairs(rollout.answers) do
      local sum, share = lost[asked].sum, beta * asked.score / questions
      for k, loss in ipairs(lost[asked]) do
        if loss > 0 then
          credit[i][asked.evidence[k].step] += share * loss / sum
        end
      end
      for t = 1, sum == 0 and steps or 0 do
        credit[i][t] += share / steps
      end
    end
  end
  return shared.sum(batch, {
    evidence = { 1, credit },
    format = { 1, fm.reward.format { batch = batch, untagged = option.untagged } },
    chunk = { option.w1 or 0.5, fm.reward.chunk_step { batch = batch } },
    compression = { option.w2 or 0.05, fm.reward.compression { batch = batch } },
  })
end

return leave_one_out
