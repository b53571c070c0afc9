-- What an audit leaves: tables for the terminal and in Markdown, lines, a summary and a page.

local fm = require "finemem"
local figures = require "lib.audit.figures"

local report = {}

local how = [[
The true effect of an operation is the mean score of the episode's final questions as played, less that of the same rollout without the operation, where the policy goes on from the changed memory with the same random numbers. An effect above 0 is useful, one below 0 harmful.

The correlations are Spearman's, between this effect and what a method gives to the operation's step, with 95 % bootstrap intervals over episodes. Credit is the reward's total; where whole rollouts are compared, its mean over the rollout; for a reward that gives advantages, the advantage. "Same group" only compares operations whose steps the update compares with one another. "Steps" sets the credit beside the effect of all operations of the step together. Weights of steps are not counted.

"Pays for harm" is the share of harmful operations whose step gets more than the mean of its group, or a positive advantage; "punishes use" is the share of useful operations whose step gets less, or a negative advantage. Methods with an asterisk roll out in their own way, so their operations are others than those of the methods that share whole episodes.]]

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

-- A table as Markdown, and as a section of a page. A column is { heading, of(row), percent, digits }.
local function shape(title, columns, rows)
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
  return table.concat(lines, "\n"), { kind = "table", title = title, columns = made, rows = cells }
end

local function field(name)
  return function(row) return row[name] end
end

local function lines_of(rows)
  local lines = {}
  for i, row in ipairs(rows) do
    lines[i] = fm.json.encode { value = row } .. "\n"
  end
  return table.concat(lines)
end

-- The methods' figures and their worst errors, from the rows of their plans.
local function methods_of(plans, rows)
  local methods, examples = {}, {}
  for _, plan in ipairs(plans) do
    local own = figures.filtered(rows, function(row) return row.plan == plan.name end)
    for _, method in ipairs(#own > 0 and plan.methods or {}) do
      local made = figures.method(method.name, own)
      made.name = method.name .. (plan.reward.rollout and " *" or "")
      table.insert(methods, made)
      for _, sign in ipairs { 1, -1 } do
        for _, row in ipairs(figures.worst(method.name, own, sign)) do
          table.insert(examples, { method = method.name, wrong = sign == 1 and "pays for harm" or "punishes use", row = row })
        end
      end
    end
  end
  local function value(made)
    return made.all and made.all.value or -2
  end
  table.sort(methods, function(a, b)
    return value(a) > value(b) or value(a) == value(b) and a.name < b.name
  end)
  return methods, examples
end

-- The tables, each as its text and its section.
local function tables_of(methods, ways, examples)
  local columns = {
    { "method", field "name" }, { "operations", field "operations", nil, 0 }, { "all", field "all" }, { "same group", field "group" },
    { "steps", field "steps" },
  }
  local wrong = { { "method", field "name" } }
  for _, kind in ipairs { "all", table.unpack(figures.kinds) } do
    local function of(row)
      return kind == "all" and row or row.by_kind[kind]
    end
    if kind ~= "all" then
      table.insert(columns, { kind .. "s", function(row) return of(row).all end })
    end
    table.insert(wrong, { "pays for harm: " .. kind, function(row) return of(row).wrong.pays end, true })
    table.insert(wrong, { "punishes use: " .. kind, function(row) return of(row).wrong.punishes end, true })
  end
  local function of(name)
    return function(example)
      local value = example.row[name]
      return type(value) == "table" and value[example.method] or value
    end
  end
  return {
    { shape("Rank correlation of credit with the true effect", columns, methods) },
    { shape("Wrong signs, by kind of operation", wrong, methods) },
    { shape("The effect of operations", {
      { "kind", field "kind" }, { "operations", field "operations", nil, 0 }, { "mean effect", field "played_on" },
      { "useful", field "useful", true }, { "harmful", field "harmful", true }, { "mean effect, later calls as recorded", field "recorded" },
      { "both effects equal", field "equal", true }, { "rank correlation of both", field "agree" },
    }, ways) },
    { shape("Operations that methods reward wrongly", {
      { "method", field "method" }, { "error", field "wrong" }, { "chunk", of "chunk" }, { "call", of "text" }, { "credit", of "credit" },
      { "above its group", of "above" }, { "effect", of "played_on" }, { "later calls as recorded", of "recorded" },
    }, examples) },
  }
end

-- How sure the effects are, in words.
local function said(noise)
  return noise and string.format(
    "Noise: %d operations were also played on with %d other seeds. The effect of an operation has a standard deviation of %.3f over these seeds; its mean "
      .. "over them has one of %.3f over operations. The rank correlation of the effects in the tables with these means is %s. Of the effects that are "
      .. "not 0, %s have a mean that is 0 or of the other sign.",
    noise.operations, noise.seeds, noise.within, noise.between, shown(noise.agree), shown(noise.flips, true))
    or "No operation was played on with other random numbers."
end

-- The correlations of methods, as a chart.
local function chart(methods)
  local series = {}
  for _, made in ipairs(methods) do
    if made.all and made.group then
      table.insert(series, {
        name = made.name, x = { made.group.value }, y = { made.all.value }, x_low = { made.group.low }, x_high = { made.group.high },
        low = { made.all.low }, high = { made.all.high },
      })
    end
  end
  return {
    title = "Rank correlation with the true effect", kind = "scatter", x = "operations of the same group", y = "all operations", series = series,
  }
end

-- Reports on the parts of an audit of these plans: prints the tables, and writes table.md, page.html, operations.jsonl, correlations.jsonl
-- and summary.json to the folder. `about` says what was audited.
function report.all(folder, plans, done, about)
  local rows = figures.operations(done)
  local methods, examples = methods_of(plans, rows)
  local first = figures.filtered(rows, function(row) return row.plan == plans[1].name end)
  local ways, noise = figures.ways(first), figures.noise(first)
  local tables = tables_of(methods, ways, examples)
  local effects = (#plans > 1 and "The effects below are those of the operations of " .. plans[1].name .. ". " or "") .. said(noise)
  local text = table.concat({ about, tables[1][1], how, tables[2][1], effects, tables[3][1] }, "\n\n")
  print("\n" .. text .. "\n")
  fm.write { path = folder .. "/table.md", text = text .. "\n\n" .. tables[4][1] .. "\n" }
  fm.write { path = folder .. "/operations.jsonl", text = lines_of(rows) }
  fm.write { path = folder .. "/correlations.jsonl", text = lines_of(methods) }
  fm.write { path = folder .. "/summary.json", text = fm.json.encode { value = { about = about, effects = ways, noise = noise }, pretty = true } }
  fm.page.write {
    path = folder .. "/page.html", title = "Audit of credit",
    sections = {
      { kind = "text", text = about }, tables[1][2], { kind = "text", text = how }, { kind = "charts", charts = { chart(methods) } }, tables[2][2],
      { kind = "text", text = effects }, tables[3][2], tables[4][2],
    },
  }
  print("written: " .. folder .. " (table.md, page.html, operations.jsonl, correlations.jsonl, summary.json)")
end

return report
