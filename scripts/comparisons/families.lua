-- Every reward of scripts/rewards, compared with the outcome alone. Rewards that branch spend more rollouts on a step than the others.

local loop = require "lib.loop"

local methods = { { name = "outcome only", rewards = "finemem", settings = { without = { chunk = true, evidence = true } } } }
for _, name in ipairs(loop.rewards()) do
  methods[#methods + 1] = { name = name, rewards = name }
end

return { seeds = 3, shared = { steps = 10, episodes = 4 }, methods = methods }
