-- Keeps every statement of every chunk and never changes one.

local texts = require "lib.texts"

return {
  name = "add_everything",
  retrieval = { top_k = 10 },
  remember = function(episode)
    return texts.memory(episode.chunks, texts.statements)
  end,
}
