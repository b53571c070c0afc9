-- The methods of a comparison, and the table and page that come of their runs. Reports only read metrics.jsonl, in FOLDER/METHOD/SEED/, so
-- runs from another machine can be added by copying them there.

local fm = require "finemem"
local alarms = require "lib.alarms"
local arguments = require "lib.arguments"
local harm = require "lib.harm"
local household = require "lib.household"
local length = require "lib.length"
local loop = require "lib.loop"
local measure = require "lib.measure"
local published = require "lib.published"

local compare = {}

-- A method as it is run, from some of its options: its name, and all options of household.lua. `given` has what replaces the table's.
local function method(given, ...)
  local parts, made = {}, {}
  for _, from in ipairs { ... } do
    for key, value in pairs(from) do
      if key == "name" then
        parts[#parts + 1] = value
      elseif household.defaults[key] == nil then
        error(string.format("%s: '%s' is not an option of lib/household.lua", given.table, key), 0)
      else
        made[key] = value
      end
    end
  end
  for _, key in ipairs { "steps", "episodes", "group", "held_out" } do
    made[key] = given[key] or made[key] or household.defaults[key]
  end
  local name = table.concat(parts, ", ")
  if not name:match "^[%w+_ ,-]+$" then
    error(string.format("%s: '%s' is used as a folder's name; only letters, digits, spaces and + _ , - are allowed", given.table, name), 0)
  end
  loop.reward(made.rewards or household.defaults.rewards)
  return { name = name, option = made }
end

-- The methods of the table `given.table`, their names, the number of seeds, and the sizes of memory to evaluate with.
function compare.methods(given)
  arguments.module(given.table, "table")
  local of = require(given.table)
  local methods, names, known = {}, {}, {}
  for _, one in ipairs(of.methods) do
    for _, variant in ipairs(of.variants or { {} }) do
      local made = method(given, of.shared or {}, one, variant)
      if known[made.name] then
        error(string.format("%s: two methods have the name '%s'", given.table, made.name), 0)
      end
      known[made.name] = true
      methods[#methods + 1], names[#names + 1] = made, made.name
    end
  end
  return methods, names, given.seeds or of.seeds, of.sizes or {}
end

-- A point of a learning curve is the mean of this many steps, up to its own.
local SMOOTH = 3
-- The share of the best accuracy that has to be reached.
local SHARE = 0.9

-- Whether a run of so many steps is complete: trained to its end and evaluated.
function compare.done(rows, steps)
  local last = rows and rows[#rows]
  return last ~= nil and last.step >= steps and last["eval/accuracy"] ~= nil
end

-- The finished runs in folders, as a list of { name, runs = { [seed] = rows } }: first the methods of `names`, then the others by name.
-- Also the number of unfinished runs, which are left out, and the columns of the published files that runs have read.
function compare.read(folders, names)
  local methods, known, unfinished, columns = {}, {}, 0, {}
  local function add(name)
    if not known[name] then
      known[name] = { name = name, runs = {} }
      methods[#methods + 1] = known[name]
    end
    return known[name].runs
  end
  for _, name in ipairs(names) do
    add(name)
  end
  for _, folder in ipairs(folders) do
    for _, name in ipairs(fm.list { path = folder }) do
      local entries, inside = pcall(fm.list, { path = folder .. "/" .. name })
      for _, seed in ipairs(entries and inside or {}) do
        local own = string.format("%s/%s/%s", folder, name, seed)
        local rows = tonumber(seed) and measure.logged(own)
        if compare.done(rows, 0) then
          published.add(rows[#rows], own, columns)
          add(name)[tonumber(seed)] = rows
        elseif rows then
          unfinished += 1
        end
      end
    end
  end
  local found = {}
  for _, method in ipairs(methods) do
    if next(method.runs) then
      found[#found + 1] = method
    end
  end
  return found, unfinished, columns
end

local function seeds(method)
  local list = {}
  for seed in pairs(method.runs) do
    list[#list + 1] = seed
  end
  table.sort(list)
  return list
end

-- A learning curve, by step: the mean of a figure over the step and those before it. It begins at the first step with enough of them.
local function smooth(rows, name)
  local curve, width = {}, math.min(SMOOTH, #rows)
  for step = width, #rows do
    local sum = 0
    for i = step - width + 1, step do
      sum += rows[i][name] or 0
    end
    curve[step] = sum / width
  end
  return curve
end

-- The mean of what `of` returns for each run of a method, with its 95 % t interval; nil if it returns a number for none.
local function over(method, of)
  local values = {}
  for _, seed in ipairs(seeds(method)) do
    local value = of(method.runs[seed], seed)
    values[#values + 1] = type(value) == "number" and value or nil
  end
  return #values > 0 and fm.metric.student_interval { values = values } or nil
end

local function last(name)
  return function(rows)
    return rows[#rows][name]
  end
end

-- The mean of a figure over the steps of a run; nil if it was not logged.
local function mean_of(run, name)
  local sum, count = 0, 0
  for _, row in ipairs(run) do
    if type(row[name]) == "number" then
      sum, count = sum + row[name], count + 1
    end
  end
  return count > 0 and sum / count or nil
end

-- The learning curve of a method: a list of { step, interval }, for the steps that all its runs have.
local function curve(method, name)
  local curves, first, length = {}, 1, math.huge
  for seed, rows in pairs(method.runs) do
    curves[seed] = smooth(rows, name)
    first, length = math.max(first, math.min(SMOOTH, #rows)), math.min(length, #rows)
  end
  local points = {}
  for step = first, length do
    points[#points + 1] = { step = step, interval = over(method, function(_, seed) return curves[seed][step] end) }
  end
  return points
end

-- A row for each method: accuracy, its paired difference from the first method, the office's accuracy and its share of the gain, memory,
-- invalid calls, and the steps until it reached 90 % of the best learning curve. Only `reached` of its `n` runs did. `harm` has an interval
-- for each of harm.rows, or false, and `published` one for each of `columns`; `alarms` has those that hold for the means.
function compare.rows(methods, columns)
  local best = 0
  for _, method in ipairs(methods) do
    for _, point in ipairs(curve(method, "memory/accuracy")) do
      best = math.max(best, point.interval.mean)
    end
  end
  local rows = {}
  for i, method in ipairs(methods) do
    local steps, differences, first = {}, {}, methods[1].runs
    for _, seed in ipairs(seeds(method)) do
      local run = method.runs[seed]
      local values = smooth(run, "memory/accuracy")
      for step = 1, #run do
        if values[step] and values[step] >= SHARE * best then
          steps[#steps + 1] = step
          break
        end
      end
      if i > 1 and first[seed] then
        differences[#differences + 1] = last "eval/accuracy"(run) - last "eval/accuracy"(first[seed])
      end
    end
    rows[i] = {
      name = method.name, n = #seeds(method),
      accuracy = over(method, last "eval/accuracy"),
      difference = #differences > 0 and fm.metric.student_interval { values = differences } or nil,
      office = over(method, last "eval/office"), share = over(method, last "eval/office_share"),
      memory = over(method, last "eval/memory_tokens"),
      invalid = over(method, last "eval/invalid"),
      steps = #steps > 0 and fm.metric.student_interval { values = steps } or nil, reached = #steps,
      harm = {}, published = {},
    }
    local row = rows[i]
    for k, column in ipairs(columns) do
      row.published[k] = over(method, last(column.name)) or false
    end
    local figures = { accuracy = row.accuracy.mean, invalid = row.invalid and row.invalid.mean }
    for k, line in ipairs(harm.rows) do
      row.harm[k] = over(method, last("eval/" .. line.name)) or false
      figures[line.name] = row.harm[k] and row.harm[k].mean or nil
    end
    local dead = over(method, function(run) return mean_of(run, "frac_reward_zero_std") end)
    figures.frac_reward_zero_std = dead and dead.mean
    row.alarms = alarms.of(figures)
  end
  return rows
end

local columns = { "method", "runs", "accuracy", "against the first", "office accuracy", "its share of the gain", "memory, tokens", "steps to 90 % of the best", "invalid calls" }
local note = "Means over the runs' seeds with 95 % intervals by Student's t; against the first method, of paired seeds. The best is the highest "
  .. "point of a learning curve, which is the mean accuracy of " .. SMOOTH .. " training steps. Training gains accuracy in the held-out "
  .. "household episodes, and in the office, which it never sees, a share of that."

-- The tables with a column for each figure of a kind, as { title, note, field, columns }, if any run has such figures: `row[field]` has an
-- interval, or false, for each of the columns, which are { name, title, percent, digits }.
local function wide(rows, columns)
  local tables = {
    { title = "Harm", field = "harm", columns = harm.rows, note = "Of the held-out episodes; scripts/lib/harm.lua says how each figure is computed." },
    {
      title = "Published files", field = "published", columns = columns,
      note = "The scores of each source, and what the policy made of each file; scripts/lib/published.lua says how it read them.",
    },
  }
  local found = {}
  for _, one in ipairs(tables) do
    local any = false
    for _, row in ipairs(rows) do
      for _, interval in ipairs(row[one.field]) do
        any = any or interval ~= false
      end
    end
    found[#found + 1] = any and one or nil
  end
  return found
end

local function table_of(heading, lines)
  return "| " .. table.concat(heading, " | ") .. " |\n|" .. string.rep("---|", #heading) .. "\n" .. table.concat(lines, "\n") .. "\n\n"
end

-- A line for each alarm, with the methods that it holds for.
local function alarm_lines(rows)
  local order, methods = {}, {}
  for _, row in ipairs(rows) do
    for _, alarm in ipairs(row.alarms) do
      if not methods[alarm.name] then
        methods[alarm.name], order[#order + 1] = {}, alarm
      end
      table.insert(methods[alarm.name], row.name)
    end
  end
  local list = {}
  for i, alarm in ipairs(order) do
    list[i] = string.format("Alarm, %s, for %s: %s.", alarm.name, table.concat(methods[alarm.name], "; "), alarm.advice)
  end
  return list
end

-- The tables in Markdown, and the alarms. `published` are the columns that compare.read returns.
function compare.markdown(rows, published)
  local function shown(interval, digits, factor)
    if not interval then
      return "-"
    end
    local number = "%." .. digits .. "f"
    local text = string.format(number, interval.mean * (factor or 1))
    if interval.n < 2 then
      return text
    end
    return string.format("%s (" .. number .. " to " .. number .. ")", text, interval.low * (factor or 1), interval.high * (factor or 1))
  end
  local lines = {}
  for i, row in ipairs(rows) do
    local steps = shown(row.steps, 1)
    if row.reached < row.n then
      steps = string.format("%s; %d of %d runs reach it", steps, row.reached, row.n)
    end
    lines[i] = "| " .. table.concat({
      row.name, tostring(row.n), shown(row.accuracy, 3), shown(row.difference, 3), shown(row.office, 3), shown(row.share, 2),
      shown(row.memory, 0), steps,
      shown(row.invalid, 1, 100) .. " %",
    }, " | ") .. " |"
  end
  local text = table_of(columns, lines) .. note .. "\n"
  for _, one in ipairs(wide(rows, published)) do
    local heading, more = { "method" }, {}
    for k, column in ipairs(one.columns) do
      heading[k + 1] = column.title
    end
    for i, row in ipairs(rows) do
      local cells = { row.name }
      for k, column in ipairs(one.columns) do
        local found = row[one.field][k]
        cells[k + 1] = not found and "-" or column.percent and shown(found, 1, 100) .. " %" or shown(found, column.digits)
      end
      more[i] = "| " .. table.concat(cells, " | ") .. " |"
    end
    text ..= "\n" .. table_of(heading, more) .. one.note .. "\n"
  end
  for _, line in ipairs(alarm_lines(rows)) do
    text ..= "\n" .. line .. "\n"
  end
  return text
end

-- The points of a curve as a series of a chart.
local function series(name, points)
  local made = { name = name, x = {}, y = {}, low = {}, high = {} }
  for i, point in ipairs(points) do
    local interval = point.interval
    local alone = interval.n < 2
    made.x[i], made.y[i] = point.step, interval.mean
    made.low[i], made.high[i] = alone and interval.mean or interval.low, alone and interval.mean or interval.high
  end
  return made
end

-- A chart of stacked means over runs, with a series for each name.
local function stacked(method, kind, names, label)
  local chart = { title = method.name, kind = kind, series = {} }
  for k, name in ipairs(names) do
    local made = series(label(name), curve(method, name))
    made.low, made.high = nil, nil
    chart.series[k] = made
  end
  return chart
end

-- The names of the reward's terms in each method's figures. Those that most methods have come first, so that a term mostly keeps its
-- colour.
local function terms_of(methods)
  local count, all = {}, {}
  for i, method in ipairs(methods) do
    all[i] = {}
    local _, rows = next(method.runs)
    for name in pairs(rows[1]) do
      if name:match "^rewards/.*/mean$" then
        count[name] = (count[name] or 0) + 1
        table.insert(all[i], name)
      end
    end
  end
  for _, names in ipairs(all) do
    table.sort(names, function(a, b)
      if count[a] ~= count[b] then
        return count[a] > count[b]
      end
      return a < b
    end)
  end
  return all
end

-- Writes one page about all methods.
local function page(path, title, methods, rows, published)
  local function cell(interval)
    if not interval then
      return fm.json.null
    end
    return interval.n < 2 and interval.mean or { value = interval.mean, low = interval.low, high = interval.high }
  end
  local cells, curves, memories, kinds, shares, scatter = {}, {}, {}, {}, {}, {}
  local terms = terms_of(methods)
  for i, method in ipairs(methods) do
    local row = rows[i]
    cells[i] = {
      row.name, row.n, cell(row.accuracy), cell(row.difference), cell(row.office), cell(row.share), cell(row.memory), cell(row.steps), row.reached, cell(row.invalid),
    }
    curves[i] = series(method.name, curve(method, "memory/accuracy"))
    memories[i] = series(method.name, curve(method, "memory/memory_tokens"))
    kinds[i] = stacked(method, "areas", { "memory/insert", "memory/update", "memory/delete", "memory/skip" },
      function(name) return name:match "/(.*)" end)
    shares[i] = stacked(method, "shares", terms[i], function(name) return name:match "/(.*)/" end)
    local x, y = row.memory, row.accuracy
    scatter[i] = { name = method.name, x = { x.mean }, y = { y.mean } }
    if row.n > 1 then
      scatter[i].x_low, scatter[i].x_high, scatter[i].low, scatter[i].high = { x.low }, { x.high }, { y.low }, { y.high }
    end
  end
  local sections = {
    {
      kind = "table", title = "Evaluation", note = note, rows = cells,
      columns = {
        { name = "method" }, { name = "runs" }, { name = "accuracy", digits = 3 }, { name = "against the first", digits = 3 },
        { name = "office accuracy", digits = 3 }, { name = "its share of the gain", digits = 2 },
        { name = "memory, tokens", digits = 0 }, { name = "steps to 90 % of the best", digits = 1 }, { name = "runs that got there" },
        { name = "invalid calls", percent = true },
      },
    },
    {
      kind = "charts", title = "Learning", note = "Each point is the mean of " .. SMOOTH .. " training steps, over the seeds; the bands are 95 % intervals.",
      charts = {
        { title = "Answer accuracy in training", kind = "lines", series = curves },
        { title = "Memory", kind = "lines", y = "tokens", series = memories },
        { title = "Accuracy and memory, held-out episodes", kind = "scatter", x = "memory, tokens", y = "accuracy", series = scatter },
      },
    },
    { kind = "charts", title = "Operations per chunk", charts = kinds },
    { kind = "charts", title = "Shares of the reward, by term", note = "Of the sizes of the terms' means.", charts = shares },
  }
  for t, one in ipairs(wide(rows, published)) do
    local heads, body = { { name = "method" } }, {}
    for k, column in ipairs(one.columns) do
      heads[k + 1] = { name = column.title, percent = column.percent, digits = column.digits }
    end
    for i, row in ipairs(rows) do
      body[i] = { row.name }
      for k in ipairs(one.columns) do
        body[i][k + 1] = cell(row[one.field][k])
      end
    end
    table.insert(sections, 1 + t, { kind = "table", title = one.title, note = one.note, rows = body, columns = heads })
  end
  local raised = alarm_lines(rows)
  if #raised > 0 then
    table.insert(sections, 2, { kind = "text", title = "Alarms", text = table.concat(raised, "\n\n") })
  end
  fm.page.write { path = path, title = title, sections = sections }
end

-- Reports on all runs in `out` and in the folders that `add` lists: prints the table, and writes it and the page to `out`.
function compare.report(out, add, names, title)
  local folders = { out }
  for folder in (add or ""):gmatch "[^,]+" do
    folders[#folders + 1] = folder
  end
  local found, unfinished, columns = compare.read(folders, names)
  if #found == 0 then
    arguments.refuse("there is no finished run in %s", table.concat(folders, ", "))
  end
  local rows = compare.rows(found, columns)
  local text = compare.markdown(rows, columns)
  print("\n" .. text)
  if unfinished > 0 then
    print(string.format("%d unfinished runs are left out", unfinished))
  end
  fm.write { path = out .. "/table.md", text = text }
  page(out .. "/page.html", title, found, rows, columns)
  length.report(out, title, found)
  print(string.format("written: %s (table.md, page.html, and a folder for each run)", out))
end

return compare
