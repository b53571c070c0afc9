-- Evaluates a policy and baselines on a published file, by the metric of each question's protocol.
--
--   finemem-engine run scripts/eval.lua -- --data FILE [--policy DIR] [--baselines NAME,…] [--reasoner …] [--judge …] [--out DIR] …
--
-- Prints the table and leaves in the run's folder: table.md (the same), results.jsonl (a line a question, with the ids of what was retrieved
-- and the steps that wrote it; step t is chunk t), memories.jsonl (the items), summary.json, page.html (to step through the episodes).

local fm = require "finemem"
local arguments = require "arguments"
local evaluation = require "evaluation"
local reasoners = require "reasoners"

local option = arguments.read(reasoners.with {
  data = "", -- what fm.data.open reads
  policy = "models/tiny", -- a model folder; its tokenizer counts tokens; `none` evaluates baselines alone, and models/tiny counts
  baselines = "no_memory,bm25_chunks_2,bm25_chunks_10,add_everything,newest_wins", -- modules of scripts/baselines
  reasoner = "extractive", -- a word of reasoners.lua
  judge = false, -- another one, for metrics that a model has to judge
  titles = false, -- the catalogue of recommendations; by default entity2id.json beside the data or in the folder above, if it is there
  source = false, -- only episodes whose source contains this
  limit = 0, -- only so many episodes; 0 for all
  facts = 3, -- facts a chunk where a file is a list of facts: as many as the texts that the tiny policy learned from
  chunk_tokens = 0, -- tokens of about four bytes a chunk where prose, talk or examples are cut; 0 is what the authors of each file take
  strict = "no", -- whether a row that cannot be read is an error
  max_tokens = 0, -- longest answer of a model to a chunk; 0 leaves it to the method, see scripts/managed.lua
  view = "relevant", -- which items the policy sees: `relevant` or `recent`
  view_items = 10,
  shown = 8, -- episodes of each method on the page
  out = false,
})
if option.data == "" then
  error("--data FILE is needed: a published file such as factconsolidation_6k.json, see the README of scripts/", 0)
end

if option.view ~= "relevant" and option.view ~= "recent" then
  error(string.format("--view is relevant or recent, not '%s'", option.view), 0)
end

-- The catalogue that recommendations are looked up in.
local function titles()
  local folder = option.data:match "^(.*[/\\])[^/\\]*$" or ""
  for _, path in ipairs(option.titles and { option.titles } or { folder .. "entity2id.json", folder .. "../entity2id.json" }) do
    if option.titles or fm.exists { path = path } then
      return fm.json.decode { text = fm.read { path = path } }
    end
  end
  error(string.format(
    "%s asks for recommendations, which are looked up in entity2id.json of MemoryAgentBench: put it beside the data, or name it by --titles FILE",
    option.data), 0)
end

