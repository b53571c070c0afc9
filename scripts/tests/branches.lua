-- A rollout continues from the memory of another one, and one update takes several batches.

local fm = require "finemem"
local branches = require "rewards.branches"
local world = require "worlds.household"

local policy = fm.model.load { path = "models/tiny" }
local trainer = fm.grpo.new {
  policy = policy, tools = require "tools.flat", prompt = require "prompts.flat", reasoner = fm.reasoner.extractive {},
  group = 2, max_tokens = 24, lr = 1e-4, seed = 3,
}
local episode = world.sample({ count = 1, seed = 5 })[1]
local whole = trainer:rollout { episodes = { episode } }
local parent = whole.rollouts[1]

-- The memory after step 2, from the journal.
local memory = fm.memory.replay { journal = parent.journal, last = 2 }
local before = memory:items {}
assert(#before == #parent.steps[2].memory_after)
for i, item in ipairs(parent.steps[2].memory_after) do
  assert(before[i].id == item.id and before[i].content == item.content and before[i].step == item.step)
end

-- Step 3 again, four times, from there.
local again = trainer:rollout {
  episodes = { { chunks = { episode.chunks[3] }, questions = episode.questions, memory = memory, first = 3, state = "after 2" } },
  group = 4, seed = 1,
}
assert(#memory:items {} == #before, "a rollout changes a copy")
for _, rollout in ipairs(again.rollouts) do
  assert(rollout.state == "after 2" and rollout.first == 3 and #rollout.steps == 1)
  assert(#rollout.steps[1].memory_before == #before)
  for _, id in ipairs(rollout.steps[1].written) do
    for _, item in ipairs(rollout.memory) do
      assert(item.id ~= id or item.step == 3, "what is written from step 3 on says so")
    end
  end
end

-- An episode's own memory is what its first step begins with.
local full, bare = table.clone(episode), table.clone(episode)
full.memory, bare.memory = memory, nil
assert(branches.from(parent, 1, full, "full").memory == memory and branches.from(parent, 1, bare, "bare").memory == nil)

-- Both in one update.
local rewards = {}
for i, rollout in ipairs(whole.rollouts) do
  rewards[i] = {}
  for t = 1, #rollout.steps do
    rewards[i][t] = i
  end
end
for i = 1, 4 do
  rewards[#rewards + 1] = { i % 2 }
end
local stats = trainer:update { batches = { whole, again }, rewards = rewards, grouping = "state" }
assert(stats.reward > 0 and stats.grad_norm > 0)

-- An update can be repeated on its batches until the next rollout.
trainer:update { batch = again, rewards = { { 1 }, { 0 }, { 1 }, { 0 } } }
local newest = trainer:rollout { episodes = { { chunks = { episode.chunks[1] }, questions = {} } } }
local done, problem = pcall(function()
  trainer:update { batch = whole, rewards = rewards }
end)
assert(not done and tostring(problem):find("since its last update", 1, true), problem)
done, problem = pcall(function()
  trainer:update { rewards = { { 1 }, { 2 } } }
end)
assert(not done and tostring(problem):find("'batches'", 1, true), problem)
trainer:update { batch = newest, rewards = { { 1 }, { 2 } } }
for _, wrong in ipairs { { memory = 3 }, { first = 0 }, { first = "x" } } do
  wrong.chunks, wrong.questions = { "a" }, {}
  assert(not pcall(function()
    trainer:rollout { episodes = { wrong } }
  end))
end
