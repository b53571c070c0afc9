-- The policy that is evaluated: it reads the chunks one by one and manages a flat memory with the tools of tools/flat.lua.

local designs = require "designs"
local managed = require "managed"

return {
  name = "policy",
  policy = true,
  run = function(option)
    local policy = option.policy
    -- A model with a chat template is told what to do; the tiny one knows the form of its prompt from pretraining.
    local prompt = policy.chat and designs.open("flat", { policy = policy }).prompt or require "prompts.flat"
    return managed.run(option, {
      tools = require "tools.flat", prompt = prompt, view = option.view, view_items = option.view_items,
      tokens = 2048, retrieval = { top_k = 10 },
    })
  end,
}
