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
--                   the chunks that tells its answer. Left out if half of an episode's questions have no such statement
--   of_true         the score of the memory as a share of that
--   memory_ratio    the tokens of the memory, divided by those of exactly the facts that are true
--
-- In a world (its episodes have `events`) there is a question about every fact, so that an item which tells none is talk, and all updates
-- and deletes count. Elsewhere questions are about some facts only: `talk` and `memory_ratio` are left out, and an update or delete counts
-- if the item told any answer of any question.
--
-- A world's memory from before the first chunk holds facts only. Those that no question is about stay true, so to overwrite or remove one is
-- wrong, unless its text is still in the memory after the step.

local fm = require "finemem"
local tells = require "lib.tells"
local texts = require "lib.texts"

local harm = {}

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

-- Words in a row that count as copied.
local RUN = 4

local function words(text)
  local list = {}
  for word in text:lower():gmatch "%S+" do
    list[#list + 1] = word
  end
  return list
end

-- How many words of a chunk stand in the contents that were written with it, and how many it has.
local function copied(chunk, contents)
  local own, known, covered = words(chunk), {}, 0
  local run = math.min(RUN, #own)
  for _, content in ipairs(contents) do
    local list = words(content)
    for i = 1, #list - run + 1 do
      known[table.concat(list, " ", i, i + run - 1)] = true
    end
  end
  local upto = 0
  for i = 1, #own - run + 1 do
    if known[table.concat(own, " ", i, i + run - 1)] then
      covered = covered + i + run - 1 - math.max(upto, i - 1)
      upto = i + run - 1
    end
  end
  return covered, #own
end

-- A reading, as `measure` takes it, has
--
--   episode, text      what questions and text it shares with other readings
--   chunks, first      the chunks, and the number of the first
--   initial            the items before the first chunk
--   operations         of the journal, without those that made these items
--   asked, questions   the questions about each chunk and at the end, { question, gold, chunks, metric, kind, instruction }
--   answers            the answers to the latter, { question, score }
--   events             the sentences of each chunk, if a world tells them
--   journal            the whole journal
--   memory_tokens      the length of the memory, if it is known

-- How many entries of a journal made the items that a memory began with.
local function prelude(journal, items)
  local live, count = {}, 0
  local function same()
    for _, item in ipairs(items) do
      if live[item.id] ~= item.content then
        return false
      end
    end
    return true
  end
  for i = 0, #journal do
    local entry = journal[i]
    if entry then
      local gone = entry.operation == "insert" and entry.replaces or (entry.operation == "delete" or entry.operation == "close") and entry.id
      if gone and live[gone] then
        live[gone], count = nil, count - 1
      end
      if entry.content then
        count = count + (live[entry.id] and 0 or 1)
        live[entry.id] = entry.content
      end
    end
    if count == #items and same() then
      return i
    end
  end
  return 0
end

-- The readings of a batch. `episodes`, as the batch was rolled out from, say what a world tells of them.
function harm.of_batch(batch, episodes)
  local readings = {}
  for i, rollout in ipairs(batch.rollouts) do
    local chunks, asked, steps = {}, {}, rollout.steps
    for t, step in ipairs(steps) do
      chunks[t], asked[t] = step.chunk, step.chunk_answers
    end
    local first = rollout.first or 1
    local episode = episodes and episodes[rollout.episode]
    -- A reward that branches rolls out episodes of its own.
    if episode and episode.chunks[first] ~= chunks[1] then
      episode = nil
    end
    local initial = steps[1] and steps[1].memory_before or {}
    local from = prelude(rollout.journal, initial)
    readings[i] = {
      episode = rollout.episode, text = rollout.episode, chunks = chunks, first = first, initial = initial,
      operations = table.move(rollout.journal, from + 1, #rollout.journal, 1, {}), asked = asked, questions = rollout.answers,
      answers = rollout.answers, events = episode and episode.events, journal = rollout.journal, memory_tokens = rollout.memory_tokens,
    }
  end
  return readings
end

local function key_of(gold)
  return table.concat(gold, "\0")
end

-- The questions of a reading, each with `spans`, the times for which its answers are right: { from, gold }, oldest first. `from` is false
-- if it is not known yet.
local function timeline(reading)
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
  return list
end

-- The statements of a reading's chunks, as { text, chunk }. A world tells them without small talk and openings.
local function statements(reading)
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
local function texts_of(readings, said)
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
local function read(questions, said, initial, found)
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

  local facts, known = {}, {}
  for text, all in pairs(found) do
    facts[text], known[text] = {}, true
    for _, told in ipairs(all) do
      local question = questions[told.question]
      for _, span in ipairs(question.spans) do
        if span.fact and right(question, span, told.answer) then
          table.insert(facts[text], span.fact)
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
  return { facts = facts, known = known, outdated = outdated, truths = truths, refusals = refusals }
end

-- Walks through a reading's operations and adds to the sums.
local function walk(reading, told, sums)
  local live, count, held, score = {}, {}, {}, {}
  for _, answer in ipairs(reading.answers) do
    score[answer.question] = score[answer.question] or answer.score
  end
  local ever, same = {}, {} -- facts that were told at the end of a step; how often a text is in the memory
  local function change(text, by)
    same[text] = (same[text] or 0) + by
    for _, fact in ipairs(told.facts[text] or {}) do
      count[fact] = (count[fact] or 0) + by
    end
  end
  local function put(id, text, written)
    live[id] = { text = text, written = written }
    change(text, 1)
  end
  for _, item in ipairs(reading.initial) do
    put(item.id, item.content, 0)
  end

  local suspects, wrote, step = {}, {}, reading.first
  -- Ends the steps before `upto`.
  local function close(upto)
    for _, suspect in ipairs(suspects) do
      local wrong = suspect.bystander and same[suspect.bystander] == 0
      for _, fact in ipairs(suspect.facts) do
        wrong = wrong or (fact.from <= step and step < fact.to and count[fact] == 0)
      end
      sums["wrong_" .. suspect.kind] += wrong and 1 or 0
    end
    for _, text in ipairs(wrote) do
      for _, fact in ipairs(told.facts[text] or {}) do
        ever[fact] = ever[fact] or (count[fact] > 0 and fact.from <= step)
      end
    end
    if step < upto then
      local covered, all = copied(reading.chunks[step - reading.first + 1] or "", wrote)
      sums.copied, sums.words = sums.copied + covered, sums.words + all
    end
    for at = step + 1, upto - 1 do
      sums.words += #words(reading.chunks[at - reading.first + 1] or "")
    end
    suspects, wrote, step = {}, {}, upto
  end
  local function remove(id, kind)
    local item = live[id]
    local facts = told.facts[item.text] or {}
    for _, fact in ipairs(facts) do
      -- It was told at the end of the step before.
      ever[fact] = ever[fact] or (item.written < step and fact.from < step)
    end
    -- A step may change its own items as it likes, as long as it leaves them right.
    local known = told.known[item.text]
    if reading.events or known then
      sums[kind] += 1
      suspects[#suspects + 1] = {
        kind = kind, facts = facts, bystander = reading.events and item.written == 0 and not known and item.text or nil,
      }
    end
    change(item.text, -1)
    live[id] = nil
  end
  for _, entry in ipairs(reading.operations) do
    if entry.step > step then
      close(entry.step)
    end
    if entry.operation == "update" then
      remove(entry.id, "updates")
    elseif entry.operation == "insert" and entry.replaces then
      remove(entry.replaces, "updates")
    elseif entry.operation ~= "insert" then
      remove(entry.id, "deletes")
    end
    if entry.content then
      put(entry.id, entry.content, step)
      wrote[#wrote + 1] = entry.content
    end
  end
  close(reading.first + #reading.chunks)

  for fact, n in pairs(count) do
    ever[fact] = ever[fact] or n > 0
  end
  for fact, was in pairs(ever) do
    if was and fact.final and score[fact.question] then
      sums.told += 1
      sums.lost += score[fact.question] < 1 and 1 or 0
    end
  end
  for _, item in pairs(live) do
    local stale = told.outdated(item.text, item.written)
    sums.items, sums.stale = sums.items + 1, sums.stale + (stale and 1 or 0)
    if reading.events and item.written > 0 then
      sums.written += 1
      sums.talk += not stale and #(told.facts[item.text] or {}) == 0 and 1 or 0
    end
  end
end

-- A memory of exactly the facts that are true: nil if the reading does not tell enough of them. In a world, items from before the first
-- chunk that no question is about are true.
local function truth_of(reading, told)
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
    local exact = truth_of(reading, one.told)
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

-- The figures of readings. `option`:
--
--   reasoner    who answers
--   retrieval   what reasoner:ask_all is given besides, as for the readings' own answers
--   count       how many tokens a text has
--   each        whether the scores of other memories are taken for every reading, and not only for the first of each episode
--   costly      whether an answer takes a model's reply: then texts are only read that hold a right answer word for word
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
    said[g] = option.silent and {} or statements(group[1])
    asked[g] = { texts = option.silent and {} or texts_of(group, said[g]), questions = option.silent and {} or timeline(group[1]) }
  end
  local found = tells.all(option.reasoner, asked, option.costly)
  local sums = {
    told = 0, lost = 0, updates = 0, wrong_updates = 0, deletes = 0, wrong_deletes = 0, items = 0, stale = 0, written = 0, talk = 0, words = 0, copied = 0,
  }
  local chosen = {}
  for g, group in ipairs(order) do
    local told = read(asked[g].questions, said[g], group[1].initial, found[g])
    for i, reading in ipairs(group) do
      walk(reading, told, sums)
      if option.each or i == 1 then
        chosen[#chosen + 1] = { reading = reading, told = told }
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
  figures.stale, figures.stale_items = share(sums.stale, sums.items), sums.stale / #readings
  figures.talk, figures.talk_items = share(sums.talk, sums.written), sums.written > 0 and sums.talk / #readings or nil
  controls(chosen, option, figures)
  figures.n = { facts = sums.told, updates = sums.updates, deletes = sums.deletes, items = sums.items, written = sums.written }
  return figures
end

return harm
