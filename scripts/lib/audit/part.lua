-- One part of an audit: some episodes played once, the effects of all operations, and what each method gives to them.

local fm = require "finemem"
local credit = require "lib.audit.credit"
local effects = require "lib.audit.effects"
local loop = require "lib.loop"
local shared = require "rewards.shared"

local part = {}

-- Seeds of other random numbers, far from those that rewards roll out with.
local OTHERS = { 11, 12, 13, 14, 15, 16, 17, 18 }

-- The plans of methods, each { name, methods, reward }: all methods that play whole episodes share their rollouts, and each of the others
-- has its own, played as it asks.
function part.plans(methods)
  local plans, whole = {}, nil
  for _, method in ipairs(methods) do
    if method.reward.rollout then
      table.insert(plans, { name = method.name, methods = { method }, reward = method.reward })
    elseif whole then
      table.insert(whole.methods, method)
    else
      whole = { name = "whole episodes", methods = { method }, reward = { name = "whole episodes" } }
      table.insert(plans, 1, whole)
    end
  end
  return plans
end

-- Rounded, because credit is computed in f32, and equal credit must have equal ranks.
local function rounded(value)
  return math.round(value * 1e5) / 1e5 + 0
end

-- Plays a plan on episodes. `option` has what rewards get, `seed`, the seed of the rollouts, and `others`, for how many operations the
-- effect with other random numbers is measured. Returns { plan, accuracy, steps }, with a step for each that has operations:
--
--   episode, rollout, step, chunk   where it is
--   effect                          of all its operations together
--   credit, above, group            what it gets, by the name of the method
--   operations                      each with `call`, `kind` and `text`, and its effects `recorded`, `played_on` and `others`
function part.play(trainer, plan, episodes, option)
  local recorder = effects.recorder(trainer, episodes, option.seed)
  local _, batch = loop.rollout(recorder, plan.reward, episodes, option.given)
  local plays, place = {}, {}
  for i, rollout in ipairs(batch.rollouts) do
    plays[i] = recorder.plays[rollout]
    place[plays[i]] = i
  end
  local found, operations = effects.of(trainer, plays), {}
  for _, step in ipairs(found) do
    for _, operation in ipairs(step.operations) do
      table.insert(operations, { step = step, operation = operation })
    end
  end
  local drawn = fm.rng.new({ seed = { option.seed, 1 } }):shuffle { list = operations }
  effects.others(trainer, table.move(drawn, 1, math.min(option.others, #drawn), 1, {}), OTHERS)

  local given = {}
  for _, method in ipairs(plan.methods) do
    given[method.name] = credit.of(method.reward, batch, option.given, recorder.plays)
  end
  local steps = {}
  for k, step in ipairs(found) do
    local play, i = step.play, place[step.play]
    local row = {
      episode = play.episode.id, rollout = i, step = play.first + step.t - 1, chunk = play.steps[step.t].chunk, effect = step.effect,
      credit = {}, above = {}, group = {}, operations = step.operations,
    }
    for name, values in pairs(given) do
      local value = values[i][step.t]
      row.credit[name], row.above[name], row.group[name] = rounded(value.credit), rounded(value.above), value.group
    end
    for _, operation in ipairs(step.operations) do
      local call = play.steps[step.t].calls[operation.call]
      operation.kind = call.tool:gsub("^memory_", "")
      operation.text = operation.kind .. " " .. fm.json.encode { value = call.arguments }
    end
    steps[k] = row
  end
  return { plan = plan.name, accuracy = shared.mean(plays, function(play) return play.outcome end), steps = steps }
end

return part
