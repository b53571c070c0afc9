-- The figures of an audit: how the credit of each method agrees with the true effects, and how sure these are.

local fm = require "finemem"
local shared = require "rewards.shared"

local figures = { kinds = { "insert", "update", "delete" } }

-- Examples of each method: so many harmful operations that it pays for, and so many useful ones that it punishes.
local EXAMPLES = 3

-- Every operation, with all that holds for its step.
function figures.operations(done)
  local all = {}
  for _, part in ipairs(done) do
    for _, step in ipairs(part.steps) do
      for _, operation in ipairs(step.operations) do
        local row = table.clone(step)
        for name, value in pairs(operation) do
          row[name] = value
        end
        row.plan, row.part, row.step_effect, row.effect, row.operations = part.plan, part.part, step.effect, nil, nil
        table.insert(all, row)
      end
    end
  end
  return all
end

-- The rows for which `keep` returns true.
function figures.filtered(rows, keep)
  local kept = {}
  for _, row in ipairs(rows) do
    if keep(row) then
      table.insert(kept, row)
    end
  end
  return kept
end

-- The correlation of two numbers of rows, over episodes; `group` names a row's group, if only those of one group are compared.
local function correlation(rows, value, with, group)
  local values, others, units, groups = {}, {}, {}, {}
  for i, row in ipairs(rows) do
    values[i], others[i], units[i] = value(row), with(row), row.episode
    groups[i] = group and group(row)
  end
  return fm.metric.rank_correlation { values = values, with = others, units = units, groups = group and groups or nil, seed = 1 }
end

local function effect(row)
  return row.played_on
end

local function recorded(row)
  return row.recorded
end

local function share(rows, of)
  return #rows > 0 and #figures.filtered(rows, of) / #rows or nil
end

-- The figures of a method on its operations, as correlations.jsonl has them.
function figures.method(name, rows)
  local function credit(row) return row.credit[name] end
  local function above(row) return row.above[name] end
  local first = {}
  local steps = figures.filtered(rows, function(row)
    local key = string.format("%d/%d/%d", row.part, row.rollout, row.step)
    local new = not first[key]
    first[key] = true
    return new
  end)
  -- The shares of harmful operations that it pays for, and of useful ones that it punishes.
  local function wrong(of)
    local harmful = figures.filtered(of, function(row) return row.played_on < 0 end)
    local useful = figures.filtered(of, function(row) return row.played_on > 0 end)
    return { pays = share(harmful, function(row) return above(row) > 0 end), punishes = share(useful, function(row) return above(row) < 0 end) }
  end
  local made = {
    method = name, operations = #rows, all = correlation(rows, credit, effect),
    steps = correlation(steps, credit, function(row) return row.step_effect end),
    group = rows[1].group[name] and correlation(rows, credit, effect, function(row) return row.part .. "/" .. row.group[name] end),
    wrong = wrong(rows), by_kind = {},
  }
  for _, kind in ipairs(figures.kinds) do
    local of = figures.filtered(rows, function(row) return row.kind == kind end)
    made.by_kind[kind] = { operations = #of, all = correlation(of, credit, effect), wrong = wrong(of) }
  end
  return made
end

-- The worst errors of a method: harmful operations that it pays for if `sign` is 1, useful ones that it punishes if it is -1. They have the
-- largest products of effect and credit above the group's mean. The same call of an episode counts once.
function figures.worst(name, rows, sign)
  local wrong = figures.filtered(rows, function(row) return row.above[name] * sign > 0 and row.played_on * sign < 0 end)
  local function size(row) return math.abs(row.above[name] * row.played_on) end
  table.sort(wrong, function(a, b) return size(a) > size(b) end)
  local seen = {}
  local apart = figures.filtered(wrong, function(row)
    local key = row.episode .. row.step .. row.text
    local new = not seen[key]
    seen[key] = true
    return new
  end)
  return table.move(apart, 1, math.min(EXAMPLES, #apart), 1, {})
end

-- How the two effects agree, by kind of operation.
function figures.ways(rows)
  local list = {}
  for _, kind in ipairs { "all", table.unpack(figures.kinds) } do
    local of = figures.filtered(rows, function(row) return kind == "all" or row.kind == kind end)
    if #of > 0 then
      list[#list + 1] = {
        kind = kind, operations = #of, played_on = shared.mean(of, effect), recorded = shared.mean(of, recorded),
        useful = share(of, function(row) return row.played_on > 0 end), harmful = share(of, function(row) return row.played_on < 0 end),
        equal = share(of, function(row) return row.played_on == row.recorded end),
        agree = correlation(of, recorded, effect),
      }
    end
  end
  return list
end

local function variance(values)
  local mean = shared.mean(values)
  return shared.mean(values, function(value) return (value - mean) ^ 2 end) * #values / math.max(1, #values - 1)
end

-- How much an effect depends on the random numbers, from the operations that were also played on with others.
function figures.noise(rows)
  local measured = figures.filtered(rows, function(row) return row.others ~= nil end)
  if #measured == 0 then
    return nil
  end
  local means, all = {}, {}
  for i, row in ipairs(measured) do
    all[i] = shared.mean(row.others)
    means[row] = all[i]
  end
  return {
    operations = #measured, seeds = #measured[1].others,
    within = math.sqrt(shared.mean(measured, function(row) return variance(row.others) end)), between = math.sqrt(variance(all)),
    agree = correlation(measured, effect, function(row) return means[row] end),
    flips = share(figures.filtered(measured, function(row) return row.played_on ~= 0 end), function(row) return row.played_on * means[row] <= 0 end),
  }
end

return figures
