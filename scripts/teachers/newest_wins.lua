-- A rule as a teacher, for any text: a statement replaces the item that says something else about the same thing
-- (baselines/newest_wins.lua). It sees only the items that the prompt shows, as "[12] its content".

local newest_wins = require "baselines.newest_wins"
local texts = require "lib.texts"

local function set(list)
  local words = {}
  for _, word in ipairs(list) do
    words[word] = true
  end
  return words
end

return function()
  return function(input)
    local items, calls = {}, {}
    for _, item in ipairs(input.memory) do
      if input.prompt:find("[" .. item.id .. "] ", 1, true) then
        table.insert(items, 1, { id = item.id, content = item.content, frames = set(newest_wins.frames(item.content)) })
      end
    end
    for i, text in ipairs(texts.statements(input.chunk)) do
      local old, same = nil, false
      for _, item in ipairs(items) do
        same = same or item.content == text
        for _, frame in ipairs(newest_wins.frames(text)) do
          old = old or item.frames[frame] and item or nil
        end
      end
      if same then
        calls[i] = { statement = i, tool = "memory_skip" }
      elseif old then
        calls[i] = { statement = i, tool = "memory_update", id = old.id, content = text }
        old.content = text
      else
        calls[i] = { statement = i, tool = "memory_insert", content = text }
      end
    end
    return calls
  end
end
