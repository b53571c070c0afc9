-- What the tools of several memory designs share.

local tools = {}

tools.text = { type = "string", minLength = 1, maxLength = 2000 }
tools.id = { type = "integer", minimum = 1 }

-- The JSON schema of arguments; `required` are the keys that must be there.
function tools.schema(properties, required)
  return { type = "object", properties = properties, required = required, additionalProperties = false }
end

-- A content without the blanks around it. An empty content is an error.
function tools.trimmed(content)
  content = content:match "^%s*(.-)%s*$"
  if content == "" then
    error("the content is empty", 0)
  end
  return content
end

-- The item of a section that has at most one; nil if it is empty.
function tools.only(memory, section)
  return memory:items({ section = section })[1]
end

-- Replaces that item's text, or adds the item. Returns its id.
function tools.write(memory, section, content)
  local item = tools.only(memory, section)
  if not item then
    return memory:insert { content = content, section = section }
  end
  memory:update { id = item.id, content = content }
  return item.id
end

-- Fails if an item belongs to another section, else returns its id. The memory itself refuses an id that it does not have.
function tools.within(memory, id, section, name)
  local item = memory:get { id = id }
  if item and item.section ~= section then
    error(string.format("item %d is not in the %s memory", id, name or section), 0)
  end
  return id
end

-- Counts tokens with the policy's tokenizer, for a design with a limit.
function tools.counter(design, policy)
  if not policy then
    error(string.format("the design '%s' counts tokens: give it { policy = model }", design), 3)
  end
  return function(text)
    return #policy:encode { text = text }
  end
end

-- A text, cut to at most `limit` tokens: whole words from the beginning, then `mark`.
function tools.cut(count, text, limit, mark)
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

-- The items for a view of several sections: every item of `whole`, and what `choose(section)` returns for each of `others`.
function tools.shown(memory, whole, others, choose)
  local shown = memory:items { section = whole }
  for _, section in ipairs(others) do
    local items = choose(section)
    table.sort(items, function(a, b) return a.id < b.id end)
    table.move(items, 1, #items, #shown + 1, shown)
  end
  return shown
end

-- The tool that changes nothing.
tools.skip = {
  name = "memory_skip",
  description = "Says that the text, or one of its statements, holds nothing to remember.",
  parameters = { type = "object", properties = { reason = { type = "string" } }, additionalProperties = false },
  run = function() end,
}

return tools
