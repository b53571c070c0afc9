-- Readings: how a text was read, as the figures of harm take it. A reading has
--
--   episode, text      what questions and text it shares with other readings
--   chunks, first      the chunks, and the number of the first
--   initial            the items before the first chunk
--   operations         of the journal, without those that made these items
--   asked, questions   the questions about each chunk and at the end, { question, gold, chunks, metric, kind, instruction }
--   answers            the answers to the latter, { question, score }
--   events             the sentences of each chunk, if a world tells them
--   journal            the whole journal
--   memory_tokens      the length of the memory, if it is known

local readings = {}

-- How many entries of a journal made the items that a memory began with.
local function prelude(journal, items)
  local live, count = {}, 0
  local function same()
    for _, item in ipairs(items) do
      if live[item.id] ~= item.content then
        return false
      end
    end
    return true
  end
  for i = 0, #journal do
    local entry = journal[i]
    if entry then
      local gone = entry.operation == "insert" and entry.replaces or (entry.operation == "delete" or entry.operation == "close") and entry.id
      if gone and live[gone] then
        live[gone], count = nil, count - 1
      end
      if entry.content then
        count = count + (live[entry.id] and 0 or 1)
        live[entry.id] = entry.content
      end
    end
    if count == #items and same() then
      return i
    end
  end
  return 0
end

-- The readings of a batch. `episodes`, as the batch was rolled out from, say what a world tells of them.
function readings.of_batch(batch, episodes)
  local list = {}
  for i, rollout in ipairs(batch.rollouts) do
    local chunks, asked, steps = {}, {}, rollout.steps
    for t, step in ipairs(steps) do
      chunks[t], asked[t] = step.chunk, step.chunk_answers
    end
    local first = rollout.first or 1
    local episode = episodes and episodes[rollout.episode]
    -- A reward that branches rolls out episodes of its own.
    if episode and episode.chunks[first] ~= chunks[1] then
      episode = nil
    end
    local initial = steps[1] and steps[1].memory_before or {}
    local from = prelude(rollout.journal, initial)
    list[i] = {
      episode = string.format("%d/%d/%s", rollout.episode, first, tostring(rollout.state)), text = rollout.episode,
      chunks = chunks, first = first, initial = initial, operations = table.move(rollout.journal, from + 1, #rollout.journal, 1, {}),
      asked = asked, questions = rollout.answers, answers = rollout.answers, events = episode and episode.events,
      journal = rollout.journal, memory_tokens = rollout.memory_tokens,
    }
  end
  return list
end

return readings
