-- What several rewards are built from. In all lists, `[i][t]` is step t of rollout i.

local fm = require "finemem"

local shared = {}

-- `value(rollout, t, i)` for every step.
function shared.each(batch, value)
  local all = {}
  for i, rollout in ipairs(batch.rollouts) do
    all[i] = {}
    for t = 1, #rollout.steps do
      all[i][t] = value(rollout, t, i)
    end
  end
  return all
end

-- `value(rollout, i)`, the same for every step of a rollout.
function shared.every(batch, value)
  local all = {}
  for i, rollout in ipairs(batch.rollouts) do
    all[i] = table.create(#rollout.steps, value(rollout, i))
  end
  return all
end

function shared.zeros(batch)
  return shared.every(batch, function()
    return 0
  end)
end

-- The weighted sum of parts, each given as `parts[name] = { weight, values }`. Returns { total, terms }, with the terms already weighted.
function shared.sum(batch, parts)
  local names, terms = {}, {}
  for name, part in pairs(parts) do
    names[#names + 1] = name
    terms[name] = shared.each(batch, function(_, t, i)
      return part[1] * part[2][i][t]
    end)
  end
  table.sort(names)
  local total = shared.each(batch, function(_, t, i)
    local sum = 0
    for _, name in ipairs(names) do
      sum += terms[name][i][t]
    end
    return sum
  end)
  return { total = total, terms = terms }
end

-- The mean of `value(element)` over a list; 0 for an empty one.
function shared.mean(list, value)
  local sum = 0
  for _, element in ipairs(list) do
    sum += value and value(element) or element
  end
  return sum / math.max(1, #list)
end

-- The mean score of answers.
function shared.score(answers)
  return shared.mean(answers, function(answer)
    return answer.score
  end)
end

-- The rollouts that are compared with one another, as lists of their places in the batch: a list for each episode and each state that they
-- began from.
function shared.groups(batch)
  local known, groups = {}, {}
  for i, rollout in ipairs(batch.rollouts) do
    local key = tostring(rollout.state) .. "/" .. rollout.episode
    if not known[key] then
      known[key] = {}
      groups[#groups + 1] = known[key]
    end
    table.insert(known[key], i)
  end
  return groups
end

-- The number of a rollout's t-th step in its episode. A branch does not begin with the first step.
function shared.number(rollout, t)
  return (rollout.first or 1) + t - 1
end

-- Whether `step` is among the chunks that prove the gold answer. If the question does not name them, every step may be.
function shared.proves(answer, step)
  return answer.chunks == nil or table.find(answer.chunks, step) ~= nil
end

-- The score that another answer to the same question would have.
function shared.rescore(asked, text)
  return fm.metric.score { metric = asked.metric or "substring_exact_match", answer = text, gold = asked.gold, kind = asked.kind }
end

-- The items that a step wrote and that are still in its memory.
function shared.written(step)
  local items = {}
  for _, item in ipairs(step.memory_after) do
    if table.find(step.written, item.id) then
      items[#items + 1] = item
    end
  end
  return items
end

-- For each case { item, asked }: 1 if the reasoner can answer one of the questions correctly from the item alone, else 0. This stands in
-- for a judge who compares the item with the text. All cases are one batch.
function shared.useful(reasoner, cases)
  local queries, useful = {}, table.create(#cases, 0)
  for _, case in ipairs(cases) do
    for _, question in ipairs(case.asked) do
      queries[#queries + 1] = { question = question.question, items = { case.item } }
    end
  end
  local answers, n = reasoner:answer_all { queries = queries }, 0
  for c, case in ipairs(cases) do
    for _, question in ipairs(case.asked) do
      n += 1
      if answers[n].known and shared.rescore(question, answers[n].text) == 1 then
        useful[c] = 1
      end
    end
  end
  return useful
end

return shared
