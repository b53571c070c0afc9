-- Evaluates a policy and baselines on a published file, by the metric of each question's protocol.
--
--   finemem-engine run scripts/eval.lua -- --data FILE [--policy DIR] [--baselines NAME,…] [--reasoner …] [--judge …] [--out DIR] …
--
-- Prints the table and leaves in the run's folder: table.md (the same), results.jsonl (a line a question, with the ids of what was retrieved
-- and the steps that wrote it; step t is chunk t), memories.jsonl (the items), readings.jsonl (what models did with each chunk), summary.json,
-- page.html (to step through the episodes). `finemem-engine run --resume DIR` goes on with one that was stopped.

local fm = require "finemem"
local arguments = require "arguments"
local evaluation = require "evaluation"
local reading = require "reading"
local reasoners = require "reasoners"
local report = require "report"

local option = arguments.read(reasoners.with {
  data = "", -- what fm.data.open reads
  policy = "models/tiny", -- a model folder; its tokenizer counts tokens; `none` evaluates baselines alone, and models/tiny counts
  baselines = "no_memory,whole_context,bm25_chunks_2,bm25_chunks_10,add_everything,newest_wins", -- modules of scripts/baselines
  reasoner = "extractive", -- a word of reasoners.lua
  judge = false, -- another one, for metrics that a model has to judge
  titles = false, -- the catalogue of recommendations; by default entity2id.json beside the data or in the folder above, if it is there
  source = false, -- only episodes whose source contains this
  limit = 0, -- only so many episodes; 0 for all
  facts = 3, -- facts a chunk where a file is a list of facts: as many as the texts that the tiny policy learned from; 0 packs them by chunk_tokens
  chunk_tokens = 0, -- tokens of about four bytes a chunk where prose, talk or examples are cut; 0 is what the authors of the file, or of a
  -- method that reads chunks of its own size, take, and at most a quarter of the policy's context
  strict = "no", -- whether a row that cannot be read is an error
  max_tokens = 0, -- longest answer of a model to a chunk; 0 leaves it to the method, see scripts/reading.lua
  max_prompt = 8192, -- longest prompt of a model that reads a chunk, for which memory is taken; items that have no room in it are not shown
  view = "relevant", -- which items the policy sees: `relevant` or `recent`
  view_items = 10,
  window = 32768, -- tokens that the baseline whole_context keeps
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

local skipped

-- The episodes in chunks of so many tokens, or of so many facts; nil leaves a size to the reader.
local function open(tokens, facts)
  local episodes = {}
  skipped = {}
  for _, episode in ipairs(fm.data.open {
    path = option.data, facts_per_chunk = facts, chunk_tokens = tokens, strict = option.strict == "yes", skipped = skipped,
  }) do
    local wanted = not option.source or episode.source:find(option.source, 1, true)
    if wanted and (option.limit == 0 or #episodes < option.limit) then
      episodes[#episodes + 1] = episode
    end
  end
  if #episodes == 0 then
    error(string.format("%s has no episode whose source contains '%s'", option.data, tostring(option.source)), 0)
  end
  return episodes
end

local policy = fm.model.load { path = option.policy == "none" and "models/tiny" or option.policy }
local methods = {}
if option.policy ~= "none" then
  print(policy)
  methods[1] = require "baselines.policy"
end
for name in option.baselines:gmatch "[^,%s]+" do
  methods[#methods + 1] = require("baselines." .. name)
end
local models = 0
for _, method in ipairs(methods) do
  models = models + (method.design and 1 or 0)
end
if models > 0 and option.policy == "none" then
  error("a baseline with a model needs one: --policy DIR", 0)
end

local facts = option.facts > 0 and option.facts or nil
local episodes = open(option.chunk_tokens > 0 and option.chunk_tokens or nil, facts)
for i = 1, math.min(10, #skipped) do
  print("skipped: " .. skipped[i])
end
-- What a method reads.
local own = {}
if option.chunk_tokens == 0 and models > 0 then
  local first = episodes[1].chunks
  local largest, longest = reading.chunk_tokens(policy, math.huge, first), 0
  for _, episode in ipairs(episodes) do
    for _, chunk in ipairs(episode.chunks) do
      longest = math.max(longest, #chunk)
    end
  end
  if longest > 4 * largest then
    print(string.format("chunks are cut to about %d tokens of four bytes, a quarter of the policy's context; --chunk_tokens sets another size", largest))
    episodes = open(largest, facts)
  end
  for _, method in ipairs(methods) do
    if method.chunk_tokens then
      own[method] = open(reading.chunk_tokens(policy, method.chunk_tokens, first), nil)
    end
  end
end

local recommends = false
for _, episode in ipairs(episodes) do
  for _, question in ipairs(episode.questions) do
    recommends = recommends or (question.metric or ""):find "^recall_at_" ~= nil
  end
end
local catalogue = recommends and titles() or nil

-- What is wrong with the arguments has been said before there is a folder. A server's replies are kept in it, and offline they come from it.
local reasoner, judge
local function make(cache)
  option.cache = cache
  reasoner, judge = reasoners.make(option.reasoner, option), option.judge and reasoners.make(option.judge, option, "--judge") or nil
end
local offline = option.offline == "yes"
if not offline then
  make(nil)
end
local run = fm.run.open { path = option.out or nil, seed = 0, arguments = option }
if offline then
  make(run.path .. "/replies.jsonl")
end

local counts = {}
local function count(text)
  counts[text] = counts[text] or #policy:encode { text = text }
  return counts[text]
end

local function stop()
  if fm.stopping {} then
    error("stopped; go on with: finemem-engine run --resume " .. run.path, 0)
  end
end

local settings = {
  policy = policy, name = option.policy, max_tokens = option.max_tokens > 0 and option.max_tokens or nil, view = option.view, view_items = option.view_items,
  max_prompt = option.max_prompt, window = option.window,
}
local began = fm.seconds {}
local runs, figures = {}, {}
for i, method in ipairs(methods) do
  runs[i] = evaluation.run {
    episodes = own[method] or episodes, method = method, settings = settings, reasoner = reasoner, judge = judge, titles = catalogue, count = count,
    shown = option.shown, file = run.path .. "/readings.jsonl", stop = stop,
    said = function(line)
      run:progress { step = i - 1, total = #methods, text = line }
    end,
  }
  run:progress { step = i, total = #methods, text = method.name .. " is done" }
  figures[i] = evaluation.figures(runs[i])
end

local chunks, questions = 0, 0
for _, episode in ipairs(episodes) do
  questions = questions + #episode.questions
end
local texts = evaluation.texts(episodes)
for _, episode in ipairs(texts) do
  chunks = chunks + #episode.chunks
end
local function plural(count, what, many)
  return string.format("%d %s", count, count == 1 and what or many or what .. "s")
end
local heading = string.format(
  "%s: %s%s, %s, %s; answers by %s; finemem-engine %s", option.data, plural(#episodes, "episode"),
  #texts < #episodes and " of " .. plural(#texts, "text") or "", plural(chunks, "chunk"), plural(questions, "question"), option.reasoner, fm.version)
local tables, proven = report.tables(runs, figures)
local notes = {
  "Mean over sources: each source counts the same; mean over questions: each question. Tokens are those of "
    .. (option.policy == "none" and "models/tiny" or option.policy) .. ". A text that several episodes share is read, and counted, once.",
}
if proven then
  notes[#notes + 1] = "Evidence: the share of retrieved items from chunks that hold the gold evidence, and the share of those chunks that were reached."
end
if #skipped > 0 then
  notes[#notes + 1] = string.format("%s of the file could not be read and %s left out, such as: %s.", plural(#skipped, "row or question", "rows or questions"),
    #skipped == 1 and "is" or "are", skipped[1])
end
for i, done in ipairs(runs) do
  if figures[i].empty > 0 then
    notes[#notes + 1] = string.format(
      "%s: %s had no answer in them, because they were cut off or empty, and score 0%s.", done.method, plural(figures[i].empty, "reply", "replies"),
      figures[i].cut > 0 and "; --reply_tokens allows longer ones" or "")
  end
  if figures[i].cut > figures[i].empty then
    notes[#notes + 1] = string.format("%s: %s cut off at the limit of tokens.", done.method, plural(figures[i].cut, "reply was", "replies were"))
  end
  if figures[i].unjudged > 0 then
    notes[#notes + 1] = string.format(
      judge and "%s: the judge's replies give no score to %s." or "%s: without a judge there is no score for %s; name one with --judge.",
      done.method, plural(figures[i].unjudged, "answer"))
  end
  if figures[i].left_out > 0 then
    notes[#notes + 1] = string.format(
      "%s: the prompts of %s had no room for %.0f chosen items on average, which the reasoner did not see.",
      done.method, plural(figures[i].cut_short, "question"), figures[i].left_out / figures[i].cut_short)
  end
end
local parts = { heading }
for _, shape in ipairs(tables) do
  parts[#parts + 1] = report.lines(shape)
end
table.move(notes, 1, #notes, #parts + 1, parts)
local text = table.concat(parts, "\n\n")
print("\n" .. text)
fm.write { path = run.path .. "/table.md", text = text .. "\n" }

report.write(run.path, runs)
local summary = {}
for i, done in ipairs(runs) do
  summary[i] = { method = done.method, lenient = figures[i].lenient, left_out = figures[i].left_out, cut = figures[i].cut, empty = figures[i].empty, summary = figures[i].summary, cost = done.cost, calls = done.calls, unjudged = figures[i].unjudged,
    kinds = figures[i].kinds.rows, over_kinds = figures[i].over_kinds, evidence_precision = figures[i].precision, evidence_recall = figures[i].recall }
end
fm.write {
  path = run.path .. "/summary.json",
  text = fm.json.encode { value = { data = option.data, reasoner = tostring(reasoner), skipped = report.list(skipped), methods = summary, seconds = fm.seconds {} - began }, pretty = true },
}
report.page(run.path .. "/page.html", "Evaluation on " .. (option.data:match "[^/\\]+$" or option.data),
  { heading = heading, tables = tables, notes = notes, runs = runs, figures = figures, shown = option.shown })
print(string.format("written: %s (table.md, results.jsonl, memories.jsonl, summary.json, page.html), %.0f s", run.path, fm.seconds {} - began))
