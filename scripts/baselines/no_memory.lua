-- Remembers nothing: what a reasoner answers by itself.

local fm = require "finemem"

return {
  name = "no_memory",
  policy = false,
  run = function()
    return { memory = fm.memory.new {}, retrieval = { top_k = 1 } }
  end,
}
