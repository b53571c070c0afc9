-- Rows that share questions with the benchmark are dropped, and so are questions that a model answers without a memory.

local leakage = require "lib.leakage"
local fm = require "finemem"

local function episode(source, answers)
  local questions = {}
  for i, answer in ipairs(answers) do
    questions[i] = { question = "Who is Ana's brother, number " .. i .. "?", answers = { answer } }
  end
  return { id = source, source = source, chunks = { "x" }, questions = questions, chunk_questions = { {} } }
end

local kept = leakage.without_benchmark {
  episode("squad", { "a" }), episode("icl_trec_coarse_6600shot_balance", { "a" }), episode("ttl_train_x", { "a" }), episode("tickle", { "a" }),
}
assert(#kept == 2 and kept[1].source == "squad" and kept[2].source == "tickle")

-- A reasoner that always says "Bem" answers one question of the first episode and all of the second.
local reasoner = {}
function reasoner:complete(arguments)
  local replies = {}
  for i, chat in ipairs(arguments.chats) do
    assert(chat[1].content:find("guess", 1, true) and chat[2].content:find("brother", 1, true))
    replies[i] = { text = "Bem" }
  end
  return replies
end
local given = { episode("first", { "Bo", "Bem" }), episode("second", { "Bem" }) }
local left, dropped = leakage.without_closed_book(given, reasoner)
assert(#left == 1 and dropped == 2 and #left[1].questions == 1 and left[1].questions[1].answers[1] == "Bo")
assert(#given[1].questions == 2 and left[1].chunks == given[1].chunks)
print("leakage: rows and questions that leak are dropped")
