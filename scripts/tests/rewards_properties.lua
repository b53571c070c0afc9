-- The properties of every reward in scripts/rewards, tested on rollouts of a careless policy.

local fm = require "finemem"
local batches = require "tests.batches"
local loop = require "lib.loop"

local function option()
  return { reasoner = batches.reasoner, policy = batches.policy(), seed = 3, step = 1 }
end

local function finite(value)
  return type(value) == "number" and value == value and math.abs(value) < math.huge
end

-- Every step has a number, and the terms add up to the total.
local function well_formed(name, batch, credit)
  for _, key in ipairs { "total", "advantages", "weights", "groups" } do
    local values = credit[key]
    assert(values or key ~= "total", name .. " gives no total")
    for i, rollout in ipairs(values and batch.rollouts or {}) do
      assert(#values[i] == #rollout.steps, string.format("%s: %s of rollout %d", name, key, i))
      for t = 1, #rollout.steps do
        assert(key == "groups" or finite(values[i][t]), string.format("%s: %s[%d][%d] is %s", name, key, i, t, tostring(values[i][t])))
      end
    end
  end
  local sum = {}
  for i, steps in ipairs(credit.total) do
    sum[i] = table.create(#steps, 0)
    for _, values in pairs(credit.terms) do
      for t = 1, #steps do
        sum[i][t] += values[i][t]
      end
    end
  end
  batches.same(credit.total, sum, name .. ": the sum of its terms")
end

local function reversed(list)
  local back = {}
  for i = #list, 1, -1 do
    back[#back + 1] = list[i]
  end
  return back
end

for _, name in ipairs(loop.rewards()) do
  local reward = loop.reward(name)
  assert(reward.name == name, name)
  for seed = 1, 4 do
    local rng, trainer = fm.rng.new { seed = { 11, seed } }, batches.trainer(seed, 4)
    local episodes = { batches.episode(rng, 5), batches.episode(rng, 4) }
    local parts, batch = loop.rollout(trainer, reward, episodes, option())
    local credit = reward.steps(batch, option())
    well_formed(name, batch, credit)

    -- The same batch gives the same rewards, and the order of questions does not matter.
    local again = { rollouts = {} }
    for i, rollout in ipairs(batch.rollouts) do
      local copy = table.clone(rollout)
      copy.answers, copy.steps = reversed(rollout.answers), {}
      for t, step in ipairs(rollout.steps) do
        copy.steps[t] = table.clone(step)
        copy.steps[t].chunk_answers = reversed(step.chunk_answers)
      end
      again.rollouts[i] = copy
    end
    local other = reward.steps(again, option())
    batches.same(other.total, credit.total, name .. " with its questions turned round")
    batches.same(other.advantages or {}, credit.advantages or {}, name .. ": advantages with the questions turned round")

    -- The trainer gets the reward's numbers.
    loop.update(trainer, parts, credit)
    local update = trainer.updates[1]
    assert((update.batch ~= nil) ~= (update.batches ~= nil) and update.rewards == credit.total, name)

    -- Identical rollouts have equal rewards, so that their advantages are 0.
    local twins = { rollouts = {} }
    for member = 1, 4 do
      twins.rollouts[member] = table.clone(batch.rollouts[1])
      twins.rollouts[member].member = member
    end
    local equal = reward.steps(twins, option())
    for member = 2, 4 do
      batches.same({ equal.total[member] }, { equal.total[1] }, name .. " of identical rollouts")
    end
    for _, advantages in ipairs(equal.advantages or {}) do
      batches.same({ advantages }, { table.create(#advantages, 0) }, name .. ": advantages of identical rollouts")
    end
  end

  -- If something that the reward needs is missing, the error names it.
  for _, need in ipairs(reward.needs or {}) do
    local without = option()
    without[need] = nil
    local ok, why = pcall(loop.rollout, batches.trainer(1, 2), reward, {}, without)
    assert(not ok and tostring(why):find(need, 1, true), name)
  end
end

-- A deleted item gets no credit through evidence: step 2 writes it and step 3 removes it.
local question = { question = "Where does Ada Velt live?", answers = { "Turin" }, evidence = { 1 } }
local function deleted(second)
  return { rollouts = { (batches.play {
    questions = { question },
    steps = { { { "insert", "Ada Velt lives in the city of Turin." } }, { second }, { { "delete", second[1] == "insert" and 2 or nil } } },
  }) } }
end
local batch = deleted { "insert", "Ada Velt lives in the city of Oslo." }
for name, term in pairs { finemem = "evidence", leave_one_out = "evidence", mem_q = "provenance" } do
  local credit = loop.reward(name).steps(batch, { reasoner = batches.reasoner, beta = 1 })
  batches.same(credit.terms[term], { { 1, 0, 0 } }, name .. " of a deleted item")
end
-- Mem-T: beside a rollout that fails, step 2 gets nothing: its chunk proves nothing and its item is gone.
local failed = batches.play { questions = { question }, steps = { {}, {}, {} } }
local credit = loop.reward("mem_t").steps({ rollouts = { batch.rollouts[1], failed } }, {})
assert(credit.total[1][1] > 0 and credit.total[1][2] == 0 and credit.advantages[1][1] == 1 and credit.advantages[1][2] == 0, "mem_t")

-- Conservation: the steps of a rollout together get the score of its questions through evidence.
for seed = 1, 20 do
  local rng = fm.rng.new { seed = { 12, seed } }
  local played = batches.trainer(100 + seed, 4):rollout { episodes = { batches.episode(rng, 6) } }
  for _, name in ipairs { "finemem", "leave_one_out" } do
    local terms = loop.reward(name).steps(played, { reasoner = batches.reasoner, beta = 0.7 }).terms
    for i, rollout in ipairs(played.rollouts) do
      local score, sum = 0, 0
      for _, asked in ipairs(rollout.answers) do
        score += asked.score / #rollout.answers
      end
      for _, value in ipairs(terms.evidence[i]) do
        sum += value
      end
      batches.near(sum, score, name .. " is conserved")
    end
  end
end
