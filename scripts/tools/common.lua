-- What the tools of several memory designs share.
--
-- A design is a module of this folder that returns `function(option)`, with the policy in `option.policy`, and gives
--
--   name         its name
--   tools        the tools, as fm.grpo.new takes them
--   view         which items a prompt shows, as fm.grpo.new takes it; by default "recent"
--   view_items   how many
--   sections     how a prompt shows them (prompts/chat.lua); by default all in one list
--   task         what the policy is told (prompts/chat.lua)
--   retrieval    how questions are answered from the memory: arguments of reasoner:ask
--   dialect      how calls are written, where that belongs to the design
--
-- All that a design keeps is in the memory, as items of its sections, so a rollout can go on from any copy of a memory. designs.lua opens
-- a design by name; `flat` is the list of tools alone.

local common = {}

common.text = { type = "string", minLength = 1, maxLength = 2000 }
common.id = { type = "integer", minimum = 1 }

-- The JSON schema of arguments; `required` are the keys that must be there.
function common.schema(properties, required)
  return { type = "object", properties = properties, required = required, additionalProperties = false }
end

-- A content without the blanks around it; one without anything else is an error.
function common.trimmed(content)
  content = content:match "^%s*(.-)%s*$"
  if content == "" then
    error("the content is empty", 0)
  end
  return content
end

-- The item of a section that holds one text; nil if there is none.
function common.only(memory, section)
  return memory:items({ section = section })[1]
end

-- Writes that text anew and returns the item's id.
function common.write(memory, section, content)
  local item = common.only(memory, section)
  if not item then
    return memory:insert { content = content, section = section }
  end
  memory:update { id = item.id, content = content }
  return item.id
end

-- An id that belongs to the section; that it is in the memory at all is the memory's business.
function common.within(memory, id, section, name)
  local item = memory:get { id = id }
  if item and item.section ~= section then
    error(string.format("item %d is not in the %s memory", id, name or section), 0)
  end
  return id
end

-- The tokenizer that limits are counted with.
function common.counter(design, policy)
  if not policy then
    error(string.format("the design '%s' counts tokens: give it { policy = model }", design), 3)
  end
  return function(text)
    return #policy:encode { text = text }
  end
end

-- A text of at most `limit` tokens: whole words from the beginning, then `mark`, if it is longer.
function common.cut(count, text, limit, mark)
  if count(text) <= limit then
    return text
  end
  local ends, room = { 0 }, limit - count(mark)
  for behind in text:gmatch "%S+()" do
    ends[#ends + 1] = behind - 1
  end
  local low, high = 1, #ends
  while low < high do
    local middle = (low + high + 1) // 2
    if count(text:sub(1, ends[middle])) <= room then
      low = middle
    else
      high = middle - 1
    end
  end
  return text:sub(1, ends[low]) .. mark
end

-- The items that a view shows of some sections: every item of `whole`, and of each other one what `choose(section)` returns.
function common.shown(memory, whole, others, choose)
  local shown = memory:items { section = whole }
  for _, section in ipairs(others) do
    local items = choose(section)
    table.sort(items, function(a, b) return a.id < b.id end)
    table.move(items, 1, #items, #shown + 1, shown)
  end
  return shown
end

-- The tool that changes nothing, for a text without anything to remember.
common.skip = {
  name = "memory_skip",
  description = "Says that the text holds nothing to remember. It stands alone.",
  parameters = { type = "object", properties = { reason = { type = "string" } }, additionalProperties = false },
  run = function(_, _, turn)
    if #turn.calls > 1 then
      error("memory_skip stands beside other calls", 0)
    end
  end,
}

return common
