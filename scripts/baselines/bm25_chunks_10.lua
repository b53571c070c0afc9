-- Keeps the chunks as they are; the 10 that BM25 ranks highest answer a question.

local stored = require "stored"

return {
  name = "bm25_chunks_10",
  retrieval = { top_k = 10 },
  remember = function(episode)
    return stored.chunks(episode.chunks)
  end,
}
