-- MemAgent's memory (arXiv 2507.02259) with a model that was not trained for it: one text, rewritten for each chunk.

local designs = require "lib.designs"

return {
  name = "memagent",
  answer_tokens = 1024,
  chunk_tokens = 5000,
  design = function(option)
    return designs.open("overwrite", { policy = option.policy, plain = true, tokens = option.tokens })
  end,
}
