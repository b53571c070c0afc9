-- Leaves out the questions that a model answers without any memory, because they say nothing about a memory.

local fm = require "finemem"
local arguments = require "lib.arguments"
local leakage = require "lib.leakage"
local lines = require "lib.lines"
local reasoners = require "lib.reasoners"

local option = arguments.read([[
Leaves out the questions that a model answers without any memory, because they say nothing about a memory.

  finemem-engine run scripts/make/open_book_questions.lua -- --data FILE --reasoner NAME@http://127.0.0.1:8000/v1 [--out FILE]

The model is asked to answer from what it knows, and to guess. A question that it gets right, by the question's own metric, is dropped. A question
that needs a judge stays. The result is a JSONL file of episodes. The same command continues with the next episode after it was stopped, and does
not ask a server the same thing twice: its replies are kept beside the result.]], reasoners.with {
  { "data", "FILE", nil, "a file of episodes, in any format that fm.data.open reads", required = true },
  { "reasoner", "NAME", nil, "the model that answers: a model folder or NAME@http://…", required = true },
  { "out", "FILE", nil, "the result; by default the data file's name with .open_book.jsonl" },
  { "facts", "integer", 0, "facts in each chunk, for files that are lists of facts; 0 leaves it to the reader" },
  { "without_benchmark", "flag", false, "whether to leave out those rows of Mem-α's file that share texts and questions with MemoryAgentBench" },
})
local out = option.out or option.data:gsub("%.[%w]+$", "") .. ".open_book.jsonl"
option.cache = out .. ".replies"
local reasoner = reasoners.make(option.reasoner, option, "--reasoner")

local episodes = leakage.open(option)
local before, after, done = 0, 0, lines.episodes(out, episodes)
for i, episode in ipairs(done) do
  before, after = before + #episodes[i].questions, after + #episode.questions
end
for i = #done + 1, #episodes do
  local episode = episodes[i]
  local all = episode.questions
  episode.questions = leakage.open_book(all, reasoner)
  for c, questions in ipairs(episode.chunk_questions) do
    episode.chunk_questions[c] = leakage.open_book(questions, reasoner)
  end
  before, after = before + #all, after + #episode.questions
  lines.add(out, fm.data.line { episode = episode })
  print(string.format("%d/%d %s: %d of %d questions stay", i, #episodes, episode.id, #episode.questions, #all))
  if fm.stopping {} then
    print("stopped; the same command continues")
    return
  end
end
print(string.format("wrote %s; %d of %d questions stay", out, after, before))
