-- Leaves out the questions that a model answers without any memory, because they say nothing about one.
--
--   finemem-engine run scripts/drop_closed_book.lua -- --data FILE --reasoner NAME@http://127.0.0.1:8000/v1 [--out FILE]
--
-- The model is asked to answer from what it knows, and to guess. A question that it gets right, by the question's own metric, goes; one that a
-- judge scores stays. The result is a JSONL of episodes beside the data. It can be stopped and goes on, as make_chunk_questions.lua does.

local fm = require "finemem"
local arguments = require "arguments"
local leakage = require "leakage"
local lines = require "lines"
local reasoners = require "reasoners"

local option = arguments.read(reasoners.with {
  data = "",
  reasoner = "", -- a word of reasoners.lua
  out = false, -- by default the data file's name with .open_book.jsonl
  facts = 0, -- facts a chunk, for files that are cut by facts; 0 leaves it to the reader
  without_benchmark = "no", -- yes: without the rows of Mem-α's file whose texts and questions are those of MemoryAgentBench
})
if option.data == "" or option.reasoner == "" then
  error("--data FILE and --reasoner WORD are needed, see the head of this script", 0)
end
local out = option.out or option.data:gsub("%.[%w]+$", "") .. ".open_book.jsonl"
option.cache = out .. ".replies"
local reasoner = reasoners.make(option.reasoner, option, "--reasoner")

local episodes = fm.data.open { path = option.data, facts_per_chunk = option.facts > 0 and option.facts or nil }
if option.without_benchmark == "yes" then
  local all = #episodes
  episodes = leakage.without_benchmark(episodes)
  print(string.format("%d of %d episodes are not MemoryAgentBench's", #episodes, all))
end
local before, after, done = 0, 0, lines.episodes(out, episodes)
for i, episode in ipairs(done) do
  before, after = before + #episodes[i].questions, after + #episode.questions
end
if #done > 0 then
  print(string.format("%d of %d episodes are done", #done, #episodes))
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
    print("stopped; the same command goes on")
    return
  end
end
print(string.format("wrote %s; %d of %d questions stay", out, after, before))
