-- Episodes that go on from a stored memory, for the rewards that compare different ways on from the same state.

local branches = {}

-- An episode that goes on from the memory that rollout i had before the step with this number, up to step `last`. What it asks at the end
-- may be given, and `marks` that `branch` writes into its rollouts.
function branches.from(trainer, batch, i, number, episode, last, questions, marks)
  last = last or #episode.chunks
  local asked, memory = {}, nil
  for t = number, last do
    asked[#asked + 1] = episode.chunk_questions[t] or {}
  end
  if number > 1 then
    memory = trainer:memory { batch = batch, rollout = i, step = number - (batch.rollouts[i].first or 1) }
  end
  return {
    id = episode.id, source = episode.source, questions = questions or episode.questions,
    chunks = table.move(episode.chunks, number, last, 1, {}), chunk_questions = asked,
    memory = memory, first = number, state = i .. "/" .. number, marks = marks,
  }
end

-- Rolls out what `from` made.
function branches.branch(trainer, starts, group)
  local batch = trainer:rollout { episodes = starts, group = group }
  for _, rollout in ipairs(batch.rollouts) do
    local start = starts[rollout.episode]
    rollout.first, rollout.state = start.first, start.state
    for name, value in pairs(start.marks or {}) do
      rollout[name] = value
    end
  end
  return batch
end

-- Plays every episode once, and then lets a group read each chunk from the memory that the play had before it: batches to train on, and
-- the play.
function branches.same_states(trainer, episodes)
  local play, starts = trainer:rollout { episodes = episodes, group = 1, seed = 1 }, {}
  for i, episode in ipairs(episodes) do
    for t = 1, #episode.chunks do
      starts[#starts + 1] = branches.from(trainer, play, i, t, episode, t, {})
    end
  end
  return { branches.branch(trainer, starts) }, play
end

return branches
