-- A flat memory of facts with the time for which they held: a fact that changes or ends is closed, not deleted. It stays in the history
-- (`memory:closed`), from which retrieval takes nothing unless asked to.

local common = require "lib.tools"

return function()
  return {
    retrieval = { top_k = 10 },
    view = "relevant",
    task = [[
You manage the memory of an assistant that will later be asked questions about texts it cannot see again: it will only have the memory.
You are shown the facts in the memory that may matter, each with its id, and one new text. Keep what the text says by calling the tools:
- memory_insert for a fact that the memory does not have yet: complete and understandable on its own, with names instead of pronouns.
- memory_replace for a fact that is different from now on: the old one ends, the new one begins.
- memory_close for a fact that no longer holds and has no successor.
- memory_skip alone, if the text has nothing worth keeping.
You answer only once for this text: put all calls into this one answer, and nothing else.]],
    tools = {
      {
        name = "memory_insert",
        description = "Adds a fact that holds from now on.",
        parameters = common.schema({ content = common.text }, { "content" }),
        run = function(memory, arguments)
          return memory:insert { content = common.trimmed(arguments.content) }
        end,
      },
      {
        name = "memory_replace",
        description = "Ends a fact and begins the one that follows it.",
        parameters = common.schema({ memory_id = common.id, new_content = common.text }, { "memory_id", "new_content" }),
        run = function(memory, arguments)
          return memory:insert { content = common.trimmed(arguments.new_content), replaces = arguments.memory_id }
        end,
      },
      {
        name = "memory_close",
        description = "Ends a fact that no longer holds.",
        parameters = common.schema({ memory_id = common.id }, { "memory_id" }),
        run = function(memory, arguments)
          memory:close { id = arguments.memory_id }
        end,
      },
      common.skip,
    },
  }
end
