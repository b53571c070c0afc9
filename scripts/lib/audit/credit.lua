-- What rewards say about the steps of their rollouts.
--
-- A step's credit is the reward's total, as the trainer gets it; where whole rollouts are compared (`grouping = "trajectory"`), the mean of
-- the rollout's totals; and if a reward gives advantages, the step's advantage, because its total is only logged. All operations of a step
-- have its credit. Weights of steps are no credit.
--
-- Training only sees how a step's credit differs from that of the steps it is compared with. So each step also has the name of its `group`,
-- and `above`: its credit less the group's mean. Advantages have no group, and are `above` as they are.

local fm = require "finemem"
local loop = require "lib.loop"
local shared = require "rewards.shared"

local credit = {}

-- Parts of Fine-Mem's reward that are audited on their own.
credit.parts = {
  EARA = function(batch) return fm.reward.evidence { batch = batch, beta = 0.5 } end,
  outcome = function(batch) return fm.reward.outcome { batch = batch } end,
}

-- The names of all that can be audited.
function credit.names()
  local names = loop.rewards()
  table.insert(names, "EARA")
  table.insert(names, "outcome")
  return names
end

-- The methods of these names, as { name, reward }.
function credit.methods(names)
  local methods = {}
  for i, name in ipairs(names) do
    local part = credit.parts[name]
    local reward = part and { name = name, steps = function(batch)
      local total = part(batch)
      return { total = total, terms = { [name] = total } }
    end } or loop.reward(name)
    methods[i] = { name = name, reward = reward }
  end
  return methods
end

-- The name of the group of each step: the steps that it is compared with.
local function groups_of(given, batch, plays)
  local grouping = given.grouping or "step"
  return shared.each(batch, function(rollout, t, i)
    if given.groups then
      return tostring(given.groups[i][t])
    end
    local episode = string.format("%d/%d", plays[rollout].call, rollout.episode)
    if grouping == "step" then
      return episode .. "/" .. t
    elseif grouping == "state" then
      return string.format("%s/%s/%d", episode, tostring(rollout.state), t)
    end
    return episode
  end)
end

-- What the steps of a batch get, as lists [i][t] of { credit, above, group }. `plays` is that of the batch's recorder.
function credit.of(reward, batch, option, plays)
  loop.needs(reward, option)
  local given = fm.reward.call { batch = batch, reward = reward, option = option }
  if given.advantages then
    return shared.each(batch, function(_, t, i)
      return { credit = given.advantages[i][t], above = given.advantages[i][t] }
    end)
  end
  local groups, sums, counts = groups_of(given, batch, plays), {}, {}
  local values = given.grouping ~= "trajectory" and given.total or shared.every(batch, function(_, i)
    return shared.mean(given.total[i])
  end)
  shared.each(batch, function(_, t, i)
    local group = groups[i][t]
    sums[group], counts[group] = (sums[group] or 0) + values[i][t], (counts[group] or 0) + 1
  end)
  return shared.each(batch, function(_, t, i)
    local group = groups[i][t]
    return { credit = values[i][t], above = values[i][t] - sums[group] / counts[group], group = group }
  end)
end

return credit
