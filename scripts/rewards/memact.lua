-- The reward of MemAct (DCPO, arXiv 2510.12635). Memory actions change the agent's own context, so a trajectory is cut into segments at
-- each of them. Each segment is trained with the context that it really had, and gets the advantage of the whole trajectory:
--
--   A_segment = A_trajectory = (R - mean) / (std + eps),   R = 1 for success, -0.1 beyond the resource limit, 0 otherwise
--
-- Ours: each chunk is read with a fresh context, so a segment is a run of steps of which the last changed the memory. Its steps share the
-- weight 1: every segment counts the same, however many chunks it took. Success is graded: R is the mean score of the final questions. The
-- limit is on the length of the memory: `option.budget` (0.8) times that of the input.

local shared = require "rewards.shared"

local memact = { name = "memact" }

-- The segments of a rollout as { first, last }.
local function segments(rollout)
  local changed, list, first = {}, {}, 1
  for _, entry in ipairs(rollout.journal) do
    changed[entry.step] = true
  end
  for t = 1, #rollout.steps do
    if changed[shared.number(rollout, t)] or t == #rollout.steps then
      list[#list + 1] = { first, t }
      first = t + 1
    end
  end
  return list
end

function memact.steps(batch, option)
  local outcome = shared.every(batch, function(rollout)
    return rollout.memory_tokens > (option.budget or 0.8) * rollout.input_tokens and -0.1 or shared.score(rollout.answers)
  end)
  local weights = shared.every(batch, function()
    return 1
  end)
  for i, rollout in ipairs(batch.rollouts) do
    for _, segment in ipairs(segments(rollout)) do
      for t = segment[1], segment[2] do
        weights[i][t] = 1 / (segment[2] - segment[1] + 1)
      end
    end
  end
  return { total = outcome, terms = { outcome = outcome }, weights = weights, grouping = "trajectory" }
end

return memact
