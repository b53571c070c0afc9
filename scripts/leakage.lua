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

-- The same episodes without the questions that `reasoner` answers from an empty memory, and how many questions those are. Episodes that
-- have no question left go too.
function leakage.without_closed_book(episodes, reasoner)
  local kept, dropped = {}, 0
  for _, episode in ipairs(episodes) do
    local questions = {}
    for i, asked in ipairs(reasoner:ask { memory = fm.memory.new {}, questions = episode.questions }) do
      if asked.score < 1 then
        questions[#questions + 1] = episode.questions[i]
      end
    end
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
