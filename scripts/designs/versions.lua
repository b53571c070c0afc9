-- MemBuilder's memory (arXiv 2601.05488): a core text of at most 5,000 characters, and episodic, semantic and procedural items. An update
-- adds a new version, which points to the one it replaces. Ours: one policy has all the tools, where the paper has four roles with a tool
-- each.

local common = require "lib.tools"

local limit = 5000

local function write_core(memory, content)
  local length = utf8.len(content) or #content
  if length > limit then
    error(string.format("the core memory would have %d characters, and %d is the most: REWRITE it shorter", length, limit), 0)
  end
  return common.write(memory, "core", content)
end

local function argument(arguments, key)
  return arguments[key] or error(string.format("%s needs %s", arguments.operation, key), 0)
end

local core = {
  APPEND = function(memory, arguments)
    local now = common.only(memory, "core")
    return write_core(memory, (now and now.content .. "\n" or "") .. common.trimmed(argument(arguments, "content")))
  end,
  REPLACE = function(memory, arguments)
    local now = common.only(memory, "core")
    local old, new = argument(arguments, "old_text"), argument(arguments, "new_text")
    local first, last = (now and now.content or ""):find(old, 1, true)
    if not first or old == "" then
      error("old_text is not in the core memory: copy it as it stands there", 0)
    end
    return write_core(memory, common.trimmed(now.content:sub(1, first - 1) .. new .. now.content:sub(last + 1)))
  end,
  REWRITE = function(memory, arguments)
    return write_core(memory, common.trimmed(argument(arguments, "content")))
  end,
}

-- The operations on the items of a section.
local items
items = {
  ADD = function(memory, section, arguments)
    return memory:insert { content = common.trimmed(argument(arguments, "content")), section = section }
  end,
  UPDATE = function(memory, section, arguments)
    local id = common.within(memory, argument(arguments, "memory_id"), section)
    return memory:insert { content = common.trimmed(argument(arguments, "content")), replaces = id }
  end,
  -- One item in place of several: it replaces the first, and the others are closed.
  MERGE = function(memory, section, arguments)
    local ids = argument(arguments, "memory_ids")
    for i = 2, #ids do
      memory:close { id = common.within(memory, ids[i], section) }
    end
    return items.UPDATE(memory, section, { operation = "MERGE", memory_id = ids[1], content = arguments.content })
  end,
  SKIP = function() end,
}

local function tool(section, what, operations)
  local properties = { operation = { type = "string", enum = operations }, content = common.text, memory_id = common.id }
  if table.find(operations, "MERGE") then
    properties.memory_ids = { type = "array", items = common.id, minItems = 2, uniqueItems = true }
  end
  return {
    name = section .. "_memory",
    description = what,
    parameters = common.schema(properties, { "operation" }),
    run = function(memory, arguments)
      return items[arguments.operation](memory, section, arguments)
    end,
  }
end

local lists = { "episodic", "semantic", "procedural" }

return function()
  return {
    retrieval = { retrieval = "sections", top_k = 10 },
    view_items = 20,
    view = function(memory, input)
      return common.shown(memory, "core", lists, function(section)
        return memory:retrieve { query = input.chunk, k = input.limit, section = section }
      end)
    end,
    sections = {
      { name = "core", title = "Core memory", whole = true },
      { name = "episodic", title = "Episodic memory" },
      { name = "semantic", title = "Semantic memory" },
      { name = "procedural", title = "Procedural memory" },
    },
    task = [[
You build the memory of an assistant from a stream of conversations. It will answer questions from the memory alone. The memory has four parts:
- core: one text of at most 5,000 characters with what matters most about the user. APPEND to it, REPLACE a part of it, or REWRITE it.
- episodic: events with their time. ADD one, UPDATE one to a new version, or MERGE several into one.
- semantic: facts about people, places and things. ADD one, UPDATE one to a new version, or SKIP.
- procedural: how something is done step by step. ADD one, or UPDATE one to a new version.
You answer only once for a text: put all calls into this one answer, and nothing else.]],
    tools = {
      {
        name = "core_memory",
        description = "Changes the core memory: APPEND or REWRITE with content, REPLACE with old_text and new_text.",
        parameters = common.schema({
          operation = { type = "string", enum = { "APPEND", "REPLACE", "REWRITE" } },
          content = { type = "string" },
          old_text = { type = "string" },
          new_text = { type = "string" },
        }, { "operation" }),
        run = function(memory, arguments)
          return core[arguments.operation](memory, arguments)
        end,
      },
      tool("episodic", "Changes the events: ADD with content, UPDATE with memory_id and content, MERGE with memory_ids and content.",
        { "ADD", "UPDATE", "MERGE" }),
      tool("semantic", "Changes the facts: ADD with content, UPDATE with memory_id and content, or SKIP.", { "ADD", "UPDATE", "SKIP" }),
      tool("procedural", "Changes the procedures: ADD with content, UPDATE with memory_id and content.", { "ADD", "UPDATE" }),
    },
  }
end
