-- Lets a policy manage a memory for a published file and answers its questions, beside two baselines.
--
--   finemem-engine run scripts/eval.lua -- --policy DIR --data FILE [--facts 3] [--out DIR]

local fm = require "finemem"
local arguments = require "arguments"

-- Three facts a chunk: as many as the texts that the tiny policy learned from.
local option = arguments.read { policy = "models/tiny", data = "", out = false, facts = 3, top_k = 10 }
if option.data == "" then
  error("--data FILE is needed: a published file such as factconsolidation_6k.json", 0)
end

local episodes = fm.data.open { path = option.data, facts_per_chunk = option.facts }
local policy = fm.model.load { path = option.policy }
local reasoner = fm.reasoner.extractive {}
print(policy)

local rows = {}

-- Scores the questions of an episode from a memory.
local function score(name, episode, memory)
  local hits, tokens = 0, 0
  for _, item in ipairs(memory:items {}) do
    tokens = tokens + #policy:encode { text = item.content }
  end
  for _, q in ipairs(episode.questions) do
    local answer = reasoner:answer { question = q.question, items = memory:retrieve { query = q.question, k = option.top_k } }
    hits = hits + fm.metric.substring_exact_match { answer = answer.text, gold = q.answers }
  end
  rows[#rows + 1] = {
    policy = name, source = episode.source, metric = "substring_exact_match",
    value = hits / #episode.questions, n = #episode.questions, memory_tokens = tokens,
  }
end

-- Inserts texts that are not in the memory yet.
local function stored(texts)
  local memory, seen = fm.memory.new {}, {}
  for step, text in ipairs(texts) do
    memory:set_step { step = step }
    if not seen[text] then
      seen[text] = true
      memory:insert { content = text }
    end
  end
  return memory
end

-- The lines of all chunks.
local function facts(episode)
  local lines = {}
  for _, chunk in ipairs(episode.chunks) do
    for line in chunk:gmatch("[^\n]+") do
      lines[#lines + 1] = line
    end
  end
  return lines
end

local trainer = fm.grpo.new {
  policy = policy, tools = require "tools.flat", prompt = require "prompts.flat", reasoner = reasoner,
  view = "relevant", view_items = 10, max_tokens = 256, top_k = option.top_k,
  group = 1, episodes = 1, train = false,
}

-- Rows of one file often share their text; the policy reads each text once.
local managed = {}
for i, episode in ipairs(episodes) do
  local text = table.concat(episode.chunks, "\n")
  if not managed[text] then
    print(string.format("%s: the policy reads %d chunks", episode.source, #episode.chunks))
    managed[text] = trainer:rollout { episodes = { episode }, group = 1, temperature = 0 }.rollouts[1]
  end
  local rollout = managed[text]
  local memory = fm.memory.new {}
  for _, item in ipairs(rollout.memory) do
    memory:set_step { step = item.step }
    memory:insert { content = item.content }
  end
  score("policy", episode, memory)
  score("add_everything", episode, stored(facts(episode)))
  score("raw_chunks", episode, stored(episode.chunks))
end

print(string.format("\n%-16s %-28s %-24s %7s %5s %14s", "policy", "source", "metric", "value", "n", "memory tokens"))
for _, row in ipairs(rows) do
  print(string.format("%-16s %-28s %-24s %7.3f %5d %14d", row.policy, row.source, row.metric, row.value, row.n, row.memory_tokens))
end
if option.out then
  fm.write { path = option.out .. "/summary.json", text = fm.json.encode { value = { rows = rows }, pretty = true } }
end
