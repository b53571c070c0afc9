-- Remembers nothing: the reasoner answers on its own.

local fm = require "finemem"

return {
  name = "no_memory",
  retrieval = { top_k = 1 },
  remember = function()
    return fm.memory.new {}
  end,
}
