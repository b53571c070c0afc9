-- Keeps the chunks as they are; the 10 that BM25 ranks highest answer a question.

local stored = require "stored"

return {
  name = "bm25_chunks_10",
  policy = false,
  run = function(option)
    local function whole(chunk)
      return { chunk }
    end
    return { memory = stored(option.episode.chunks, whole), retrieval = { top_k = 10 } }
  end,
}
