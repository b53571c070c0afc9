-- Keeps every statement of every chunk and never changes one.

local statements = require "statements"
local stored = require "stored"

return {
  name = "add_everything",
  policy = false,
  run = function(option)
    return { memory = stored(option.episode.chunks, statements.of), retrieval = { top_k = 10 } }
  end,
}
