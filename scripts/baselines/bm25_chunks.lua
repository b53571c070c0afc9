-- Keeps the chunks as they are, and answers a question from the `k` that BM25 ranks highest: `bm25_chunks_10` on the command line is this
-- baseline with 10.

local texts = require "lib.texts"

return function(k)
  return {
    name = "bm25_chunks_" .. k,
    retrieval = { top_k = k },
    remember = function(episode)
      return texts.chunks(episode.chunks)
    end,
  }
end
