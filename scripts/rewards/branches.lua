-- Episodes that continue from a stored memory, for rewards that compare several continuations of the same state.

local fm = require "finemem"

local branches = {}

-- An episode that continues from the memory that a rollout had before step `number`, up to step `last`. `state` names that memory. Optional
-- are the final `questions`, and `marks`, which `roll` writes into the rollouts.
function branches.from(rollout, number, episode, state, last, questions, marks)
  last = last or #episode.chunks
  local roles = episode.roles
  local asked = {}
  for t = number, last do
    asked[#asked + 1] = episode.chunk_questions[t] or {}
  end
  return {
    id = episode.id, source = episode.source, questions = questions or episode.questions,
    chunks = table.move(episode.chunks, number, last, 1, {}), chunk_questions = asked,
    roles = roles and table.move(roles, number, last, 1, {}),
    memory = number > 1 and fm.memory.replay { journal = rollout.journal, last = number - 1 } or episode.memory,
    first = number, state = state, marks = marks,
  }
end

-- Rolls out episodes that `from` made. Each call within a training step needs another seed.
function branches.roll(trainer, starts, group, seed)
  local batch = trainer:rollout { episodes = starts, group = group, seed = seed }
  for _, rollout in ipairs(batch.rollouts) do
    for name, value in pairs(starts[rollout.episode].marks or {}) do
      rollout[name] = value
    end
  end
  return batch
end

-- Plays every episode once, then has a group read each chunk again, from the memory that the play had before it. Returns the batches to
-- train on, and the play.
function branches.same_states(trainer, episodes)
  local play, starts = trainer:rollout { episodes = episodes, group = 1 }, {}
  for i, rollout in ipairs(play.rollouts) do
    for t = 1, #rollout.steps do
      starts[#starts + 1] = branches.from(rollout, t, episodes[i], i .. "/" .. t, t, {})
    end
  end
  return { branches.roll(trainer, starts, nil, 1) }, play
end

return branches
