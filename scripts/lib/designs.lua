-- Opens a memory design by name: everything that a trainer needs to know about it.
--
-- A design is a module of scripts/designs that returns `function(option)`, with the policy in `option.policy`. The function returns
--
--   tools        the tools, as fm.grpo.new takes them
--   view         which items a prompt shows, as fm.grpo.new takes it; by default "recent"
--   view_items   how many, by default 20
--   sections     how a prompt shows them (prompts/chat.lua); by default all in one list
--   task         what the policy is told (prompts/chat.lua); by default the task of the flat memory
--   user         a function of the prompt's input that returns the user's message; by default the memory and the text
--   retrieval    how questions are answered from the memory: arguments of reasoner:ask
--   dialect      how calls are written, if the design has its own; by default as the model's chat template shows (lib/dialects.lua)
--
-- A design keeps everything in the memory, as items of its sections, so a rollout can continue from any copy of a memory.

local arguments = require "lib.arguments"
local chat = require "prompts.chat"
local dialects = require "lib.dialects"

local designs = {}

-- The names of all designs.
function designs.names()
  return arguments.names "designs"
end

-- The design `name` with its prompt: { name, tools, view, view_items, prompt, told, dialect, retrieval }, where `told` says how the prompt is
-- written. `option` is that of prompts/chat.lua, the policy at least, and the design gets it too.
function designs.open(name, option)
  local names = designs.names()
  if not table.find(names, name) then
    error(string.format("there is no memory design '%s'; there are %s", tostring(name), table.concat(names, ", ")), 2)
  end
  local design = require("designs." .. name)(option)
  local own = option.dialect or design.dialect
  local written = own or (dialects.of(option.policy))
  local prompt, told = chat {
    policy = option.policy, thinking = option.thinking, plain = option.plain, dialect = own, written = written, design = design,
  }
  return {
    name = name,
    tools = design.tools,
    view = design.view or "recent",
    view_items = design.view_items or 20,
    prompt = prompt,
    told = told,
    dialect = written,
    retrieval = design.retrieval,
  }
end

return designs
