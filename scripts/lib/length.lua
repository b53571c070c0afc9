-- What the size of the memory does to policies: figures of a comparison's runs by the number of items that the memory holds before an
-- episode. compare.lua logs them as `size/300/told` and so on, if its table has `sizes`.

local fm = require "finemem"

local length = {}

-- The figures that are drawn, as household.measure_at names them.
local figures = {
  { name = "told", title = "Accuracy, what the texts tell", y = "share of the questions" },
  { name = "kept", title = "Accuracy, what they do not touch", y = "share of the questions" },
  { name = "wrong_updates", title = "Wrong overwrites", y = "share of the updates", percent = true },
  { name = "facts_lost", title = "Facts lost", y = "share of the facts that are true", percent = true },
}

local note = "By the number of items that the memory holds before an episode; means over seeds with 95 % intervals by Student's t."

-- Adds the figures at a size to those of a run's last step.
function length.log(stats, size, found)
  for _, figure in ipairs(figures) do
    stats[string.format("size/%d/%s", size, figure.name)] = found[figure.name]
  end
end

-- The sizes at which any of the methods was measured.
local function sizes_of(methods)
  local list, known = {}, {}
  for _, method in ipairs(methods) do
    for _, rows in pairs(method.runs) do
      for name in pairs(rows[#rows]) do
        local size = tonumber(name:match "^size/(%d+)/")
        if size and not known[size] then
          known[size], list[#list + 1] = true, size
        end
      end
    end
  end
  table.sort(list)
  return list
end

-- The mean of a figure over a method's runs; nil if none has it.
local function at(method, size, figure)
  local values = {}
  for _, rows in pairs(method.runs) do
    local value = rows[#rows][string.format("size/%d/%s", size, figure.name)]
    values[#values + 1] = type(value) == "number" and value or nil
  end
  table.sort(values)
  return #values > 0 and fm.metric.student_interval { values = values } or nil
end

local function shown(interval, figure)
  if not interval then
    return "-"
  end
  local factor, number = figure.percent and 100 or 1, figure.percent and "%.1f" or "%.3f"
  local text = string.format(number, factor * interval.mean)
  if interval.n > 1 then
    text ..= string.format(" (" .. number .. " to " .. number .. ")", factor * interval.low, factor * interval.high)
  end
  return figure.percent and text .. " %" or text
end

-- A table for each figure, in Markdown: a row for each method, a column for each size. nil if no method was measured at any size.
function length.markdown(methods)
  local sizes, parts = sizes_of(methods), {}
  if #sizes == 0 then
    return nil
  end
  for _, figure in ipairs(figures) do
    local lines = { "| " .. figure.title .. " | " .. table.concat(sizes, " | ") .. " |", "|" .. string.rep("---|", #sizes + 1) }
    for _, method in ipairs(methods) do
      local cells = { method.name }
      for i, size in ipairs(sizes) do
        cells[i + 1] = shown(at(method, size, figure), figure)
      end
      lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
    end
    parts[#parts + 1] = table.concat(lines, "\n")
  end
  return table.concat(parts, "\n\n") .. "\n\n" .. note .. "\n"
end

-- The charts of the figures, as a section of a page.
function length.section(methods)
  local sizes, charts = sizes_of(methods), {}
  for k, figure in ipairs(figures) do
    local chart = { title = figure.title, kind = "lines", x = "items, decimal logarithm", y = figure.y, percent = figure.percent, series = {} }
    for i, method in ipairs(methods) do
      local one = { name = method.name, x = {}, y = {}, low = {}, high = {} }
      for j, size in ipairs(sizes) do
        local interval = at(method, size, figure)
        one.x[j], one.y[j] = math.log10(size), interval and interval.mean or fm.json.null
        local alone = not interval or interval.n < 2
        one.low[j], one.high[j] = alone and one.y[j] or interval.low, alone and one.y[j] or interval.high
      end
      chart.series[i] = one
    end
    charts[k] = chart
  end
  return { kind = "charts", title = "Size of the memory", note = note, charts = charts }
end

-- Reports on the methods in `folder`: prints the tables, and writes them and a page. Does nothing if no method was measured at any size.
function length.report(folder, title, methods)
  local text = length.markdown(methods)
  if not text then
    return
  end
  print("\n" .. text)
  fm.write { path = folder .. "/length.md", text = text }
  fm.page.write { path = folder .. "/length.html", title = title, sections = { length.section(methods) } }
  print(string.format("written: %s (length.md, length.html)", folder))
end

return length
