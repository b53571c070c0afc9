-- What an audit leaves: how the credit of each method agrees with the true effects, as a table, lines and a page.

local fm = require "finemem"
local shared = require "rewards.shared"

local report = {}

-- The kinds of operations, in the order of the tables.
local KINDS = { "insert", "update", "delete" }
-- Examples of each method: so many harmful operations that it pays for, and so many useful ones that it punishes.
local EXAMPLES = 3

local how = [[
The true effect of an operation is the mean score of the episode's final questions as played, less that of the same rollout without the operation, where the policy goes on from the changed memory with the same random numbers. An effect above 0 is useful, one below 0 harmful.

The correlations are Spearman's, between this effect and what a method gives to the operation's step, with 95 % bootstrap intervals over episodes. Credit is the reward's total; where whole rollouts are compared, its mean over the rollout; for a reward that gives advantages, the advantage. "Same group" only compares operations whose steps the update compares with one another. "Steps" sets the credit beside the effect of all operations of the step together. Weights of steps are not counted.

"Pays for harm" is the share of harmful operations whose step gets more than the mean of its group, or a positive advantage; "punishes use" is the share of useful operations whose step gets less, or a negative advantage. Methods with an asterisk roll out in their own way, so their operations are others than those of the methods that share whole episodes.]]

-- Every operation, with all that holds for its step.
local function operations_of(done)
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
local function filtered(rows, keep)
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
  return #rows > 0 and #filtered(rows, of) / #rows or nil
end

-- The figures of a method on its operations.
local function figures(name, rows)
  local function credit(row) return row.credit[name] end
  local function above(row) return row.above[name] end
  local first = {}
  local steps = filtered(rows, function(row)
    local key = string.format("%d/%d/%d", row.part, row.rollout, row.step)
    local new = not first[key]
    first[key] = true
    return new
  end)
  local harmful = filtered(rows, function(row) return row.played_on < 0 end)
  local useful = filtered(rows, function(row) return row.played_on > 0 end)
  local made = {
    method = name, operations = #rows, all = correlation(rows, credit, effect),
    steps = correlation(steps, credit, function(row) return row.step_effect end),
    group = rows[1].group[name] and correlation(rows, credit, effect, function(row) return row.part .. "/" .. row.group[name] end),
    pays = share(harmful, function(row) return above(row) > 0 end), punishes = share(useful, function(row) return above(row) < 0 end),
  }
  for _, kind in ipairs(KINDS) do
    made[kind] = correlation(filtered(rows, function(row) return row.kind == kind end), credit, effect)
  end
  return made, harmful, useful
end

