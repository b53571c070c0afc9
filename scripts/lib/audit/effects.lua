-- The exact effect of every operation of some rollouts on the outcome, which is the mean score of the episode's final questions: the outcome
-- as played, less the outcome without the operation. All before it is the same. What comes after it is played in two ways:
--
--   recorded   the later calls as recorded, see replay.lua
--   played_on  the policy goes on from the changed memory, with the random numbers that it drew in the rollout
--
-- The calls behind an operation in the same answer are as recorded in both. A rollout that ends before its episode, or was asked
-- something else, is first played to the end of the episode.

local fm = require "finemem"
local measure = require "lib.measure"
local replay = require "lib.audit.replay"

local effects = {}

-- A trainer for a reward's rollouts that remembers where each came from. `recorder.plays[rollout]` has:
--
--   rollout, episode   the rollout, and the whole episode that it is from
--   start              what was played, the episode or a part of it
--   call, seed         the number of the call that played it, and the call's seed
function effects.recorder(trainer, episodes, seed)
  local known, recorder, calls = {}, { plays = {} }, 0
  for _, episode in ipairs(episodes) do
    known[episode.id] = episode
  end
  function recorder.rollout(_, arguments)
    local given = table.clone(arguments)
    given.seed = seed + (arguments.seed or 0)
    calls += 1
    local batch = trainer:rollout(given)
    for _, rollout in ipairs(batch.rollouts) do
      local start = arguments.episodes[rollout.episode]
      recorder.plays[rollout] = { rollout = rollout, start = start, episode = known[start.id], call = calls, seed = given.seed }
    end
    return batch
  end
  return recorder
end

-- What remains of a play's episode from its t-th step on, beginning with this memory, with the play's random numbers.
local function rest(play, t, memory)
  local episode, number = play.episode, play.first + t - 1
  return {
    chunks = table.move(episode.chunks, number, #episode.chunks, 1, {}), questions = episode.questions,
    memory = memory, first = number, draws = { episode = play.rollout.episode, member = play.rollout.member, step = t },
  }
end

-- The same without any text left to read: only the questions.
local function ended(play, memory)
  return { chunks = {}, questions = play.episode.questions, memory = memory }
end

-- Plays branches, given as { episode, seed }, all of one seed side by side. Returns their rollouts.
local function roll(trainer, branches)
  local seeds, places, rollouts = {}, {}, {}
  for i, branch in ipairs(branches) do
    if not places[branch.seed] then
      places[branch.seed] = {}
      table.insert(seeds, branch.seed)
    end
    table.insert(places[branch.seed], i)
  end
  for _, seed in ipairs(seeds) do
    local episodes = {}
    for k, i in ipairs(places[seed]) do
      episodes[k] = branches[i].episode
    end
    for k, rollout in ipairs(trainer:rollout({ episodes = episodes, group = 1, seed = seed }).rollouts) do
      rollouts[places[seed][k]] = rollout
    end
  end
  return rollouts
end

-- Plays to the end of their episodes. Adds to each play its `steps` up to there, `own`, how many of them are the rollout's, the number of
-- the `first`, the `memories` before each, and the `outcome`.
local function finish(trainer, plays)
  local branches, open = {}, {}
  for _, play in ipairs(plays) do
    local rollout = play.rollout
    play.first, play.own, play.steps = rollout.first or 1, #rollout.steps, table.clone(rollout.steps)
    play.outcome = measure.score(rollout)
    if play.first + play.own <= #play.episode.chunks or play.start.questions ~= play.episode.questions then
      local memories = replay.memories(play.steps, play.first, play.start.memory or fm.memory.new {})
      table.insert(branches, { episode = rest(play, play.own + 1, memories[#memories]), seed = play.seed })
      table.insert(open, play)
    end
  end
  for k, rollout in ipairs(roll(trainer, branches)) do
    table.move(rollout.steps, 1, #rollout.steps, open[k].own + 1, open[k].steps)
    open[k].outcome = measure.score(rollout)
  end
  for _, play in ipairs(plays) do
    play.memories = replay.memories(play.steps, play.first, play.start.memory or fm.memory.new {})
  end
end

-- Rounded, because equal differences of means may differ in the last bit, and ranks must not.
local function rounded(value)
  return math.round(value * 1e9) / 1e9 + 0
end

-- Finds the effects of all operations of the plays. Returns a list of steps with operations, each { play, t, effect, operations }, where
-- `effect` is that of all its operations together, and each operation is { call, recorded, played_on }: the call's place in the answer,
-- and its effect in both ways. The effect of a step is played on too.
function effects.of(trainer, plays)
  finish(trainer, plays)
  local steps, branches, put = {}, {}, {}
  local function ask(play, episode, into, name)
    table.insert(branches, { episode = episode, seed = play.seed })
    table.insert(put, function(outcome) into[name] = rounded(play.outcome - outcome) end)
  end
  for _, play in ipairs(plays) do
    for t = 1, play.own do
      local found = { play = play, t = t, operations = {} }
      for c, call in ipairs(play.steps[t].calls) do
        if replay.changed(call) then
          local operation = { call = c }
          table.insert(found.operations, operation)
          ask(play, ended(play, replay.without(play, t, c, #play.steps)), operation, "recorded")
          ask(play, rest(play, t + 1, replay.without(play, t, c, t)), operation, "played_on")
        end
      end
      if #found.operations > 0 then
        table.insert(steps, found)
      end
      if #found.operations > 1 then
        ask(play, rest(play, t + 1, replay.without(play, t, nil, t)), found, "effect")
      end
    end
  end
  for k, rollout in ipairs(roll(trainer, branches)) do
    put[k](measure.score(rollout))
  end
  for _, step in ipairs(steps) do
    step.effect = step.effect or step.operations[1].played_on
  end
  return steps
end

-- The effects of operations, each given as { step, operation }, if the policy goes on with the random numbers of other seeds: `seeds` are
-- added to those of the plays. Both sides are played on with the same numbers. Adds the list `others` to each operation.
function effects.others(trainer, chosen, seeds)
  local branches = {}
  for _, one in ipairs(chosen) do
    local play, t = one.step.play, one.step.t
    for _, seed in ipairs(seeds) do
      table.insert(branches, { episode = rest(play, t + 1, play.memories[t + 1]), seed = play.seed + seed })
      table.insert(branches, { episode = rest(play, t + 1, replay.without(play, t, one.operation.call, t)), seed = play.seed + seed })
    end
    one.operation.others = {}
  end
  local rollouts = roll(trainer, branches)
  for i, one in ipairs(chosen) do
    for k = 1, #seeds do
      local at = 2 * ((i - 1) * #seeds + k)
      one.operation.others[k] = rounded(measure.score(rollouts[at - 1]) - measure.score(rollouts[at]))
    end
  end
end

return effects
