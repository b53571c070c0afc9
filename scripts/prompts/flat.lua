-- The prompt of the tiny model: the items in view, the text, and where the calls start.
--
-- It explains nothing, because the tiny model learned the task by example. Each line of the text and each content follows a blank, so
-- that a word has the same tokens wherever it stands (see tools/wire.lua). Ids come without one.

local heads = require("tools.wire").heads

-- `input.memory` lists the items in view, `input.chunk` is the text.
return function(input)
  local lines = { heads.memory }
  for _, item in ipairs(input.memory) do
    lines[#lines + 1] = string.format("[%d] %s\n", item.id, item.content)
  end
  lines[#lines + 1] = heads.text
  lines[#lines + 1] = " " .. input.chunk:gsub("\n", "\n ") .. "\n"
  lines[#lines + 1] = heads.calls
  return table.concat(lines)
end
