-- Keeps the text itself, as much as a window of tokens holds: the newest. What a long context would do.

local stored = require "stored"

-- Bytes that count as a token where no model is there to tell.
local bytes = 4

return {
  name = "whole_context",
  retrieval = { retrieval = "whole" },
  -- `option.window`: tokens, counted with `option.policy` if there is one.
  remember = function(episode, option)
    local policy, room = option.policy, option.window or 32768
    local function count(text)
      return policy and #policy:encode { text = text } or math.ceil(#text / bytes)
    end
    local chunks, kept = episode.chunks, {}
    for step = #chunks, 1, -1 do
      -- From the end of a chunk too: whole lines, the last first.
      local lines, from = {}, nil
      for line in chunks[step]:gmatch "[^\n]+" do
        lines[#lines + 1] = line
      end
      for i = #lines, 1, -1 do
        room = room - count(lines[i] .. "\n")
        if room < 0 then
          break
        end
        from = i
      end
      kept[step] = from and table.concat(lines, "\n", from) or ""
    end
    return stored.chunks(kept)
  end,
}
