-- Lets a model read episodes and manage a memory for each.
--
-- All episodes are read side by side, a stretch of chunks at a time. Each stretch leaves a line in a file with what it did, so a reading
-- that was stopped continues from there with the same memories.

local fm = require "finemem"
local lines = require "lib.lines"

local reading = {}

-- The most chunks in a stretch, and how many chunks of all episodes together are worth a line.
local longest, worth = 16, 128

-- The longest answer, in tokens: the published length, but at most an eighth of the model's context, which is MemAgent's share of its own
-- (1,024 of 8K). A model without a chat template was not taught when to stop, and would use up the length for each chunk.
function reading.tokens(policy, published)
  return math.min(published, policy.chat and policy.context // 8 or 256)
end

-- The longest chunk, in tokens of four bytes as fm.data.open counts them: the published length, but at most a quarter of the model's
-- context. How long the model's own tokens are is measured on the first of `chunks`.
function reading.chunk_tokens(policy, published, chunks)
  local bytes, tokens = 0, 0
  for _, chunk in ipairs(chunks) do
    bytes, tokens = bytes + #chunk, tokens + #policy:encode { text = chunk }
    if tokens > 4096 then
      break
    end
  end
  return math.max(1, math.min(published, math.floor(policy.context / 4 * bytes / math.max(1, tokens) / 4)))
end

-- What is kept of a rollout's step. Prompts are long, so only those that the page shows are kept.
local function kept(step, shown)
  return {
    prompt = shown and step.prompt or nil, thought = step.thought, completion = step.completion, calls = step.calls, stray = step.stray,
    untagged = step.untagged, prompt_tokens = step.prompt_tokens, tokens = step.tokens,
  }
end

-- Reads episodes. `option`:
--
--   episodes, policy   the episodes and the model
--   design             tools, prompt, dialect, view and view_items, as a trainer takes them
--   tokens             longest answer
--   max_prompt         longest prompt, in tokens
--   shown              of how many episodes the prompts are kept
--   file, name         where stretches are kept, if they are, and the name that they have there
--   said               called before each chunk, with the number of chunks done and of all chunks
--   stop               called where nothing is lost if it raises an error
--
-- Returns `memory` and `steps` for each episode, and the seconds that it took. A write in a memory has its chunk's number as step.
function reading.read(option)
  local policy, design, episodes = option.policy, option.design, option.episodes
  local most, all = 0, 0
  for _, episode in ipairs(episodes) do
    most, all = math.max(most, #episode.chunks), all + #episode.chunks
  end
  local function before(step)
    local count = 0
    for _, episode in ipairs(episodes) do
      count = count + math.min(step - 1, #episode.chunks)
    end
    return count
  end

  local latest = 0
  local trainer = fm.grpo.new {
    policy = policy, tools = design.tools, dialect = design.dialect, view = design.view, view_items = design.view_items,
    prompt = function(input)
      if option.said and input.step > latest then
        latest = input.step
        option.said(before(latest), all)
      end
      return design.prompt(input)
    end,
    -- No questions are asked here.
    reasoner = fm.reasoner.extractive {}, max_tokens = option.tokens, max_prompt = option.max_prompt, group = 1, episodes = #episodes, train = false,
  }

  local read = {}
  for i in ipairs(episodes) do
    read[i] = { memory = fm.memory.new {}, steps = {}, entries = 0 }
  end

  -- Has the model read `count` chunks of each episode, from chunk `first` on.
  local function stretch(first, count)
    local going, places = {}, {}
    for i, episode in ipairs(episodes) do
      if first <= #episode.chunks then
        local chunks = table.move(episode.chunks, first, math.min(first + count - 1, #episode.chunks), 1, {})
        going[#going + 1] = { chunks = chunks, questions = {}, memory = read[i].memory, first = first }
        places[#going] = i
      end
    end
    local began, did = fm.seconds {}, {}
    for k, rollout in ipairs(trainer:rollout({ episodes = going, temperature = 0 }).rollouts) do
      local i, steps = places[k], {}
      for t, step in ipairs(rollout.steps) do
        steps[t] = kept(step, i <= option.shown)
      end
      did[k] = { episode = i, steps = steps, journal = table.move(rollout.journal, read[i].entries + 1, #rollout.journal, 1, {}) }
    end
    return { seconds = fm.seconds {} - began, did = did }
  end

  local function carry_out(line)
    for _, did in ipairs(line.did) do
      local one = read[did.episode]
      one.memory, one.entries = fm.memory.replay { journal = did.journal, from = one.memory }, one.entries + #did.journal
      table.move(did.steps, 1, #did.steps, #one.steps + 1, one.steps)
    end
    return line.seconds
  end

  -- A kept stretch counts if it was read from the same texts, by the same model, with the same settings.
  local texts = {}
  for i, episode in ipairs(episodes) do
    texts[i] = episode.chunks
  end
  local key = fm.sha256 { text = fm.json.encode { value = { option.name, option.tokens, option.max_prompt or 0, option.shown, texts } } }
  local seconds, first, count = 0, 1, math.max(1, math.min(longest, worth // #episodes))
  for _, text in ipairs(option.file and lines.read(option.file) or {}) do
    local line = fm.json.decode { text = text }
    if line.key == key and line.first == first then
      seconds, first = seconds + carry_out(line), first + count
    end
  end
  while first <= most do
    local line = stretch(first, count)
    line.key, line.first = key, first
    if option.file then
      lines.add(option.file, fm.json.encode { value = line })
    end
    seconds, first = seconds + carry_out(line), first + count
    if option.stop then
      option.stop()
    end
  end
  return read, seconds
end

return reading
