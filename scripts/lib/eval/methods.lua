-- Runs methods over episodes. A method fills a memory from an episode's chunks, see baselines/README.md; then the episode's questions are
-- answered from that memory, in the same way for every method.

local fm = require "finemem"
local arguments = require "lib.arguments"
local episodes = require "lib.eval.episodes"
local harm = require "lib.harm"
local reading = require "lib.eval.reading"

local methods = {}

-- The methods that `names` lists, after the policy if it is evaluated too. A number at the end of a name goes to its module:
-- `bm25_chunks_10` is bm25_chunks with 10.
function methods.open(names, with_policy)
  local list, models, modules = { with_policy and require "baselines.policy" or nil }, false, fm.modules { folder = "baselines" }
  for name in names:gmatch "[^,%s]+" do
    local module, number = "baselines." .. name, nil
    if not table.find(modules, module) then
      module, number = module:match "^(.*)_(%d+)$"
    end
    arguments.module(module or "baselines." .. name, "baseline")
    local method = require(module)
    if (type(method) == "function") ~= (number ~= nil) then
      arguments.refuse("the baseline '%s' %s", name, number and "takes no number" or "needs a number, as in " .. name .. "_10")
    end
    list[#list + 1] = number and method(tonumber(number)) or method
    models = models or list[#list].design ~= nil
  end
  if models and not with_policy then
    arguments.refuse("a baseline with a model needs one: name it with --policy DIR")
  end
  return list
end

-- How well the retrieved items match the chunks with the gold evidence: the share of items from such chunks, 0 if nothing was retrieved,
-- and the share of these chunks that have an item. nil if the file does not name them.
local function evidence_shares(answer)
  if not answer.chunks then
    return nil
  end
  local gold, reached, found = {}, {}, 0
  for _, chunk in ipairs(answer.chunks) do
    gold[chunk] = true
  end
  for _, item in ipairs(answer.evidence) do
    if gold[item.step] then
      reached[item.step] = true
      found = found + 1
    end
  end
  local chunks = 0
  for _ in pairs(reached) do
    chunks = chunks + 1
  end
  return #answer.evidence > 0 and found / #answer.evidence or 0, chunks / #answer.chunks
end

-- Has `judge`, a reasoner, score the answers that need a judge. An answer stays without a score if the judge's reply has none. Returns the
-- replies.
local function judged(answers, judge)
  local chats, waiting = {}, {}
  for _, answer in ipairs(answers) do
    -- A reply without an answer already has its score.
    if answer.answer ~= "" and fm.metric.needs_judge { metric = answer.metric } then
      local asked = fm.metric.judge {
        metric = answer.metric, question = answer.question, answer = answer.answer, gold = answer.gold, kind = answer.kind, id = answer.id,
      }
      waiting[#waiting + 1] = { answer = answer, from = #chats, count = #asked }
      table.move(asked, 1, #asked, #chats + 1, chats)
    end
  end
  local replies = #chats > 0 and judge:complete { chats = chats } or {}
  for _, wait in ipairs(waiting) do
    local said = {}
    for i = 1, wait.count do
      said[i] = replies[wait.from + i].text
    end
    wait.answer.score = fm.metric.verdict { metric = wait.answer.metric, replies = said, gold = wait.answer.gold }
  end
  return replies
end

-- Scores recommendations; each counts as the nearest of `titles`, a catalogue like MemoryAgentBench's entity2id.json: numbers by the names
-- of entities. Gold answers may be such numbers.
local function recommended(answers, titles)
  local names, list = {}, {}
  for name, id in pairs(titles) do
    names[string.format("%d", id)], list[#list + 1] = name, name
  end
  -- Of two titles that are equally near, the first counts.
  table.sort(list, function(a, b) return titles[a] < titles[b] end)
  for _, answer in ipairs(answers) do
    local k = answer.metric:match "^recall_at_(%d+)$"
    if k and answer.answer ~= "" then
      for i, gold in ipairs(answer.gold) do
        answer.gold[i] = names[gold] or gold
      end
      answer.score = fm.metric.recall_at_k { answer = answer.answer, gold = answer.gold, titles = list, k = tonumber(k) }
    end
  end
end

-- What a method makes of texts: a memory for each, with the model's steps if it has a model; how questions are answered from the memories;
-- and how many seconds that took.
local function memories_of(option, texts)
  local method, settings = option.method, option.settings
  local began = fm.seconds {}
  local function progress(done, all, what)
    local spent = fm.seconds {} - began
    local left = done > 0 and spent > 2 and string.format(", %.0f s left of them", spent / done * (all - done)) or ""
    option.said(string.format("%s: %d of %d %s%s", method.name, done, all, what or "chunks", left))
  end
  if method.design then
    local policy = settings.policy or error(string.format("the method '%s' needs a policy", method.name), 0)
    local tokens = settings.max_tokens or reading.tokens(policy, method.answer_tokens)
    local design = method.design { policy = policy, tokens = tokens, view = settings.view, view_items = settings.view_items, design = settings.design, dialect = settings.dialect }
    local read, seconds = reading.read {
      episodes = texts, policy = policy, design = design, tokens = tokens, max_prompt = settings.max_prompt, shown = option.shown or 0,
      file = option.file, name = table.concat({ method.name, settings.name or "", tostring(settings.view), tostring(settings.view_items), settings.design or "flat", design.dialect.name }, " "), said = progress,
      stop = option.stop,
    }
    return read, design.retrieval, seconds
  end
  local read = {}
  for i, episode in ipairs(texts) do
    progress(i - 1, #texts, "texts")
    read[i] = { memory = method.remember(episode, settings) }
  end
  return read, method.retrieval, fm.seconds {} - began
end

-- How many questions are asked in one batch, if their episodes have so many. This keeps a server busy and still shows progress.
local batch = 128

-- Runs one method over episodes. `option`:
--
--   episodes, method   the episodes and the method
--   settings           for the method: policy, name (of the policy), dialect, max_tokens, max_prompt, view, view_items, window
--   reasoner, judge    who answers, and who scores answers that need a judge, if anybody does
--   titles             the catalogue of recommendations, if there is one: numbers by names
--   count              how many tokens a text has
--   shown              of how many texts a page shows the steps
--   file               where a model's readings are kept
--   said               called with a line of progress
--   stop               called where nothing is lost if it raises an error
--
-- Returns `answers` (as reasoner:ask gives them, with `method`, `source` and `episode`), `cost`, the `calls` of a model, `memories`, one for
-- each episode: { episode, memory, steps, answers }, and the `retrieval` of the method.
function methods.run(option)
  local method, list = option.method, option.episodes
  local texts, place = episodes.texts(list)
  local read, retrieval, seconds = memories_of(option, texts)
  local cost = {
    chunks = 0, questions = 0, build_seconds = seconds, ask_seconds = 0, memory_tokens = 0, input_tokens = 0, policy_read = 0, policy_written = 0,
    reasoner_read = 0, reasoner_written = 0, requests = 0, server_seconds = 0, judge_read = 0, judge_written = 0, judge_requests = 0,
  }
  local calls = { tools = {}, invalid = 0, unreadable = 0, all = 0, untagged = 0, stray = 0, silent = 0 }
  for i, episode in ipairs(texts) do
    for _, item in ipairs(read[i].memory:items {}) do
      cost.memory_tokens = cost.memory_tokens + option.count(item.content)
    end
    for _, chunk in ipairs(episode.chunks) do
      cost.input_tokens = cost.input_tokens + option.count(chunk)
    end
    cost.chunks = cost.chunks + #episode.chunks
    for _, step in ipairs(read[i].steps or {}) do
      cost.policy_read, cost.policy_written = cost.policy_read + step.prompt_tokens, cost.policy_written + step.tokens
      calls.silent = calls.silent + (#step.calls == 0 and 1 or 0)
      calls.untagged, calls.stray = calls.untagged + step.untagged, calls.stray + step.stray
      for _, call in ipairs(step.calls) do
        calls.all = calls.all + 1
        if call.valid then
          calls.tools[call.tool] = (calls.tools[call.tool] or 0) + 1
        elseif call.parsed then
          calls.invalid = calls.invalid + 1
        else
          calls.unreadable = calls.unreadable + 1
        end
      end
    end
  end

  local answers, memories = {}, {}
  local function ask(first, last)
    local began = fm.seconds {}
    local asked = { asked = {} }
    for name, value in pairs(retrieval) do
      asked[name] = value
    end
    for i = first, last do
      asked.asked[i - first + 1] = { memory = read[place[i]].memory, questions = list[i].questions }
    end
    local lists, all = option.reasoner:ask_all(asked), {}
    for k, found in ipairs(lists) do
      local i = first + k - 1
      memories[i] = { episode = list[i], memory = read[place[i]].memory, steps = read[place[i]].steps, answers = found }
      for _, answer in ipairs(found) do
        answer.method, answer.source, answer.episode = method.name, list[i].source, list[i].id
        all[#all + 1] = answer
      end
    end
    if option.titles then
      recommended(all, option.titles)
    end
    cost.ask_seconds = cost.ask_seconds + fm.seconds {} - began
    for _, reply in ipairs(option.judge and judged(all, option.judge) or {}) do
      cost.judge_read, cost.judge_written = cost.judge_read + reply.prompt_tokens, cost.judge_written + reply.completion_tokens
      cost.judge_requests = cost.judge_requests + reply.requests
    end
    for _, answer in ipairs(all) do
      answer.evidence_precision, answer.evidence_recall = evidence_shares(answer)
      cost.questions = cost.questions + 1
      cost.reasoner_read = cost.reasoner_read + answer.prompt_tokens
      cost.reasoner_written = cost.reasoner_written + answer.completion_tokens
      cost.requests, cost.server_seconds = cost.requests + answer.requests, cost.server_seconds + answer.seconds
      local lenient = fm.metric.lenient { metric = answer.metric }
      if lenient then
        answer.lenient = fm.metric.score { metric = lenient, answer = answer.answer, gold = answer.gold }
      end
      answers[#answers + 1] = answer
    end
    option.said(string.format("%s: %d of %d episodes, %d questions", method.name, last, #list, cost.questions))
    if option.stop then
      option.stop()
    end
  end
  local first, waiting = 1, 0
  for i, episode in ipairs(list) do
    waiting = waiting + #episode.questions
    if waiting >= batch or i == #list then
      ask(first, i)
      first, waiting = i + 1, 0
    end
  end
  return { method = method.name, answers = answers, cost = cost, calls = method.design and calls or nil, memories = memories, retrieval = retrieval }
end

-- The mean of what `of` returns for the answers, and how many answers it returns something for.
local function mean(answers, of)
  local sum, count = 0, 0
  for _, answer in ipairs(answers) do
    local value = of(answer)
    if value then
      sum, count = sum + value, count + 1
    end
  end
  return count > 0 and sum / count or nil, count
end

-- The mean lenient score of labels, by source.
local function lenient_of(answers)
  local of, sources = {}, {}
  for _, answer in ipairs(answers) do
    if answer.lenient then
      of[answer.source] = of[answer.source] or {}
      table.insert(of[answer.source], answer)
    end
  end
  for source, list in pairs(of) do
    sources[source] = mean(list, function(answer) return answer.lenient end)
  end
  return sources
end

-- The figures of one run:
--
--   summary            of the scores
--   kinds              the same by kind of question; a row's source is the source, a line break and the kind
--   over_kinds         the mean over kinds, abstention left out, as LongMemEval reports it
--   precision, recall  of the evidence, if it is known
--   unjudged           answers without a score
--   lenient            lenient scores of labels, by source
--   left_out           items that did not fit in the prompts of `cut_short` questions
--   cut, empty         replies that were cut off, and replies without an answer
function methods.figures(run)
  local scored, kinds, types, left_out, cut_short, cut, empty = {}, {}, {}, 0, 0, 0, 0
  for _, answer in ipairs(run.answers) do
    left_out, cut_short = left_out + answer.left_out, cut_short + (answer.left_out > 0 and 1 or 0)
    cut, empty = cut + (answer.cut and 1 or 0), empty + (answer.answer == "" and 1 or 0)
    if answer.score then
      scored[#scored + 1] = answer
      if answer.kind then
        local row = { source = answer.source .. "\n" .. answer.kind, metric = answer.metric, score = answer.score }
        kinds[#kinds + 1] = row
        types[#types + 1] = answer.kind ~= "abstention" and row or nil
      end
    end
  end
  return {
    summary = fm.metric.summary { results = scored, seed = 1 },
    kinds = fm.metric.summary { results = kinds, seed = 1 },
    over_kinds = fm.metric.summary { results = types, seed = 1 }.over_sources,
    precision = mean(run.answers, function(answer) return answer.evidence_precision end),
    recall = mean(run.answers, function(answer) return answer.evidence_recall end),
    unjudged = #run.answers - #scored,
    lenient = lenient_of(run.answers),
    left_out = left_out,
    cut_short = cut_short,
    cut = cut,
    empty = empty,
  }
end

-- The readings of a run, see lib/harm/readings.lua. No text of a file begins with a memory.
local function readings(run, place)
  local list = {}
  for i, one in ipairs(run.memories) do
    local episode, questions = one.episode, {}
    for q, answer in ipairs(one.answers) do
      questions[q] = {
        question = answer.question, gold = answer.gold, chunks = answer.chunks, metric = answer.metric, kind = answer.kind, id = answer.id,
        instruction = episode.questions[q].instruction,
      }
    end
    local asked = {}
    for t, all in ipairs(episode.chunk_questions) do
      asked[t] = {}
      for q, question in ipairs(all) do
        asked[t][q] = {
          question = question.question, gold = question.answers, metric = question.metric, kind = question.kind, instruction = question.instruction,
        }
      end
    end
    local journal = one.memory:journal {}
    list[i] = {
      episode = i, text = place[i], chunks = episode.chunks, first = 1, initial = {}, operations = journal, journal = journal, asked = asked,
      questions = questions, answers = one.answers,
    }
  end
  return list
end

-- Runs `list` of methods over the episodes of `data`, what episodes.open returns, and keeps what models read in the folder of `run`. `more`
-- has the options of methods.run that are the same for all, `costly`, whether an answer takes a model's reply, and `stopped`, what is said
-- when somebody presses Ctrl-C. Returns what methods.run does for each method, with its `figures`, and those of lib/harm.lua as `harm`.
function methods.run_all(run, list, data, settings, more)
  local counts = {}
  local function count(text)
    counts[text] = counts[text] or #settings.policy:encode { text = text }
    return counts[text]
  end
  local runs = {}
  for i, method in ipairs(list) do
    runs[i] = methods.run {
      episodes = data.own[method] or data.all, method = method, settings = settings, reasoner = more.reasoner, judge = more.judge,
      titles = data.titles, count = count, shown = more.shown, file = run.path .. "/readings.jsonl",
      stop = function()
        if fm.stopping {} then
          fm.exit { error = more.stopped }
        end
      end,
      said = function(line)
        run:progress { step = i - 1, total = #list, text = line }
      end,
    }
    runs[i].figures = methods.figures(runs[i])
    run:progress { step = i - 1, total = #list, text = method.name .. ": measuring harm" }
    local _, place = episodes.texts(data.own[method] or data.all)
    runs[i].harm = harm.measure(readings(runs[i], place), {
      reasoner = more.reasoner, retrieval = runs[i].retrieval, count = count, each = true, costly = more.costly,
    })
    run:progress { step = i, total = #list, text = method.name .. " is done" }
  end
  return runs
end

return methods
