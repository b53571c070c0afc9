-- The worlds work as they should: a careful teacher's memory answers their questions, a careless teacher's memory answers fewer, and each
-- sentence that a world tells is one statement of its text. The office has no wording in common with anything else.

local fm = require "finemem"
local texts = require "lib.texts"
local teacher = require "worlds.teacher"

local reasoner = fm.reasoner.extractive {}

local function ask(memory, question)
  local answer = reasoner:answer { question = question.question, items = memory:retrieve { query = question.question, k = 10 } }
  return fm.metric.substring_exact_match { answer = answer.text, gold = question.answers }, answer.text
end

-- The share of right answers at the end, by kind of question, and the number of items in the memories.
local function play(name, option, care)
  local right, asked, items = { all = 0 }, { all = 0 }, 0
  for i, episode in ipairs(require("worlds." .. name).sample(option)) do
    teacher.play { episode = episode, rng = fm.rng.new { seed = { option.seed, i } }, care = care, k = 40 }
    for _, question in ipairs(episode.questions) do
      local score, answer = ask(episode.memory, question)
      if care == 1 and score < 1 then
        print("  missed: " .. question.question .. " -> " .. question.answers[1] .. " not: " .. answer)
      end
      for _, kind in ipairs { "all", question.kind } do
        right[kind], asked[kind] = (right[kind] or 0) + score, (asked[kind] or 0) + 1
      end
    end
    items = items + #episode.memory:items {}
  end
  for kind, count in pairs(asked) do
    right[kind] = right[kind] / count
    print(string.format("%s, care %.1f  %-9s %.3f of %d", name, care, kind, right[kind], count))
  end
  return right.all, items
end

-- Every sentence is one statement, which ends with it: a number or a speaker may be before it.
local function matched(name, option)
  local texts_read, sentences = 0, 0
  for _, episode in ipairs(require("worlds." .. name).sample(option)) do
    for t, chunk in ipairs(episode.chunks) do
      local found, events = texts.statements(chunk), episode.events[t]
      assert(#found == #events, string.format("%d statements of %d sentences: %s", #found, #events, chunk))
      for i, event in ipairs(events) do
        assert(found[i]:sub(-#event.text) == event.text, found[i] .. " is not: " .. event.text)
        assert(event.kind == "talk" or event.fact, "a sentence tells nothing")
      end
      texts_read, sentences = texts_read + 1, sentences + #events
    end
  end
  print(string.format("%s: %d sentences of %d texts are statements", name, sentences, texts_read))
end

for _, name in ipairs { "household", "office" } do
  local world = require("worlds." .. name)
  local first, again = world.sample { count = 2, seed = 5 }, world.sample { count = 1, seed = 5 }
  assert(table.concat(first[1].chunks) == table.concat(again[1].chunks), "the same seed gives another episode")
  assert(not pcall(world.sample, { count = 1, seed = 1, fact = 3 }), "an unknown parameter is taken")

  -- The texts that prove an answer contain it.
  for _, question in ipairs(first[1].questions) do
    assert(#question.evidence > 0)
    for _, t in ipairs(question.evidence) do
      assert(question.kind == "retracted" or first[1].chunks[t]:find(question.answers[1], 1, true), question.question)
    end
  end

  -- Items of a full memory tell the facts that they hold, and some questions are about facts that no text touches.
  local full = world.sample { count = 1, seed = 6, full = 1, least = 500, past = 500, ids = 90000 }[1]
  local kept = 0
  for _, question in ipairs(full.questions) do
    kept = kept + (question.kind == "kept" and 1 or 0)
    assert(question.kind ~= "kept" or ask(full.memory, question) == 1, question.question)
  end
  assert(#full.memory:items {} == 500 and kept > 0)

  for _, more in ipairs { {}, { full = 0.5, past = 100 } } do
    local option = { count = 40, seed = 3 }
    for key, value in pairs(more) do
      option[key] = value
    end
    local careful, items = play(name, option, 1)
    local careless, piled = play(name, option, 0.5)
    assert(careful > 0.95, "a careful memory answers only " .. careful)
    assert(careful > careless + 0.1, "carelessness costs too little: " .. careless)
    assert(piled > items, "a careless memory should hold more items")
  end
end

for _, name in ipairs { "household", "office", "motley" } do
  for _, facts in ipairs { 1, 6 } do
    for _, variety in ipairs { 0.1, 1 } do
      matched(name, { count = 40, seed = 77, facts = facts, variety = variety, opening = 0.3, full = 0.5, past = 100 })
    end
  end
end
assert(not pcall(require("worlds.office").sample, { count = 1, seed = 1, made_up = 0.5 }), "the office makes up relations")
assert(not pcall(require("worlds.motley").sample, { count = 1, seed = 1, made_up = 0.5 }), "there are relations to choose from")

-- The office has no wording of the household or of the made-up lists, and but for small words no word of the household's.
local small = {}
for word in ("a as at back by does for from has in is its of on one that the to up was what where which who with"):gmatch "%a+" do
  small[word] = true
end

-- The sentences and questions of a relation.
local function said(relation)
  local list = { relation.gone }
  for _, forms in ipairs { relation.forms or relation.said, relation.ask and { relation.ask } or relation.asked } do
    table.move(forms, 1, #forms, #list + 1, list)
  end
  return list
end

local function plain(form)
  return (form:lower():gsub("{%a}", "_"):gsub("[%.%?]", ""))
end

local taken, words, count = {}, {}, 0
for _, list in ipairs { require("worlds.household").relations, require "lib.conflicts.relations" } do
  for _, relation in ipairs(list) do
    for _, form in ipairs(said(relation)) do
      taken[plain(form)] = true
      if relation.forms then
        for word in plain(form):gmatch "%a+" do
          words[word] = true
        end
      end
    end
  end
end
for _, relation in ipairs(require("worlds.office").relations) do
  for _, form in ipairs(said(relation)) do
    count = count + 1
    assert(not taken[plain(form)], form)
    for word in plain(form):gmatch "%a+" do
      assert(small[word] or not words[word], string.format("the household says '%s' too: %s", word, form))
    end
  end
end
assert(count > 150)
