-- The facts of an episode: when each is true, and which texts tell it. lib/harm.lua says what a fact is.

local fm = require "finemem"
local tells = require "lib.harm.tells"
local texts = require "lib.texts"

local facts = {}

local function key_of(gold)
  return table.concat(gold, "\0")
end

-- The most final questions of a file's text that are looked at, and the most others. A world needs all of them to tell facts from talk.
local MOST = 500

-- Evenly spaced elements of a list, at most `MOST`.
local function thinned(list)
  local few = {}
  for i = 1, #list, math.max(1, math.ceil(#list / MOST)) do
    few[#few + 1] = list[i]
  end
  return few
end

-- The questions of a reading, each with `spans`, the times for which its answers are right: { from, gold }, oldest first. `from` is false
-- if it is not known yet. Also whether all final questions are among them.
function facts.timeline(reading)
  local list, known = {}, {}
  local function add(asked, from, final)
    local question = known[asked.question]
    if not tells.score(asked, "", asked.gold) or (question and question.final) then
      return
    end
    if not question then
      question = {
        question = asked.question, instruction = asked.instruction, metric = asked.metric, kind = asked.kind, golds = {}, spans = {},
      }
      known[asked.question], list[#list + 1] = question, question
    end
    local last = question.spans[#question.spans]
    if not last or key_of(last.gold) ~= key_of(asked.gold) then
      question.spans[#question.spans + 1] = { from = from and math.max(from, last and last.from or 0), gold = asked.gold }
      table.move(asked.gold, 1, #asked.gold, #question.golds + 1, question.golds)
    end
    if final then
      question.final, question.chunks = true, asked.chunks and #asked.chunks > 0 and asked.chunks or nil
    end
  end
  for t, asked in ipairs(reading.asked) do
    for _, question in ipairs(asked) do
      add(question, reading.first + t - 1, false)
    end
  end
  for _, question in ipairs(reading.questions) do
    local chunks = question.chunks or {}
    add(question, #chunks > 0 and math.max(table.unpack(chunks)), true)
  end
  if reading.events then
    return list, true
  end
  local finals, others = {}, {}
  for _, question in ipairs(list) do
    table.insert(question.final and finals or others, question)
  end
  local few = thinned(finals)
  return table.move(thinned(others), 1, MOST, #few + 1, few), #finals <= MOST
end

-- The statements of a reading's chunks, as { text, chunk }. A world tells them without small talk and openings.
function facts.statements(reading)
  local list = {}
  for t, chunk in ipairs(reading.chunks) do
    local at = reading.first + t - 1
    if reading.events then
      for _, event in ipairs(reading.events[at]) do
        list[#list + 1] = event.fact and { text = event.content or event.text, chunk = at } or nil
      end
    else
      for _, text in ipairs(texts.statements(chunk)) do
        list[#list + 1] = { text = text, chunk = at }
      end
    end
  end
  return list
end

-- All texts that have to be read for an episode, each once.
function facts.texts(readings, said)
  local list, known = {}, {}
  local function add(text)
    if text and not known[text] then
      known[text], list[#list + 1] = true, text
    end
  end
  for _, reading in ipairs(readings) do
    for _, item in ipairs(reading.initial) do
      add(item.content)
    end
    for _, entry in ipairs(reading.operations) do
      add(entry.content)
    end
  end
  for _, one in ipairs(said) do
    add(one.text)
  end
  return list
end

-- What the texts of an episode tell: completes its timeline, and returns
--
--   facts[text]      the facts that a text tells, as { question, from, to, final }; `to` is the chunk from which it does not hold
--   outdated(text, written)
--   known[text]      whether it tells any answer to any question
--   truths           for each final question with a fact, the text that tells it; false if there is none
--   refusals         how many final questions are about what is not true
function facts.read(questions, said, initial, found)
  local function right(question, span, answer)
    return tells.score(question, answer, span.gold) == 1
  end
  local first = {} -- question -> what the memory said at first
  for _, item in ipairs(initial) do
    for _, told in ipairs(found[item.content] or {}) do
      first[told.question] = first[told.question] or {}
      table.insert(first[told.question], { text = item.content, answer = told.answer })
    end
  end
  local truths, refusals = {}, 0
  local by = {} -- question -> statements that tell an answer to it
  for _, one in ipairs(said) do
    for _, told in ipairs(found[one.text] or {}) do
      by[told.question] = by[told.question] or {}
      table.insert(by[told.question], { text = one.text, chunk = one.chunk, answer = told.answer })
    end
  end
  for q, question in ipairs(questions) do
    local spans = question.spans
    local last, truth = spans[#spans], nil
    for _, one in ipairs(by[q] or {}) do
      if right(question, last, one.answer) and (not question.chunks or table.find(question.chunks, one.chunk)) then
        truth = one
      end
    end
    last.from = last.from or truth and truth.chunk or 0
    local before, other = nil, nil
    for _, one in ipairs(first[q] or {}) do
      if right(question, spans[1], one.answer) then
        before = one
      else
        other = one
      end
    end
    if before then
      spans[1].from = 0
    elseif other and spans[1].from > 0 then
      table.insert(spans, 1, { from = 0, gold = { other.answer } })
    end
    if last == spans[1] then
      truth = truth or before
    end
    question.refused = tells.refuses(question, last.gold)
    question.sure = question.refused or truth ~= nil
    for s, span in ipairs(spans) do
      span.fact = not tells.refuses(question, span.gold) and {
        question = question.question, from = span.from, to = spans[s + 1] and spans[s + 1].from or math.huge, final = question.final and s == #spans,
      }
    end
    if question.final and question.refused then
      refusals = refusals + 1
    elseif question.final then
      truths[#truths + 1] = truth and truth.text or false
    end
  end

  local by_text, known = {}, {}
  for text, all in pairs(found) do
    by_text[text], known[text] = {}, true
    for _, told in ipairs(all) do
      local question = questions[told.question]
      for _, span in ipairs(question.spans) do
        if span.fact and right(question, span, told.answer) then
          table.insert(by_text[text], span.fact)
        end
      end
    end
  end
  local function outdated(text, written)
    local stale = false
    for _, told in ipairs(found[text] or {}) do
      local question = questions[told.question]
      local last = question.spans[#question.spans]
      if right(question, last, told.answer) and last.fact then
        return false
      elseif question.sure and written < last.from then
        stale = true
      end
      for s = 1, #question.spans - 1 do
        stale = stale or right(question, question.spans[s], told.answer)
      end
    end
    return stale
  end
  return { facts = by_text, known = known, outdated = outdated, truths = truths, refusals = refusals }
end

-- A memory of exactly the facts that are true: nil if the reading does not tell enough of them. In a world, items from before the first
-- chunk that no question is about are true.
function facts.truth(reading, told)
  local memory, seen, missing = fm.memory.new {}, {}, 0
  local function add(text)
    if text and not seen[text] then
      seen[text] = true
      memory:insert { content = text }
    end
  end
  for _, item in ipairs(reading.events and reading.initial or {}) do
    add(not told.known[item.content] and item.content)
  end
  for _, text in ipairs(told.truths) do
    missing = missing + (text and 0 or 1)
    add(text)
  end
  return (#told.truths > 0 or told.refusals > 0) and missing <= #told.truths / 2 and memory or nil
end

return facts
