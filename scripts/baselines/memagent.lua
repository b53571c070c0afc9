-- MemAgent's memory (arXiv 2507.02259) with a model that was not trained for it: one text that is written anew for each chunk.

local managed = require "managed"

return {
  name = "memagent",
  policy = true,
  run = function(option)
    return managed.design("overwrite", option, { tokens = 1024 })
  end,
}
