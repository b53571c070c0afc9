-- Mem-α's memory (arXiv 2509.25911): a core text of at most 512 tokens, and lists of semantic and episodic items.
--
-- Tools, limits and the meaning of the sections are those of its published code. Ours: ids are the store's numbers, not four random
-- characters; deleting an item that does not exist, or writing a text that is already there, is an error, not a silent success or a
-- "skipped".

local common = require "lib.tools"

local limit, mark = 512, " [content exceeds 512 tokens, truncated]"

local lists = { "semantic_memory", "episodic_memory" }
local all = { "core_memory", "semantic_memory", "episodic_memory" }
-- Models often write an id as a text.
local id = { type = { "integer", "string" } }

local function section_of(arguments)
  return (arguments.memory_type:gsub("_memory$", ""))
end

local function item_of(memory, arguments)
  local section = section_of(arguments)
  if arguments.memory_id == nil then
    error(arguments.memory_type .. " has many items: memory_id says which one", 0)
  end
  local number = tonumber(arguments.memory_id)
  if not number or number % 1 ~= 0 or number < 1 or number > 2 ^ 53 then
    error(string.format("'%s' is no memory_id: an id is the number in brackets before an item", tostring(arguments.memory_id)), 0)
  end
  return common.within(memory, number, section)
end

return function(option)
  local count = common.counter("layered", option.policy)
  return {
    retrieval = { retrieval = "sections", top_k = 20 },
    view_items = 5,
    view = function(memory, input)
      return common.shown(memory, "core", { "semantic", "episodic" }, function(section)
        return memory:recent { k = input.limit, section = section }
      end)
    end,
    sections = {
      { name = "core", title = "Core memory", whole = true },
      { name = "semantic", title = "Semantic memory" },
      { name = "episodic", title = "Episodic memory" },
    },
    task = [[
You manage the memory of an assistant. You read a stream of texts, one at a time, and cannot see them again; the assistant will answer questions from the memory alone. It has three parts:
- core memory: one short text that is always seen, of at most 512 tokens: who the user is, what the stream is about so far, or the rules by which examples are labelled. memory_update rewrites it as a whole.
- semantic memory: facts and knowledge, an item each, complete and understandable on its own. A labelled example is one, with its label.
- episodic memory: events, an item each, that says when it happened and who took part.
For each new text add what is new with new_memory_insert, rewrite what has changed with memory_update, and remove what no longer holds with memory_delete. You answer only once for a text: make all calls in this one answer. If there is nothing to do, answer Done.]],
    tools = {
      {
        name = "new_memory_insert",
        description = "Adds an item to the semantic or the episodic memory.",
        parameters = common.schema({ memory_type = { type = "string", enum = lists }, content = common.text }, { "memory_type", "content" }),
        run = function(memory, arguments)
          return memory:insert { content = common.trimmed(arguments.content), section = section_of(arguments) }
        end,
      },
      {
        name = "memory_update",
        description = "Rewrites the core memory as a whole, or an item of the semantic or episodic memory, which memory_id names.",
        parameters = common.schema(
          { memory_type = { type = "string", enum = all }, new_content = { type = "string", minLength = 1 }, memory_id = id },
          { "memory_type", "new_content" }
        ),
        run = function(memory, arguments)
          local content = common.trimmed(arguments.new_content)
          if arguments.memory_type == "core_memory" then
            return common.write(memory, "core", common.cut(count, content, limit, mark))
          end
          local number = item_of(memory, arguments)
          memory:update { id = number, content = content }
          return number
        end,
      },
      {
        name = "memory_delete",
        description = "Empties the core memory, or removes the item of the semantic or episodic memory that memory_id names.",
        parameters = common.schema({ memory_type = { type = "string", enum = all }, memory_id = id }, { "memory_type" }),
        run = function(memory, arguments)
          if arguments.memory_type == "core_memory" then
            local core = common.only(memory, "core") or error("the core memory is empty", 0)
            memory:delete { id = core.id }
          else
            memory:delete { id = item_of(memory, arguments) }
          end
        end,
      },
    },
  }
end
