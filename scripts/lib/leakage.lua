-- Keeps test data out of training, and questions that need no memory out of data.

local fm = require "finemem"
local arguments = require "lib.arguments"

local leakage = {}

-- Sources of Mem-α's training file that share contexts and questions with MemoryAgentBench's split Test_Time_Learning.
local shared = { "^icl_", "^ttl_train" }

-- The episodes from other sources.
function leakage.without_benchmark(episodes)
  local kept = {}
  for _, episode in ipairs(episodes) do
    local found = false
    for _, pattern in ipairs(shared) do
      found = found or episode.source:find(pattern) ~= nil
    end
    if not found then
      kept[#kept + 1] = episode
    end
  end
  return kept
end

-- Opens the data that a program's arguments name: `data`, `facts` and, if it has that argument, `without_benchmark`.
function leakage.open(option)
  local episodes = fm.data.open { path = option.data, facts_per_chunk = option.facts > 0 and option.facts or nil }
  print(string.format("%d episodes from %s", #episodes, option.data))
  if option.without_benchmark then
    local all = #episodes
    episodes = leakage.without_benchmark(episodes)
    print(string.format("%d of %d episodes are not MemoryAgentBench's", #episodes, all))
    if #episodes == 0 then
      arguments.refuse("nothing is left of %s", option.data)
    end
  end
  return episodes
end

local task = "Answer the question from what you know. Say only the answer, without a sentence around it. If you are not sure, guess."

-- The questions that `reasoner`, which needs a model, cannot answer from what it knows. It is asked without any memory, and told to guess.
-- An answer is right if it has the full score of the question's metric. Questions that need a judge stay.
function leakage.open_book(questions, reasoner)
  local chats, kept = {}, {}
  for i, q in ipairs(questions) do
    local text = q.instruction and q.instruction .. "\n\n" .. q.question or q.question
    chats[i] = { { role = "system", content = task }, { role = "user", content = text } }
  end
  for i, reply in ipairs(reasoner:complete { chats = chats }) do
    local q = questions[i]
    local metric = q.metric or "substring_exact_match"
    local judged = fm.metric.needs_judge { metric = metric }
    if judged or fm.metric.score { metric = metric, answer = reply.text, gold = q.answers, kind = q.kind } < 1 then
      kept[#kept + 1] = q
    end
  end
  return kept
end

-- The episodes with only these questions, and how many questions were dropped. Episodes without questions are dropped too.
function leakage.without_closed_book(episodes, reasoner)
  local kept, dropped = {}, 0
  for _, episode in ipairs(episodes) do
    local questions = leakage.open_book(episode.questions, reasoner)
    dropped = dropped + #episode.questions - #questions
    if #questions > 0 then
      local copy = {}
      for key, value in pairs(episode) do
        copy[key] = value
      end
      copy.questions = questions
      kept[#kept + 1] = copy
    end
  end
  return kept, dropped
end

return leakage
