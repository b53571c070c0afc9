-- The flat memory, shown statement by statement: below each statement of the text stand the items that it may be about. A small model then
-- only has to compare a statement with the few items below it, where a list of the whole memory has it find them first.

local beside = require "lib.beside"
local flat = require "designs.flat"
local statements = require "views.statements"

return function(option)
  local design = flat(option)
  design.view = statements
  design.task = [[
You keep a memory of facts. Below each statement of a new text are the memory items that may be about the same. For each statement, in order: insert it if it says something new; update the item that it replaces; delete the item that is no longer true; skip what tells no fact or is in the memory already.]]
  design.user = function(input)
    local lines = {}
    for i, statement in ipairs((beside.of(input.memory, input.chunk))) do
      lines[#lines + 1] = string.format("%d.%s", i, statement.text)
      for _, one in ipairs(statement.items) do
        lines[#lines + 1] = string.format("   [%d]%s", one.item.id, one.item.text)
      end
    end
    return table.concat(lines, "\n")
  end
  return design
end
