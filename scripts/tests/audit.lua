-- The effects of operations that lib/audit finds: on an episode made by hand, and with the tiny policy, whose rollouts go on bit for bit.

local fm = require "finemem"
local credit = require "lib.audit.credit"
local effects = require "lib.audit.effects"
local figures = require "lib.audit.figures"
local loop = require "lib.loop"
local part = require "lib.audit.part"
local replay = require "lib.audit.replay"
local report = require "lib.audit.report"
local world = require "worlds.household"

local reasoner = fm.reasoner.extractive {}
local tools = require "tools.flat"

-- A policy that answers each chunk with what `says` has for it, and its trainer.
local function scripted(says)
  local trainer = {}
  function trainer.rollout(_, arguments)
    local batch = { rollouts = {} }
    for e, episode in ipairs(arguments.episodes) do
      local memory = episode.memory and episode.memory:copy {} or fm.memory.new {}
      local rollout = { episode = e, member = 1, first = episode.first, steps = {}, input_tokens = 100, memory_tokens = 10 }
      for t, chunk in ipairs(episode.chunks) do
        local step = { chunk = chunk, calls = {}, written = {}, memory_before = memory:items {}, chunk_answers = {} }
        memory:set_step { step = (episode.first or 1) + t - 1 }
        for c, said in ipairs(says[chunk](memory)) do
          local call = { tool = said.tool, arguments = said.arguments, parsed = true, raw = said.tool }
          step.calls[c] = call
          for _, tool in ipairs(tools) do
            if tool.name == call.tool then
              local done, id = pcall(tool.run, memory, call.arguments, step)
              call.valid = done
              table.insert(step.written, done and id or nil)
            end
          end
        end
        step.memory_after = memory:items {}
        rollout.steps[t] = step
      end
      rollout.answers = reasoner:ask { memory = memory, questions = episode.questions, top_k = 10 }
      rollout.memory, rollout.journal = memory:items {}, memory:journal {}
      table.insert(batch.rollouts, rollout)
    end
    return batch
  end
  return trainer
end

local function insert(content)
  return { tool = "memory_insert", arguments = { content = content } }
end

local function update(id, content)
  return { tool = "memory_update", arguments = { memory_id = id, new_content = content } }
end

-- The effects of all operations of an episode with these chunks and answers, as "recorded played_on" by step and call.
local function found(chunks, answers, question)
  local says = {}
  for t, chunk in ipairs(chunks) do
    says[chunk] = type(answers[t]) == "function" and answers[t] or function() return answers[t] end
  end
  local trainer = scripted(says)
  local episode = { id = "by hand", chunks = chunks, questions = { question }, chunk_questions = {} }
  local done = part.play(trainer, part.plans(credit.methods { "EARA" })[1], { episode }, { seed = 0, others = 1, given = {} })
  local list = {}
  for _, step in ipairs(done.steps) do
    for _, operation in ipairs(step.operations) do
      table.insert(list, string.format("%d.%d %s %g %g", step.step, operation.call, operation.kind, operation.recorded, operation.played_on))
    end
    table.insert(list, string.format("%d %g", step.step, step.effect))
  end
  return table.concat(list, ", ")
end

local function expect(what, is, should)
  assert(is == should, string.format("%s: %s, not %s", what, is, should))
end

local lives, talk, moved = "Ada Velt lives in the city of Turin.", "The weather was fine all week.", "Ada Velt lives in the city of Oslo."
local where = { question = "Where does Ada Velt live?", answers = { "Turin" } }

-- One insert is needed, the other is small talk.
expect("a fact and talk", found({ talk, lives, "Bye." }, { { insert(talk) }, { insert(lives) }, { insert "We said goodbye." } }, where),
  "1.1 insert 0 0, 1 0, 2.1 insert 1 1, 2 1, 3.1 insert 0 0, 3 0")
expect("both in one answer", found({ talk .. " " .. lives }, { { insert(talk), insert(lives) } }, where), "1.1 insert 0 0, 1.2 insert 1 1, 1 1")

-- A later call names the item that is left out, and fails with it. The talk before it keeps its own id.
local oslo = { question = where.question, answers = { "Oslo" } }
expect("an update needs its item", found({ talk .. " " .. lives, moved }, { { insert(talk), insert(lives) }, { update(2, moved) } }, oslo),
  "1.1 insert 0 0, 1.2 insert 1 1, 1 1, 2.1 update 1 1, 2 1")
-- As recorded the update fails. A policy that looks inserts the fact where there is no item to update.
local function looks(memory)
  return { memory:get { id = 1 } and update(1, moved) or insert(moved) }
end
expect("a policy that looks", found({ lives, moved }, { { insert(lives) }, looks }, oslo), "1.1 insert 1 0, 1 0, 2.1 update 1 1, 2 1")
-- The memory refused the same fact a second time, and accepts it where the first was left out. The talk then has another id than recorded.
local function rain(memory)
  local newest = memory:recent({ k = 1 })[1]
  return newest.content == talk and { update(newest.id, "Rain all week.") } or {}
