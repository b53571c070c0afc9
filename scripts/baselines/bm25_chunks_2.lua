-- Keeps the chunks as they are; the 2 that BM25 ranks highest answer a question.

local stored = require "stored"

return {
  name = "bm25_chunks_2",
  retrieval = { top_k = 2 },
  remember = function(episode)
    return stored.chunks(episode.chunks)
  end,
}
