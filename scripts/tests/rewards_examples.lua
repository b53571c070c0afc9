-- Each reward on an example that was worked out by hand from the paper's formula.

local fm = require "finemem"
local batches = require "tests.batches"
local loop = require "lib.loop"

local near, same, reasoner = batches.near, batches.same, batches.reasoner

local function play(plan)
  return (batches.play(plan))
end

local function lives(person, place)
  return string.format("%s lives in the city of %s.", person, place)
end

local function where(person, place, chunk)
  return { question = "Where does " .. person .. " live?", answers = { place }, evidence = chunk and { chunk } or nil }
end

local function steps(name, rollouts, option)
  option = option or {}
  option.reasoner = reasoner
  return loop.reward(name).steps({ rollouts = rollouts }, option)
end

local ada, bo = where("Ada Velt", "Turin", 1), where("Bo Marr", "Oslo", 2)

-- A: both facts are kept, and a call is wrong. B: the second fact is missed.
local function A(change)
  local plan = {
    member = 1, questions = { ada, bo }, asked = { { ada }, { bo } }, memory_tokens = 20, input_tokens = 100,
    steps = { { { "insert", lives("Ada Velt", "Turin") } }, { { "insert", lives("Bo Marr", "Oslo") }, { "wrong" } } },
  }
  for key, value in pairs(change or {}) do
    plan[key] = value
  end
  return play(plan)
end
local function B(change)
  local plan = {
    member = 2, questions = { ada, bo }, asked = { { ada }, { bo } }, memory_tokens = 10, input_tokens = 100,
    steps = { { { "insert", lives("Ada Velt", "Turin") } }, { { "skip" } } },
  }
  for key, value in pairs(change or {}) do
    plan[key] = value
  end
  return play(plan)