end
expect("a fact told twice", found({ lives, lives .. " ", talk, "Rain." }, { { insert(lives) }, { insert(lives) }, { insert(talk) }, rain }, where),
  "1.1 insert 0 0, 1 0, 3.1 insert 0 0, 3 0, 4.1 update 0 0, 4 0")
expect("a wrong delete", found({ lives, talk }, { { insert(lives) }, { { tool = "memory_delete", arguments = { memory_id = 1 } } } }, where),
  "1.1 insert 0 0, 1 0, 2.1 delete -1 -1, 2 -1")

-- A credit in the order of the effects, and one in the opposite order.
local rows = {}
for i = 1, 8 do
  rows[i] = {
    part = 1, rollout = i, step = 1, episode = "e" .. i % 4, kind = "insert", text = "insert " .. i, played_on = (i - 4) / 8, recorded = (i - 4) / 8,
    step_effect = i, credit = { good = i, bad = -i }, above = { good = i - 4, bad = 4 - i }, group = { good = i % 4, bad = i % 4 },
    others = { (i - 4) / 8, (i - 4) / 8 },
  }
end
local good, bad = figures.method("good", rows), figures.method("bad", rows)
for name, should in pairs { all = 1, steps = 1, group = 1 } do
  expect("good " .. name, good[name].value, should)
  expect("bad " .. name, bad[name].value, -should)
end
expect("harm that the good credit pays for", good.wrong.pays, 0)
expect("harm that the bad credit pays for", bad.wrong.pays, 1)
expect("use that the bad credit punishes", bad.by_kind.insert.wrong.punishes, 1)
expect("the worst of the bad credit", figures.worst("bad", rows, -1)[1].text, "insert 8")
expect("errors of the good credit", #figures.worst("good", rows, 1), 0)
local noise = figures.noise(rows)
assert(noise.within == 0 and noise.agree.value == 1 and noise.flips == 0)

-- A rollout of the tiny policy goes on from each of its memories as it did, bit for bit: also rollouts that themselves branch.
local policy = fm.model.load { path = "models/tiny" }
local trainer = fm.grpo.new {
  policy = policy, tools = tools, prompt = require "prompts.flat", reasoner = reasoner,
  group = 2, max_tokens = 64, seed = 3, view = "relevant", train = false,
}
local episodes = world.sample { count = 2, seed = 5, chunks = 4 }
local function same(plays, what)
  for _, play in ipairs(plays) do
    local rollout, first = play.rollout, play.rollout.first or 1
    local memories = replay.memories(rollout.steps, first, play.start.memory or fm.memory.new {})
    for t = 1, #rollout.steps + 1 do
      local chunks = table.move(play.start.chunks, t, #play.start.chunks, 1, {})
      local again = trainer:rollout({
        seed = play.seed, group = 1,
        episodes = { {
          chunks = chunks, questions = play.start.questions, memory = memories[t], first = first + t - 1,
          draws = { episode = rollout.episode, member = rollout.member, step = t },
        } },
      }).rollouts[1]
      assert(#again.steps == #rollout.steps - t + 1)
      for k, step in ipairs(again.steps) do
        local of = rollout.steps[t + k - 1]
        assert(step.prompt == of.prompt and step.completion == of.completion, string.format("%s goes on differently at step %d of %d", what, t + k - 1, t))
      end
      local function text(value)
        return fm.json.encode { value = value }
      end
      assert(text(again.memory) == text(rollout.memory) and text(again.answers) == text(rollout.answers), what)
    end
  end
end
for _, name in ipairs { "finemem", "treemem", "memory_r1" } do
  local recorder = effects.recorder(trainer, episodes, 7)
  local reward = loop.reward(name)
  local _, batch = loop.rollout(recorder, reward, episodes, { reasoner = reasoner, seed = 1, step = 1, stages = 2 })
  local plays = {}
  for i, rollout in ipairs(batch.rollouts) do
    plays[i] = recorder.plays[rollout]
    assert(table.find(episodes, plays[i].episode))
  end
  same(plays, name)
end

-- A reward that rolls out in its own way, from the play to the report.
local plans = part.plans(credit.methods { "finemem", "memory_r1" })
local done = {}
for p, plan in ipairs(plans) do
  local given = { reasoner = reasoner, seed = 1, step = 1 }
  done[p] = part.play(trainer, plan, episodes, { seed = 32, others = p == 1 and 2 or 0, given = given })
  done[p].part = 1
end
report.all(fm.args[1], plans, done, "An audit.")
local count = 0
for line in fm.read({ path = fm.args[1] .. "/operations.jsonl" }):gmatch "[^\n]+" do
  local row = fm.json.decode { text = line }
  count += 1
  assert(row.plan == "whole episodes" and row.credit.finemem or row.plan == "memory_r1" and row.credit.memory_r1, line)
  assert(math.abs(row.played_on) <= 1 and math.abs(row.recorded) <= 1 and row.chunk and row.episode, line)
end
assert(count == #figures.operations(done) and count > 16, count)
for _, name in ipairs { "table.md", "page.html", "correlations.jsonl", "summary.json" } do
  assert(#fm.read { path = fm.args[1] .. "/" .. name } > 100, name)
end
