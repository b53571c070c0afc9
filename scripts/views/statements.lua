-- The items that each statement of a chunk may be about, as BM25 finds them: the best of each statement, then the second best, and so on,
-- up to the limit. In a large memory the items for the chunk as a whole are often about one of its statements only. Those that a statement
-- finds are taken from the most varied on (see lib/likeness.lua).

local likeness = require "lib.likeness"
local texts = require "lib.texts"

-- The items that a statement finds, the most varied first.
local function found_by(statement, memory, limit)
  local items = memory:retrieve { query = statement, k = limit }
  for _, item in ipairs(items) do
    item.words = likeness.words(item.content)
  end
  return likeness.varied(likeness.words(statement), items, 1)
end

return function(memory, input)
  local found, shown, seen = {}, {}, {}
  for i, statement in ipairs(texts.statements(input.chunk)) do
    found[i] = found_by(statement, memory, input.limit)
  end
  for rank = 1, input.limit do
    for _, items in ipairs(found) do
      local item = items[rank]
      if item and not seen[item.id] and #shown < input.limit then
        seen[item.id], shown[#shown + 1] = true, item
      end
    end
  end
  table.sort(shown, function(a, b) return a.id < b.id end)
  return shown
end
