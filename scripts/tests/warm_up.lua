-- A warm-up: the dialect of short lines, the prompt with items beside statements, teachers, and supervised steps on their calls.

local fm = require "finemem"
local designs = require "lib.designs"
local household = require "lib.household"
local lines = require "dialects.lines"
local measure = require "lib.measure"
local warm_up = require "lib.warm_up"

-- Every call is read as it is written.
for _, call in ipairs {
  { name = "memory_insert", arguments = { content = "Ada lives in Oska. 3 of them" } },
  { name = "memory_update", arguments = { memory_id = 12, new_content = "12 is Ada's number." } },
  { name = "memory_delete", arguments = { memory_id = 7 } },
  { name = "memory_skip", arguments = {} },
} do
  for _, statement in ipairs { false, 3 } do
    local text = lines.write { name = call.name, arguments = call.arguments, statement = statement or nil }
    local read = lines.parse("\n " .. text .. " \n\n")
    assert(#read == 1 and read[1].name == call.name, text)
    assert(fm.json.encode { value = read[1].arguments } == fm.json.encode { value = call.arguments }, text)
  end
end
assert(lines.write { name = "memory_insert", arguments = { content = "one \n two" } } == "insert one two", "a line break ends a call")
assert(not pcall(lines.write, { name = "memory_merge", arguments = {} }), "there is no such line")
for text, said in pairs {
  ["update The cup is red."] = "update ID TEXT", ["delete"] = "delete ID", ["delete 3 4"] = "delete ID", ["insert"] = "insert TEXT",
  ["skip it"] = '"skip"', ["Sure!"] = "no call", ["inserts a cup"] = "no call", ["3."] = "no call",
} do
  local read = lines.parse(text)
  assert(#read == 1 and not read[1].name and read[1].error:find(said, 1, true), text)
end
assert(#lines.parse "insert a\nskip\nhello\n2. delete 3" == 4)

local policy = fm.model.load { path = "models/tiny" }
local design = designs.open("beside", { policy = policy, plain = true, dialect = lines })
local shown = design.prompt {
  memory = { { id = 4, content = "Ada lives in Oska." }, { id = 9, content = "Bem sells tea." } },
  total = 2, totals = {}, chunk = "Ada now lives in Ur. We had tea.", step = 1, tools = design.tools,
}
assert(shown:find("1. Ada now lives in Ur.\n   [4] Ada lives in Oska.\n2. We had tea.", 1, true), shown)
assert(shown:find("update ID TEXT: Replaces", 1, true), shown)

local function trainer(seed)
  return fm.grpo.new {
    policy = policy, tools = design.tools, prompt = design.prompt, dialect = lines, view = design.view, reasoner = fm.reasoner.extractive {},
    group = 1, episodes = 4, max_tokens = 400, max_prompt = 2048, seed = seed, lr = 1e-3,
  }
end

-- What a teacher makes of episodes.
local function taught(by, name, episodes)
  local teach = require("teachers." .. name) { episodes = episodes }
  return by:rollout { episodes = episodes, group = 1, teacher = function(input)
    -- U+FDD0 is in what the tokenizer would take for a part of a call.
    local chunk = input.chunk:gsub("\u{fdd0}", "")
    assert(chunk == episodes[input.episode].chunks[input.step] and input.prompt:find("Answer:", 1, true))
    return warm_up.text(teach(input), lines)
  end }
end

for _, name in ipairs { "household", "office" } do
  local batch = taught(trainer(1), "world", household.held_out(require("worlds." .. name), 8))
  local figures = measure.batch(batch)
  print(string.format("%s: the teacher's memory answers %.3f, %.1f %% of its calls are invalid", name, figures.accuracy, 100 * figures.invalid))
  -- An item that the prompt does not show may say the same as a statement; to insert that is refused.
  assert(figures.accuracy > 0.9 and figures.invalid < 0.01)
end

-- The rule knows only the form of statements, of which it gets those of a conflict list right.
local facts = {
  "The capital of Arn is Velt.", "The author of The Long Road is Ada Lind.", "The capital of Orn is Sor.", "The capital of Arn is Tarn.",
  "The capital of Arn is Tarn.",
}
local list = { {
  chunks = facts,
  questions = { { question = "What is the capital of Arn?", answers = { "Tarn" } }, { question = "What is the capital of Orn?", answers = { "Sor" } } },
} }
local batch = taught(trainer(1), "newest_wins", list)
local memory = {}
for i, item in ipairs(batch.rollouts[1].memory) do
  memory[i] = item.content
end
table.sort(memory)
assert(table.concat(memory, " ") == "The author of The Long Road is Ada Lind. The capital of Arn is Tarn. The capital of Orn is Sor.", table.concat(memory, " "))
assert(batch.rollouts[1].steps[5].calls[1].tool == "memory_skip" and measure.batch(batch).accuracy == 1)

-- Imitation makes what was said likelier, counts shared tokens, and is an update like any other.
local learner = trainer(2)
local episodes = household.sample(require "worlds.household", 2, 77, {})
local losses = {}
for step = 1, 6 do
  local stats = learner:imitate { batch = taught(learner, "world", episodes), lr = 1e-3 }
  losses[step] = stats.loss
  assert(stats.num_tokens_shared > 0 and stats.num_tokens_shared < stats.num_tokens and learner.updates == step)
end
print(string.format("loss %.3f, after five steps %.3f", losses[1], losses[6]))
assert(losses[6] < 0.7 * losses[1])

-- What cannot be learned from is an error.
local long = trainer(3)
local ok, why = pcall(long.rollout, long, { episodes = list, group = 1, teacher = function() return string.rep("insert a\n", 500) end })
assert(not ok and tostring(why):find("the teacher's answer has", 1, true), tostring(why))
local unsampled = taught(learner, "world", episodes)
ok, why = pcall(learner.update, learner, { batch = unsampled, advantages = { table.create(6, 1), table.create(6, 1) } })
assert(not ok and tostring(why):find("was answered by a teacher", 1, true), tostring(why))
ok, why = pcall(learner.imitate, learner, { batch = { rollouts = {} } })
assert(not ok and tostring(why):find("a batch is not one that this trainer rolled out", 1, true), tostring(why))
