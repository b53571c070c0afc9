-- Credit along the provenance of memories, after MemQ (arXiv 2605.08374). The paper keeps a Q value for each memory and trains no policy.
-- An episode's TD error delta goes to the retrieved memories and to the memories that they were made from, d generations back, with weight
-- (gamma * lambda)^d. Here this credit is the reward of the steps that wrote the generations:
--
--   r(t) = (1/n) sum_j delta_j / |E_j| * sum_{m in E_j} sum_{d: generation d of m was written at t} (gamma * lambda)^d
--
-- Ours: a memory's generations are its versions, newest first, then those of the item that it replaced when it was inserted. Every episode
-- makes new items, so their Q starts at 0 and delta_j = s_j. gamma = 0.8 and lambda = 0.7 are in the ranges that its code is said to use,
-- 0.3 to 0.8 and 0.5 to 0.9. The paper has no term for form, so a step whose items are never retrieved gets 0.

local shared = require "rewards.shared"

local mem_q = { name = "mem_q" }

-- The steps that wrote an item and the items that it was made from, newest first.
local function generations(rollout, item)
  local steps = { item.step }
  for v = #item.history, 1, -1 do
    steps[#steps + 1] = item.history[v].step
  end
  local older = item.replaces
  -- A replaced item is closed, so only the journal has it. Items point to older ones, so this ends.
  while older do
    local place, id = #steps + 1, older
    older = nil
    for _, entry in ipairs(rollout.journal or {}) do
      if entry.id == id and (entry.operation == "insert" or entry.operation == "update") then
        table.insert(steps, place, entry.step)
        older = entry.replaces or older
      end
    end
  end
  return steps
end

function mem_q.steps(batch, option)
  local decay = (option.gamma or 0.8) * (option.lambda or 0.7)
  local credit = shared.zeros(batch)
  for i, rollout in ipairs(batch.rollouts) do
    for _, asked in ipairs(rollout.answers) do
      for _, item in ipairs(asked.evidence) do
        local share = asked.score / (#asked.evidence * #rollout.answers)
        for d, t in ipairs(generations(rollout, item)) do
          credit[i][t] += share * decay ^ (d - 1)
        end
      end
    end
  end
  return { total = credit, terms = { provenance = credit } }
end

return mem_q
