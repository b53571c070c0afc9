-- The policy that is evaluated. It reads the chunks one by one and manages a flat memory (designs/flat.lua).

local designs = require "lib.designs"

return {
  name = "policy",
  answer_tokens = 2048,
  design = function(option)
    local policy = option.policy
    local design = designs.open("flat", { policy = policy, plain = true, dialect = option.dialect })
    design.view, design.view_items = option.view, option.view_items
    if not policy.chat then
      -- A model with a chat template is told what to do; the tiny model knows the form of its prompt from pretraining.
      design.prompt = require "prompts.flat"
    end
    return design
  end,
}
