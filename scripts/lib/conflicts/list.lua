-- Lists of made-up facts that contradict one another, and questions about them, as MemoryAgentBench's conflict resolution has them.

local fm = require "finemem"
local arguments = require "lib.arguments"
local names = require "lib.conflicts.names"
local relations = require "lib.conflicts.relations"

local list = {}

-- The share of all possible facts that a list has. It is large, so that a name that an outdated fact leads to often has the next fact, too.
local FILLED = 0.4
-- The share of facts that a later one contradicts. A fifth of these are contradicted once more, and so on.
local CONTRADICTED = 0.45
-- The share of corrections that are worded otherwise than the fact before.
local REWORDED = 0.25
-- The share of questions for one fact that ask for one that changed.
local CHANGED = 2 / 3
-- How often a question of several facts has two, three and four.
local HOPS = { { 2, 0.5 }, { 3, 0.3 }, { 4, 0.2 } }
-- Names of a kind, in proportion.
local MANY = { person = 24, dog = 12, firm = 10, festival = 10, newspaper = 10, bridge = 10 }
local OTHERS = 8
-- Bytes in a line, about.
local LINE = 62

local relation_named, from = {}, {}
for _, relation in ipairs(relations) do
  relation_named[relation.name] = relation
  from[relation.from] = from[relation.from] or {}
  table.insert(from[relation.from], relation)
end

