-- Tries a reward on rollouts that a run has kept, without training: prints what every step gets, and for what.
--
--   finemem-engine run scripts/replay.lua -- --rollouts RUN/failed_step_3.jsonl [--rewards NAME] [--step N] [--reasoner WORD] [--policy DIR]
--
-- It reads what a run writes when a reward fails, and rollouts.jsonl, of which it takes one step's lines, by default the last's. The settings
-- that a failed reward was given come with its rollouts. A reward is worked out anew from texts, calls, memories and answers; what a file
-- cannot hold is the policy as it was at that step. Rewards that need one, such as infomem, take that of `--policy`, so their numbers are
-- those of that policy. rollouts.jsonl often has few rollouts of each group: what compares them then differs from the run.

local fm = require "finemem"
local arguments = require "arguments"
local learn = require "learn"
local measure = require "measure"
local reasoners = require "reasoners"

local option = arguments.read(reasoners.with { rollouts = "", rewards = "finemem", step = 0, reasoner = "extractive", policy = false, seconds = 600 })
if option.rollouts == "" then
  error("--rollouts FILE is needed: failed_step_….jsonl or rollouts.jsonl of a run's folder", 0)
end

local step, rollouts, given = option.step, {}, {}
for line in fm.read({ path = option.rollouts }):gmatch "[^\n]+" do
  local rollout = fm.json.decode { text = line }
  if option.step == 0 and rollout.step ~= step then
    step, rollouts = rollout.step, {}
  end
  if rollout.step == step then
    given = rollout.option or {}
    rollout.step, rollout.rollout, rollout.option, rollout.rewards = nil, nil, nil, nil
    rollouts[#rollouts + 1] = rollout
  end
end
if #rollouts == 0 then
  error(string.format("%s has no rollouts of step %d", option.rollouts, step), 0)
end

local reward = learn.open(option.rewards)
given.step = step
given.reasoner = reasoners.make(option.reasoner, option)
given.policy = option.policy and fm.model.load { path = option.policy } or nil
learn.needs(reward, given)
local batch = { rollouts = rollouts }
local credit = fm.reward.call { batch = batch, reward = reward, option = given, seconds = option.seconds }

-- The columns: the total, its parts, and what else the reward gives as numbers.
local columns, parts = { { name = "total", values = credit.total } }, {}
for name, values in pairs(credit.terms or {}) do
  parts[#parts + 1] = { name = name, values = values }
end
table.sort(parts, function(a, b) return a.name < b.name end)
table.move(parts, 1, #parts, 2, columns)
for _, name in ipairs { "advantages", "weights" } do
  if credit[name] then
    columns[#columns + 1] = { name = name, values = credit[name] }
  end
end

local function row(first, cell)
  local cells = { string.format("%6s", first) }
  for k, column in ipairs(columns) do
    cells[k + 1] = string.format("%" .. math.max(11, #column.name) .. "s", cell(column))
  end
  return table.concat(cells, "  ")
end

print(string.format("%d rollouts of step %d from %s, rewarded by %s", #rollouts, step, option.rollouts, reward.name or option.rewards))
for i, rollout in ipairs(rollouts) do
  local score = measure.score(rollout)
  print(string.format("\nrollout %d, of episode %d: %d questions, score %.3f", i, rollout.episode, #rollout.answers, score))
  print(row("step", function(column) return column.name end))
  for t = 1, #rollout.steps do
    print(row((rollout.first or 1) + t - 1, function(column)
      local value = column.values[i][t]
      -- Weights may be a list with one for each token.
      return type(value) == "table" and "by token" or string.format("%.4f", value)
    end))
  end
end
print("\nmean over all steps:")
print(row("", function(column) return column.name end))
print(row("", function(column)
  return type(column.values[1][1]) == "table" and "by token" or string.format("%.4f", measure.mean(column.values))
end))
