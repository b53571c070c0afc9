-- The policy that is evaluated. It reads the chunks one by one and manages a flat memory (designs/flat.lua).

local designs = require "lib.designs"

return {
  name = "policy",
  answer_tokens = 2048,
  design = function(option)
    local policy = option.policy
    -- A model with a chat template is told what to do; the tiny model knows the form of its prompt from pretraining.
    local prompt = policy.chat and designs.open("flat", { policy = policy }).prompt or require "prompts.flat"
    return { tools = require "tools.flat", prompt = prompt, view = option.view, view_items = option.view_items, retrieval = { top_k = 10 } }
  end,
}
