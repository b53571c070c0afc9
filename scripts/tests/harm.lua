-- The figures of lib/harm.lua, on batches where each is known by hand, and the alarms.

local fm = require "finemem"
local alarms = require "lib.alarms"
local batches = require "tests.batches"
local harm = require "lib.harm"
local measure = require "lib.measure"
local readings = require "lib.harm.readings"

local function lives(person, place)
  return string.format("%s lives in the city of %s.", person, place)
end

local function asks(person, gold, evidence)
  return { question = "Where does " .. person .. " live?", answers = { gold }, evidence = evidence }
end

local UNKNOWN, UMBRELLA = "not in memory", "I lost my umbrella again."

-- A world: Ada moves, Bo is asked about but not written about, nobody asks about Cy's flute, and where Dee lives is told and taken back.
local full = fm.memory.new {}
for _, content in ipairs { lives("Ada Velt", "Turin"), lives("Bo Marr", "Lyon"), "Cy Tolen plays the flute." } do
  full:insert { content = content }
end
local gone = "Dee Oska no longer lives in the city of Bem."
local town = {
  memory = full,
  chunks = { lives("Ada Velt", "Oslo") .. " " .. UMBRELLA, lives("Dee Oska", "Bem"), gone .. " " .. lives("Eli Pask", "Rin") },
  chunk_questions = {
    { asks("Ada Velt", "Oslo", { 1 }) },
    { asks("Dee Oska", "Bem", { 2 }), asks("Bo Marr", "Lyon", {}) },
    { asks("Dee Oska", UNKNOWN, { 3 }), asks("Eli Pask", "Rin", { 3 }) },
  },
  questions = { asks("Ada Velt", "Oslo", { 1 }), asks("Bo Marr", "Lyon", {}), asks("Dee Oska", UNKNOWN, { 3 }), asks("Eli Pask", "Rin", { 3 }) },
  events = {
    { { fact = 1, content = lives("Ada Velt", "Oslo") }, { text = UMBRELLA } },
    { { fact = 3, content = lives("Dee Oska", "Bem") } },
    { { fact = 3, text = gone }, { fact = 4, content = lives("Eli Pask", "Rin") } },
  },
}
local village = {
  chunks = { lives("Fay Brink", "Varda") }, chunk_questions = { { asks("Fay Brink", "Varda", { 1 }) } },
  questions = { asks("Fay Brink", "Varda", { 1 }) }, events = { { { fact = 1, content = lives("Fay Brink", "Varda") } } },
}

-- A rollout of an episode with these operations at each step.
local function play(episode, number, steps, memory_tokens)
  local rollout = batches.play {
    episode = number, memory = episode.memory, steps = steps, asked = episode.chunk_questions, questions = episode.questions, memory_tokens = memory_tokens,
  }
  for t, step in ipairs(rollout.steps) do
    step.chunk = episode.chunks[t]
  end
  return rollout
end

local function words(text)
  return select(2, text:gsub("%S+", ""))
end

local function figures(episodes, rollouts, more)
  local option = { reasoner = batches.reasoner, retrieval = { top_k = 3 }, count = words, each = true }
  for name, value in pairs(more or {}) do
    option[name] = value
  end
  return harm.measure(readings.of_batch({ rollouts = rollouts }, episodes), option)
end

local function expect(found, wanted, what)
  for _, row in ipairs(harm.rows) do
    local value, right = found[row.name], wanted[row.name]
    if right == nil then
      assert(value == nil, string.format("%s: %s is %s, not left out", what, row.name, tostring(value)))
    else
      assert(value ~= nil, string.format("%s: %s is left out", what, row.name))
      batches.near(value, right, what .. ", " .. row.name)
    end
  end
end

local careful = play(town, 1, {
  { { "update", 1, lives("Ada Velt", "Oslo") } },
  { { "insert", lives("Dee Oska", "Bem") } },
  { { "delete", 4 }, { "insert", lives("Eli Pask", "Rin") } },
}, 20)
-- Keeps where Ada lived, and her umbrella; writes Dee over Bo; does not notice that Dee is gone; removes Cy.
local careless = play(town, 1, {
  { { "insert", lives("Ada Velt", "Oslo") }, { "insert", UMBRELLA } },
  { { "update", 2, lives("Dee Oska", "Bem") } },
  { { "delete", 3 }, { "insert", lives("Eli Pask", "Rin") } },
}, 40)
local quiet = play(village, 2, { { { "insert", lives("Fay Brink", "Varda") } } }, 10)

-- The chunks have 13, 8 and 18 words. Of the last, "lives in the city of" and Eli's sentence are copied. Of nine questions only the two
-- about Dee are right without a memory, or with another episode's. The careless rollout answers one of four. The true facts are Ada, Bo,
-- Eli and Cy, of 8, 8, 8 and 5 words, twice, and Fay's 8.
expect(figures({ town, village }, { careful, careless, quiet }), {
  facts_lost = 2 / 7, wrong_updates = 1 / 2, wrong_deletes = 1 / 2, stale = 2 / 10, stale_items = 2 / 3, talk = 1 / 7, talk_items = 1 / 3,
  verbatim = (8 + 8 + 13 + 13 + 8 + 13 + 8) / (39 + 39 + 8), empty_score = 2 / 9, shuffled_score = 2 / 9, true_score = 1, of_true = 6 / 9,
  memory_ratio = 70 / 66,
}, "a world")

