-- What a language model is trained on: a world, which makes new episodes for each step, or the episodes of a file.

local household = require "lib.household"
local leakage = require "lib.leakage"
local loop = require "lib.loop"

local sources = {}

local worlds = { household = "worlds.household", office = "worlds.office" }

-- Names and relations of training episodes are somewhat more varied than those of the held-out ones, where the world has such.
local varied = { household = { variety = 0.2, made_up = 0.2 }, office = { variety = 0.2 } }

-- Opens what a program's arguments name: `data`, `episodes`, `seed`, `held_out` and those of lib/leakage.lua. Returns:
--
--   sample(step)   the episodes of a step
--   count          how many they are
--   held_out       episodes that are never trained on; none from a file
--   teacher        the teacher that knows most about them, a module of scripts/teachers
function sources.open(option)
  local name = worlds[option.data]
  if not name then
    local episodes = leakage.open(option)
    local count = math.min(option.episodes, #episodes)
    return { sample = loop.passes(episodes, count, option.seed), count = count, held_out = {}, teacher = "newest_wins" }
  end
  local world = require(name)
  return {
    sample = function(step) return household.sample(world, option.episodes, option.seed * 1000 + step, varied[option.data]) end,
    count = option.episodes, held_out = household.held_out(world, option.held_out), teacher = "world",
  }
end

return sources
