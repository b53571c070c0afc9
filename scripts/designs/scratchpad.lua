-- AtomMem's memory (arXiv 2601.08323): a scratchpad that is always in view and rewritten as a whole, and entries that the policy creates,
-- updates, deletes and searches: what its query finds is shown with the next text.
--
-- The tools have the names that dialects/atommem.lua gives to AtomMem's tags. Ours: BM25 in place of embeddings, and until the first query
-- the newest entries are shown.

local common = require "lib.tools"

-- The longest scratchpad, in tokens.
local limit = 2048

return function(option)
  local count = common.counter("scratchpad", option.policy)
  return {
    dialect = require "dialects.atommem",
    -- Every question sees the scratchpad.
    retrieval = { retrieval = "sections", top_k = 6 },
    view_items = 6,
    view = function(memory, input)
      local asked = memory:closed { section = "query" }
      local query = asked[#asked]
      local shown = common.shown(memory, "core", { "" }, function()
        if query then
          return memory:retrieve { query = query.content, k = input.limit, section = "" }
        end
        return memory:recent { k = input.limit, section = "" }
      end)
      shown[#shown + 1] = query
      return shown
    end,
    sections = {
      { name = "core", title = "Scratchpad", whole = true },
      { name = "", title = "Memories found" },
      { name = "query", title = "Your query", whole = true },
    },
    task = [[
You manage the memory of an assistant that will answer questions about texts it cannot see again. There is a scratchpad, a short text that is always in view, and a store of memories, of which you see those that your last query finds. With each new text:
- rewrite the scratchpad as a whole where it should say something else: what matters most, and what to look for;
- add a memory for each new fact, complete and understandable on its own; change one that the text corrects; delete one that no longer holds;
- write the query whose memories you want to see beside the next text.
You answer only once for a text: write all actions in this one answer, and nothing else.]],
    tools = {
      {
        name = "memory_insert",
        description = "Adds a memory.",
        parameters = common.schema({ content = common.text }, { "content" }),
        run = function(memory, arguments)
          return memory:insert { content = common.trimmed(arguments.content) }
        end,
      },
      {
        name = "memory_update",
        description = "Changes a memory.",
        parameters = common.schema({ memory_id = common.id, new_content = common.text }, { "memory_id", "new_content" }),
        run = function(memory, arguments)
          local id = common.within(memory, arguments.memory_id, "", "long-term")
          memory:update { id = id, content = common.trimmed(arguments.new_content) }
          return id
        end,
      },
      {
        name = "memory_delete",
        description = "Removes a memory.",
        parameters = common.schema({ memory_id = common.id }, { "memory_id" }),
        run = function(memory, arguments)
          memory:delete { id = common.within(memory, arguments.memory_id, "", "long-term") }
        end,
      },
      {
        name = "update_memory",
        description = "Writes the scratchpad anew.",
        parameters = common.schema({ content = { type = "string", minLength = 1 } }, { "content" }),
        run = function(memory, arguments)
          return common.write(memory, "core", common.cut(count, common.trimmed(arguments.content), limit, ""))
        end,
      },
      {
        name = "update_query",
        description = "Says what memories to look for.",
        parameters = common.schema({ query = common.text }, { "query" }),
        -- A query is not a memory. It is closed at once and only kept for the next view.
        run = function(memory, arguments)
          memory:close { id = memory:insert { content = common.trimmed(arguments.query), section = "query" } }
        end,
      },
    },
  }
end
