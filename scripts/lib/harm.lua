-- Figures that show harm: what a memory lost, destroyed, kept too long or kept for nothing.
--
-- They need no labels but the questions of an episode, those about a chunk (asked right after it) and those at the end:
--
--   An item *tells* an answer if the reasoner, given that item alone, answers the question with it (score 1).
--   A *fact* is a question with an answer that is right for some time. It comes true with the chunk whose question has this answer, and
--   holds until a chunk's question has another one, or to the end. A final question without questions about chunks comes true with the
--   last chunk of its evidence; if the file names none, with the last statement that tells its answer. What the memory held before the
--   first chunk is true until a chunk says otherwise. That nothing is known is the right answer about what was retracted, but no fact.
--
-- The figures, of all episodes together. A share of nothing is left out.
--
--   facts_lost      of the facts that an item told, once they were true, and that are true at the end: the share that is answered wrongly
--   wrong_updates   of the updates: the share that replaced an item which told a fact that was true after the step, when no item tells
--                   it after the step. Another wording of the same fact does no harm
--   wrong_deletes   of the deletes, the same
--   stale           of the items at the end: the share that tells an outdated answer, and no right one. An answer is outdated if it was
--                   right earlier, or if the item was written before the right one came true and answers otherwise
--   stale_items     how many there are in a memory
--   talk            of the items that were written and are there at the end: the share that tells no fact, neither true nor outdated
--   talk_items      how many there are in a memory
--   verbatim        the share of the chunks' words that stand in what was written at the same step, in runs of 4 words or more. A memory
--                   of whole chunks has 1
--   empty_score     the score of the questions asked of an empty memory
--   shuffled_score  the score of the questions asked of another episode's memory; left out if all episodes have the same text
--   true_score      the score of the questions asked of exactly the facts that are true: for each final question the last statement of
--                   the chunks that tells its answer. Left out if half of an episode's questions have no such statement, or if it has
--                   too many questions to look at all of them
--   of_true         the score of the memory as a share of that
--   memory_ratio    the tokens of the memory, divided by those of exactly the facts that are true
--
-- In a world (its episodes have `events`) there is a question about every fact, so that an item which tells none is talk, and all items,
-- updates and deletes count. Elsewhere questions are about some facts only: `talk` and `memory_ratio` are left out, and only items count
-- that tell an answer, right or not, to a question, and the updates and deletes of such items.
--
-- A world's memory from before the first chunk holds facts only. Those that no question is about stay true, so to overwrite or remove one is
-- wrong, unless its text is still in the memory after the step.

local fm = require "finemem"
local facts = require "lib.harm.facts"
local tells = require "lib.harm.tells"
local walk = require "lib.harm.walk"

local harm = {}

-- How many questions other memories are asked if replies are costly: enough to tell a score from another that is 0.1 lower.
local SAMPLE = 100

-- The figures, in the order of tables: name, title, and whether it is a share of 1 or has so many digits; `n` names what it is a share of.
harm.rows = {
  { name = "facts_lost", title = "facts lost", percent = true, n = "facts" },
  { name = "wrong_updates", title = "wrong updates", percent = true, n = "updates" },
  { name = "wrong_deletes", title = "wrong deletes", percent = true, n = "deletes" },
  { name = "stale", title = "stale items kept", percent = true, n = "items" },
  { name = "stale_items", title = "stale items in a memory", digits = 2 },
  { name = "talk", title = "talk kept", percent = true, n = "written" },
  { name = "talk_items", title = "items of talk in a memory", digits = 2 },
  { name = "verbatim", title = "words of the chunks copied", percent = true },
  { name = "empty_score", title = "score of an empty memory", digits = 3 },
  { name = "shuffled_score", title = "score of another's memory", digits = 3 },
  { name = "true_score", title = "score of the true facts", digits = 3 },
  { name = "of_true", title = "score as a share of that", percent = true },
  { name = "memory_ratio", title = "memory / true facts, tokens", digits = 2 },
}

-- A figure as text, for a row of `harm.rows`; "-" if there is none. With the counts `n`, it says what a share is of.
function harm.shown(row, value, n)
  if type(value) ~= "number" then
    return "-"
  end
  local text = row.percent and string.format("%.1f %%", 100 * value) or string.format("%." .. row.digits .. "f", value)
  return n and row.n and string.format("%s of %d", text, n[row.n]) or text
end

local function mean(lists)
  local sum, n = 0, 0
  for _, list in ipairs(lists) do
    for _, answer in ipairs(list) do
      if answer.score then
        sum, n = sum + answer.score, n + 1
      end
    end
  end
  return n > 0 and sum / n or nil
end

