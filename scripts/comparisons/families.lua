-- Every reward of scripts/rewards beside the outcome alone. The rewards that branch spend more rollouts on a step than the others.

local learn = require "learn"

local methods = { { name = "outcome only", rewards = "finemem", settings = { without = { chunk = true, evidence = true } } } }
for _, name in ipairs(learn.names) do
  methods[#methods + 1] = { name = name, rewards = name }
end

return { seeds = 3, shared = { steps = 10, episodes = 4 }, methods = methods }