-- The worst errors of a method among rows: those with the largest product of effect and credit, each call of an episode once.
local function worst(name, rows, sign)
  local wrong = filtered(rows, function(row) return row.above[name] * sign > 0 end)
  local function size(row) return math.abs(row.above[name] * row.played_on) end
  table.sort(wrong, function(a, b) return size(a) > size(b) end)
  local seen = {}
  local apart = filtered(wrong, function(row)
    local key = row.episode .. row.step .. row.text
    local new = not seen[key]
    seen[key] = true
    return new
  end)
  return table.move(apart, 1, math.min(EXAMPLES, #apart), 1, {})
end

-- How the two effects agree, by kind of operation.
local function ways(rows)
  local list = {}
  for _, kind in ipairs { "all", table.unpack(KINDS) } do
    local of = filtered(rows, function(row) return kind == "all" or row.kind == kind end)
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

-- How much an effect depends on the random numbers: from the operations that were also played on with others.
local function noise(rows)
  local measured = filtered(rows, function(row) return row.others ~= nil end)
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
    flips = share(filtered(measured, function(row) return row.played_on ~= 0 end), function(row) return row.played_on * means[row] <= 0 end),
  }
end

local function shown(found, percent)
  if not found then
    return "-"
  elseif type(found) == "number" then
    return percent and string.format("%.0f %%", 100 * found) or string.format("%.3f", found)
  end
  return string.format("%.2f (%.2f to %.2f)", found.value, found.low, found.high)
end

local function cell(found)
  return found or fm.json.null
end

-- A table as Markdown, and as a section of a page. A column is { heading, of(row), percent }.
local function shape(title, columns, rows, note)
  local heads, lines, cells, made = {}, {}, {}, {}
  for c, column in ipairs(columns) do
    heads[c], made[c] = column[1], { name = column[1], percent = column[3], digits = column[4] or 3 }
  end
  lines[1], lines[2] = "| " .. table.concat(heads, " | ") .. " |", "|" .. string.rep("---|", #columns)
  for r, row in ipairs(rows) do
    local texts = {}
    cells[r] = {}
    for c, column in ipairs(columns) do
      local found = column[2](row)
      cells[r][c] = cell(found)
      texts[c] = type(found) == "string" and found:gsub("|", "\\|"):gsub("\n", " ") or column[4] == 0 and tostring(found) or shown(found, column[3])
    end
    lines[r + 2] = "| " .. table.concat(texts, " | ") .. " |"
  end
  return table.concat(lines, "\n"), { kind = "table", title = title, columns = made, rows = cells, note = note }
end

local function field(name)
  return function(row) return row[name] end
end

-- Reports on the parts of an audit of these plans: prints the table, and writes table.md, page.html, operations.jsonl (a line for each
-- operation) and correlations.jsonl (a line for each method) to the folder. `about` says what was audited.
function report.all(folder, plans, done, about)
  local rows, lines = operations_of(done), {}
  for i, row in ipairs(rows) do
    lines[i] = fm.json.encode { value = row } .. "\n"
  end
  fm.write { path = folder .. "/operations.jsonl", text = table.concat(lines) }

  local methods, examples, series, first = {}, {}, {}, nil
  for _, plan in ipairs(plans) do
    local own = filtered(rows, function(row) return row.plan == plan.name end)
    first = first or own
    for _, method in ipairs(#own > 0 and plan.methods or {}) do
      local made, harmful, useful = figures(method.name, own)
      made.name = method.name .. (plan.reward.rollout and " *" or "")
      table.insert(methods, made)
      for _, row in ipairs(worst(method.name, harmful, 1)) do
        table.insert(examples, { method = method.name, wrong = "pays for harm", row = row })
      end
      for _, row in ipairs(worst(method.name, useful, -1)) do
        table.insert(examples, { method = method.name, wrong = "punishes use", row = row })
      end
    end
  end
  table.sort(methods, function(a, b)
    local x, y = a.all and a.all.value or -2, b.all and b.all.value or -2
    return x > y or x == y and a.name < b.name
  end)
  lines = {}
  for i, made in ipairs(methods) do
    lines[i] = fm.json.encode { value = made } .. "\n"
    if made.all and made.group then
      table.insert(series, {
        name = made.name, x = { made.group.value }, y = { made.all.value }, x_low = { made.group.low }, x_high = { made.group.high },
        low = { made.all.low }, high = { made.all.high },
      })
    end
  end
  fm.write { path = folder .. "/correlations.jsonl", text = table.concat(lines) }

  local columns = {
    { "method", field "name" }, { "operations", field "operations", nil, 0 }, { "all", field "all" }, { "same group", field "group" },
    { "steps", field "steps" },
  }
  for _, kind in ipairs(KINDS) do
    table.insert(columns, { kind .. "s", field(kind) })
  end
  table.insert(columns, { "pays for harm", field "pays", true })
  table.insert(columns, { "punishes use", field "punishes", true })
  local correlations, page_correlations = shape("Rank correlation of credit with the true effect", columns, methods)
  local kinds, page_kinds = shape("The effect of operations", {
    { "kind", field "kind" }, { "operations", field "operations", nil, 0 }, { "mean effect", field "played_on" },
    { "useful", field "useful", true }, { "harmful", field "harmful", true }, { "mean effect, later calls as recorded", field "recorded" },
    { "both effects equal", field "equal", true }, { "rank correlation of both", field "agree" },
  }, ways(first or {}), "Of the methods that share whole episodes, or of the first method. An effect is useful or harmful as the policy goes on.")
  local function of(name, digits)
    return function(example)
      local value = example.row[name]
      return type(value) == "table" and value[example.method] or value
    end
  end
  local wrong, page_wrong = shape("Operations that methods reward wrongly", {
    { "method", field "method" }, { "error", field "wrong" }, { "chunk", of "chunk" }, { "call", of "text" }, { "credit", of "credit" },
    { "above its group", of "above" }, { "effect", of "played_on" }, { "later calls as recorded", of "recorded" },
  }, examples, "The largest products of effect and credit above the group's mean.")

  local noisy, said = noise(first or {}), "No operation was played on with other random numbers."
  if noisy then
    said = string.format(
      "Noise: %d operations were also played on with %d other seeds. The effect of an operation has a standard deviation of %.3f over these seeds; its mean "
        .. "over them has one of %.3f over operations. The rank correlation of the effects in the table with these means is %s. Of the effects that are "
        .. "not 0, %s have a mean that is 0 or of the other sign.",
      noisy.operations, noisy.seeds, noisy.within, noisy.between, shown(noisy.agree), shown(noisy.flips, true))
  end
  local text = table.concat({ about, correlations, how, kinds, said, wrong }, "\n\n") .. "\n"
  fm.write { path = folder .. "/table.md", text = text }
  local sections = { { kind = "text", text = about }, page_correlations, { kind = "text", text = how } }
  if #series > 0 then
    table.insert(sections, { kind = "charts", charts = { {
      title = "Rank correlation with the true effect", kind = "scatter", x = "operations of the same group", y = "all operations", series = series,
    } } })
  end
  for _, section in ipairs { page_kinds, { kind = "text", text = said }, page_wrong } do
    table.insert(sections, section)
  end
  fm.page.write { path = folder .. "/page.html", title = "Audit of credit", sections = sections }
  print("\n" .. table.concat({ about, correlations, kinds, said }, "\n\n") .. "\n")
  print("written: " .. folder .. " (table.md, page.html, operations.jsonl, correlations.jsonl)")
end

return report
