-- Every baseline on a small episode: what it remembers, from which step, and how questions are answered from that.

local methods = require "lib.eval.methods"
local newest_wins = require "baselines.newest_wins"
local texts = require "lib.texts"

local reasoner = require("finemem").reasoner.extractive {}

local episode = {
  id = "small",
  source = "test",
  chunks = {
    "Mira Tolen lives in the city of Oska.\nThe capital of Tal is Bem.\nThe capital of Great Tal is Rin.",
    "It rained.\nThe capital of Tal is Varda.\nMira Tolen lives in the city of Oska.",
    "[Dialogue at 8 May, 2023]\nOren: I met Ula. She was happy.\n\nwhat is the weather\nlabel: 4",
  },
  questions = { { question = "What is the capital of Tal?", answers = { "Varda" } } },
  chunk_questions = {},
}

local function contents(memory)
  local list = {}
  for i, item in ipairs(memory:items {}) do
    list[i] = item.step .. " " .. item.content
  end
  return list
end

local function equal(found, expected, what)
  for i = 1, math.max(#found, #expected) do
    assert(found[i] == expected[i], string.format("%s: %s is not %s", what, tostring(found[i]), tostring(expected[i])))
  end
end

local turn, example = "[Dialogue at 8 May, 2023] Oren: I met Ula. She was happy.", "[Dialogue at 8 May, 2023] what is the weather\nlabel: 4"
local expected = {
  no_memory = {},
  whole_context = { "1 " .. episode.chunks[1], "2 " .. episode.chunks[2], "3 " .. episode.chunks[3]:gsub("\n\n", "\n") },
  bm25_chunks_2 = { "1 " .. episode.chunks[1], "2 " .. episode.chunks[2], "3 " .. episode.chunks[3] },
  add_everything = {
    "1 Mira Tolen lives in the city of Oska.", "1 The capital of Tal is Bem.", "1 The capital of Great Tal is Rin.",
    "2 It rained.", "2 The capital of Tal is Varda.", "3 " .. turn, "3 " .. example,
  },
  newest_wins = {
    "1 Mira Tolen lives in the city of Oska.", "2 The capital of Tal is Varda.", "1 The capital of Great Tal is Rin.",
    "2 It rained.", "3 " .. turn, "3 " .. example,
  },
}
expected.bm25_chunks_10 = expected.bm25_chunks_2

for name, list in pairs(expected) do
  local baseline = methods.open(name, false)[1]
  assert(baseline.name == name and not baseline.design, name)
  local memory = baseline.remember(episode, {})
  equal(contents(memory), list, name)
  local asked = reasoner:ask {
    memory = memory, questions = episode.questions, retrieval = baseline.retrieval.retrieval, top_k = baseline.retrieval.top_k,
  }
  assert(name ~= "newest_wins" and name ~= "whole_context" or asked[1].score == 1, name .. " answers " .. asked[1].answer)
  assert(name ~= "no_memory" or asked[1].answer == "not in memory", asked[1].answer)
end

-- A window keeps the newest lines.
local short = require("baselines.whole_context").remember(episode, { window = 36 })
equal(contents(short), { "2 Mira Tolen lives in the city of Oska.", "3 " .. episode.chunks[3]:gsub("\n\n", "\n") }, "a window of tokens")

-- A line that is too long is cut.
short = require("baselines.whole_context").remember({ chunks = { "It rained.", "It rained in Oska, and then the sun came out in Bem." } }, { window = 5 })
equal(contents(short), { "2 sun came out in Bem." }, "the end of a line")

-- Statements about the same thing, and statements that only look like it.
local function about_the_same(a, b)
  local frames = {}
  for _, frame in ipairs(newest_wins.frames(a)) do
    frames[frame] = true
  end
  for _, frame in ipairs(newest_wins.frames(b)) do
    if frames[frame] then
      return true
    end
  end
  return false
end
for _, pair in ipairs {
  { "The author of Our Mutual Friend is Charles Dickens.", "The author of Our Mutual Friend is Sigmund Freud." },
  { "Frank Zappa died in the city of Los Angeles.", "Frank Zappa died in the city of Berlin." },
  { "Hines Ward plays the position of wide receiver.", "Hines Ward plays the position of cornerback." },
  { "The director of the BBC is Tony Hall, Baron Hall of Birkenhead.", "The director of the BBC is Narendra Modi." },
  { "The university where Ada studied is University of Pisa.", "The university where Ada studied is now Oska College." },
} do
  assert(about_the_same(pair[1], pair[2]), pair[1] .. " / " .. pair[2])
end
for _, pair in ipairs {
  { "The capital of Germany is Berlin.", "The capital of Great Britain is London." },
  { "Galileo was born in the city of Pisa.", "Galileo was educated at Padua." },
  { "Steve Sax is associated with the sport of baseball.", "Steve Sax is a citizen of France." },
  { "Mira Tolen lives in Oska.", "Mira Voss lives in Bem." },
  { "She was in Oska.", "She was in Bem." },
  { "Caroline: I was happy.", "Caroline: I was tired." },
  { "[Dialogue at 1:50 pm on 13 October, 2023] Tim: Congrats!", "[Dialogue at 1:50 pm on 13 October, 2023] John: Thanks!" },
  { "Tim: Hi John. Rufo is in Oska.", "Tim: Hi John. Rufo is in Bem. So it is." },
  { "The mayor of Oska lives in Bem.", "The mayor of Rin lives in Tal." },
  { "The king of France resigned.", "The king of Spain smiled." },
} do
  assert(not about_the_same(pair[1], pair[2]), pair[1] .. " / " .. pair[2])
end

equal(texts.statements "Dr. Dre made it. The U.S. Army said so.\nMel: Oh! Great.", { "Dr. Dre made it.", "The U.S. Army said so.", "Mel: Oh! Great." }, "statements")
equal(texts.statements "By the way: He left Foo Inc.. Ålesund won 3. The 1. FC lost 2.5. She knew.\nOska Bem: Oh! Great.", {
  "By the way: He left Foo Inc..", "Ålesund won 3.", "The 1. FC lost 2.5.", "She knew.", "Oska Bem: Oh! Great.",
}, "ends of sentences")
local sentences = { "News: One is 1.", "two is 2.", "Three is 3.", "Anna van Dyk: no. Yes." }
equal(texts.statements(texts.paragraph(sentences)), sentences, "a paragraph")
