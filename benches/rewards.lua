-- What a reward costs of a training step, in the setting of scripts/train.lua.

local fm = require "finemem"
local arguments = require "lib.arguments"
local loop = require "lib.loop"
local world = require "worlds.household"

local option = arguments.read([[
Measures what a reward costs of a training step, in the setting of scripts/train.lua.

  finemem-engine run benches/rewards.lua -- [--rewards NAME,…] [--rounds 3]

A row is the fastest round: seconds of the rollout, of the reward in Lua, of the reasoner and policy that the reward calls, of the update, and the
share of Lua in the step. All rewards of whole episodes get the same rollouts. The learning rate is 0, so every round begins with the same policy. A
second table compares both parts of Fine-Mem with neither. Episodes of the latter ask nothing after a chunk; the reasoner's work in a rollout is
measured by asking the same questions of the same memories again.]], {
  { "rewards", "NAME,…", table.concat(loop.rewards(), ","), "rewards of scripts/rewards" },
  { "rounds", "integer", 3, "rounds of measurements" },
  { "episodes", "integer", 6, "episodes in each step" },
  { "group", "integer", 8, "rollouts of each episode" },
})

local policy = fm.model.load { path = "models/tiny" }
local reasoner = fm.reasoner.extractive {}
local trainer = fm.grpo.new {
  policy = policy, tools = require "tools.flat", prompt = require "prompts.flat", reasoner = reasoner,
  group = option.group, seed = 7, lr = 0, view = "relevant", view_items = 10, max_tokens = 160, max_prompt = 512, episodes = option.episodes,
}

-- An object whose methods are those of `of`, and add the seconds they take to `clock.seconds`.
local function timed(clock, of, methods)
  local object = {}
  for _, name in ipairs(methods) do
    object[name] = function(_, parameters)
      local began = fm.seconds {}
      local result = of[name](of, parameters)
      clock.seconds += fm.seconds {} - began
      return result
    end
  end
  return object
end

local function fastest(list)
  return math.min(table.unpack(list))
end

local function seconds(act)
  local began = fm.seconds {}
  local result = act()
  return fm.seconds {} - began, result
end

-- Seconds of the reasoner for what was asked in a batch: after the chunks, and at the end.
local function asking(batch, episodes)
  local chunk, final = 0, 0
  for _, rollout in ipairs(batch.rollouts) do
    local episode = episodes[rollout.episode]
    for t = 1, #episode.chunks do
      local memory = fm.memory.replay { journal = rollout.journal, last = t }
      chunk += seconds(function() return reasoner:ask { memory = memory, questions = episode.chunk_questions[t] } end)
      if t == #episode.chunks then
        final += seconds(function() return reasoner:ask { memory = memory, questions = episode.questions } end)
      end
    end
  end
  return chunk, final
end

-- Takes a reward's steps and an update on rolled-out batches: seconds of Lua, of what it calls, and of the update.
local function spent(reward, given, batches, batch)
  local clock = { seconds = 0 }
  given.reasoner = timed(clock, reasoner, { "answer_all" })
  given.policy = timed(clock, policy, { "encode", "logprobs" })
  local lua, credit = seconds(function() return reward.steps(batch, given) end)
  local update = seconds(function() return loop.update(trainer, batches, credit) end)
  return { lua = lua - clock.seconds, calls = clock.seconds, update = update }
end

local finemem, neither = loop.reward "finemem", { chunk = true, evidence = true }
local times, order, ratios = {}, {}, {}
local function put(name, figures)
  if not times[name] then
    times[name] = {}
    order[#order + 1] = name
  end
  for key, value in pairs(figures) do
    times[name][key] = times[name][key] or {}
    table.insert(times[name][key], value)
  end
end

local function given(round, without)
  return { seed = 7, step = round, reasoner = reasoner, policy = policy, without = without }
end

local function sample(round)
  return world.sample { count = option.episodes, seed = 7000 + round, variety = 0.1, made_up = 0 }
end

-- Makes the buffers.
local first = trainer:rollout { episodes = sample(0) }
spent(finemem, given(0), { first }, first)

for round = 1, option.rounds do
  local episodes = sample(round)
  local silent = table.clone(episodes)
  for e, episode in ipairs(episodes) do
    silent[e] = table.clone(episode)
    silent[e].chunk_questions = {}
  end

  -- A step of both and one of neither, by turns the one and the other first. Without an update between them both rollouts sample the same.
  local order_of_two = round % 2 == 1 and { "both", "outcome" } or { "outcome", "both" }
  local rolled, rest, whole = {}, {}, nil
  for _, which in ipairs(order_of_two) do
    local took, batch = seconds(function() return trainer:rollout { episodes = which == "both" and episodes or silent } end)
    rolled[which] = took
    whole = which == "both" and batch or whole
  end
  local chunk, final = asking(whole, episodes)
  for _, which in ipairs(order_of_two) do
    local figures = spent(finemem, given(round, which == "outcome" and neither or nil), { whole }, whole)
    rest[which] = figures.lua + figures.update
  end
  local both, outcome = rolled.both + rest.both - chunk - final, rolled.outcome + rest.outcome - final
  ratios[round] = both / outcome
  print(string.format("round %d: both %.2f s, outcome only %.2f s; besides, the reasoner %.3f s after chunks, %.3f s at the end",
    round, both, outcome, chunk, final))

  for _, branching in ipairs { false, true } do
    for name in option.rewards:gmatch "[^,]+" do
      local reward, batches, batch, took = loop.reward(name), { whole }, whole, rolled.both
      if (reward.rollout ~= nil) == branching then
        if branching then
          took = seconds(function()
            batches, batch = loop.rollout(trainer, reward, episodes, given(round))
          end)
        end
        local figures = spent(reward, given(round), batches, batch)
        figures.rollout = took
        put(name, figures)
      end
    end
  end
end

print(string.format("\n%-14s %10s %10s %12s %10s %10s", "reward", "rollout, s", "Lua, s", "its calls, s", "update, s", "Lua, %"))
for _, name in ipairs(order) do
  local row = {}
  for key, list in pairs(times[name]) do
    row[key] = fastest(list)
  end
  print(string.format("%-14s %10.2f %10.4f %12.3f %10.2f %10.2f", name, row.rollout, row.lua, row.calls, row.update,
    100 * row.lua / (row.rollout + row.lua + row.calls + row.update)))
end
table.sort(ratios)
print(string.format("\na step of both over one of outcome only, without the reasoner's work: %.3f (%.3f to %.3f)",
  ratios[(#ratios + 1) // 2], ratios[1], ratios[#ratios]))
