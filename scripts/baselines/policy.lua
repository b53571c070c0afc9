-- The policy that is evaluated: it reads the chunks one by one and manages a flat memory with the tools of tools/flat.lua.

local designs = require "designs"

return {
  name = "policy",
  answer_tokens = 2048,
  design = function(option)
    local policy = option.policy
    -- A model with a chat template is told what to do; the tiny one knows the form of its prompt from pretraining.
    local prompt = policy.chat and designs.open("flat", { policy = policy }).prompt or require "prompts.flat"
    return { tools = require "tools.flat", prompt = prompt, view = option.view, view_items = option.view_items, retrieval = { top_k = 10 } }
  end,
}
