-- Lets a model read episodes and manage a memory of each.
--
-- All episodes are read side by side, a stretch of chunks at a time. What a stretch did is a line in a file, so that a reading that was
-- stopped goes on where it was, with the same memories.

local fm = require "finemem"
local lines = require "lines"

local reading = {}

-- Chunks of a stretch, and chunks of all episodes together that are worth a line.
local longest, worth = 16, 128

-- How many tokens of an answer to take: as many as were published, and at most an eighth of the model's context, which is MemAgent's share of
-- its own (1,024 of 8K). A model without a chat template was not taught when to stop, and would write all of them for each chunk.
function reading.tokens(policy, published)
  return math.min(published, policy.chat and policy.context // 8 or 256)
end

-- How many tokens, of four bytes each as fm.data.open counts them, a chunk may have: as many as were published, and at most a quarter of the
-- model's context, whose own tokens are as long as they are in the first of `chunks`.
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

-- What is kept of a rollout's step. A prompt is long, and only a page shows it.
local function kept(step, shown)
  return {
    prompt = shown and step.prompt or nil, thought = step.thought, completion = step.completion, calls = step.calls, stray = step.stray,
    prompt_tokens = step.prompt_tokens, tokens = step.tokens,
  }
end

-- `option`: `episodes`, `policy`, `design` (what a trainer is told: `tools`, `prompt`, `dialect`, `view`, `view_items`), `tokens` (of the longest
-- answer), `max_prompt` (tokens of the longest prompt), `shown` (of how many episodes the prompts are kept), `file` (where stretches are kept, if they are) and `name` (by which it
-- knows them), `said` (called before each chunk, with the chunks done and all), `stop` (called where nothing is lost if it raises an error).
-- Gives for each episode its `memory`, with its chunk as the step of each write, and `steps`; and the seconds that it took.
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
    -- Who asks the questions has the memory for it.
    reasoner = fm.reasoner.extractive {}, max_tokens = option.tokens, max_prompt = option.max_prompt, group = 1, episodes = #episodes, train = false,
  }

  local read = {}
  for i in ipairs(episodes) do
    read[i] = { memory = fm.memory.new {}, steps = {}, entries = 0 }
  end

  -- What the model does with `count` chunks of each episode, from chunk `first` on.
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

  -- Stretches that another reading has kept are those of the same texts, model and settings.
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
