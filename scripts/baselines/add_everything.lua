-- Keeps every statement of every chunk and never changes one.

local statements = require "statements"
local stored = require "stored"

return {
  name = "add_everything",
  retrieval = { top_k = 10 },
  remember = function(episode)
    return stored.parts(episode.chunks, statements.of)
  end,
}
