-- What a larger memory costs, from 10 to 10,000 items, and which curriculum helps: nothing trained, the plain training, and training whose
-- episodes become harder with the steps in one way each. `base` takes a step with a learning rate of 0.

local fm = require "finemem"

-- From one value at the first step to another at step 20.
local function over(from, to)
  return fm.schedule.linear { from = from, to = to, steps = 20 }
end

local memory, facts, noise, neighbour = over(20, 1000), over(1, 4), over(0, 0.6), over(0, 0.6)

return {
  seeds = 3,
  sizes = { 10, 30, 100, 300, 1000, 3000, 10000 },
  shared = { steps = 24, facts = 3, chunks = 6 },
  methods = {
    { name = "base", steps = 1, lr = 0, episodes = 1, group = 2 },
    { name = "trained" },
    { name = "memory size", full = 1, past = memory },
    { name = "chunk length", facts = facts },
    { name = "noise", noise = noise },
    { name = "neighbours", neighbour = neighbour },
    { name = "all four", full = 1, past = memory, facts = facts, noise = noise, neighbour = neighbour },
  },
}
