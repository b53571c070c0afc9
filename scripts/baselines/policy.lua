-- The policy that is evaluated. It reads the chunks one by one and manages a flat memory (designs/flat.lua), unless it has another design.

local hermes = require "dialects.hermes"
local designs = require "lib.designs"

return {
  name = "policy",
  answer_tokens = 2048,
  design = function(option)
    -- A model with a chat template is told what to do; the tiny model knows the form of its prompt from pretraining.
    local design = option.policy.chat and designs.open(option.design or "flat", { policy = option.policy, dialect = option.dialect })
      or { tools = require "tools.flat", prompt = require "prompts.flat", dialect = option.dialect or hermes, retrieval = { top_k = 10 } }
    if design.view == "recent" or not design.view then
      design.view = option.view == "statements" and require "views.statements" or option.view
    end
    design.view_items = option.view_items
    return design
  end,
}
