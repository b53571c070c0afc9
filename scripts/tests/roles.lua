-- Several roles on one policy, as in CoMAM and Memory-R2: each has its own prompt and tools, and one update trains all of them. Then
-- supervised updates on selected steps.

local fm = require "finemem"
local shared = require "rewards.shared"

local seen = {}

local function prompt(input)
  local before = input.last and input.last.role or "nothing"
  -- What was asked about the text before is not the policy's to see.
  assert(not input.last or #input.last.chunk_answers == 0 and #input.last.memory_after == 0)
  seen[#seen + 1] = string.format("%d %s after %s", input.step, input.role, before)
  if input.role == "manager" then
    -- The manager sees what the extractor said, not the chunk.
    return "Facts: " .. input.last.completion .. "\nMemory:"
  elseif input.role == "answerer" then
    return string.format("%d items. Question: %s\nAnswer:", input.total, input.chunk)
  end
  return input.chunk .. "\nFacts:"
end

local tools = {
  {
    name = "memory_write",
    description = "Adds an item.",
    parameters = { type = "object", properties = { content = { type = "string" } }, required = { "content" } },
    run = function(memory, arguments, turn)
      if turn.role ~= "manager" then
        error("only the manager writes, not the " .. turn.role, 0)
      end
      return memory:insert { content = turn.step .. ": " .. arguments.content }
    end,
  },
}

local policy = fm.model.load { path = "models/tiny" }
local trainer = fm.grpo.new {
  policy = policy, tools = tools, prompt = prompt, dialect = require "dialects.whole", reasoner = fm.reasoner.extractive {},
  group = 4, max_tokens = 12, max_prompt = 128, seed = 2, lr = 1e-3, episodes = 1,
  view = function(memory, input)
    return input.role == "manager" and memory:recent { k = input.limit } or {}
  end,
}
local episode = {
  chunks = { "Ada lives in Ulm.", "", "Where does Ada live?" }, roles = { "extractor", "manager", "answerer" }, questions = {},
}
local batch = trainer:rollout { episodes = { episode } }

table.sort(seen)
local once = { "1 extractor after nothing", "2 manager after extractor", "3 answerer after manager" }
for i, line in ipairs(seen) do
  assert(line == once[(i - 1) // 4 + 1], line)
end
for _, rollout in ipairs(batch.rollouts) do
  local extracted, managed, answered = table.unpack(rollout.steps)
  assert(extracted.role == "extractor" and managed.role == "manager" and answered.role == "answerer")
  assert(managed.prompt == "Facts: " .. extracted.completion .. "\nMemory:", managed.prompt)
  assert(answered.prompt:find("Question: Where does Ada live?", 1, true), answered.prompt)
  for _, step in ipairs { extracted, answered } do
    for _, call in ipairs(step.calls) do
      assert(not call.valid and call.reason == "only the manager writes, not the " .. step.role, call.reason)
    end
  end
  assert(#managed.written == #managed.calls)
end

-- The mean log-likelihood of the completions at step t whose text is read back as the tokens that were sampled.
local function likelihood(t)
  local sums = {}
  for _, rollout in ipairs(batch.rollouts) do
    local step, sum = rollout.steps[t], 0
    local tokens = policy:encode { text = step.prompt .. step.completion }
    for k, value in ipairs(policy:logprobs { tokens = tokens }) do
      sum += k >= step.prompt_tokens and value or 0
    end
    sums[#sums + 1] = #tokens == step.prompt_tokens + step.tokens and sum or nil
  end
  assert(#sums > 0)
  return shared.mean(sums, function(sum) return sum end)
end

-- Each role has its own reward and is compared with the same role of other rollouts. One update trains all roles.
local rewards = shared.each(batch, function(rollout, t, i)
  return t == 3 and fm.metric.token_f1 { answer = rollout.steps[3].completion, gold = { "Ulm" } } + i or #rollout.steps[t].completion
end)
local groups = shared.each(batch, function(rollout, t)
  return rollout.steps[t].role
end)
local stats = trainer:update { batch = batch, rewards = rewards, groups = groups }
assert(stats.grad_norm > 0 and stats.reward > 0)

-- Supervised: only the answers of all rollouts are imitated.
local function only(role)
  return shared.each(batch, function(rollout, t)
    return rollout.steps[t].role == role and 1 or 0
  end)
end
local before = likelihood(3)
for _ = 1, 3 do
  trainer:update { batch = batch, advantages = only "answerer" }
end
assert(likelihood(3) > before, "what is imitated becomes likelier")

-- The same with a supervised trainer on the same policy: the tokens after the prompt count.
local supervised, sequences = fm.sft.new { policy = policy, lr = 1e-3 }, {}
for i, rollout in ipairs(batch.rollouts) do
  local step = rollout.steps[1]
  local tokens = policy:encode { text = step.prompt .. step.completion }
  local weights = table.create(#tokens - 1, 1)
  for k = 1, #policy:encode { text = step.prompt } - 1 do
    weights[k] = 0
  end
  sequences[i] = { tokens = tokens, weights = weights }
end
before = likelihood(1)
for _ = 1, 3 do
  supervised:step { sequences = sequences }
end
assert(likelihood(1) > before, "what is learned becomes likelier")

for _, roles in ipairs { { "a" }, { 1, 2, 3 }, "manager" } do
  local done, why = pcall(trainer.rollout, trainer, { episodes = { { chunks = episode.chunks, questions = {}, roles = roles } } })
  assert(not done and tostring(why):find("roles", 1, true), tostring(why))
end
