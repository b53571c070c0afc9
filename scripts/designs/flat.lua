-- A flat memory: a list of items, and four tools. Each tool has a JSON schema, which is checked before `run` is called.
--
-- `run(memory, arguments, turn)` carries out one call and returns the id that it wrote, if it wrote one. An error means that the call is
-- invalid and the memory unchanged. `turn.calls` lists all calls of the same answer, also those that could not be read, as { tool = name,
-- arguments = table }, so that a tool can judge a call by its company.

local common = require "lib.tools"

local text, id, schema, trimmed = common.text, common.id, common.schema, common.trimmed

return function()
  return {
    retrieval = { top_k = 10 },
    tools = {
      {
        name = "memory_insert",
        description = "Adds a new memory item.",
        parameters = schema({ content = text }, { "content" }),
        run = function(memory, arguments)
          return memory:insert { content = trimmed(arguments.content) }
        end,
      },
      {
        name = "memory_update",
        description = "Replaces the content of a memory item by a newer one.",
        parameters = schema({ memory_id = id, new_content = text }, { "memory_id", "new_content" }),
        run = function(memory, arguments)
          memory:update { id = arguments.memory_id, content = trimmed(arguments.new_content) }
          return arguments.memory_id
        end,
      },
      {
        name = "memory_delete",
        description = "Removes a memory item that is no longer true.",
        parameters = schema({ memory_id = id }, { "memory_id" }),
        run = function(memory, arguments)
          memory:delete { id = arguments.memory_id }
        end,
      },
      common.skip,
    },
  }
end