local episodes = {}
for _, episode in ipairs(fm.data.open {
  path = option.data, facts_per_chunk = option.facts, chunk_tokens = option.chunk_tokens > 0 and option.chunk_tokens or nil,
  strict = option.strict == "yes",
}) do
  local wanted = not option.source or episode.source:find(option.source, 1, true)
  if wanted and (option.limit == 0 or #episodes < option.limit) then
    episodes[#episodes + 1] = episode
  end
end
if #episodes == 0 then
  error(string.format("%s has no episode whose source contains '%s'", option.data, tostring(option.source)), 0)
end

local recommends = false
for _, episode in ipairs(episodes) do
  for _, question in ipairs(episode.questions) do
    recommends = recommends or (question.metric or ""):find "^recall_at_" ~= nil
  end
end
local catalogue = recommends and titles() or nil

local policy = fm.model.load { path = option.policy == "none" and "models/tiny" or option.policy }
local methods = {}
if option.policy ~= "none" then
  print(policy)
  methods[1] = require "baselines.policy"
end
for name in option.baselines:gmatch "[^,%s]+" do
  methods[#methods + 1] = require("baselines." .. name)
end

-- What is wrong with the arguments has been said before there is a folder. A server's replies are kept in it, and offline they come from it.
local reasoner, judge
local function make(cache)
  option.cache = cache
  reasoner, judge = reasoners.make(option.reasoner, option), option.judge and reasoners.make(option.judge, option) or nil
end
local offline = option.offline == "yes"
if not offline then
  make(nil)
end
local run = fm.run.open { path = option.out or nil, seed = 0, arguments = option }
if offline then
  make(run.path .. "/replies.jsonl")
end

local settings = { policy = policy, max_tokens = option.max_tokens > 0 and option.max_tokens or nil, view = option.view, view_items = option.view_items }
local began = fm.seconds {}
local runs, figures = {}, {}
for i, method in ipairs(methods) do
  runs[i] = evaluation.run {
    episodes = episodes, method = method, settings = settings, reasoner = reasoner, judge = judge, titles = catalogue,
    count = function(text) return #policy:encode { text = text } end,
    said = function(line)
      run:progress { step = i - 1, total = #methods, text = line }
    end,
  }
  run:progress { step = i, total = #methods, text = method.name .. " is done" }
  figures[i] = evaluation.figures(runs[i])
end

-- Tables: a list of columns and rows of texts, for the terminal and for Markdown.

-- LoCoMo's file has numbers.
local categories = { ["1"] = "multi-hop", ["2"] = "temporal", ["3"] = "open-domain", ["4"] = "single-hop", ["5"] = "adversarial" }

local function number(value, digits)
  return value and string.format("%." .. (digits or 3) .. "f", value) or "-"
end

local function interval(value)
  return string.format("%.3f (%.3f-%.3f)", value.mean, value.low, value.high)
end

local scores = { columns = { "method", "source", "metric", "score (95 % interval)", "questions" }, rows = {} }
local kinds = { columns = { "method", "source", "kind", "metric", "score (95 % interval)", "questions" }, rows = {} }
local averages = {
  columns = { "method", "mean over sources", "mean over questions", "memory tokens", "of the input" },
  rows = {},
}
-- Whether the file names the chunks that hold the evidence.
local proven = false
for i in ipairs(runs) do
  proven = proven or figures[i].precision ~= nil
end
if proven then
  table.insert(averages.columns, "evidence precision")
  table.insert(averages.columns, "evidence recall")
end
local costs = {
  columns = {
    "method", "chunks", "s a chunk", "policy tokens in", "out", "questions", "s a question", "reasoner tokens in", "out", "requests",
  },
  rows = {},
}
for i, done in ipairs(runs) do
  local cost, summary = done.cost, figures[i].summary
  for _, row in ipairs(summary.rows) do
    scores.rows[#scores.rows + 1] = { done.method, row.source, row.metric, interval(row), tostring(row.n) }
  end
  -- In order of kind.
  local by_kind = table.move(figures[i].kinds.rows, 1, #figures[i].kinds.rows, 1, {})
  table.sort(by_kind, function(a, b) return a.source < b.source end)
  for _, row in ipairs(by_kind) do
    local source, kind = row.source:match "^(.*)\n(.*)$"
    if row.metric == "locomo_f1" and categories[kind] then
      kind = kind .. " " .. categories[kind]
    end
    kinds.rows[#kinds.rows + 1] = { done.method, source, kind, row.metric, interval(row), tostring(row.n) }
  end
  averages.rows[i] = {
    done.method, interval(summary.over_sources), interval(summary.over_questions), tostring(cost.memory_tokens),
    string.format("%.1f %%", 100 * cost.memory_tokens / math.max(1, cost.input_tokens)),
    proven and number(figures[i].precision) or nil, proven and number(figures[i].recall) or nil,
  }
  costs.rows[i] = {
    done.method, tostring(cost.chunks), number(cost.build_seconds / math.max(1, cost.chunks), 4), tostring(cost.policy_read),
    tostring(cost.policy_written), tostring(cost.questions), number(cost.ask_seconds / math.max(1, cost.questions), 4),
    tostring(cost.reasoner_read), tostring(cost.reasoner_written), tostring(cost.requests),
  }
end

local function width(text)
  return utf8.len(text) or #text
end

local function lines(shape)
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

local chunks, questions = 0, 0
for _, episode in ipairs(episodes) do
  chunks, questions = chunks + #episode.chunks, questions + #episode.questions
end
local heading = string.format("%s: %d episodes, %d chunks, %d questions; answers by %s", option.data, #episodes, chunks, questions, option.reasoner)
local notes = {}
for i, done in ipairs(runs) do
  if figures[i].unjudged > 0 then
    notes[#notes + 1] = string.format(
      judge and "%s: the judge's replies give %d answers no score." or "%s: %d answers wait for a judge and have no score; name one with --judge.",
      done.method, figures[i].unjudged)
  end
end
local parts = { heading, lines(scores) }
if #kinds.rows > 0 then
  parts[#parts + 1] = lines(kinds)
end
parts[#parts + 1] = lines(averages)
parts[#parts + 1] = lines(costs)
parts[#parts + 1] = "Mean over sources: each source counts the same; mean over questions: each question. Tokens are those of "
  .. (option.policy == "none" and "models/tiny" or option.policy) .. "."
if proven then
  parts[#parts + 1] = "Evidence: the share of retrieved items from chunks that hold the gold evidence, and the share of those chunks that were reached."
end
parts[#parts + 1] = #notes > 0 and table.concat(notes, "\n") or nil
local report = table.concat(parts, "\n\n")
print("\n" .. report)
fm.write { path = run.path .. "/table.md", text = report .. "\n" }

-- A line a question, and a line for each memory that they were asked of.
local results, memories = {}, {}
for _, done in ipairs(runs) do
  for _, memory in ipairs(done.memories) do
    memories[#memories + 1] = fm.json.encode {
      value = { method = done.method, source = memory.episode.source, episode = memory.episode.id, items = memory.result.memory:items {} },
    }
  end
  for _, answer in ipairs(done.answers) do
    local evidence = {}
    for i, item in ipairs(answer.evidence) do
      -- An item's step is the chunk that it was written at.
      evidence[i] = { id = item.id, step = item.step, created = item.created, score = item.score }
    end
    results[#results + 1] = fm.json.encode {
      value = {
        method = done.method, source = answer.source, episode = answer.episode, id = answer.id, kind = answer.kind, question = answer.question,
        gold = answer.gold, answer = answer.answer, metric = answer.metric, score = answer.score, used = answer.used, evidence = evidence,
        gold_chunks = answer.chunks, evidence_precision = answer.evidence_precision, evidence_recall = answer.evidence_recall,
        prompt_tokens = answer.prompt_tokens, completion_tokens = answer.completion_tokens,
      },
    }
  end
end
fm.write { path = run.path .. "/results.jsonl", text = table.concat(results, "\n") .. "\n" }
fm.write { path = run.path .. "/memories.jsonl", text = table.concat(memories, "\n") .. "\n" }

local summary = {}
for i, done in ipairs(runs) do
  summary[i] = { method = done.method, summary = figures[i].summary, cost = done.cost, unjudged = figures[i].unjudged,
    kinds = figures[i].kinds.rows, evidence_precision = figures[i].precision, evidence_recall = figures[i].recall }
end
fm.write {
  path = run.path .. "/summary.json",
  text = fm.json.encode { value = { data = option.data, reasoner = tostring(reasoner), methods = summary, seconds = fm.seconds {} - began }, pretty = true },
}

local shown = {}
for _, done in ipairs(runs) do
  for i = 1, math.min(option.shown, #done.memories) do
    local memory = done.memories[i]
    local rollout = { chunks = memory.episode.chunks, memory = memory.result.memory:items {}, answers = memory.answers }
    if memory.result.rollout then
      rollout.steps = memory.result.rollout.steps
    end
    shown[#shown + 1] = { title = memory.episode.id, group = done.method, rollout = rollout }
  end
end
local function columns(names)
  local list = {}
  for i, name in ipairs(names) do
    list[i] = { name = name }
  end
  return list
end
local sections = {
  { kind = "text", text = heading },
  { kind = "table", title = "Scores", columns = columns(scores.columns), rows = scores.rows },
}
if #kinds.rows > 0 then
  sections[#sections + 1] = { kind = "table", title = "Scores by kind of question", columns = columns(kinds.columns), rows = kinds.rows }
end
sections[#sections + 1] = { kind = "table", title = "Averages", columns = columns(averages.columns), rows = averages.rows, note = table.concat(notes, " ") }
sections[#sections + 1] = { kind = "table", title = "Cost", columns = columns(costs.columns), rows = costs.rows }
sections[#sections + 1] = { kind = "episodes", title = "Episodes", episodes = shown }
fm.page.write { path = run.path .. "/page.html", title = "Evaluation on " .. (option.data:match "[^/\\]+$" or option.data), sections = sections }
print(string.format("written: %s (table.md, results.jsonl, memories.jsonl, summary.json, page.html), %.0f s", run.path, fm.seconds {} - began))
