-- The prompt of a model with a chat template: what a memory manager has to do, the tools, the items in view and the text.
--
-- `chat { policy = model, thinking = false }` gives the function that a trainer takes. The wording is ours; as in Mem-α and Fine-Mem the
-- model answers once per text, and has to put all calls into that answer.

local task = [[
You manage the memory of an assistant that will later be asked questions about texts it cannot see again: it will only have the memory.
You are shown the memory items that may matter, each with its id, and one new text. Keep what the text says by calling the tools:
- memory_insert for a fact that the memory does not have yet. One fact an item, complete and understandable on its own, with names instead of pronouns.
- memory_update for an item that the text corrects, completes or replaces.
- memory_delete for an item that no longer holds and is not replaced.
- memory_skip alone, if the text has nothing worth keeping.
You answer only once for this text: put all calls into this one answer, and nothing else.]]

local function shown(input)
  if #input.memory == 0 then
    return "Memory: empty"
  end
  local lines = { string.format("Memory (%d of %d items):", #input.memory, input.total) }
  for _, item in ipairs(input.memory) do
    lines[#lines + 1] = string.format("[%d] %s", item.id, item.content)
  end
  return table.concat(lines, "\n")
end

return function(option)
  return function(input)
    return option.policy:apply_chat_template {
      messages = {
        { role = "system", content = task },
        { role = "user", content = shown(input) .. "\n\nText:\n" .. input.chunk },
      },
      tools = input.tools,
      enable_thinking = option.thinking or false,
    }
  end
end
