-- Keeps the chunks as they are; the 2 that BM25 ranks highest answer a question.

local stored = require "stored"

return {
  name = "bm25_chunks_2",
  policy = false,
  run = function(option)
    local function whole(chunk)
      return { chunk }
    end
    return { memory = stored(option.episode.chunks, whole), retrieval = { top_k = 2 } }
  end,
}
