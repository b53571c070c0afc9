-- What an evaluation asks a judge, and how recommendations are matched with titles.

local methods = require "lib.eval.methods"
local fm = require "finemem"

local answers = {
  { metric = "recall_at_5", answer = "1. Red Rivr (1948)\n2. Up", gold = { "7", "3" } },
  { metric = "judge_summary", answer = "It rained.", gold = { "It rains and Mira leaves.", "It rains.", "Mira leaves." } },
  { metric = "judge_memalpha", answer = "soup", gold = { "likes soup" } },
  { metric = "judge_summary", answer = "?", gold = { "It rains.", "It rains." } },
  { metric = "exact_match", answer = "a", gold = { "a" }, score = 1 },
}
local reasoner, judge = {}, {}
function reasoner:ask_all(option)
  assert(#option.asked == 1)
  local list = {}
  for i, answer in ipairs(answers) do
    list[i] = { question = "q" .. i, evidence = {}, prompt_tokens = 0, completion_tokens = 0, requests = 0, seconds = 0, cut = false, left_out = 0 }
    for key, value in pairs(answer) do
      list[i][key] = value
    end
  end
  return { list }
end
-- The judge finds one of two key points and supports the only sentence. It has nothing to say about the second summary.
function judge:complete(arguments)
  local replies = {}
  for i, chat in ipairs(arguments.chats) do
    local text = chat[1].content
    local reply = "Yes"
    if text:find("Summary:\n?", 1, true) then
      reply = "I cannot say."
    elseif text:find('"fluency"', 1, true) then
      reply = 'It is. {"fluency": 1}'
    elseif text:find('"recall"', 1, true) then
      reply = '{"supported_key_points": [1], "recall": 1}'
    elseif text:find('"sentence_count"', 1, true) then
      reply = '```json\n{"precision": 1, "sentence_count": 1}\n```'
    end
    replies[i] = { text = reply, prompt_tokens = 10, completion_tokens = 1, requests = 1 }
  end
  assert(#replies == 7)
  return replies
end

local function run(more)
  local option = {
    episodes = { { id = "e", source = "test", chunks = { "x" }, questions = {} } },
    method = { name = "none", retrieval = {}, remember = function() return fm.memory.new {} end },
    settings = {}, reasoner = reasoner, count = function() return 0 end, said = function() end,
  }
  for key, value in pairs(more) do
    option[key] = value
  end
  local done = methods.run(option)
  return done.answers, methods.figures(done), done.cost
end

local found, figures, cost = run { judge = judge, titles = { ["/x/Red_River_(film)"] = 7, ["/x/Rio"] = 3, ["/x/Up"] = 5 } }
assert(found[1].score == 0.5 and found[1].gold[1] == "/x/Red_River_(film)")
assert(math.abs(found[2].score - 2 / 3) < 1e-9 and found[3].score == 1 and found[4].score == nil and found[5].score == 1)
assert(figures.unjudged == 1)
assert(cost.judge_requests == 7 and cost.judge_read == 70 and cost.judge_written == 7 and cost.requests == 0)
found, figures = run {}
assert(found[2].score == nil and found[3].score == nil and figures.unjudged == 4)
print "judges and titles follow their protocols"
