-- The four tools of a flat memory. Each has a JSON schema, checked before `run` is called.
--
-- `run(memory, arguments, turn)` carries out one call and returns the id it wrote, if it wrote one; an error means that the call is
-- not valid and the memory is as it was. `turn.calls` lists all calls of the same answer as { tool = name, arguments = table }, those
-- that could not be read included, so that a tool can judge a call by its company.

local text = { type = "string", minLength = 1, maxLength = 2000 }
local id = { type = "integer", minimum = 1 }

local function schema(properties, required)
  return { type = "object", properties = properties, required = required, additionalProperties = false }
end

-- A content without the blanks around it; one without anything else is an error.
local function trimmed(content)
  content = content:match("^%s*(.-)%s*$")
  if content == "" then
    error("the content is empty", 0)
  end
  return content
end

return {
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
  {
    name = "memory_skip",
    description = "Says that the text holds nothing to remember. It stands alone.",
    parameters = { type = "object", properties = { reason = { type = "string" } }, additionalProperties = false },
    run = function(_, _, turn)
      if #turn.calls > 1 then
        error("memory_skip stands beside other calls", 0)
      end
    end,
  },
}
