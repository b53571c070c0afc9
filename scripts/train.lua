-- Trains a small memory manager on the household world, and shows what it has learned.

local fm = require "finemem"
local arguments = require "lib.arguments"
local household = require "lib.household"
local loop = require "lib.loop"

local defaults = household.defaults
local option, record = arguments.read([[
Trains a small memory manager on the household world with Fine-Mem or another reward, and shows what it has learned.

  finemem-engine run scripts/train.lua -- [--steps 25] [--rewards finemem] [--out DIR] …]], {
  { "steps", "integer", defaults.steps, "training steps" },
  { "seed", "integer", defaults.seed, "the seed of episodes and sampling" },
  { "rewards", "NAME", defaults.rewards, "a reward of scripts/rewards, or a module whose name has a dot" },
  { "without", "PARTS", "", "what to leave out of Fine-Mem's reward: chunk, evidence or chunk,evidence" },
  { "loss", loop.losses, defaults.loss, "the policy loss" },
  { "policy", "DIR", defaults.policy, "the model folder to start from" },
  { "episodes", "integer", defaults.episodes, "episodes in each step" },
  { "group", "integer", defaults.group, "rollouts of each episode" },
  { "lr", "number", defaults.lr, "learning rate" },
  { "held_out", "integer", defaults.held_out, "episodes to measure before and after training" },
  { "checkpoint", "integer", 10, "steps between checkpoints" },
  { "out", "DIR", nil, "the run's folder; by default a new one under runs/" },
})
option.settings = table.clone(defaults.settings)
option.settings.without = loop.without(option.without)
record.settings = option.settings

local training = household.open(option)
local trainer = training.trainer
print(training.policy)
print(string.format("planned: %s of memory", loop.size(trainer.planned)))

local run = arguments.open_run { path = option.out, seed = option.seed, arguments = record }
local state = run.path .. "/before.json"
local done = run:restore { trainer = trainer }

local before
if done == 0 then
  print(string.format("measuring %d held-out episodes", option.held_out))
  before = household.measure_and_show(training)
  fm.write { path = state, text = fm.json.encode { value = before } }
else
  print(string.format("resuming after step %d", done))
  before = fm.json.decode { text = fm.read { path = state } }
end
print(string.format("accuracy before: %.3f", before.accuracy))

if household.train(training, { run = run, done = done, checkpoint = option.checkpoint }) then
  local after = household.measure_and_show(training)
  training.policy:save { path = run.path .. "/policy" }
  household.report(run.path, option.held_out, before, after)
  print("\nwritten: " .. run.path .. " (metrics.jsonl, summary.json, policy/)")
else
  print("stopped; resume with: finemem-engine run --resume " .. run.path)
end
