-- Batches for tests of rewards, without a model: memories written by hand, from which the extractive reasoner answers.

local fm = require "finemem"

local batches = { reasoner = fm.reasoner.extractive {} }

local function tokens(items)
  local bytes = 0
  for _, item in ipairs(items) do
    bytes += #item.content
  end
  return bytes / 4
end

-- Carries out an operation on a memory: { "insert", content, section }, { "update", id, content }, { "delete", id }, { "replace", id,
-- content }, { "skip" } or { "wrong" }, an invalid call. Returns the id that was written, if any.
local function act(memory, operation)
  local what, first, second = table.unpack(operation)
  if what == "insert" then
    return memory:insert { content = first, section = second }
  elseif what == "update" then
    memory:update { id = first, content = second }
    return first
  elseif what == "replace" then
    return memory:insert { content = second, replaces = first }
  elseif what == "delete" then
    memory:delete { id = first }
  end
  return nil
end

-- A rollout. `plan.steps[t]` lists the operations of step t, `plan.questions` the questions at the end, and `plan.asked[t]` those after
-- step t.
function batches.play(plan)
  local memory = plan.memory and plan.memory:copy {} or fm.memory.new {}
  local first = plan.first or 1
  local rollout = {
    episode = plan.episode or 1, member = plan.member or 1, state = plan.state, first = plan.first, steps = {},
    input_tokens = plan.input_tokens or 100,
  }
  for t, operations in ipairs(plan.steps) do
    memory:set_step { step = first + t - 1 }
    local step = { calls = {}, written = {}, memory_before = memory:items {}, prompt = "", completion = "", tokens = 4, stray = 0 }
    for k, operation in ipairs(operations) do
      step.calls[k] = { tool = operation[1], arguments = {}, valid = operation[1] ~= "wrong", parsed = true }
      step.written[#step.written + 1] = act(memory, operation)
    end
    step.memory_after = memory:items {}
    step.chunk_answers = batches.reasoner:ask { memory = memory, questions = plan.asked and plan.asked[t] or {}, top_k = 3 }
    rollout.steps[t] = step
  end
  rollout.answers = batches.reasoner:ask { memory = memory, questions = plan.questions or {}, top_k = plan.top_k or 3 }
  rollout.memory, rollout.journal = memory:items {}, memory:journal {}
  rollout.memory_tokens = plan.memory_tokens or tokens(rollout.memory)
  return rollout, memory
end

local people = { "Ada Velt", "Bo Marr", "Cy Tolen", "Dee Oska", "Eli Pask", "Fay Brink" }
local places = { "Turin", "Lyon", "Oslo", "Varda", "Bem", "Rin" }

local function lives(person, place)
  return string.format("%s lives in the city of %s.", person, place)
end

-- An episode of `count` chunks about who lives where, with its questions. People move.
function batches.episode(rng, count)
  local home, told = {}, {}
  local episode = { id = "played", source = "test", chunks = {}, questions = {}, chunk_questions = {}, facts = {} }
  local function question(person)
    return { question = "Where does " .. person .. " live?", answers = { home[person] }, evidence = { told[person] } }
  end
  for t = 1, count do
    local person = rng:pick { list = people }
    home[person], told[person] = rng:pick { list = places }, t
    episode.chunks[t] = lives(person, home[person])
    episode.facts[t] = person
    episode.chunk_questions[t] = { question(person) }
  end
  for _, person in ipairs(people) do
    if home[person] then
      table.insert(episode.questions, question(person))
    end
  end
  return episode
end

-- The operations of a careless reader for a chunk, given this memory.
local function careless(rng, memory, chunk, person)
  local roll, known = rng:number(), memory:retrieve { query = person, k = 1 }[1]
  if known and known.content:sub(1, #person) == person and known.content ~= chunk and roll < 0.5 then
    return { { roll < 0.25 and "replace" or "update", known.id, chunk } }
  elseif roll < 0.6 then
    return { { "wrong" }, { "skip" } }
  elseif roll < 0.7 and known then
    return { { "delete", known.id } }
  elseif not (known and known.content == chunk) then
    return { { "insert", chunk } }
  end
  return { { "skip" } }
end

-- A trainer with a careless policy and the methods that rewards use. `updates` collects the arguments of its updates.
function batches.trainer(seed, group)
  local rng, trainer = fm.rng.new { seed = seed }, { updates = {} }
  function trainer.rollout(_, arguments)
    local batch = { rollouts = {} }
    for e, episode in ipairs(arguments.episodes) do
      for member = 1, arguments.group or group do
        local plan = {
          episode = e, member = member, state = episode.state, questions = episode.questions, asked = episode.chunk_questions,
          input_tokens = #table.concat(episode.chunks) / 4, memory = episode.memory, first = episode.first, steps = {},
        }
        -- The careless reader's operations depend on the memory, so the rollout is played again for each of its steps.
        local rollout, memory = nil, episode.memory or fm.memory.new {}
        for t, chunk in ipairs(episode.chunks) do
          plan.steps[t] = careless(rng, memory, chunk, chunk:match "^%u%l+ %u%l+")
          rollout, memory = batches.play(plan)
        end
        table.insert(batch.rollouts, rollout)
      end
    end
    return batch
  end
  function trainer.update(self, arguments)
    table.insert(self.updates, arguments)
    return {}
  end
  return trainer
end

-- A policy with simple likelihoods: a token of a gold answer has log-probability -0.5 if the text before it contains the answer, else -2.
-- Tokens are bytes.
function batches.policy()
  local policy, texts = {}, {}
  function policy.encode(_, arguments)
    local list = { string.byte(arguments.text, 1, -1) }
    texts[list] = arguments.text
    return list
  end
  function policy.logprobs_all(_, arguments)
    local all = {}
    for n, tokens in ipairs(arguments.sequences) do
      local text = texts[tokens]
      local head, gold = text:match "^(.*)\nAnswer: (.*)$"
      all[n] = table.create(#text - 1, head:find(gold, 1, true) and -0.5 or -2)
    end
    return all
  end
  return policy
end

function batches.near(found, expected, what)
  -- Devices compute rewards in f32.
  assert(math.abs(found - expected) < 1e-6, string.format("%s: %s is not %s", what, tostring(found), tostring(expected)))
end

-- Compares lists of numbers, one list for each rollout.
function batches.same(found, expected, what)
  assert(#found == #expected, string.format("%s: %d rollouts, not %d", what, #found, #expected))
  for i = 1, #expected do
    assert(#found[i] == #expected[i], string.format("%s: rollout %d has %d steps, not %d", what, i, #found[i], #expected[i]))
    for t = 1, #expected[i] do
      batches.near(found[i][t], expected[i][t], string.format("%s, rollout %d, step %d", what, i, t))
    end
  end
end

return batches