end
local a = A()
assert(a.answers[1].score == 1 and a.answers[2].score == 1 and B().answers[2].score == 0, "the examples are not what they should be")
assert(#a.answers[1].evidence == 2 and #a.answers[2].evidence == 2, "both items share words with both questions")

-- Fine-Mem. r_global of A = 1, T = 2. Both questions retrieve both items: N_1 = N_2 = (1 + 1) / (2 * 2) = 1/2.
--   r_evidence = 0.5 * 1/2 + 0.5 * 1/2 = 1/2 at both steps; r_format = 1, 1/2; r_chunk = 1, 1; r_compression = 1 - 20/100 = 0.8
--   r = 0.5 + 1 + 0.5 + 0.04 = 2.04 and 0.5 + 0.5 + 0.5 + 0.04 = 1.54
same(steps("finemem", { a }).total, { { 2.04, 1.54 } }, "finemem")

-- Leave one out, the same batch: without its own item neither question is answered, without the other's both are: d = 1 for the own, so
--   N_1 = N_2 = 1/2 again. With beta = 1 and only the first question asked, all goes to step 1 (Fine-Mem: half to each step).
same(steps("leave_one_out", { a }).total, { { 2.04, 1.54 } }, "leave_one_out")
same(steps("leave_one_out", { A { questions = { ada } } }, { beta = 1 }).terms.evidence, { { 1, 0 } }, "leave_one_out, evidence")
same(steps("finemem", { A { questions = { ada } } }, { beta = 1 }).terms.evidence, { { 0.5, 0.5 } }, "finemem, evidence")
-- Two items tell the same: neither decides, and the score is shared by all.
local twice = play { questions = { ada }, steps = { { { "insert", lives("Ada Velt", "Turin") } }, { { "insert", "Ada Velt lives in Turin." } } } }
same(steps("leave_one_out", { twice }, { beta = 1 }).terms.evidence, { { 0.5, 0.5 } }, "leave_one_out, two that tell the same")
-- Graded scores: a reasoner that says all it is given answers "red blue grey" for the gold "red blue", F1 = 2 * (2/3) / (2/3 + 1) = 0.8.
--   Without red, or without blue, F1 = 0.5: a loss of 0.3 each. Without grey F1 = 1: no loss. N = 0.8 * 0.3 / 0.6 = 0.4, 0.4 and 0.
local colours = { steps = {}, answers = { { question = "", gold = { "red blue" }, metric = "token_f1", score = 0.8, evidence = {} } } }
colours.memory_tokens, colours.input_tokens = 3, 6
for t, colour in ipairs { "red", "blue", "grey" } do
  colours.steps[t] = { calls = {}, chunk_answers = {} }
  colours.answers[1].evidence[t] = { id = t, content = colour, step = t, created = t, history = {} }
end
local all = {}
function all.answer_all(_, arguments)
  local answers = {}
  for n, query in ipairs(arguments.queries) do
    local words = {}
    for k, item in ipairs(query.items) do
      words[k] = item.content
    end
    answers[n] = { text = table.concat(words, " "), known = true }
  end
  return answers
end
same(loop.reward("leave_one_out").steps({ rollouts = { colours } }, { beta = 1, reasoner = all }).terms.evidence, { { 0.4, 0.4, 0 } }, "leave_one_out, graded")

-- Mem-alpha. r1 = 1, r2 = 1 and 1/2, r3 = 0.8, r4: the insert of step 1 is valid; of step 2's two calls one is.
--   r = 1 + 1 + 0.05 * 0.8 + 0.1 * 1 = 2.14 and 1 + 0.5 + 0.04 + 0.1 * 0.5 = 1.59
local credit = steps("mem_alpha", { a })
same(credit.total, { { 2.14, 1.59 } }, "mem_alpha")
assert(credit.grouping == "instance")

-- AtomMem. r_A = 1, r_B = 1/2; A_i = r_i - 3/4 = 1/4 and -1/4 at every step: the trainer subtracts the mean and does not divide.
credit = steps("atommem", { a, B() })
same(credit.total, { { 1, 1 }, { 0.5, 0.5 } }, "atommem")
assert(credit.grouping == "trajectory" and credit.scale_rewards == false)

-- Memory-R1. After its step, A answers its chunk's question exactly both times, B the first time.
--   An answer that says more than the gold one is no exact match.
local wordy = A()
wordy.steps[2].chunk_answers[1].answer = "Oslo, of course"
credit = steps("memory_r1", { a, B(), wordy })
same(credit.total, { { 1, 1 }, { 1, 0 }, { 1, 0 } }, "memory_r1")
assert(credit.grouping == "state")

-- Memory-R2. Q_1 = { ada }, Q_2 = { bo }; F1 is 1 for a right answer. The memory of 90 tokens is longer than 0.7 * 100:
--   A: 1 - 0.3 * (90 - 70) / 100 = 0.94 at both steps. B, 10 tokens: F1 = 1, and for "not in memory" against "Oslo" 0.
--   A local branch of session 2, with 40 tokens after a history of 50: F1 = 1, 1 - 0.3 * (40 - 35) / 50 = 0.97. It counts what it asks, also
--   what an earlier session proves.
local branch = A { steps = { { { "insert", lives("Bo Marr", "Oslo") } } }, questions = { where("Bo Marr", "Oslo", 1) }, memory_tokens = 40, first = 2, state = "1/2" }
branch.history_tokens = 50
same(steps("memory_r2", { A { memory_tokens = 90 }, B(), branch }).total, { { 0.94, 0.94 }, { 1, 0 }, { 0.97 } }, "memory_r2")

-- Mem-T. Two trees of one leaf each and two questions; results: ada 1 and 1, bo 1 (A) and 0 (B). Within a tree of one leaf there is no
--   deviation: 0. Among trees: ada 0 and 0; bo: mean 1/2, sample deviation sqrt(2 * 0.25 / 1) = 0.707107, A_A = 0.5 / 0.707108 =
--   0.7071058, A_B = -0.7071058 (with 1e-6 added to the deviation).
--   h: A's insert at 1 is no source of bo but its item was retrieved for it: 0.1 * 0.7071058; at 2: source and retrieved: 1.1 * 0.7071058.
--   B's insert at 1 was retrieved for bo too: -0.1 * 0.7071058. Of three inserts the best ceil(3/2) = 2 are kept, both above 0.
local z = 0.5 / (math.sqrt(0.5) + 1e-6)
credit = steps("mem_t", { a, B() })
same(credit.total, { { 0.1 * z, 1.1 * z }, { -0.1 * z, 0 } }, "mem_t")
same(credit.advantages, { { 1, 1 }, { 0, 0 } }, "mem_t, what is kept")
-- A branch of B from step 2 that keeps the fact. Tree of B: bo 0 and 1, so -z and z within; among 1, 0, 1: mean 2/3, squares 1/9 + 4/9 +
--   1/9 = 2/3, deviation sqrt(1/3); A: (1/3) / sqrt(1/3), B: -(2/3) / sqrt(1/3). ada is 1 everywhere: 0.
--   The branch's insert: 1.1 * (z + y); B's insert at 1 is before both leaves and was retrieved at both: 0.1 * (-z - 2y) + 0.1 * (z + y).
local memory = fm.memory.new {}
memory:set_step { step = 1 }
memory:insert { content = lives("Ada Velt", "Turin") }
branch = A { memory = memory, steps = { { { "insert", lives("Bo Marr", "Oslo") } } }, first = 2, state = "2/2" }
branch.parent = 2
local y = (1 / 3) / (math.sqrt(1 / 3) + 1e-6)
credit = steps("mem_t", { a, B(), branch })
same(credit.total, { { 0.1 * y, 1.1 * y }, { -0.1 * y, 0 }, { 1.1 * (z + y) } }, "mem_t with a branch")
same(credit.advantages, { { 0, 1 }, { 0, 0 }, { 1 } }, "mem_t with a branch, what is kept")
-- A branch of A from step 2 that misses the fact, in the only tree: bo 1 and 0, so z and -z within and the same among all. A's insert at
--   2 is not before the branch: 1.1 * 2z. Its insert at 1 is before both leaves, and was retrieved for bo at both: 0.1 * (2z - 2z) = 0.
local missed = B { memory = memory, steps = { { { "skip" } } }, first = 2, state = "1/2" }
missed.parent = 1
same(steps("mem_t", { a, missed }).total, { { 0, 2.2 * z }, { 0 } }, "mem_t, what is not before a branch")

-- MemBuilder. A's second step has a call that is not valid: 0. B skips validly, and does not know: 0. Lengths are equal up to 200 tokens.
credit = steps("membuilder", { a, B() })
same(credit.total, { { 1, 0 }, { 1, 0 } }, "membuilder")
same(credit.weights, { { 1, 1 }, { 1, 1 } }, "membuilder, a memory of one section")
-- Lengths of 400 and 2000 tokens, four bytes each: the mean is 1200. The ratio 1/3 gives (0.5 - 1/3) / 0.3 = 0.5555556, and 5/3 gives
--   (5/3 - 1.3) / 0.7 = 0.5238095, so r = 1 - 0.8 * 0.5555556 = 0.5555556 and 1 - 0.8 * 0.5238095 = 0.5809524.
local fact = lives("Ada Velt", "Turin")
local function long(bytes, section)
  return play {
    asked = { { ada } }, state = "s",
    steps = { { { "insert", fact, "episodic" }, { "insert", string.rep("x", bytes - #fact), section } } },
  }
end
credit = steps("membuilder", { long(1600, "semantic"), long(8000, "semantic") })
same(credit.total, { { 1 - 0.8 * (0.5 - 1 / 3) / 0.3 }, { 1 - 0.8 * (5 / 3 - 1.3) / 0.7 } }, "membuilder, lengths")
-- Only the episodic item is retrieved: alpha = 4 for it, 1 for the semantic one, and the step has their mean 2.5.
same(credit.weights, { { 2.5 }, { 2.5 } }, "membuilder, weights")
-- The core is retrieved twice and the episodic item once; the core has no rule: (1 + 1 + 4) / 3 = 2.
local core = play {
  asked = { { ada } },
  steps = { { { "insert", fact, "core" }, { "insert", "Ada Velt lives in a flat.", "core" }, { "insert", "Ada Velt lives on.", "episodic" } } },
}
same(steps("membuilder", { core }).weights, { { 2 } }, "membuilder, the core")

-- MemQ with gamma * lambda = 0.5. Step 1 writes, step 2 updates, step 3 replaces the item by another; the question is right and retrieves
--   that one alone: generations at 3, 2, 1 get 1, 0.5 and 0.25.
local moved = play {
  questions = { where("Ada Velt", "Rin") },
  steps = {
    { { "insert", lives("Ada Velt", "Turin") } }, { { "update", 1, lives("Ada Velt", "Oslo") } }, { { "replace", 1, lives("Ada Velt", "Rin") } },
  },
}
same(steps("mem_q", { moved }, { gamma = 1, lambda = 0.5 }).total, { { 0.25, 0.5, 1 } }, "mem_q")
-- Replaced twice: the same.
moved = play {
  questions = { where("Ada Velt", "Rin") },
  steps = {
    { { "insert", lives("Ada Velt", "Turin") } }, { { "replace", 1, lives("Ada Velt", "Oslo") } }, { { "replace", 2, lives("Ada Velt", "Rin") } },
  },
}
same(steps("mem_q", { moved }, { gamma = 1, lambda = 0.5 }).total, { { 0.25, 0.5, 1 } }, "mem_q, replaced twice")

-- TreeMem. Two nodes under an episode, two leaves under each, with scores 1, 1/2 and 1/2, 0: the nodes are worth 3/4 and 1/4.
local function leaf(plan, parent)
  plan.parent = parent
  return plan
end
local none = B { questions = { bo }, steps = { {} } }
local half = B { steps = { { { "insert", lives("Ada Velt", "Turin") } } } }
local node = function() return play { steps = { { { "skip" } }, { { "skip" } } } } end
credit = steps("treemem", { node(), node(), leaf(A(), 1), leaf(table.clone(half), 1), leaf(table.clone(half), 2), leaf(none, 2) })
same(credit.total, { { 0.75, 0.75 }, { 0.25, 0.25 }, { 1, 1 }, { 0.5 }, { 0.5 }, { 0 } }, "treemem")
assert(credit.groups[3][1] == credit.groups[4][1] and credit.groups[4][1] ~= credit.groups[5][1], "leaves of one node are compared")
assert(credit.groups[1][2] == credit.groups[2][2] and credit.groups[1][1] ~= credit.groups[1][2], "and the same step")

-- CoMAM. Global: A 1, B 1/2. The extractor's own: coverage 1 (A), 1/2 (B): the best order, NDCG = 1. The profiler's: compression 0.8 (A),
--   0.9 (B): the order B, A. DCG = 0.5 / log2(2) + 1 / log2(3) = 1.1309298; best 1 + 0.5 / log2(3) = 1.3154649; NDCG = 0.8597187.
--   w_extractor = 1 / 1.8597187 = 0.5377157, w_profiler = 0.4622843.
--   A inserts at both steps: 1 + 0.5377157 * 1. B inserts at 1: 1 + 0.5377157 * 0.5; at 2 it changes nothing, the mean of both agents:
--   (0 + 0.5377157 * 0.5 + 0.9 + 0.4622843 * 0.5) / 2 = (0.9 + 0.5) / 2 = 0.7.
local comam = loop.reward "comam"
local ndcg = (0.5 + 1 / math.log(3, 2)) / (1 + 0.5 / math.log(3, 2))
near(comam.ndcg({ 0.8, 0.9 }, { 1, 0.5 }), ndcg, "comam, NDCG")
assert(math.abs(ndcg - 0.8597187) < 1e-6)
near(comam.ndcg({ 1, 1 }, { 1, 0 }), (1 + 1 / math.log(3, 2)) / 2, "comam, NDCG of a tie")
local w = 1 / (1 + ndcg)
same(steps("comam", { a, B() }).total, { { 1 + w, 1 + w }, { 1 + 0.5 * w, 0.7 } }, "comam")

-- AgeMem. A: R_task = 1. R_context: 1 - 20/100 = 0.8; nothing was revised: 0; key terms Ada Velt, Bo Marr are kept: 1; mean 0.6.
--   R_memory: both items answer a question alone: 1; no update or delete: 0; both answers right: 1; mean 2/3. R = 1 + 0.6 + 2/3.
-- C: an update at step 2 leaves only Bo's fact: R_task = 1/2, R_context = (0.9 + 1 + 1/2) / 3 = 0.8, R_memory = (1 + 1 + 1/2) / 3.
--   The same if the item is replaced by another one.
-- D: empty, so no answer: -1; R_context = (0.99 + 0 + 0) / 3 = 0.33; R_memory = 0.
local c = B { steps = { { { "insert", lives("Ada Velt", "Turin") } }, { { "update", 1, lives("Bo Marr", "Oslo") } } } }
local replaced = B { steps = { { { "insert", lives("Ada Velt", "Turin") } }, { { "replace", 1, lives("Bo Marr", "Oslo") } } } }
local d = B { steps = { {}, {} }, memory_tokens = 1 }
local ra, rc, rd = 1 + 0.6 + 2 / 3, 0.5 + 0.8 + 2.5 / 3, -1 + 0.33
same(steps("agemem", { a, c, replaced, d }).total, { { ra, ra }, { rc, rc }, { rc, rc }, { rd, rd } }, "agemem")
-- Beyond the budget of 0.1 * 100 tokens: R_context = (0 + 0 + 1) / 3, P = -0.5.
same(steps("agemem", { a }, { budget = 0.1 }).total, { table.create(2, 1 + 1 / 3 + 2 / 3 - 0.5) }, "agemem, over budget")

-- MemAct. Steps 1, 2, 3, 4: only 2 and 3 change the memory, so segments 1-2, 3, 4 with weights 1/2, 1/2, 1, 1; the score is 1. Another
--   holds 90 tokens of 100 and has -0.1.
local function four(memory_tokens)
  return A {
    memory_tokens = memory_tokens,
    steps = { { { "skip" } }, { { "insert", lives("Ada Velt", "Turin") } }, { { "insert", lives("Bo Marr", "Oslo") } }, {} },
  }
end
credit = steps("memact", { four(20), four(90) })
same(credit.total, { { 1, 1, 1, 1 }, { -0.1, -0.1, -0.1, -0.1 } }, "memact")
same(credit.weights, { { 0.5, 0.5, 1, 1 }, { 0.5, 0.5, 1, 1 } }, "memact, weights")

-- InfoMem. With the fact in memory the gold answer's tokens have -0.5 each, without -2: I = 1.5 per token. E answers from a
--   memory whose text does not hold the gold answer, so its I is 0; F holds the facts but fails, and is no success. A and E are 0.75 from their
--   mean, and their deviation is 0.75 * sqrt(2). r = score + 0.5 * z, and for F the score of 0.
local infomem = loop.reward "infomem"
local policy = batches.policy()
near(infomem.gains(policy, { a.answers[1] })[1], 1.5, "infomem, gain")
local e = A()
for _, asked in ipairs(e.answers) do
  asked.evidence = {}
end
local f = A()
for _, asked in ipairs(f.answers) do
  asked.score = 0
end
local z = 0.5 * 0.75 / (0.75 * math.sqrt(2) + 1e-6)
same(steps("infomem", { a, e, f }, { policy = policy }).total, { { 1 + z, 1 + z }, { 1 - z, 1 - z }, { 0, 0 } }, "infomem")
