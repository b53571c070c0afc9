-- Which text tells the answer of which question: what a reasoner answers from that text alone.

local fm = require "finemem"

local tells = {}

-- What a reasoner says that knows no answer. A question with this gold answer is about something that is not true.
local UNKNOWN = "not in memory"

-- Only texts that share a rare word with a question are read for it: its rarest words count, until they have led to this many texts.
local ENOUGH = 64
-- A word that more texts have than this distinguishes nothing.
local COMMON = 256
-- How many questions a reasoner gets at a time.
local BATCH = 8192

local function words(text)
  local set = {}
  for word in text:lower():gmatch "[%w\128-\255]+" do
    set[word] = true
  end
  return set
end

-- The score of an answer to a question, or nil if the question's metric needs a judge.
function tells.score(question, answer, gold)
  local metric = question.metric or "substring_exact_match"
  if metric == "edit_distance" or fm.metric.needs_judge { metric = metric } then
    return nil
  end
  return fm.metric.score { metric = metric, answer = answer, gold = gold, kind = question.kind }
end

-- Whether the right answer is that nothing is known.
function tells.refuses(question, gold)
  return tells.score(question, UNKNOWN, gold) == 1
end

local function holds(text, golds)
  text = text:lower()
  for _, gold in ipairs(golds) do
    if text:find(gold:lower(), 1, true) then
      return true
    end
  end
  return false
end

-- The pairs of a text and a question worth asking about, as { text, question }, `question` by its place.
local function pairs_of(texts, questions, costly, list)
  local index = {}
  for at, text in ipairs(texts) do
    for word in pairs(words(text)) do
      local found = index[word] or {}
      found[#found + 1] = at
      index[word] = found
    end
  end
  for q, question in ipairs(questions) do
    local own = {}
    for word in pairs(words(question.question)) do
      if index[word] and #index[word] <= COMMON then
        own[#own + 1] = word
      end
    end
    table.sort(own, function(a, b)
      return #index[a] < #index[b] or #index[a] == #index[b] and a < b
    end)
    local seen, count = {}, 0
    for _, word in ipairs(own) do
      if count >= ENOUGH then
        break
      end
      for _, at in ipairs(index[word]) do
        if not seen[at] then
          seen[at], count = true, count + 1
          if not costly or holds(texts[at], question.golds) then
            list[#list + 1] = { text = texts[at], question = q, asked = question }
          end
        end
      end
    end
  end
end

-- What `reasoner` answers from each text alone. `groups` lists { texts, questions }; a question has `question`, and may have `instruction`,
-- `metric`, `kind`, and `golds`, all its accepted answers at any time. Returns for each group a table: text -> list of { question,
-- answer }, `question` by its place, without the answers that say that nothing is known. If every reply is `costly`, texts that hold none
-- of the accepted answers word for word are not asked about.
function tells.all(reasoner, groups, costly)
  local asked, found = {}, {}
  for g, group in ipairs(groups) do
    local list = {}
    pairs_of(group.texts, group.questions, costly, list)
    for _, pair in ipairs(list) do
      pair.group = g
      asked[#asked + 1] = pair
    end
    found[g] = {}
  end
  for from = 1, #asked, BATCH do
    local queries = {}
    for i = from, math.min(from + BATCH - 1, #asked) do
      local pair = asked[i]
      queries[#queries + 1] = {
        question = pair.asked.question, instruction = pair.asked.instruction,
        items = { { id = 1, content = pair.text, step = 1, created = 1, history = {}, section = "" } },
      }
    end
    for k, answer in ipairs(reasoner:answer_all { queries = queries }) do
      if answer.known then
        local pair = asked[from + k - 1]
        local of = found[pair.group]
        of[pair.text] = of[pair.text] or {}
        table.insert(of[pair.text], { question = pair.question, answer = answer.text })
      end
    end
  end
  return found
end

return tells
