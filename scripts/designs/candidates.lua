-- Memory-R1's memory (arXiv 2508.19828): for each new fact, the old memories that may be about the same thing are retrieved, and the policy
-- decides between ADD, UPDATE, DELETE and NOOP. Ours: the new facts are the statements of a text, not facts that a model extracted.

local common = require "lib.tools"
local statements = require "views.statements"

-- The id in a call, which must be one that the prompt showed. Any other id is a guess, and the memory that it names is left alone.
local function candidate(shown, memory, arguments)
  local id = arguments.memory_id
  if not (shown[memory] or {})[id] then
    error(string.format("memory %d is none of those that were shown", id), 0)
  end
  return id
end

return function()
  -- The ids that the last prompt of each memory showed.
  local last = setmetatable({}, { __mode = "k" })
  return {
    retrieval = { top_k = 60 },
    view_items = 20,
    view = function(memory, input)
      local shown = statements(memory, input)
      last[memory] = {}
      for _, item in ipairs(shown) do
        last[memory][item.id] = true
      end
      return shown
    end,
    sections = { { name = "", title = "Memories that may be about the same" } },
    task = [[
You manage the memory of an assistant that will answer questions about texts it cannot see again. You are shown a new text and the memories that may be about the same things. Compare them, and for each fact of the text choose:
- memory_add, if no memory says it yet: complete and understandable on its own;
- memory_update, if a memory is about the same and the text corrects or completes it;
- memory_delete, if the text says that a memory does not hold any more;
- memory_noop, if a memory says it already or it is not worth keeping.
You answer only once for a text: put all calls into this one answer, and nothing else.]],
    tools = {
      {
        name = "memory_add",
        description = "Adds a memory.",
        parameters = common.schema({ content = common.text }, { "content" }),
        run = function(memory, arguments)
          return memory:insert { content = common.trimmed(arguments.content) }
        end,
      },
      {
        name = "memory_update",
        description = "Puts a new text in the place of a memory's.",
        parameters = common.schema({ memory_id = common.id, new_content = common.text }, { "memory_id", "new_content" }),
        run = function(memory, arguments)
          local id = candidate(last, memory, arguments)
          memory:update { id = id, content = common.trimmed(arguments.new_content) }
          return id
        end,
      },
      {
        name = "memory_delete",
        description = "Removes a memory.",
        parameters = common.schema({ memory_id = common.id }, { "memory_id" }),
        run = function(memory, arguments)
          memory:delete { id = candidate(last, memory, arguments) }
        end,
      },
      {
        name = "memory_noop",
        description = "Changes nothing.",
        parameters = { type = "object", properties = { memory_id = common.id }, additionalProperties = false },
        run = function() end,
      },
    },
  }
end
