-- Writes questions about each chunk of a data file, for rewards that ask after every chunk (Fine-Mem, section on chunk-level rewards).

local fm = require "finemem"
local arguments = require "lib.arguments"
local leakage = require "lib.leakage"
local lines = require "lib.lines"
local reasoners = require "lib.reasoners"

local option = arguments.read([[
Writes questions about each chunk of a data file, for rewards that ask after every chunk (Fine-Mem, section on chunk-level rewards).

  finemem-engine run scripts/make/chunk_questions.lua -- --data FILE --generator NAME@http://127.0.0.1:8000/v1 [--verifier …] [--out FILE]

A generator writes short questions about a chunk. A verifier has to answer each from that chunk alone. Duplicates are dropped, and a few questions
stay. Chunks that have questions keep them. The result is a JSONL file of episodes. The same command continues with the next episode after it was
stopped, and does not ask a server the same thing twice: its replies are kept beside the result.]], reasoners.with {
  { "data", "FILE", nil, "a file of episodes, in any format that fm.data.open reads", required = true },
  { "generator", "NAME", nil, "the model that writes questions: a model folder or NAME@http://…", required = true },
  { "verifier", "NAME", nil, "the model that answers them; by default the generator" },
  { "out", "FILE", nil, "the result; by default the data file's name with .questions.jsonl" },
  { "facts", "integer", 0, "facts in each chunk, for files that are lists of facts; 0 leaves it to the reader" },
  { "candidates", "integer", 8, "questions that the generator is asked for (our choice; Fine-Mem gives no number)" },
  { "keep", "integer", 5, "questions of each chunk that stay (paper)" },
  { "answer_words", "integer", 8, "longest answer, in words" },
  { "metric", "NAME", "substring_exact_match", "how the verifier's answer is compared" },
})
local out = option.out or option.data:gsub("%.[%w]+$", "") .. ".questions.jsonl"
option.cache = out .. ".replies"
local generator = reasoners.make(option.generator, option, "--generator")
local verifier = option.verifier and reasoners.make(option.verifier, option) or generator

local task = string.format(
  [=[You write quiz questions about a text. Write up to %d questions, fewer if the text says little.

- Each question is about one fact that the text states, and no two are about the same fact.
- The answer is a short piece of the text, copied word for word: a name, a number, a date, a few words.
- Each question can be understood without the text: it names what it is about, with no "he", "it" or "this", and does not mention "the text".
- There is one right answer.

Reply with a JSON list and nothing else:
[{"question": "…", "answer": "…"}]
If nothing in the text can be asked for, reply with []]=],
  option.candidates
)

-- The pairs of question and answer in a reply: those of its first JSON list that has any.
local function pairs_of(reply)
  local from = 1
  while true do
    local at = reply:find("[", from, true)
    if not at then
      return {}
    end
    local ok, scanned = pcall(fm.json.scan, { text = reply, from = at })
    if ok and type(scanned.value) == "table" then
      local found = {}
      for _, pair in ipairs(scanned.value) do
        if type(pair) == "table" and type(pair.question) == "string" then
          local answer = pair.answer
          if type(answer) == "number" then
            answer = string.format(answer % 1 == 0 and "%d" or "%.15g", answer)
          end
          if type(answer) == "string" then
            found[#found + 1] = { question = pair.question, answer = answer }
          end
        end
      end
      if #found > 0 then
        return found
      end
    end
    from = at + 1
  end
end

local function equal(a, b)
  return fm.metric.exact_match { answer = a, gold = { b } } == 1
end

-- The pairs of a generator that are worth verifying.
local function candidates(reply, chunk)
  local kept = {}
  for _, pair in ipairs(pairs_of(reply)) do
    local words = select(2, pair.answer:gsub("%S+", ""))
    local good = #kept < option.candidates and pair.question:match "%S" and words > 0 and words <= option.answer_words
    -- The answer is in the text, but the question does not give it away.
    good = good and fm.metric.substring_exact_match { answer = chunk, gold = { pair.answer } } == 1
    good = good and fm.metric.substring_exact_match { answer = pair.question, gold = { pair.answer } } == 0
    for _, other in ipairs(kept) do
      good = good and not equal(pair.question, other.question)
    end
    if good then
      kept[#kept + 1] = pair
    end
  end
  return kept
end

local function right(answer, gold)
  return fm.metric.score { metric = option.metric, answer = answer, gold = { gold } } == 1
end

local counts = { chunks = 0, written = 0, candidates = 0, kept = 0 }

-- Writes questions for those chunks of an episode that have none, in two batches.
local function ask_about(episode)
  local chats, places = {}, {}
  for i, chunk in ipairs(episode.chunks) do
    if not episode.chunk_questions[i] or #episode.chunk_questions[i] == 0 then
      places[#places + 1] = i
      chats[#chats + 1] = { { role = "system", content = task }, { role = "user", content = chunk } }
    end
  end
  if #chats == 0 then
    return
  end
  local queries, asked = {}, {}
  for at, reply in ipairs(generator:complete { chats = chats }) do
    local chunk = episode.chunks[places[at]]
    counts.chunks = counts.chunks + 1
    counts.written = counts.written + #pairs_of(reply.text)
    for _, pair in ipairs(candidates(reply.text, chunk)) do
      queries[#queries + 1] = { question = pair.question, items = { { content = chunk } } }
      asked[#asked + 1] = { place = places[at], pair = pair }
    end
  end
  counts.candidates = counts.candidates + #asked
  local answers = verifier:answer_all { queries = queries }
  for i, answer in ipairs(answers) do
    local list, pair = episode.chunk_questions[asked[i].place], asked[i].pair
    if #list < option.keep and answer.known and right(answer.text, pair.answer) then
      list[#list + 1] = { question = pair.question, answers = { pair.answer }, kind = "chunk", metric = option.metric, evidence = { asked[i].place } }
      counts.kept = counts.kept + 1
    end
  end
end

local episodes = leakage.open(option)
for i = #lines.episodes(out, episodes) + 1, #episodes do
  ask_about(episodes[i])
  lines.add(out, fm.data.line { episode = episodes[i] })
  print(
    string.format(
      "%d/%d %s: %d chunks, %d questions written, %d usable, %d kept",
      i, #episodes, episodes[i].id, counts.chunks, counts.written, counts.candidates, counts.kept
    )
  )
  if fm.stopping {} then
    print("stopped; the same command continues")
    return
  end
end
print("wrote " .. out)
