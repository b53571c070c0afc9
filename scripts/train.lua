-- Trains a small memory manager on the household world with Fine-Mem, or another reward of scripts/rewards, and shows what it learned.
--
--   finemem-engine run scripts/train.lua -- [--steps 24] [--seed 7] [--rewards finemem] [--without chunk|evidence|chunk,evidence] [--loss NAME] [--out DIR]

local fm = require "finemem"
local arguments = require "arguments"
local experiment = require "experiment"

local known = { without = "", out = false }
for name, default in pairs(experiment.defaults) do
  if type(default) ~= "table" then
    known[name] = default
  end
end
local option = arguments.read(known)
local without = {}
for part in option.without:gmatch("[^,]+") do
  if part ~= "chunk" and part ~= "evidence" then
    error("--without takes chunk, evidence or chunk,evidence, not '" .. part .. "'", 0)
  end
  without[part] = true
end
option.settings = { without = without }

local training = experiment.open(option)
local trainer = training.trainer
print(training.policy)
print(string.format("planned: %.0f MB of memory", trainer.planned / 1e6))

local run = fm.run.open { path = option.out or nil, seed = option.seed, arguments = option }
local state = run.path .. "/before.json"
local done = run:restore { trainer = trainer }

local function measured()
  local figures, batch = experiment.measure(training)
  figures.shown = {}
  for i = 1, math.min(3, #batch.rollouts) do
    local lines = {}
    for j, item in ipairs(batch.rollouts[i].memory) do
      lines[j] = string.format("[%d] %s", item.id, item.content)
    end
    figures.shown[i] = lines
  end
  return figures
end

local before
if done == 0 then
  print(string.format("measuring %d held-out episodes", option.held_out))
  before = measured()
  fm.write { path = state, text = fm.json.encode { value = before } }
else
  print(string.format("going on after step %d", done))
  before = fm.json.decode { text = fm.read { path = state } }
end
print(string.format("accuracy before: %.3f", before.accuracy))

for step = done + 1, option.steps do
  local began = fm.seconds {}
  local stats, figures, batch, credit = experiment.step(training, step)
  run:log { step = step, stats = stats }
  -- The rewards belong to the rollouts that were trained on, which may be others than those that show how the policy does.
  run:rollouts { step = step, batch = batch, count = 1, rewards = credit }
  -- Times go to the progress line only: logged figures are the same for the same seed.
  run:progress {
    step = step,
    total = option.steps,
    text = string.format("reward %.3f  accuracy %.3f  memory %d tokens  %.1f s",
      stats.reward, figures.accuracy, figures.memory_tokens, fm.seconds {} - began),
  }
  local stop = fm.stopping {}
  if stop or step % 10 == 0 or step == option.steps then
    run:checkpoint { step = step, trainer = trainer }
  end
  if step == done + 1 then
    print(string.format("memory: %.0f MB at most so far, %.0f MB planned", trainer.peak / 1e6, trainer.planned / 1e6))
  end
  if stop then
    print("stopped; go on with: finemem-engine run --resume " .. run.path)
    return
  end
end

local after = measured()
training.policy:save { path = run.path .. "/policy" }

local function row(name, format, value)
  return string.format("%-34s %16s %16s", name, string.format(format, value(before)), string.format(format, value(after)))
end
print(string.format("\n%-34s %16s %16s", string.format("%d held-out episodes", option.held_out), "before", "after"))
print(row("answer accuracy", "%.3f", function(f) return f.accuracy end))
print(string.format("%-34s %16s %16s", "  95 % interval",
  string.format("%.3f-%.3f", before.low, before.high), string.format("%.3f-%.3f", after.low, after.high)))
print(row("memory, tokens", "%.0f", function(f) return f.memory_tokens end))
for _, kind in ipairs { "insert", "update", "delete", "skip" } do
  print(row(kind .. "s per chunk", "%.2f", function(f) return f[kind] end))
end
print(row("invalid calls", "%.1f %%", function(f) return 100 * f.invalid end))
for i = 1, #before.shown do
  print(string.format("\nmemory of held-out episode %d before training:", i))
  print("  " .. table.concat(before.shown[i], "\n  "))
  print("after:")
  print("  " .. table.concat(after.shown[i], "\n  "))
end

fm.write {
  path = run.path .. "/summary.json",
  text = fm.json.encode {
    pretty = true,
    value = {
      accuracy_before = before.accuracy, accuracy_after = after.accuracy,
      memory_tokens_before = before.memory_tokens, memory_tokens_after = after.memory_tokens,
      seconds = fm.seconds {},
    },
  },
}
print("\nwritten: " .. run.path .. " (metrics.jsonl, summary.json, policy/)")
