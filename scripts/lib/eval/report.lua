-- What an evaluation leaves: tables for the terminal and in Markdown, lines of results, a summary and a page.

local fm = require "finemem"
local alarms = require "lib.alarms"
local episodes = require "lib.eval.episodes"
local harm = require "lib.harm"

local report = {}

-- LoCoMo's file numbers its kinds.
local categories = { ["1"] = "multi-hop", ["2"] = "temporal", ["3"] = "open-domain", ["4"] = "single-hop", ["5"] = "adversarial" }

local function number(value, digits)
  return value and string.format("%." .. digits .. "f", value) or "-"
end

-- A copy of a list that is a list in JSON even if it is empty.
local function array(of)
  return table.move(of, 1, #of, 1, fm.json.decode { text = "[]" })
end

local function share(part, all)
  return string.format("%.1f %%", 100 * part / math.max(1, all))
end

local function interval(value)
  return value and string.format("%.3f (%.3f-%.3f)", value.mean, value.low, value.high) or "-"
end

-- The usual name of a kind of question.
local function kind_of(kind, metric)
  return metric == "locomo_f1" and categories[kind] or kind
end

-- Answers with these names as their kinds.
local function named(answers)
  local list = {}
  for i, answer in ipairs(answers) do
    list[i] = table.clone(answer)
    list[i].kind = kind_of(answer.kind, answer.metric)
  end
  return list
end

-- How many calls of each tool were carried out for each chunk, the most frequent tool first.
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

-- The tables about `runs`, what methods.run_all returns: a list of { title, columns, rows of texts }. Also whether the file names the
-- chunks that hold the evidence.
local function tables_of(runs)
  local scores = { title = "Scores", columns = { "method", "source", "metric", "score (95 % interval)", "questions" }, rows = {} }
  local kinds = {
    title = "Scores by kind of question",
    columns = { "method", "source", "kind", "metric", "score (95 % interval)", "questions" },
    rows = {},
  }
  local averages = {
    title = "Averages",
    columns = { "method", "mean over sources", "mean over questions", "memory tokens", "of the input" },
    rows = {},
  }
  local calls = {
    title = "Calls of models",
    columns = { "method", "carried out, a chunk", "not valid", "unreadable", "untagged", "stray text, a chunk", "chunks without a call" },
    rows = {},
  }
  local harmed = { title = "Harm", columns = { "method" }, rows = {} }
  local harm_rows = {}
  for _, row in ipairs(harm.rows) do
    for _, done in ipairs(runs) do
      if done.harm[row.name] then
        harm_rows[#harm_rows + 1] = row
        table.insert(harmed.columns, row.title)
        break
      end
    end
  end
  local costs = {
    title = "Cost",
    columns = { "method", "chunks", "ms a chunk", "policy tokens in", "out", "questions", "ms a question", "reasoner tokens in", "out", "requests" },
    rows = {},
  }
  local judging = { title = "Cost of the judge", columns = { "method", "judge tokens in", "out", "requests" }, rows = {} }
  local proven, labels, kinded, served = false, false, false, false
  for _, done in ipairs(runs) do
    local figures = done.figures
    proven, labels = proven or figures.precision ~= nil, labels or next(figures.lenient) ~= nil
    kinded, served = kinded or #figures.kinds.rows > 0, served or done.cost.requests > 0
  end
  if proven then
    table.insert(averages.columns, "evidence precision")
    table.insert(averages.columns, "evidence recall")
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
    local cost, figures, summary = done.cost, done.figures, done.figures.summary
    for _, row in ipairs(summary.rows) do
      local line = { done.method, row.source, row.metric, interval(row), tostring(row.n) }
      if labels then
        table.insert(line, 5, number(figures.lenient[row.source], 3))
      end
      scores.rows[#scores.rows + 1] = line
    end
    -- In order of kind.
    local by_kind = table.move(figures.kinds.rows, 1, #figures.kinds.rows, 1, {})
    table.sort(by_kind, function(a, b) return a.source < b.source end)
    for _, row in ipairs(by_kind) do
      local source, kind = row.source:match "^(.*)\n(.*)$"
      kinds.rows[#kinds.rows + 1] = { done.method, source, kind_of(kind, row.metric), row.metric, interval(row), tostring(row.n) }
    end
    averages.rows[i] = {
      done.method, interval(summary.over_sources), interval(summary.over_questions), tostring(cost.memory_tokens),
      share(cost.memory_tokens, cost.input_tokens),
      proven and number(figures.precision, 3) or nil, proven and number(figures.recall, 3) or nil,
    }
    if kinded then
      table.insert(averages.rows[i], 4, interval(figures.over_kinds))
    end
    harmed.rows[i] = { done.method }
    for k, row in ipairs(harm_rows) do
      harmed.rows[i][k + 1] = harm.shown(row, done.harm[row.name], done.harm.n)
    end
    local made = done.calls
    if made then
      calls.rows[#calls.rows + 1] = {
        done.method, by_tool(made, cost.chunks), share(made.invalid, made.all), share(made.unreadable, made.all),
        share(made.untagged, made.all), number(made.stray / math.max(1, cost.chunks), 2), share(made.silent, cost.chunks),
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
  for _, shape in ipairs { scores, kinds, averages, harmed, calls, costs, judging } do
    if #shape.rows > 0 then
      tables[#tables + 1] = shape
    end
  end
  return tables, proven
end

local function width(text)
  return utf8.len(text) or #text
end

-- A table as Markdown that also reads well on a terminal.
local function markdown(shape)
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
      -- Numbers are aligned to the right.
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

-- Writes results.jsonl, a line for each question, and memories.jsonl, a line for each memory.
local function write(folder, runs)
  local results, memories, number = {}, {}, {}
  for _, done in ipairs(runs) do
    for _, memory in ipairs(done.memories) do
      memories[#memories + 1] = fm.json.encode {
        value = { method = done.method, source = memory.episode.source, episode = memory.episode.id, items = memory.memory:items {} },
      }
    end
    for _, answer in ipairs(done.answers) do
      -- An episode may ask the same twice.
      local key = done.method .. "\0" .. answer.episode
      number[key] = (number[key] or 0) + 1
      local evidence = array {}
      for i, item in ipairs(answer.evidence) do
        -- An item's step is the chunk that it was written at.
        evidence[i] = { id = item.id, step = item.step, created = item.created, score = item.score }
      end
      results[#results + 1] = fm.json.encode {
        value = {
          method = done.method, source = answer.source, episode = answer.episode, number = number[key], id = answer.id, kind = answer.kind, question = answer.question,
          gold = answer.gold, answer = answer.answer, scored = answer.scored, cut = answer.cut, metric = answer.metric, score = answer.score,
          lenient = answer.lenient, used = answer.used, trace = array(answer.trace or { answer.used }), searched = array(answer.searched or {}), evidence = evidence, gold_chunks = answer.chunks, left_out = answer.left_out,
          evidence_precision = answer.evidence_precision, evidence_recall = answer.evidence_recall,
          prompt_tokens = answer.prompt_tokens, completion_tokens = answer.completion_tokens,
        },
      }
    end
  end
  for name, rows in pairs { results = results, memories = memories } do
    rows[#rows + 1] = "" -- the last line ends too
    fm.write { path = string.format("%s/%s.jsonl", folder, name), text = table.concat(rows, "\n") }
  end
end

-- Writes page.html: the heading, the tables, the notes, and the first `shown` episodes of each method to step through.
local function page(path, title, option)
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
  for _, done in ipairs(option.runs) do
    local score = done.figures.summary.over_questions
    if score then
      series[#series + 1] = { name = done.method, x = { done.cost.memory_tokens }, y = { score.mean }, low = { score.low }, high = { score.high } }
    end
  end
  if #series > 0 then
    local chart = { kind = "scatter", title = "Mean over questions", x = "tokens of memory", series = series }
    table.insert(sections, 2, { kind = "charts", title = "Score beside the length of memory", charts = { chart } })
  end
  -- The page opens with the first episode, so methods that remember nothing come last.
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

local function plural(count, what, many)
  return string.format("%d %s", count, count == 1 and what or many or what .. "s")
end

-- What the file held, who answered, and by which version.
local function heading_of(data, about)
  local chunks, questions, texts = 0, 0, episodes.texts(data.all)
  for _, episode in ipairs(data.all) do
    questions = questions + #episode.questions
  end
  for _, episode in ipairs(texts) do
    chunks = chunks + #episode.chunks
  end
  return string.format(
    "%s: %s%s, %s, %s; answers by %s; finemem-engine %s", about.file, plural(#data.all, "episode"),
    #texts < #data.all and " of " .. plural(#texts, "text") or "", plural(chunks, "chunk"), plural(questions, "question"), about.reasoner, fm.version)
end

-- Gives each run its `alarms`. Baselines are as they are, so they only have those about questions and reasoner, and those once.
local function raise(runs)
  local said = {}
  for _, done in ipairs(runs) do
    local figures, score, made = table.clone(done.harm), done.figures.summary.over_questions, done.calls
    figures.accuracy = score and score.mean
    figures.invalid = made and (made.invalid + made.unreadable) / math.max(1, made.all)
    done.alarms = array {}
    for _, alarm in ipairs(done.cost.memory_tokens > 0 and alarms.of(figures) or {}) do
      if made or alarm.general and not said[alarm.name] then
        said[alarm.name] = true
        table.insert(done.alarms, alarm)
      end
    end
  end
end

-- What to know when reading the tables.
local function notes_of(runs, data, about, proven)
  local notes = {
    "Mean over sources: each source counts the same; mean over questions: each question. Tokens are those of " .. about.counted_by
      .. ". A text that several episodes share is read, and counted, once.",
  }
  local function note(...)
    notes[#notes + 1] = string.format(...)
  end
  if proven then
    note "Evidence: the share of retrieved items from chunks that hold the gold evidence, and the share of those chunks that were reached."
  end
  if #data.skipped > 0 then
    note("%s of the file could not be read and %s left out, such as: %s.", plural(#data.skipped, "row or question", "rows or questions"),
      #data.skipped == 1 and "is" or "are", data.skipped[1])
  end
  for i = 1, math.min(10, #data.notes) do
    note("%s.", (data.notes[i]:gsub("^%l", string.upper)))
  end
  note ("Harm: only items count that tell an answer, right or outdated, to a question, and the updates and deletes of such items. "
    .. "scripts/lib/harm.lua says how each figure is computed.")
  for _, done in ipairs(runs) do
    for _, alarm in ipairs(done.alarms) do
      note("Alarm for %s, %s: %s.", done.method, alarm.name, alarm.text)
    end
  end
  for _, done in ipairs(runs) do
    local figures = done.figures
    if figures.empty > 0 then
      note("%s: %s had no answer in them, because they were cut off or empty, and score 0%s.", done.method, plural(figures.empty, "reply", "replies"),
        figures.cut > 0 and "; --reply_tokens allows longer ones" or "")
    end
    if figures.cut > figures.empty then
      note("%s: %s cut off at the limit of tokens.", done.method, plural(figures.cut, "reply was", "replies were"))
    end
    if figures.unjudged > 0 then
      note(about.judged and "%s: the judge's replies give no score to %s." or "%s: without a judge there is no score for %s; name one with --judge.",
        done.method, plural(figures.unjudged, "answer"))
    end
    if figures.left_out > 0 then
      note("%s: the prompts of %s had no room for %.0f chosen items on average, which the reasoner did not see.",
        done.method, plural(figures.cut_short, "question"), figures.left_out / figures.cut_short)
    end
  end
  return notes
end

-- The figures of all runs, as summary.json has them.
local function summary_of(runs, data, about)
  local methods = {}
  for i, done in ipairs(runs) do
    local figures = done.figures
    methods[i] = {
      method = done.method, lenient = figures.lenient, left_out = figures.left_out, cut = figures.cut, empty = figures.empty,
      summary = figures.summary, cost = done.cost, calls = done.calls, unjudged = figures.unjudged, kinds = figures.kinds.rows,
      over_kinds = figures.over_kinds, evidence_precision = figures.precision, evidence_recall = figures.recall, harm = done.harm,
      alarms = done.alarms,
    }
  end
  return { data = about.file, reasoner = about.answered_by, skipped = array(data.skipped), notes = array(data.notes), methods = methods, seconds = fm.seconds {} - about.began }
end

-- Prints the tables of an evaluation and writes all its files. `runs` is what methods.run_all returns, `data` what episodes.open returns.
-- `about` has the data `file`, the model that tokens are `counted_by`, the `reasoner` by its word and who it was in full (`answered_by`),
-- whether there was a judge (`judged`), how many episodes a page has (`shown`), and when the evaluation `began`.
function report.all(folder, runs, data, about)
  raise(runs)
  local heading = heading_of(data, about)
  local tables, proven = tables_of(runs)
  local notes = notes_of(runs, data, about, proven)
  local parts = { heading }
  for _, shape in ipairs(tables) do
    parts[#parts + 1] = markdown(shape)
  end
  table.move(notes, 1, #notes, #parts + 1, parts)
  local text = table.concat(parts, "\n\n")
  print("\n" .. text)
  fm.write { path = folder .. "/table.md", text = text .. "\n" }
  write(folder, runs)
  fm.write { path = folder .. "/summary.json", text = fm.json.encode { value = summary_of(runs, data, about), pretty = true } }
  page(folder .. "/page.html", "Evaluation on " .. (about.file:match "[^/\\]+$" or about.file), {
    heading = heading, tables = tables, notes = notes, runs = runs, shown = about.shown,
  })
  print(string.format("written: %s (table.md, results.jsonl, memories.jsonl, summary.json, page.html), %.0f s", folder, fm.seconds {} - about.began))
end

return report
