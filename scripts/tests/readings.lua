-- A model reads episodes the same way side by side and alone, in stretches and at once, and after it was stopped. The argument is a folder
-- to write to.

local fm = require "finemem"
local household = require "worlds.household"
local policy_method = require "baselines.policy"
local reading = require "lib.eval.reading"

local policy = fm.model.load { path = "models/tiny" }
local design = policy_method.design { policy = policy, tokens = 64, view = "relevant", view_items = 10 }
local episodes = household.sample { count = 3, seed = 5, chunks = 18 }
-- One episode is shorter and ends in the first stretch.
episodes[2].chunks = table.move(episodes[2].chunks, 1, 5, 1, {})

local function read(list, more)
  local option = { episodes = list, policy = policy, design = design, tokens = 64, shown = 1, name = "test" }
  for key, value in pairs(more or {}) do
    option[key] = value
  end
  return reading.read(option)
end

local function text(one)
  for _, step in ipairs(one.steps) do
    step.prompt = nil
  end
  return fm.json.encode { value = { one.memory:journal {}, one.steps } }
end

-- The same episode, read by a trainer's own rollout.
local function whole(episode)
  local trainer = fm.grpo.new {
    policy = policy, tools = design.tools, prompt = design.prompt, view = design.view, view_items = design.view_items,
    reasoner = fm.reasoner.extractive {}, max_tokens = 64, train = false,
  }
  local rollout = trainer:rollout({ episodes = { { chunks = episode.chunks, questions = {} } }, group = 1, temperature = 0 }).rollouts[1]
  local steps = {}
  for t, step in ipairs(rollout.steps) do
    steps[t] = { calls = step.calls, completion = step.completion, stray = step.stray, untagged = step.untagged, thought = step.thought, prompt_tokens = step.prompt_tokens, tokens = step.tokens }
  end
  return text { memory = fm.memory.replay { journal = rollout.journal }, steps = steps }
end

local path = fm.args[1] .. "/readings.jsonl"
local told = {}
local together, seconds = read(episodes, { file = path, said = function(done, all) told[#told + 1] = done .. "/" .. all end })
assert(seconds > 0 and told[1] == "0/41" and told[#told] == "39/41" and #told == 18, table.concat(told, " "))
assert(together[1].steps[1].prompt and not together[3].steps[1].prompt, "prompts are kept of the first alone")
local expected = {}
for i, episode in ipairs(episodes) do
  expected[i] = whole(episode)
  assert(#together[i].steps == #episode.chunks and #together[i].memory:items {} > 0)
  assert(text(together[i]) == expected[i], "side by side and in stretches as at once")
end

-- Two stretches make two lines. A stretch that is kept is not read again. One that was cut off is, and so is one with other settings.
local function lines()
  return select(2, fm.read({ path = path }):gsub("\n", ""))
end
local kept = fm.read { path = path }
assert(lines() == 2)
local function refuse()
  error "it reads again"
end
for i, one in ipairs(read(episodes, { file = path, said = refuse })) do
  assert(text(one) == expected[i], "from the file")
end
local first = kept:match "^[^\n]*\n"
fm.write { path = path, text = first .. kept:sub(#first + 1, #first + 1000) }
local from
for i, one in ipairs(read(episodes, { file = path, said = function(done) from = from or done end })) do
  assert(text(one) == expected[i], "half from the file")
end
assert(from == 37 and lines() == 2, tostring(from))
assert(not pcall(read, episodes, { file = path, name = "another", said = refuse }))
assert(not pcall(read, { episodes[1] }, { file = path, said = refuse }))

-- A chunk takes at most a quarter of the model's context.
local chunk = episodes[1].chunks[1]
local tokens = reading.chunk_tokens(policy, 5000, episodes[1].chunks)
assert(reading.chunk_tokens(policy, 10, episodes[1].chunks) == 10)
local long = string.rep(chunk .. "\n", math.ceil(tokens * 4 / #chunk)):sub(1, tokens * 4)
local share = #policy:encode { text = long } / policy.context
assert(share > 0.15 and share < 0.35, string.format("%g of the context", share))
print "readings are the same in every way"
