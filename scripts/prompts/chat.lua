-- The prompt of a model with a chat template: the task of a memory manager, the tools, the items in view and the text.
--
-- `chat { policy = model, thinking = false }` returns the prompt function that a trainer takes. It is for the flat memory, or for another
-- of scripts/designs if that is given as `design`. The wording is ours. As in Mem-α and Fine-Mem the model answers once for each text, and
-- has to put all calls into that answer.
--
-- Many templates have no place for tools or for a system message. Tools are then described in the task, as they are if the dialect
-- describes them itself, and the task goes before the memory in the user's message. Which of these was done is printed, and returned as a
-- second value. A model without a template is an error, unless `plain` allows plain text instead; so is `thinking` if the template cannot be
-- told of it. `written` is the dialect of a model whose template shows one, which the description of the tools follows.

local fm = require "finemem"
local hermes = require "dialects.hermes"

local task = [[
You manage the memory of an assistant that will later be asked questions about texts it cannot see again: it will only have the memory.
You are shown the memory items that may matter, each with its id, and one new text. Keep what the text says by calling the tools:
- memory_insert for a fact that the memory does not have yet. One fact an item, complete and understandable on its own, with names instead of pronouns.
- memory_update for an item that the text corrects, completes or replaces.
- memory_delete for an item that no longer holds and is not replaced.
- memory_skip alone, if the text has nothing worth keeping.
You answer only once for this text: put all calls into this one answer, and nothing else.]]

-- What was printed, so that it is printed once.
local printed = {}

-- The items in view of one section. A section that is shown whole is one text and needs no ids.
local function shown(input, section, total)
  local lines, count = {}, 0
  for _, item in ipairs(input.memory) do
    if section.name == nil or item.section == section.name then
      count = count + 1
      lines[#lines + 1] = section.whole and item.content or string.format("[%d] %s", item.id, item.content)
    end
  end
  if count == 0 and total == 0 then
    return section.title .. ": empty"
  end
  table.insert(lines, 1, section.whole and section.title .. ":" or string.format("%s (%d of %d items):", section.title, count, total))
  return table.concat(lines, "\n")
end

local function memory(input, sections)
  if not sections then
    return shown(input, { title = "Memory" }, input.total)
  end
  local parts = {}
  for i, section in ipairs(sections) do
    parts[i] = shown(input, section, input.totals[section.name] or 0)
  end
  return table.concat(parts, "\n\n")
end

-- A description of the tools and of how the dialect writes a call, for a model without a template.
local function listed(tools, dialect)
  local lines = { "A tool is called by writing:", dialect.write { name = "name of the tool", arguments = { argument = "value" } }, "", "Tools:" }
  for _, tool in ipairs(tools) do
    lines[#lines + 1] = string.format("- %s: %s Its arguments: %s", tool.name, tool.description, fm.json.encode { value = tool.parameters })
  end
  return table.concat(lines, "\n")
end

return function(option)
  local design = option.design or {}
  local dialect = option.dialect or design.dialect
  local written = dialect or option.written or hermes
  local plain = option.plain and not option.policy.chat
  local carries = plain and { tools = false, system = false, thinking = "unsaid" } or option.policy:carries()
  if option.thinking and (plain or carries.thinking == "unsaid") then
    error("thinking = true, but the model's chat template cannot be told to let it think: leave 'thinking' out", 2)
  end
  local describe = dialect and dialect.tools or not carries.tools and listed
  local function prompt(input)
    local system, tools = design.task or task, input.tools
    if describe then
      local text = describe(tools, written)
      system, tools = text == "" and system or system .. "\n\n" .. text, nil
    end
    local user = design.user and design.user(input) or memory(input, design.sections) .. "\n\nText:\n" .. input.chunk
    if plain then
      return system .. "\n\n" .. user .. "\n\nAnswer:\n"
    end
    return option.policy:apply_chat_template {
      messages = { { role = "system", content = system }, { role = "user", content = user } },
      tools = tools,
      enable_thinking = option.thinking or false,
      whole = true,
    }
  end
  local told = {
    describe and "tools described in the task" or "tools given to the chat template",
    plain and "plain text, because the model has no chat template" or carries.system and "the task as the system message"
      or "the task in the user's message, because the chat template has no place for a system message",
    carries.thinking == "always" and "thinking, because the chat template always begins a thought" or option.thinking and "thinking"
      or "no thinking",
  }
  local line = table.concat(told, "; ")
  if not printed[line] then
    printed[line] = true
    print("prompt: " .. line)
  end
  return prompt, line
end
