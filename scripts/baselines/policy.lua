-- The policy that is evaluated: it reads the chunks one by one and manages a flat memory with the tools of tools/flat.lua.

local fm = require "finemem"
local designs = require "designs"

return {
  name = "policy",
  policy = true,
  run = function(option)
    local policy = option.policy
    -- A model with a chat template is told what to do; the tiny one knows the form of its prompt from pretraining.
    local prompt = policy.chat and designs.open("flat", { policy = policy }).prompt or require "prompts.flat"
    local trainer = fm.grpo.new {
      policy = policy, tools = require "tools.flat", prompt = prompt, reasoner = fm.reasoner.extractive {},
      view = option.view, view_items = option.view_items, max_tokens = option.max_tokens or 256, train = false,
    }
    local episode = { chunks = option.episode.chunks, questions = {} }
    local rollout = trainer:rollout({ episodes = { episode }, group = 1, temperature = 0 }).rollouts[1]
    return { memory = fm.memory.replay { journal = rollout.journal }, retrieval = { top_k = 10 }, rollout = rollout }
  end,
}
