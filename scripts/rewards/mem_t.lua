-- Hindsight credit for writes, after Mem-T (MoT-GRPO, arXiv 2601.23014). In the paper, memory construction is learned by filtered
-- supervision: a write action a scores
--
--   h(a) = sum over leaves l of A_l * ( 1[the action's source is gold evidence] + 0.1 * 1[its item was retrieved at l] ),
--   A_l = z-score within the leaf's tree + z-score among the leaves of all trees,
--
-- the best half of each kind of operation is kept, and the policy raises the likelihood of what is kept: its advantage is 1.
--
-- Ours: the paper's trees branch over a trained search. This engine leaves search to retrieval, so our trees branch over construction. G =
-- 3 whole rollouts are the roots, each continues again from N = 3 drawn steps, and a leaf is a final question at the end of one of them,
-- with the F1 of its answer as result. An action belongs to all leaves after it. If a question names no evidence, any chunk may prove it.
-- Only scores above 0 are kept, so that equal leaves teach nothing. Calls share a completion, so a step's advantage is the share of its
-- operations that is kept.

local fm = require "finemem"
local branches = require "rewards.branches"
local shared = require "rewards.shared"

local mem_t = { name = "mem_t" }

-- `option`: `trees`, `pivots`, and the `seed` that pivots are drawn with.
function mem_t.rollout(trainer, episodes, option)
  local rng, trees = fm.rng.new { seed = { option.seed or 0, option.step or 0 } }, option.trees or 3
  local roots = trainer:rollout { episodes = episodes, group = trees }
  local starts = {}
  for i, rollout in ipairs(roots.rollouts) do
    local episode, pivots = episodes[rollout.episode], {}
    for t = 2, #episode.chunks do
      pivots[#pivots + 1] = t
    end
    for k, t in ipairs(rng:shuffle { list = pivots }) do
      if k <= (option.pivots or 3) then
        starts[#starts + 1] = branches.from(rollout, t, episode, i .. "/" .. t, nil, nil, { parent = i })
      end
    end
  end
  return #starts == 0 and { roots } or { roots, branches.roll(trainer, starts, 1, 1) }, roots
end

-- A[i][question]: the advantage of each leaf. Its result is compared within its tree, and with the leaves of all trees of the episode.
local function advantages(batch)
  local within, among, all = {}, {}, {}
  local function put(groups, key, leaf)
    groups[key] = groups[key] or {}
    table.insert(groups[key], leaf)
  end
  for i, rollout in ipairs(batch.rollouts) do
    all[i] = {}
    local root = rollout.parent or i
    for _, asked in ipairs(rollout.answers) do
      local leaf = { i = i, question = asked.question, result = fm.metric.token_f1 { answer = asked.answer, gold = asked.gold } }
      put(within, root .. "/" .. asked.question, leaf)
      put(among, batch.rollouts[root].episode .. "/" .. asked.question, leaf)
      all[i][asked.question] = 0
    end
  end
  for _, groups in ipairs { within, among } do
    for _, leaves in pairs(groups) do
      local results = {}
      for k, leaf in ipairs(leaves) do
        results[k] = leaf.result
      end
      for k, z in ipairs(fm.reward.zscores { values = results }) do
        all[leaves[k].i][leaves[k].question] += z
      end
    end
  end
  return all
end

-- Whether the content that an item got at `step` was retrieved for a question, unchanged or in a later version.
local function retrieved(asked, id, step)
  for _, item in ipairs(asked.evidence) do
    for _, version in ipairs(item.id == id and { item, table.unpack(item.history) } or {}) do
      if version.step == step then
        return true
      end
    end
  end
  return false
end

-- h(a) of an action at step `number` of rollout i.
local function hindsight(batch, advantage, i, entry)
  local sum = 0
  for l, leaf in ipairs(batch.rollouts) do
    if l == i or leaf.parent == i and leaf.first > entry.step then
      for _, asked in ipairs(leaf.answers) do
        local weight = (shared.proves(asked, entry.step) and 1 or 0) + (retrieved(asked, entry.id, entry.step) and 0.1 or 0)
        sum += advantage[l][asked.question] * weight
      end
    end
  end
  return sum
end

function mem_t.steps(batch)
  local advantage, actions = advantages(batch), {}
  local score, kept, count = shared.zeros(batch), shared.zeros(batch), shared.zeros(batch)
  for i, rollout in ipairs(batch.rollouts) do
    for _, entry in ipairs(rollout.journal) do
      local t = entry.step - (rollout.first or 1) + 1
      if t >= 1 then
        local action = { i = i, t = t, score = hindsight(batch, advantage, i, entry) }
        actions[entry.operation] = actions[entry.operation] or {}
        table.insert(actions[entry.operation], action)
        score[i][t] += action.score
        count[i][t] += 1
      end
    end
  end
  for _, list in pairs(actions) do
    table.sort(list, function(a, b)
      return a.score > b.score
    end)
    -- Equal scores are either all kept or all dropped.
    local least = list[math.ceil(#list / 2)].score
    for _, action in ipairs(list) do
      kept[action.i][action.t] += action.score > 0 and action.score >= least and 1 or 0
    end
  end
  local taught = shared.each(batch, function(_, t, i)
    return kept[i][t] / math.max(1, count[i][t])
  end)
  return { total = score, terms = { hindsight = score }, advantages = taught }
end

return mem_t
