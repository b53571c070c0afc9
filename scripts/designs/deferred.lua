-- MemReader's memory (arXiv 2604.07877): for each statement of a text the policy decides whether to write it, to *buffer* it, because a later
-- text may say what is missing, or to ignore it. What waits in the buffer is shown with every later text, until something is written from it
-- or until it is dropped.
--
-- Ours: retrieval finds the memories that a text may be about, where MemReader calls a search and goes on; the buffer holds a limited number
-- of notes, and the oldest gives way; questions are answered from notes, too.

local common = require "lib.tools"
local statements = require "views.statements"

-- The most notes that wait.
local most = 8

-- Takes a note out of the buffer that a call names as done.
local function done(memory, arguments)
  if arguments.note_id then
    memory:delete { id = common.within(memory, arguments.note_id, "buffer") }
  end
end

return function()
  return {
    retrieval = { top_k = 10 },
    view_items = 20,
    view = function(memory, input)
      local shown = memory:items { section = "buffer" }
      for _, item in ipairs(statements(memory, input)) do
        if item.section == "" then
          shown[#shown + 1] = item
        end
      end
      return shown
    end,
    sections = { { name = "buffer", title = "Notes that wait for more", whole = true }, { name = "", title = "Memories that may be about the same" } },
    task = [[
You manage the memory of an assistant that will answer questions about texts it cannot see again. You are shown a new text, notes from earlier texts that wait for more, and the memories that may be about the same things. Judge each statement: is it worth keeping, is it clear who and what it is about, is it complete? Then choose:
- memory_add, if it is: write it complete and understandable on its own. If a note that waited is part of it, name the note as note_id; it is then done;
- memory_update, if a memory is about the same and the text corrects it; here too, name a note that is done;
- memory_buffer, if something is missing that a later text may say: write what is known, and what is missing;
- memory_drop, if a note is not worth waiting for any longer;
- memory_ignore, if there is nothing to keep.
You answer only once for a text: put all calls into this one answer, and nothing else.]],
    tools = {
      {
        name = "memory_add",
        description = "Adds a memory.",
        parameters = common.schema({ content = common.text, note_id = common.id }, { "content" }),
        run = function(memory, arguments)
          local id = memory:insert { content = common.trimmed(arguments.content) }
          done(memory, arguments)
          return id
        end,
      },
      {
        name = "memory_update",
        description = "Puts a new text in the place of a memory's.",
        parameters = common.schema({ memory_id = common.id, new_content = common.text, note_id = common.id }, { "memory_id", "new_content" }),
        run = function(memory, arguments)
          local id = common.within(memory, arguments.memory_id, "", "long-term")
          memory:update { id = id, content = common.trimmed(arguments.new_content) }
          done(memory, arguments)
          return id
        end,
      },
      {
        name = "memory_buffer",
        description = "Keeps a note that waits for later texts.",
        parameters = common.schema({ content = common.text }, { "content" }),
        run = function(memory, arguments)
          local waiting = memory:items { section = "buffer" }
          if #waiting >= most then
            memory:delete { id = waiting[1].id }
          end
          return memory:insert { content = common.trimmed(arguments.content), section = "buffer" }
        end,
      },
      {
        name = "memory_drop",
        description = "Gives up a note that waits.",
        parameters = common.schema({ note_id = common.id }, { "note_id" }),
        run = function(memory, arguments)
          memory:delete { id = common.within(memory, arguments.note_id, "buffer") }
        end,
      },
      {
        name = "memory_ignore",
        description = "Changes nothing.",
        parameters = { type = "object", properties = { note_id = common.id }, additionalProperties = false },
        run = function() end,
      },
    },
  }
end
