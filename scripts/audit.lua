-- Holds the credit that rewards give to steps against the exact effect of each operation.

local fm = require "finemem"
local arguments = require "lib.arguments"
local credit = require "lib.audit.credit"
local household = require "lib.household"
local lines = require "lib.lines"
local part = require "lib.audit.part"
local report = require "lib.audit.report"

-- Episodes that are played side by side.
local TOGETHER = 4
-- Operations whose effect is also measured with other random numbers.
local OTHERS = 50
-- The seed of the first episodes. Training and its evaluation come nowhere near it.
local FRESH = 2000000

local defaults = household.defaults
local option, record = arguments.read([[
Holds the credit that rewards give to steps against the exact effect of each operation on the outcome.

  finemem-engine run scripts/audit.lua -- [--policy DIR] [--rewards NAME,…] [--episodes 24] [--out DIR] …

Plays episodes as training does. Then it plays them again without each operation, once with the later calls as recorded, and once with the
policy going on from the changed memory with the same random numbers. Writes to the run's folder: table.md, page.html, operations.jsonl (a line
for each operation, with its effects and what each reward gives), correlations.jsonl (a line for each reward), summary.json.
`finemem-engine run --resume DIR` continues an audit that was stopped.]], {
  { "policy", "DIR", defaults.policy, "the model folder of the policy" },
  { "rewards", "NAME,…", nil, "rewards of scripts/rewards, modules whose names have a dot, EARA (the evidence part of finemem) and outcome; by default all" },
  { "world", "NAME", "household", "the world of scripts/worlds that episodes are from" },
  { "episodes", "integer", 24, "episodes, each played by a group" },
  { "group", "integer", defaults.group, "rollouts of each episode, for rewards that do not decide it themselves" },
  { "chunks", "integer", 6, "texts in each episode" },
  { "seed", "integer", defaults.seed, "the seed of episodes and sampling" },
  { "out", "DIR", nil, "the run's folder; by default a new one under runs/" },
})

if option.episodes < 1 then
  arguments.refuse("--episodes %d leaves nothing to audit: it must be at least 1", option.episodes)
end
arguments.module("worlds." .. option.world, "world")
local world = require("worlds." .. option.world)
local names = credit.names()
if option.rewards then
  names = string.split(option.rewards, ",")
end
local plans = part.plans(credit.methods(names))
local training = household.open { policy = option.policy, seed = option.seed, group = option.group, episodes = TOGETHER }
print(training.policy)
local run = arguments.open_run { path = option.out, seed = option.seed, arguments = record }

-- The parts that are done have a line each, in order.
local file, done = run.path .. "/parts.jsonl", {}
for i, line in ipairs(lines.read(file)) do
  done[i] = fm.json.decode { text = line }
end
local count = math.ceil(option.episodes / TOGETHER)
local operations = 0
for number = 1, count do
  local size = math.min(TOGETHER, option.episodes - (number - 1) * TOGETHER)
  local episodes = household.sample(world, size, FRESH + option.seed * 1000 + number, { chunks = option.chunks })
  for p, plan in ipairs(plans) do
    local place = (number - 1) * #plans + p
    if not done[place] then
      local given = table.clone(training.option.settings)
      given.reasoner, given.policy, given.seed, given.step = training.reasoner, training.policy, option.seed, number
      done[place] = part.play(training.trainer, plan, episodes, {
        seed = 32 * number, others = p == 1 and OTHERS * number // count - OTHERS * (number - 1) // count or 0, given = given,
      })
      done[place].part = number
      lines.add(file, fm.json.encode { value = done[place] })
    end
    for _, step in ipairs(done[place].steps) do
      operations += #step.operations
    end
    run:progress {
      step = place, total = count * #plans,
      text = string.format("%s: accuracy %.3f, %d operations so far", plan.name, done[place].accuracy, operations),
    }
    if fm.stopping {} then
      fm.exit { error = "stopped; resume with: finemem-engine run --resume " .. run.path }
    end
  end
end
report.all(run.path, plans, done, string.format(
  "%d operations in %d episodes of the %s world, played by %s in groups of %d; finemem-engine %s", operations, option.episodes, option.world,
  option.policy, option.group, fm.version))