-- Only the first rollout of each episode is compared with other memories.
local first = figures({ town, village }, { careful, careless, quiet }, { each = false })
batches.near(first.empty_score, 1 / 5, "the first rollouts")
batches.near(first.of_true, 1, "the first rollouts")
expect(figures({ town }, { careless }, { silent = true }), { verbatim = (13 + 8 + 13) / 39 }, "without questions")

-- Alone there is no other memory. All that a step does counts together: Bo's item is overwritten, and told again.
local again = play(town, 1, {
  { { "update", 2, lives("Ada Velt", "Oslo") }, { "update", 1, lives("Bo Marr", "Lyon") } },
  { { "update", 1, "The home of Bo Marr is Lyon." } },
  {},
})
local alone = figures({ town }, { again })
assert(alone.shuffled_score == nil and alone.wrong_updates == 0 and alone.facts_lost == 0 and alone.stale == 0, fm.json.encode { value = alone })

-- A batch without a world's sentences: nothing is said about facts that nobody asks about.
local plain = figures(nil, { careless })
assert(plain.talk == nil and plain.memory_ratio == nil and plain.n.items == 4 and plain.n.deletes == 0, fm.json.encode { value = plain })

-- A file without questions about chunks and without evidence: Ada moves from Turin to Oslo and back, Bo stays, and one question takes two
-- statements.
local list = {
  chunks = { lives("Ada Velt", "Turin"), lives("Ada Velt", "Oslo"), lives("Ada Velt", "Turin"), lives("Bo Marr", "Lyon") },
  questions = { asks("Ada Velt", "Turin"), asks("Bo Marr", "Lyon"), { question = "Who is the mayor of the city where Bo Marr lives?", answers = { "Gil" } } },
}
local kept = play(list, 1, { { { "insert", list.chunks[1] } }, { { "insert", list.chunks[2] } }, {}, { { "update", 1, list.chunks[4] } } })
expect(figures({ list }, { kept }), {
  facts_lost = 1 / 2, wrong_updates = 1, stale = 1 / 2, stale_items = 1, verbatim = 24 / 32, empty_score = 0, true_score = 2 / 3, of_true = 1 / 2,
}, "a file")

-- A design that keeps what it replaced as history.
local replaced = play(list, 1, { { { "insert", list.chunks[1] } }, { { "insert", list.chunks[2] } }, {}, { { "replace", 1, list.chunks[4] } } })
local history = figures({ list }, { replaced })
assert(history.wrong_updates == 1 and history.n.updates == 1 and history.n.items == 2, fm.json.encode { value = history })

-- With a model as reasoner only texts that hold a right answer are read.
local asked = 0
local costly = {}
function costly.answer_all(_, arguments)
  asked += #arguments.queries
  return batches.reasoner:answer_all(arguments)
end
function costly.ask_all(_, arguments)
  return batches.reasoner:ask_all(arguments)
end
figures({ list }, { kept }, { reasoner = costly, costly = true })
assert(asked == 2, asked .. " replies, not one about each of two texts")

-- Alarms.
local function names(of)
  local found = {}
  for i, alarm in ipairs(of) do
    found[i] = alarm.name
  end
  return table.concat(found, "; ")
end
local function same(found, expected)
  assert(found == expected, string.format("'%s', not '%s'", found, expected))
end
same(names(alarms.of { accuracy = 0.8, facts_lost = 0.05, empty_score = 0.7, shuffled_score = 0.71, verbatim = 0.9 }), "")
same(names(alarms.of { accuracy = 0.8, facts_lost = 0.051, empty_score = 0.725, shuffled_score = 0.73, verbatim = 0.91, true_score = 0.8, invalid = 0.3 }),
  "facts lost; verbatim copying; questions without a memory; questions of any memory; a reasoner that misses facts; calls that fail")
same(names(alarms.of { stale = 0.2, talk = 0.2, wrong_updates = 0.03, wrong_deletes = 0.03, frac_reward_zero_std = 0.6 }),
  "wrong updates; wrong deletes; stale items; talk kept; dead groups")

-- An alarm is raised once, and a run that is resumed has those that it would have had.
local folder = fm.args[1]
local rows = {}
for step, invalid in ipairs { 0.1, 0, 0.05, 0.15, 0.19, 0.19, 0.19 } do
  rows[step] = { step = step, ["tools/failure_frequency"] = invalid, ["harm/talk"] = step > 1 and 0.5 or fm.json.null }
end
local function run(from)
  local keep = alarms.keep(folder, from - 1)
  for step = from, #rows do
    keep(step, rows[step])
    fm.append { path = folder .. "/metrics.jsonl", text = fm.json.encode { value = rows[step] } .. "\n" }
  end
  return fm.read { path = folder .. "/alarms.jsonl" }
end
local whole, steps = run(1), {}
for line in whole:gmatch "[^\n]+" do
  local alarm = fm.json.decode { text = line }
  steps[#steps + 1] = alarm.step .. " " .. alarm.name
end
same(table.concat(steps, "; "), "3 talk kept; 6 more calls that fail")
assert(#measure.logged(folder) == #rows)
assert(run(4) == whole, "a resumed run")
