-- The reward of CoMAM (arXiv 2603.12631). Each agent a of a memory system has a local reward. It also gets a share of the global reward,
-- the accuracy of the final answers: the better its local reward ranks a group of rollouts as the global one does, the larger the share:
--
--   r_a = local_a + w_a * global,   w_a = NDCG_a / sum over agents of NDCG,
--   NDCG_a = DCG of the rollouts' global rewards, in the order of local_a, over that of the best order;   DCG = sum_k global_k / log2(k + 1).
--
-- Ours: the paper's agents are an extractor, a profiler and a retriever. Here one policy plays the first two in one answer: inserts belong
-- to the extractor, other operations to the profiler. A step's reward is the mean of its agents' rewards over its operations, or over both
-- agents if it changes nothing. The retriever is not trained. The extractor's local reward is the coverage of the chunk, the mean score of
-- its questions right after the step; rollouts are ranked by its mean over the steps. The profiler's is the compression of the memory, in
-- place of a model's verdict on its abstractions. Rollouts with equal local rewards share their places.

local fm = require "finemem"
local shared = require "rewards.shared"

local comam = { name = "comam" }

local function discount(place)
  return 1 / math.log(place + 1, 2)
end

-- How well the order by `own` agrees with the order by `global`, from 0 to 1; 1 if all of `global` is 0.
function comam.ndcg(own, global)
  local order, best = {}, table.clone(global)
  for k = 1, #own do
    order[k] = k
  end
  table.sort(order, function(a, b)
    return own[a] > own[b] or own[a] == own[b] and a < b
  end)
  table.sort(best, function(a, b)
    return a > b
  end)
  local gain, ideal, k = 0, 0, 1
  while k <= #order do
    -- Rollouts with equal local rewards take the places k to last: each has the mean of their discounts.
    local last, places, globals = k, 0, 0
    while last < #order and own[order[last + 1]] == own[order[k]] do
      last += 1
    end
    for place = k, last do
      places += discount(place)
      globals += global[order[place]]
    end
    gain += places * globals / (last - k + 1)
    k = last + 1
  end
  for place, value in ipairs(best) do
    ideal += value * discount(place)
  end
  return ideal > 0 and gain / ideal or 1
end

function comam.steps(batch)
  local own = { extractor = fm.reward.chunk_step { batch = batch }, profiler = fm.reward.compression { batch = batch } }
  local weight = {}
  for _, group in ipairs(shared.groups(batch)) do
    local global, agreement, sum = {}, {}, 0
    for k, i in ipairs(group) do
      global[k] = shared.score(batch.rollouts[i].answers)
    end
    for agent, values in pairs(own) do
      local ranked = {}
      for k, i in ipairs(group) do
        ranked[k] = shared.mean(values[i])
      end
      agreement[agent] = comam.ndcg(ranked, global)
      sum += agreement[agent]
    end
    for _, i in ipairs(group) do
      weight[i] = { extractor = agreement.extractor / sum, profiler = agreement.profiler / sum }
    end
  end

  -- The extractor's share of each step's operations.
  local extractor = shared.each(batch, function(rollout, t)
    local inserts, all, number = 0, 0, shared.number(rollout, t)
    for _, entry in ipairs(rollout.journal) do
      if entry.step == number then
        inserts += entry.operation == "insert" and 1 or 0
        all += 1
      end
    end
    return all > 0 and inserts / all or 0.5
  end)
  local function mixed(value)
    return shared.each(batch, function(rollout, t, i)
      local share = extractor[i][t]
      return share * value("extractor", rollout, i, t) + (1 - share) * value("profiler", rollout, i, t)
    end)
  end
  return shared.sum(batch, {
    ["local"] = { 1, mixed(function(agent, _, i, t) return own[agent][i][t] end) },
    global = { 1, mixed(function(agent, rollout, i) return weight[i][agent] * shared.score(rollout.answers) end) },
  })
end

return comam
