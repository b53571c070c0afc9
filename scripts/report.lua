-- What an evaluation leaves of its methods: tables for a terminal and Markdown, lines of results, a page.

local fm = require "finemem"

local report = {}

-- LoCoMo's file has numbers.
local categories = { ["1"] = "multi-hop", ["2"] = "temporal", ["3"] = "open-domain", ["4"] = "single-hop", ["5"] = "adversarial" }

local function number(value, digits)
  return value and string.format("%." .. digits .. "f", value) or "-"
end

-- A list of its own that JSON does not take for an object if it is empty.
function report.list(of)
  return table.move(of, 1, #of, 1, fm.json.decode { text = "[]" })
end

local function share(part, all)
  return string.format("%.1f %%", 100 * part / math.max(1, all))
end

local function interval(value)
  return value and string.format("%.3f (%.3f-%.3f)", value.mean, value.low, value.high) or "-"
end

-- The kind of a question as people know it.
local function kind_of(kind, metric)
  return metric == "locomo_f1" and categories[kind] or kind
end

-- Answers with such kinds.
local function named(answers)
  local list = {}
  for i, answer in ipairs(answers) do
    list[i] = table.clone(answer)
    list[i].kind = kind_of(answer.kind, answer.metric)
  end
  return list
end

-- Calls that were carried out, by tool, a chunk: the most frequent first.
local function by_tool(calls, chunks)
  local names, parts = {}, {}
  for name in pairs(calls.tools) do
    names[#names + 1] = name
  end
  table.sort(names, function(a, b)
    return calls.tools[a] > calls.tools[b] or calls.tools[a] == calls.tools[b] and a < b
  end)
  for i, name in ipairs(names) do
    parts[i] = string.format("%s %.2f", name, calls.tools[name] / chunks)
  end
  return #parts > 0 and table.concat(parts, ", ") or "none"
end

-- The tables of `runs`, what evaluation.run gives, with their `figures`: a list of { title, columns, rows of texts }.
function report.tables(runs, figures)
  local scores = { title = "Scores", columns = { "method", "source", "metric", "score (95 % interval)", "questions" }, rows = {} }
  local kinds = { title = "Scores by kind of question", columns = { "method", "source", "kind", "metric", "score (95 % interval)", "questions" }, rows = {} }
  local averages = { title = "Averages", columns = { "method", "mean over sources", "mean over questions", "memory tokens", "of the input" }, rows = {} }
  local calls = { title = "Calls of models", columns = { "method", "carried out, a chunk", "not valid", "unreadable", "chunks without a call" }, rows = {} }
  local costs = {
    title = "Cost",
    columns = { "method", "chunks", "ms a chunk", "policy tokens in", "out", "questions", "ms a question", "reasoner tokens in", "out", "requests" },
    rows = {},
  }
  local judging = { title = "Cost of the judge", columns = { "method", "judge tokens in", "out", "requests" }, rows = {} }
  -- Whether the file names the chunks that hold the evidence.
  local proven = false
  for _, one in ipairs(figures) do
    proven = proven or one.precision ~= nil
  end
  if proven then
    table.insert(averages.columns, "evidence precision")
    table.insert(averages.columns, "evidence recall")
  end
  local labels, kinded, served = false, false, false
  for i, one in ipairs(figures) do
    labels, kinded = labels or next(one.lenient) ~= nil, kinded or #one.kinds.rows > 0
    served = served or runs[i].cost.requests > 0
  end
  if labels then
    table.insert(scores.columns, 5, "lenient")
  end
  if kinded then
    table.insert(averages.columns, 4, "mean over kinds")
  end
  if served then
    table.insert(costs.columns, 8, "of the server")
  end
  for i, done in ipairs(runs) do
    local cost, summary = done.cost, figures[i].summary
    for _, row in ipairs(summary.rows) do
      local line = { done.method, row.source, row.metric, interval(row), tostring(row.n) }
      if labels then
        table.insert(line, 5, number(figures[i].lenient[row.source], 3))
      end
      scores.rows[#scores.rows + 1] = line
    end
    -- In order of kind.
    local by_kind = table.move(figures[i].kinds.rows, 1, #figures[i].kinds.rows, 1, {})
    table.sort(by_kind, function(a, b) return a.source < b.source end)
    for _, row in ipairs(by_kind) do
      local source, kind = row.source:match "^(.*)\n(.*)$"
      kinds.rows[#kinds.rows + 1] = { done.method, source, kind_of(kind, row.metric), row.metric, interval(row), tostring(row.n) }
    end
    averages.rows[i] = {
      done.method, interval(summary.over_sources), interval(summary.over_questions), tostring(cost.memory_tokens),
      share(cost.memory_tokens, cost.input_tokens),
      proven and number(figures[i].precision, 3) or nil, proven and number(figures[i].recall, 3) or nil,
    }
    if kinded then
      table.insert(averages.rows[i], 4, interval(figures[i].over_kinds))
    end
    local made = done.calls
    if made then
      calls.rows[#calls.rows + 1] = {
        done.method, by_tool(made, cost.chunks), share(made.invalid, made.all), share(made.unreadable, made.all), share(made.silent, cost.chunks),
      }
    end
    costs.rows[i] = {
      done.method, tostring(cost.chunks), number(1000 * cost.build_seconds / math.max(1, cost.chunks), 2), tostring(cost.policy_read),
      tostring(cost.policy_written), tostring(cost.questions), number(1000 * cost.ask_seconds / math.max(1, cost.questions), 2),
      tostring(cost.reasoner_read), tostring(cost.reasoner_written), tostring(cost.requests),
    }
    if served then
      table.insert(costs.rows[i], 8, number(1000 * cost.server_seconds / math.max(1, cost.questions), 2))
    end
    if cost.judge_read > 0 then
      judging.rows[#judging.rows + 1] = { done.method, tostring(cost.judge_read), tostring(cost.judge_written), tostring(cost.judge_requests) }
    end
  end
  local tables = {}
  for _, shape in ipairs { scores, kinds, averages, calls, costs, judging } do
    if #shape.rows > 0 then
      tables[#tables + 1] = shape
    end
  end
  return tables, proven
end

local function width(text)
  return utf8.len(text) or #text
end

-- A table as Markdown that reads well on a terminal.
function report.lines(shape)
  local widths, out = {}, {}
  for c, name in ipairs(shape.columns) do
    widths[c] = width(name)
    for _, row in ipairs(shape.rows) do
      widths[c] = math.max(widths[c], width(row[c]))
    end
  end
  local function line(cells)
    local padded = {}
    for c, cell in ipairs(cells) do
      local space = string.rep(" ", widths[c] - width(cell))
      -- Figures stand at the right.
      padded[c] = cell:match "^[%d%-]" and space .. cell or cell .. space
    end
    return "| " .. table.concat(padded, " | ") .. " |"
  end
  local rule = {}
  for c = 1, #shape.columns do
    rule[c] = string.rep("-", widths[c])
  end
  out[1], out[2] = line(shape.columns), "|-" .. table.concat(rule, "-|-") .. "-|"
  for _, row in ipairs(shape.rows) do
    out[#out + 1] = line(row)
  end
  return table.concat(out, "\n")
end

-- Writes results.jsonl, a line a question, and memories.jsonl, a line for each memory that they were asked of.
function report.write(folder, runs)
  local results, memories = {}, {}
  for _, done in ipairs(runs) do
    for _, memory in ipairs(done.memories) do
      memories[#memories + 1] = fm.json.encode {
        value = { method = done.method, source = memory.episode.source, episode = memory.episode.id, items = memory.memory:items {} },
      }
    end
    for _, answer in ipairs(done.answers) do
      local evidence = report.list {}
      for i, item in ipairs(answer.evidence) do
        -- An item's step is the chunk that it was written at.
        evidence[i] = { id = item.id, step = item.step, created = item.created, score = item.score }
      end
      results[#results + 1] = fm.json.encode {
        value = {
          method = done.method, source = answer.source, episode = answer.episode, id = answer.id, kind = answer.kind, question = answer.question,
          gold = answer.gold, answer = answer.answer, scored = answer.scored, cut = answer.cut, metric = answer.metric, score = answer.score, lenient = answer.lenient, used = answer.used, evidence = evidence,
          gold_chunks = answer.chunks, left_out = answer.left_out, evidence_precision = answer.evidence_precision, evidence_recall = answer.evidence_recall,
          prompt_tokens = answer.prompt_tokens, completion_tokens = answer.completion_tokens,
        },
      }
    end
  end
  fm.write { path = folder .. "/results.jsonl", text = table.concat(results, "\n") .. "\n" }
  fm.write { path = folder .. "/memories.jsonl", text = table.concat(memories, "\n") .. "\n" }
end

-- Writes page.html: `heading`, the tables, `notes`, and the first `shown` episodes of each method to step through.
function report.page(path, title, option)
  local sections = { { kind = "text", text = option.heading } }
  for _, shape in ipairs(option.tables) do
    local columns = {}
    for i, name in ipairs(shape.columns) do
      columns[i] = { name = name }
    end
    sections[#sections + 1] = { kind = "table", title = shape.title, columns = columns, rows = shape.rows }
  end
  sections[#sections + 1] = { kind = "text", text = table.concat(option.notes, "\n\n") }
  local series = {}
  for i, done in ipairs(option.runs) do
    local score = option.figures[i].summary.over_questions
    if score then
      series[#series + 1] = { name = done.method, x = { done.cost.memory_tokens }, y = { score.mean }, low = { score.low }, high = { score.high } }
    end
  end
  if #series > 0 then
    local chart = { kind = "scatter", title = "Mean over questions", x = "tokens of memory", series = series }
    table.insert(sections, 2, { kind = "charts", title = "Score beside the length of memory", charts = { chart } })
  end
  -- The page opens on the first, so those that remember nothing come last.
  local shown, nothing = {}, {}
  for _, done in ipairs(option.runs) do
    for i = 1, math.min(option.shown, #done.memories) do
      local one = done.memories[i]
      local journal = one.memory:journal {}
      local list = #journal > 0 and shown or nothing
      list[#list + 1] = {
        title = one.episode.id, group = done.method,
        rollout = {
          chunks = one.episode.chunks, steps = one.steps, journal = journal, memory = one.memory:items {}, answers = named(one.answers),
        },
      }
    end
  end
  table.move(nothing, 1, #nothing, #shown + 1, shown)
  sections[#sections + 1] = { kind = "episodes", title = "Episodes", episodes = shown }
  fm.page.write { path = path, title = title, sections = sections }
end

return report
