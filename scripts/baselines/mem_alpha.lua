-- Mem-α's memory and calls (arXiv 2509.25911) with a model that was not trained for them: core, semantic and episodic memory.

local designs = require "lib.designs"

return {
  name = "mem_alpha",
  answer_tokens = 2048,
  chunk_tokens = 2048,
  design = function(option)
    return designs.open("layered", { policy = option.policy, plain = true, dialect = require "dialects.mem_alpha" })
  end,
}
