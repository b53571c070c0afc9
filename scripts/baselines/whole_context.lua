-- Keeps the newest text, as much as fits a window of tokens. This is what a long context would do.

local texts = require "lib.texts"

-- Bytes that count as a token if there is no model to count with.
local bytes = 4

-- The end of a text, in whole words, with at most `room` tokens.
local function ending(text, room, count)
  local starts = {}
  for at in text:gmatch "()%S+" do
    starts[#starts + 1] = at
  end
  local low, high = 1, #starts + 1
  while low < high do
    local middle = (low + high) // 2
    if count(text:sub(starts[middle])) <= room then
      high = middle
    else
      low = middle + 1
    end
  end
  return starts[low] and text:sub(starts[low]) or ""
end

return {
  name = "whole_context",
  retrieval = { retrieval = "whole" },
  -- `option.window` is in tokens, counted with `option.policy` if there is one.
  remember = function(episode, option)
    local policy, room = option.policy, option.window or 32768
    local function count(text)
      return policy and #policy:encode { text = text } or math.ceil(#text / bytes)
    end
    local chunks, kept, empty = episode.chunks, {}, true
    for step = #chunks, 1, -1 do
      -- Whole lines are kept, from the end of the chunk. A line that is longer than the window loses its beginning.
      local lines, from = {}, nil
      for line in chunks[step]:gmatch "[^\n]+" do
        lines[#lines + 1] = line
      end
      for i = #lines, 1, -1 do
        local length = count(lines[i] .. "\n")
        if length > room and empty then
          lines[i], length = ending(lines[i], room, count), room
        end
        room = room - length
        if room < 0 then
          break
        end
        from, empty = i, false
      end
      kept[step] = from and table.concat(lines, "\n", from) or ""
    end
    return texts.chunks(kept)
  end,
}
