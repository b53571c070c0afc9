-- The made-up lists of contradicting facts keep their word: the file opens, its answers are those of the newest facts, and the same seed gives the
-- same file. The argument is a folder to write to.

local fm = require "finemem"
local list = require "lib.conflicts.list"
local names = require "lib.conflicts.names"
local relations = require "lib.conflicts.relations"

local function made(more)
  local option = { tokens = 6000, seed = 3, questions = 100, wordings = 3, hops = 4 }
  for key, value in pairs(more or {}) do
    option[key] = value
  end
  return list.make(option)
end

local function near(found, expected, off)
  assert(math.abs(found - expected) <= off, string.format("%g, not about %g", found, expected))
end

-- A name from a sentence, where it may have an article, and begins with a capital letter at the start.
local function named(all, text)
  for _, one in ipairs(all) do
    local spoken = names.spoken(one)
    if text == spoken or text == spoken:sub(1, 1):upper() .. spoken:sub(2) then
      return one.name
    end
  end
  return nil
end

-- What a statement says, from its text: subject, relation, value and the form. It says one thing only.
local function said(text, all)
  local found
  for _, relation in ipairs(relations) do
    for _, form in ipairs(relation.said) do
      local first = form:find("{s}", 1, true) < form:find("{o}", 1, true)
      local pattern = "^" .. form:gsub("[%.%-]", "%%%0"):gsub("{%a}", "(.+)") .. "$"
      local one, other = text:match(pattern)
      if one then
        local subject, value = first and one or other, first and other or one
        subject, value = named(all[relation.from], subject), named(all[relation.to], value)
        if subject and value then
          assert(not found, text)
          found = { subject, relation.name, value, form }
        end
      end
    end
  end
  assert(found, text)
  return table.unpack(found)
end

-- The file opens like a published one.
local one = made()
local path = fm.args[1] .. "/conflicts.json"
fm.write { path = path, text = list.file(one, 6000) }
local skipped = {}
local episodes = fm.data.open { path = path, facts_per_chunk = 1, skipped = skipped }
assert(#skipped == 0 and #episodes == 2)
assert(episodes[1].source == "factconsolidation_made_up_mh_6k" and episodes[2].source == "factconsolidation_made_up_sh_6k")
near(#one.context, 4 * 6000, 300)

-- The newest fact of the file's text is the right answer, at every hop.
local holds, times, facts, contradicted, reworded, forms = {}, {}, 0, 0, 0, {}
for i, chunk in ipairs(episodes[1].chunks) do
  assert(chunk == episodes[2].chunks[i])
  local subject, relation, value, form = said(chunk, one.names)
  local key = subject .. "/" .. relation
  assert(holds[key] ~= value, "a correction says something else")
  times[key] = (times[key] or 0) + 1
  facts = facts + (times[key] == 1 and 1 or 0)
  contradicted = contradicted + (times[key] == 2 and 1 or 0)
  reworded = reworded + (forms[key] and forms[key] ~= form and 1 or 0)
  holds[key], forms[key] = value, form
end
near(contradicted / facts, 0.45, 0.1)
near(reworded / (#episodes[1].chunks - facts), 0.25, 0.1)

local hops, changed = {}, 0
for at, questions in ipairs { one.multi, one.single } do
  assert(#questions == 100 and #episodes[at].questions == 100)
  for i, question in ipairs(questions) do
    local asked, value = episodes[at].questions[i], question.subject
    for _, relation in ipairs(question.chain) do
      changed = changed + (at == 2 and times[value .. "/" .. relation] > 1 and 1 or 0)
      value = holds[value .. "/" .. relation]
    end
    assert(asked.question == question.text and #asked.answers == 1 and asked.answers[1] == value, question.text)
    assert(asked.metric == "substring_exact_match" and asked.kind:sub(1, 1) == tostring(#question.chain))
    assert(question.text:find(question.subject, 1, true) and not question.text:find(value, 1, true), question.text)
    hops[#question.chain] = (hops[#question.chain] or 0) + 1
  end
end
assert(hops[1] == 100 and hops[2] > hops[3] and hops[3] > 0 and hops[4] > 0)
near(changed, 67, 17)

-- The same seed gives the same file, another seed another one. The length and the longest chain are as asked for.
assert(list.file(one, 6000) == list.file(made(), 6000))
assert(one.context ~= made({ seed = 4 }).context)
-- With one wording of each relation, all statements of a relation have it.
local once, of = made { wordings = 1 }, {}
for _, statement in ipairs(once.statements) do
  local _, relation, _, form = said(statement.text, once.names)
  assert(not of[relation] or of[relation] == form, statement.text)
  of[relation] = form
end
local long = made { tokens = 20000, hops = 2, questions = 30 }
near(#long.context, 4 * 20000, 300)
for _, question in ipairs(long.multi) do
  assert(#question.chain == 2)
end
