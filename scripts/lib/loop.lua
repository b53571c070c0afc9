-- The training loop, and the parts of one step, with any reward of scripts/rewards. rewards/README.md says what a reward gives.

local fm = require "finemem"
local alarms = require "lib.alarms"
local arguments = require "lib.arguments"
local measure = require "lib.measure"

local loop = {
  losses = { "verl", "grpo", "dr_grpo", "dapo", "gspo", "cispo", "rloo", "reinforce" },
  groupings = { "step", "instance", "trajectory", "state" },
}

-- The names of the rewards in scripts/rewards.
function loop.rewards()
  local names = {}
  for _, module in ipairs(fm.modules { folder = "rewards" }) do
    -- What the rewards share is in the folder too.
    if require(module).steps then
      names[#names + 1] = module:match "[^.]+$"
    end
  end
  return names
end

-- Opens a reward by name, or any module with the same interface, whose name then has a dot. A loop that opens it at every step, and says
-- which, picks up an edited file under `finemem-engine run --watch`.
function loop.reward(name, step)
  local module = name:find(".", 1, true) and name or "rewards." .. name
  if not step then
    arguments.module(module, "reward", loop.rewards)
  end
  fm.reload { module = module, step = step }
  return require(module)
end

-- Fails if `option` lacks something that the reward needs.
function loop.needs(reward, option)
  for _, name in ipairs(reward.needs or {}) do
    if option[name] == nil then
      error(string.format("the reward %s needs a %s", reward.name, name), 0)
    end
  end
end

-- Rolls out episodes the way the reward wants: returns the batches to train on, all their rollouts as one batch, and the batch that shows
-- how well the policy does. `option` has what the reward may need: `reasoner`, `policy`, `seed`, `step` and its own settings;
-- `question_share` only counts for rewards that play whole episodes.
function loop.rollout(trainer, reward, episodes, option)
  loop.needs(reward, option)
  local batches, shown
  if reward.rollout then
    batches, shown = reward.rollout(trainer, episodes, option)
  else
    batches = { trainer:rollout { episodes = episodes, question_share = option.question_share } }
  end
  local batch = batches[1]
  if #batches > 1 then
    batch = { rollouts = {} }
    for _, part in ipairs(batches) do
      table.move(part.rollouts, 1, #part.rollouts, #batch.rollouts + 1, batch.rollouts)
    end
  end
  return batches, batch, shown or batch
end

-- Updates the policy with what the reward gave to the steps of all `batches`. Returns the update's figures.
function loop.update(trainer, batches, credit, lr)
  return trainer:update {
    batch = #batches == 1 and batches[1] or nil,
    batches = #batches > 1 and batches or nil,
    rewards = credit.total,
    advantages = credit.advantages,
    weights = credit.weights,
    grouping = credit.grouping,
    groups = credit.groups,
    scale_rewards = credit.scale_rewards,
    lr = lr,
  }
end

-- The parts of a reward that `--without` names, as the reward's option takes them.
function loop.without(text)
  local parts = {}
  for part in text:gmatch "[^,]+" do
    if part ~= "chunk" and part ~= "evidence" then
      arguments.refuse("--without takes chunk, evidence or chunk,evidence, not '%s'", part)
    end
    parts[part] = true
  end
  return parts
end

-- Bytes in a unit that suits them.
function loop.size(bytes)
  return bytes < 1e9 and string.format("%.0f MB", bytes / 1e6) or string.format("%.2f GB", bytes / 1e9)
end

-- The episodes of a step, `count` at a time: a function of the step. The list is shuffled anew for each pass through it. A step has the
-- same episodes when a run is resumed.
function loop.passes(episodes, count, seed)
  return function(step)
    local chosen, order, pass = {}, nil, nil
    for i = (step - 1) * count, step * count - 1 do
      if pass ~= i // #episodes then
        pass, order = i // #episodes, {}
        for j = 1, #episodes do
          order[j] = j
        end
        fm.rng.new({ seed = { seed, pass } }):shuffle { list = order }
      end
      chosen[#chosen + 1] = episodes[order[i % #episodes + 1]]
    end
    return chosen
  end
end

-- Writes a checkpoint of `option`'s trainer to its run where one is due: every `checkpoint` steps, at the `last` one, and where somebody
-- pressed Ctrl-C. Returns whether somebody did.
function loop.checkpoint(option, step, last)
  local stop = fm.stopping {}
  if stop or last or step % option.checkpoint == 0 then
    option.run:checkpoint { step = step, trainer = option.trainer }
  end
  return stop
end

-- Trains from step `done + 1` to `steps`. `option`:
--
--   trainer, run     the trainer, and the folder of the run, restored to step `done`
--   done, steps      the steps that are done, and all steps
--   reward           the reward's name
--   given(step)      the option of the reward: reasoner, policy and its settings; seed and step are added
--   seed             of the run
--   sample(step)     the episodes of a step
--   rate(step)       the learning rate
--   harm             how the figures of lib/harm.lua are measured at each step
--   checkpoint       steps between checkpoints
--   seconds          the longest that the reward may take, by default the engine's limit
--   title            what stands before the figures of a progress line
--   finish(stats)    adds to the figures of the last step before they are logged, if given; the run is then complete
--
-- There is a checkpoint every `checkpoint` steps, where the loop is stopped, and at the last step unless `finish` has completed the run.
-- Returns whether it came to the end; false when somebody pressed Ctrl-C.
function loop.run(option)
  local trainer, run, steps = option.trainer, option.run, option.steps
  local watch = alarms.keep(run.path, option.done)
  for step = option.done + 1, steps do
    local began = fm.seconds {}
    local reward = loop.reward(option.reward, step)
    local given = option.given(step)
    given.seed, given.step = given.seed or option.seed, given.step or step
    local episodes = option.sample(step)
    local batches, batch, shown = loop.rollout(trainer, reward, episodes, given)
    local rolled = fm.seconds {}
    local credit = run:reward { step = step, batch = batch, reward = reward, option = given, seconds = option.seconds }
    local stats = loop.update(trainer, batches, credit, option.rate(step))
    local figures = measure.step(stats, shown, credit)
    local harm = measure.harm(stats, "harm/", shown, episodes, option.harm)
    local last = step == steps
    if last and option.finish then
      option.finish(stats)
    end
    run:log { step = step, stats = stats }
    watch(step, stats)
    -- The rollouts that were trained on, with their rewards. The figures may be of others, see loop.rollout.
    run:rollouts { step = step, batch = batch, count = 1, rewards = credit }
    -- Times only go to the progress line, so that the same seed logs the same figures.
    local spent = fm.seconds {} - began
    run:progress {
      step = step,
      total = steps,
      text = (option.title and option.title .. "  " or "") .. string.format("reward %.3f  accuracy %.3f  memory %d tokens%s  %.1f s (%.0f %% rollout)",
        stats.reward, figures.accuracy, figures.memory_tokens, harm.facts_lost and string.format("  lost %.0f %%", 100 * harm.facts_lost) or "",
        spent, 100 * (rolled - began) / spent),
    }
    if last and option.finish then
      return true
    end
    local stop = loop.checkpoint(option, step, last)
    if step == option.done + 1 and not option.title then
      print(string.format("memory: %s at most so far, %s planned", loop.size(trainer.peak), loop.size(trainer.planned)))
    end
    if stop then
      return false
    end
  end
  return true
end

return loop