-- The scores of other memories than the reading's own.
local function controls(chosen, option, figures)
  local asked, kinds = {}, { empty = {}, shuffled = {}, exact = {}, own = {} }
  local function ask(kind, memory, questions)
    asked[#asked + 1] = { memory = memory, questions = questions }
    table.insert(kinds[kind], #asked)
  end
  local tokens, truth = 0, 0
  for i, one in ipairs(chosen) do
    local reading, questions = one.reading, {}
    for q, question in ipairs(reading.questions) do
      questions[q] = {
        question = question.question, answers = question.gold, metric = question.metric, kind = question.kind, instruction = question.instruction,
        id = question.id,
      }
    end
    ask("empty", fm.memory.new {}, questions)
    for k = 1, #chosen - 1 do
      local other = chosen[(i + k - 1) % #chosen + 1].reading
      if other.text ~= reading.text then
        ask("shuffled", fm.memory.replay { journal = other.journal }, questions)
        break
      end
    end
    local exact = one.complete and facts.truth(reading, one.told)
    if exact then
      ask("exact", exact, questions)
      table.insert(kinds.own, reading.answers)
      if reading.events and reading.memory_tokens then
        tokens += reading.memory_tokens
        for _, item in ipairs(exact:items {}) do
          truth += option.count(item.content)
        end
      end
    end
  end
  local request = { asked = asked }
  for name, value in pairs(option.retrieval or {}) do
    request[name] = value
  end
  local answers = #asked > 0 and option.reasoner:ask_all(request) or {}
  local function score(kind)
    local lists = {}
    for i, place in ipairs(kinds[kind]) do
      lists[i] = answers[place]
    end
    return mean(lists)
  end
  figures.empty_score, figures.shuffled_score, figures.true_score = score "empty", score "shuffled", score "exact"
  local own = mean(kinds.own)
  figures.of_true = own and figures.true_score > 0 and own / figures.true_score or nil
  figures.memory_ratio = truth > 0 and tokens / truth or nil
end

-- The figures of readings, see lib/harm/readings.lua. `option`:
--
--   reasoner    who answers
--   retrieval   what reasoner:ask_all is given besides, as for the readings' own answers
--   count       how many tokens a text has
--   each        whether the scores of other memories are taken for every reading, and not only for the first of each episode
--   costly      whether an answer takes a model's reply: then texts are only read that hold a right answer word for word, and other
--               memories are only asked until they have had 100 questions each
--   silent      whether nothing may be asked: only `verbatim` is measured
--
-- Also `n`: how many facts, updates, deletes, items and written items the shares are of.
function harm.measure(readings, option)
  local groups, order = {}, {}
  for _, reading in ipairs(readings) do
    if not groups[reading.episode] then
      groups[reading.episode] = {}
      order[#order + 1] = groups[reading.episode]
    end
    table.insert(groups[reading.episode], reading)
  end
  local asked, said = {}, {}
  for g, group in ipairs(order) do
    said[g], asked[g] = {}, { texts = {}, questions = {} }
    if not option.silent then
      said[g] = facts.statements(group[1])
      asked[g].texts = facts.texts(group, said[g])
      asked[g].questions, asked[g].complete = facts.timeline(group[1])
    end
  end
  local found = tells.all(option.reasoner, asked, option.costly)
  local sums = {
    told = 0, lost = 0, updates = 0, wrong_updates = 0, deletes = 0, wrong_deletes = 0, items = 0, stale = 0, written = 0, talk = 0,
    words = 0, copied = 0, readings = 0,
  }
  local chosen, questions = {}, 0
  for g, group in ipairs(order) do
    local told = facts.read(asked[g].questions, said[g], group[1].initial, found[g])
    for i, reading in ipairs(group) do
      walk(reading, told, sums)
      -- There are files whose questions no single statement answers.
      sums.readings += (reading.events or next(told.known)) and 1 or 0
      if (option.each or i == 1) and not (option.costly and questions >= SAMPLE) then
        chosen[#chosen + 1], questions = { reading = reading, told = told, complete = asked[g].complete }, questions + #reading.questions
      end
    end
  end
  local function share(part, all)
    return all > 0 and part / all or nil
  end
  local figures = { verbatim = share(sums.copied, sums.words) }
  if option.silent then
    return figures
  end
  figures.facts_lost = share(sums.lost, sums.told)
  figures.wrong_updates, figures.wrong_deletes = share(sums.wrong_updates, sums.updates), share(sums.wrong_deletes, sums.deletes)
  figures.stale, figures.stale_items = share(sums.stale, sums.items), share(sums.stale, sums.readings)
  figures.talk, figures.talk_items = share(sums.talk, sums.written), sums.written > 0 and sums.talk / sums.readings or nil
  controls(chosen, option, figures)
  figures.n = { facts = sums.told, updates = sums.updates, deletes = sums.deletes, items = sums.items, written = sums.written }
  return figures
end

return harm
