-- What a file for training must not share with the test, and what a question must not give away.

local fm = require "finemem"

local leakage = {}

-- Sources of Mem-α's training file whose contexts and questions are those of MemoryAgentBench's split Test_Time_Learning.
local shared = { "^icl_", "^ttl_train" }

-- The episodes of other sources.
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

local task = "Answer the question from what you know. Say only the answer, without a sentence around it. If you are not sure, guess."

-- Those of some questions that `reasoner`, which needs a model, does not answer from what it knows: it is asked without any memory, and to
-- guess. A right answer has the full score of the question's metric; a question that a judge scores stays.
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

-- The same episodes with such questions alone, and how many others there were. Episodes that have no question left go too.
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
