-- Memory designs by name: everything that a trainer has to know of one.

local chat = require "prompts.chat"

local names = { "flat", "layered", "scratchpad", "overwrite", "candidates", "versions", "intervals" }

local designs = { names = names }

-- The design `name` with its prompt: { name, tools, view, view_items, prompt, dialect, retrieval }. `option` is that of prompts/chat.lua,
-- the policy at least, and goes to the design too.
function designs.open(name, option)
  if not table.find(names, name) then
    error(string.format("there is no memory design '%s'; there are %s", tostring(name), table.concat(names, ", ")), 2)
  end
  local module = require("tools." .. name)
  local design = name == "flat" and { name = name, tools = module, retrieval = { top_k = 10 } } or module(option)
  local dialect = option.dialect or design.dialect
  return {
    name = name,
    tools = design.tools,
    view = design.view or "recent",
    view_items = design.view_items or 20,
    prompt = chat { policy = option.policy, thinking = option.thinking, plain = option.plain, dialect = dialect, design = name ~= "flat" and design or nil },
    dialect = dialect,
    retrieval = design.retrieval,
  }
end

return designs
