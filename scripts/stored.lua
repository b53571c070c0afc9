-- Memories that hold texts as they came, each once, with its chunk as step.

local fm = require "finemem"

local stored = {}

-- `parts(chunk)` gives the texts of a chunk.
function stored.parts(chunks, parts)
  local memory, seen = fm.memory.new {}, {}
  for step, chunk in ipairs(chunks) do
    memory:set_step { step = step }
    for _, text in ipairs(parts(chunk)) do
      if text:match "%S" and not seen[text] then
        seen[text] = true
        memory:insert { content = text }
      end
    end
  end
  return memory
end

-- The chunks in one piece each.
function stored.chunks(chunks)
  return stored.parts(chunks, function(chunk) return { chunk } end)
end

return stored