-- One of a list. `rng:pick` would copy the list, which is long.
local function pick(rng, all)
  return all[rng:integer { high = #all }]
end

-- A form with its subject and its value filled in.
local function filled(form, subject, value)
  return (form:gsub("{(%a)}", { s = subject, o = value }))
end

-- A statement: a form as a sentence.
local function stated(form, subject, value)
  local text = filled(form, subject, value)
  return text:sub(1, 1):upper() .. text:sub(2)
end

-- How many names of each kind a list of about `bytes` needs.
local function counts(bytes)
  local facts = 0
  for kind, all in pairs(from) do
    facts = facts + (MANY[kind] or OTHERS) * #all
  end
  local wanted = bytes / LINE / (1 + CONTRADICTED * 1.25)
  local scale = wanted / (FILLED * facts)
  local count = {}
  for _, relation in ipairs(relations) do
    for _, kind in ipairs { relation.from, relation.to } do
      count[kind] = math.max(4, math.ceil((MANY[kind] or OTHERS) * scale))
    end
  end
  return count
end

-- The values of a fact, oldest first: most have one. Values that `used` holds belong to other subjects.
local function versions(rng, relation, subject, values, used)
  local many = 1
  while many < 4 and rng:number() < (many == 1 and CONTRADICTED or 0.2) do
    many = many + 1
  end
  local chosen, tries = {}, 0
  while #chosen < many and tries < 20 * many do
    tries = tries + 1
    local value = pick(rng, values)
    if value ~= subject and not table.find(chosen, value) and not (relation.only and used[value]) then
      chosen[#chosen + 1] = value
    end
  end
  for _, value in ipairs(chosen) do
    used[value] = true
  end
  return chosen
end

-- A list of about `bytes` bytes, with so many wordings of each relation. Gives the statements in order, each as { text, relation, subject,
-- value } with the relation's name and two names of `names.make`, and all names by kind.
local function statements(rng, bytes, wordings)
  local made = names.make(rng, counts(bytes))
  local candidates = {}
  for _, relation in ipairs(relations) do
    for _, subject in ipairs(made[relation.from]) do
      candidates[#candidates + 1] = { relation = relation, subject = subject }
    end
  end
  rng:shuffle { list = candidates }
  local wording_of = {}
  for _, relation in ipairs(relations) do
    local said = table.clone(relation.said)
    if wordings < #said then
      rng:shuffle { list = said }
    end
    wording_of[relation] = table.move(said, 1, wordings, 1, {})
  end

  local used, slots, length = {}, {}, 0
  for _, fact in ipairs(candidates) do
    if length >= bytes then
      break
    end
    local relation = fact.relation
    used[relation] = used[relation] or {}
    local forms = wording_of[relation]
    local said = pick(rng, forms)
    fact.told = {}
    for _, value in ipairs(versions(rng, relation, fact.subject, made[relation.to], used[relation])) do
      if #fact.told > 0 and #forms > 1 and rng:number() < REWORDED then
        local before = said
        repeat
          said = pick(rng, forms)
        until said ~= before
      end
      local text = stated(said, names.spoken(fact.subject), names.spoken(value))
      table.insert(fact.told, { text = text, relation = relation.name, subject = fact.subject, value = value })
      slots[#slots + 1] = fact
      length = length + #text + #tostring(#slots) + 3
    end
  end

  -- The versions of a fact keep their order, wherever they are in the list.
  rng:shuffle { list = slots }
  local all, next_of = {}, {}
  for i, fact in ipairs(slots) do
    next_of[fact] = (next_of[fact] or 0) + 1
    all[i] = fact.told[next_of[fact]]
  end
  return all, made
end

-- What holds after the last statement: { value, changed } by subject and name of the relation.
local function newest(all)
  local facts = {}
  for _, one in ipairs(all) do
    facts[one.subject] = facts[one.subject] or {}
    local before = facts[one.subject][one.relation]
    facts[one.subject][one.relation] = { value = one.value, changed = before ~= nil }
  end
  return facts
end

-- A form of `forms` that goes with a subject, which is made of `depth` phrases.
local function form(rng, forms, subject, depth)
  local long = depth > 1
  for _, clause in ipairs { " who ", " whom ", " that ", " which ", " where " } do
    long = long or depth > 0 and subject:find(clause, 1, true) ~= nil
  end
  local good, ending = {}, {}
  for _, text in ipairs(forms) do
    if depth == 0 or not text:find("{s}'s", 1, true) then
      table.insert(good, text)
      if text:find "{s}%??$" then
        table.insert(ending, text)
      end
    end
  end
  return pick(rng, long and #ending > 0 and ending or good)
end

-- A question for the value at the end of a chain of relations. Titles are sometimes quoted.
local function worded(rng, subject, chain)
  local phrase = names.spoken(subject)
  if (subject.kind == "book" or subject.kind == "painting") and rng:number() < 0.25 then
    phrase = '"' .. phrase .. '"'
  end
  for i = 1, #chain - 1 do
    phrase = filled(form(rng, relation_named[chain[i]].named, phrase, i - 1), phrase)
  end
  return filled(form(rng, relation_named[chain[#chain]].asked, phrase, #chain - 1), phrase)
end

-- A chain of `hops` facts from a subject, or nil if it ends before.
local function walk(rng, facts, subject, hops)
  local chain, met, at = {}, { [subject] = true }, subject
  for hop = 1, hops do
    local next_ones = {}
    for _, relation in ipairs(from[at.kind] or {}) do
      local fact = facts[at] and facts[at][relation.name]
      if fact and not met[fact.value] and not table.find(chain, relation.name) and (relation.named or hop == hops) then
        next_ones[#next_ones + 1] = relation.name
      end
    end
    if #next_ones == 0 then
      return nil
    end
    chain[hop] = pick(rng, next_ones)
    at = facts[at][chain[hop]].value
    met[at] = true
  end
  return chain, at
end

-- `count` questions, each as { text, answer, subject, chain, hops }. `draw` proposes a subject and how many facts to go on from there.
local function questions(rng, facts, count, draw)
  local all, asked, tries = {}, {}, 0
  while #all < count do
    tries = tries + 1
    if tries > 1000 * count then
      arguments.refuse("the list has facts for only %d of %d questions: ask for fewer, or for more --tokens", #all, count)
    end
    local subject, chain, value = draw(#all + 1)
    local key = chain and subject.name .. "/" .. table.concat(chain, "/")
    if chain and not asked[key] then
      local text = worded(rng, subject, chain)
      -- An answer that stands in its question is none.
      if not asked[text] and not text:lower():find(value.name:lower(), 1, true) then
        asked[key], asked[text] = true, true
        all[#all + 1] = { text = text, answer = value.name, subject = subject.name, chain = chain }
      end
    end
  end
  return all
end

-- Everything that a file promises: each question has one answer, which its newest statements say.
local function checked(all, asked)
  local told, texts = {}, {}
  for _, one in ipairs(all) do
    assert(not texts[one.text], one.text)
    texts[one.text] = true
    assert(one.text:lower():find(one.subject.name:lower(), 1, true) and one.text:lower():find(one.value.name:lower(), 1, true), one.text)
    told[one.subject.name .. "/" .. one.relation] = one.value.name
  end
  for _, question in ipairs(asked) do
    local at = question.subject
    for _, relation in ipairs(question.chain) do
      at = assert(told[at .. "/" .. relation], question.text)
    end
    assert(at == question.answer, question.text)
  end
end

-- Makes a list of about `tokens` tokens of four bytes with up to `wordings` wordings of each relation, `questions` questions for one fact of it, and as many for chains of 2 to `hops` facts.
-- Gives { context, statements, names, single, multi }; statements, names and questions are as above.
function list.make(option)
  local rng = fm.rng.new { seed = option.seed }
  local all, made = statements(rng, 4 * option.tokens, option.wordings)
  local facts = newest(all)

  -- Subjects with facts, in the order of the list.
  local subjects, keys, seen = {}, { [true] = {}, [false] = {} }, {}
  for _, one in ipairs(all) do
    if not seen[one.subject] then
      seen[one.subject] = true
      subjects[#subjects + 1] = one.subject
    end
    local key = one.subject.name .. "/" .. one.relation
    if not seen[key] then
      seen[key] = true
      table.insert(keys[facts[one.subject][one.relation].changed], one)
    end
  end

  local single = questions(rng, facts, option.questions, function()
    local one = pick(rng, keys[rng:number() < CHANGED])
    return one.subject, { one.relation }, facts[one.subject][one.relation].value
  end)
  local total = 0
  for _, one in ipairs(HOPS) do
    total = total + (one[1] <= option.hops and one[2] or 0)
  end
  local multi = questions(rng, facts, option.questions, function()
    local draw, hops = rng:number() * total, 1
    repeat
      hops = hops + 1
      draw = draw - HOPS[hops - 1][2]
    until draw < 0 or hops == option.hops
    local subject = pick(rng, subjects)
    return subject, walk(rng, facts, subject, hops)
  end)
  checked(all, single)
  checked(all, multi)

  local lines = { "Here is a list of facts:" }
  for i, one in ipairs(all) do
    lines[i + 1] = (i - 1) .. ". " .. one.text
  end
  return { context = table.concat(lines, "\n") .. "\n", statements = all, names = made, single = single, multi = multi }
end

-- A list as a file of MemoryAgentBench: a row for each sort of questions, with null where its other splits have lists.
function list.file(made, tokens)
  local null = fm.json.null
  local rows = {}
  for i, sort in ipairs { "mh", "sh" } do
    local source = string.format("factconsolidation_made_up_%s_%dk", sort, math.round(tokens / 1000))
    local row = { context = made.context, questions = {}, answers = {}, metadata = {
      demo = null, haystack_sessions = null, keypoints = null, previous_events = null, question_dates = null, question_ids = null,
      question_types = {}, qa_pair_ids = {}, source = source,
    } }
    for at, question in ipairs(sort == "mh" and made.multi or made.single) do
      row.questions[at], row.answers[at] = question.text, { question.answer }
      row.metadata.question_types[at] = #question.chain == 1 and "1 hop" or #question.chain .. " hops"
      row.metadata.qa_pair_ids[at] = source .. "_no" .. at - 1
    end
    rows[i] = row
  end
  return fm.json.encode { value = rows, pretty = true } .. "\n"
end

return list
