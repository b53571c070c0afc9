-- Mem-α's memory and calls (arXiv 2509.25911) with a model that was not trained for them: core, semantic and episodic memory.

local managed = require "managed"

return {
  name = "mem_alpha",
  policy = true,
  run = function(option)
    return managed.design("layered", option, { dialect = require "dialects.mem_alpha", tokens = 2048 })
  end,
}
