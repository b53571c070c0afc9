-- The household world works as it should: a careful teacher's memory answers its questions, and a careless teacher's memory answers fewer.

local fm = require "finemem"
local world = require "worlds.household"
local teacher = require "worlds.teacher"

local reasoner = fm.reasoner.extractive {}

local function ask(memory, question)
  local answer = reasoner:answer { question = question.question, items = memory:retrieve { query = question.question, k = 10 } }
  return fm.metric.substring_exact_match { answer = answer.text, gold = question.answers }, answer.text
end

-- The share of right answers at the end, by kind of question, and the number of items in the memories.
local function play(care, seed)
  local right, asked, items = { all = 0 }, { all = 0 }, 0
  for i, episode in ipairs(world.sample { count = 40, seed = seed }) do
    local memory = fm.memory.new { first_id = i * 10 }
    teacher.play { episode = episode, memory = memory, rng = fm.rng.new { seed = { seed, i } }, care = care, k = 40 }
    for _, question in ipairs(episode.questions) do
      local score, answer = ask(memory, question)
      if care == 1 and score < 1 then
        print("  missed: " .. question.question .. " -> " .. question.answers[1] .. " not: " .. answer)
      end
      for _, kind in ipairs { "all", question.kind } do
        right[kind], asked[kind] = (right[kind] or 0) + score, (asked[kind] or 0) + 1
      end
    end
    items = items + #memory:items {}
  end
  for kind, count in pairs(asked) do
    right[kind] = right[kind] / count
    print(string.format("care %.1f  %-9s %.3f of %d", care, kind, right[kind], count))
  end
  return right.all, items
end

local first, again = world.sample { count = 2, seed = 5 }, world.sample { count = 1, seed = 5 }
assert(first[1].chunks[3] == again[1].chunks[3], "the same seed gives another episode")

-- The texts that prove an answer contain it.
for _, question in ipairs(first[1].questions) do
  assert(#question.evidence > 0)
  for _, t in ipairs(question.evidence) do
    assert(question.kind == "retracted" or first[1].chunks[t]:find(question.answers[1], 1, true), question.question)
  end
end

local careful, kept = play(1, 3)
local careless, piled = play(0.5, 3)
assert(careful > 0.97, "a careful memory answers only " .. careful)
assert(careful > careless + 0.1, "carelessness costs too little: " .. careless)
assert(piled > kept, "a careless memory should hold more items")
