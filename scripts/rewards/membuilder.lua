-- The reward of MemBuilder (ADRPO, arXiv 2601.05488), for each session, which is a chunk here:
--
--   r = 1[all outputs valid] * acc * (1 - 0.8 * too_long),   A = (r - mean) / (std + eps) among rollouts of one session from the same memory
--
-- acc is the mean score of the session's own questions right after it. The advantage has weight alpha = 4 for the component (episodic,
-- semantic or procedural memory) that was retrieved most to answer them, and weight 1 for the others and for the core. The length is
-- compared with an expert's: too_long is 0 for ratios in [0.5, 1.3] or differences below 200 tokens, and rises to 1 at 2.0 and at 0.2.
--
-- Ours: the stored memories come from one play by the policy, not by an expert, and the group's mean length, at four bytes a token, stands
-- in for the expert's. The core has no rule of its own. In the paper each component has its own role as writer; here a step's weight is the
-- mean weight of the items that it wrote. If the memory has only one section, all weights are 1.

local branches = require "rewards.branches"
local shared = require "rewards.shared"

local membuilder = { name = "membuilder", rollout = branches.same_states }

local function tokens(step)
  local bytes = 0
  for _, item in ipairs(step.memory_after) do
    bytes += #item.content
  end
  return bytes / 4
end

-- How far a length is from the expert's, from 0 to 1.
local function too_long(length, expert)
  if math.abs(length - expert) < 200 then
    return 0
  end
  local ratio = length / expert
  return math.clamp(ratio > 1 and (ratio - 1.3) / 0.7 or (0.5 - ratio) / 0.3, 0, 1)
end

-- The section retrieved most for a step's questions, not counting the core; if several are equal, the first by name.
local function most_retrieved(step)
  local count, best = {}, nil
  for _, asked in ipairs(step.chunk_answers) do
    for _, item in ipairs(asked.evidence) do
      local section = item.section or ""
      if section ~= "core" and section ~= "" then
        count[section] = (count[section] or 0) + 1
      end
    end
  end
  for section, n in pairs(count) do
    if not best or n > count[best] or n == count[best] and section < best then
      best = section
    end
  end
  return best
end

function membuilder.steps(batch, option)
  local expert = {}
  for _, group in ipairs(shared.groups(batch)) do
    for t = 1, #batch.rollouts[group[1]].steps do
      local mean = shared.mean(group, function(i)
        return tokens(batch.rollouts[i].steps[t])
      end)
      for _, i in ipairs(group) do
        expert[i] = expert[i] or {}
        expert[i][t] = mean
      end
    end
  end

  local session = shared.each(batch, function(rollout, t, i)
    local step = rollout.steps[t]
    for _, call in ipairs(step.calls) do
      if not call.valid then
        return 0
      end
    end
    local valid = #step.calls > 0 and 1 or 0
    return valid * shared.score(step.chunk_answers) * (1 - 0.8 * too_long(tokens(step), expert[i][t]))
  end)

  local weights = shared.each(batch, function(rollout, t)
    local step = rollout.steps[t]
    local best, written = most_retrieved(step), shared.written(step)
    if not best or #written == 0 then
      return 1
    end
    return shared.mean(written, function(item)
      return item.section == best and (option.alpha or 4) or 1
    end)
  end)
  return { total = session, terms = { session = session }, weights = weights, grouping = "state" }
end

return membuilder
