-- Tries a reward on rollouts that a run has kept, without training.

local fm = require "finemem"
local arguments = require "lib.arguments"
local loop = require "lib.loop"
local measure = require "lib.measure"
local reasoners = require "lib.reasoners"

local option = arguments.read([[
Tries a reward on rollouts that a run has kept, without training: prints what each step gets, and for what.

  finemem-engine run scripts/replay.lua -- --rollouts RUN/failed_step_3.jsonl [--rewards NAME] [--step N]

A file that a run wrote when its reward failed also has the settings that the reward was given. rollouts.jsonl has only some of each group's
rollouts, so what compares them differs from the run. Neither file holds the policy: rewards that need one, such as infomem, use --policy.]], reasoners.with {
  { "rollouts", "FILE", nil, "failed_step_….jsonl or rollouts.jsonl of a run's folder", required = true },
  { "rewards", "NAME", "finemem", "a reward of scripts/rewards, or a module whose name has a dot" },
  { "step", "integer", 0, "the step whose rollouts are read; 0 is the last in the file" },
  { "reasoner", "NAME", "extractive", "what answers: extractive, a model folder or NAME@http://…" },
  { "policy", "DIR", nil, "the model folder of a policy, for rewards that need one" },
  { "seconds", "number", nil, "seconds that the reward may take; by default the engine's limit" },
})

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
  arguments.refuse("%s has no rollouts of step %d", option.rollouts, step)
end

local reward = loop.reward(option.rewards)
given.step = step
given.reasoner = reasoners.make(option.reasoner, option)
given.policy = option.policy and fm.model.load { path = option.policy } or nil
if table.find(reward.needs or {}, "policy") and not given.policy then
  arguments.refuse("the reward %s needs a policy: name one with --policy DIR", option.rewards)
end
local batch = { rollouts = rollouts }
local credit = fm.reward.call { batch = batch, reward = reward, option = given, seconds = option.seconds }

-- The columns: the total, its terms, and the other numbers that the reward gives.
local columns, terms = { { name = "total", values = credit.total } }, {}
for name, values in pairs(credit.terms or {}) do
  terms[#terms + 1] = { name = name, values = values }
end
table.sort(terms, function(a, b) return a.name < b.name end)
table.move(terms, 1, #terms, 2, columns)
for _, name in ipairs { "advantages", "weights" } do
  if credit[name] then
    columns[#columns + 1] = { name = name, values = credit[name] }
  end
end

-- A line of the table, with what `cell` returns for each column. Weights may be a list, with one for each token.
local function row(first, cell)
  local cells = { string.format("%6s", first) }
  for k, column in ipairs(columns) do
    local value = cell(column)
    local text = type(value) == "number" and string.format("%.4f", value) or type(value) == "table" and "by token" or value
    cells[k + 1] = string.format("%" .. math.max(11, #column.name) .. "s", text)
  end
  print(table.concat(cells, "  "))
end

print(string.format("%d rollouts of step %d from %s, rewarded by %s", #rollouts, step, option.rollouts, reward.name or option.rewards))
for i, rollout in ipairs(rollouts) do
  local score = measure.score(rollout)
  print(string.format("\nrollout %d, of episode %d: %d questions, score %.3f", i, rollout.episode, #rollout.answers, score))
  row("step", function(column) return column.name end)
  for t = 1, #rollout.steps do
    row((rollout.first or 1) + t - 1, function(column) return column.values[i][t] end)
  end
end
print("\nmean over all steps:")
row("", function(column) return column.name end)
row("", function(column)
  return type(column.values[1][1]) == "table" and "by token" or measure.mean(column.values)
end)
