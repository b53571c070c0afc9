-- The reward of Memory-R1's memory manager (arXiv 2508.19828): every turn is a one-step bandit. Its operations are carried out on a stored
-- memory, the turn's questions are answered from the result, and the reward is their exact match:
--
--   r(t) = (1/n) sum_k 1[ answer(M_t, q_k) = gold_k ],   A = z-score among the attempts at the turn from the same memory.
--
-- Ours: the paper's stored memories come from a large model. Here the policy itself plays the episode once, and the stored memories are
-- those it had before each chunk. A turn's questions are those of its chunk. The answer agent, which the paper trains too, stays fixed.
-- With plain rollouts, the same rule compares the same step of different memories.

local fm = require "finemem"
local branches = require "rewards.branches"
local shared = require "rewards.shared"

local memory_r1 = { name = "memory_r1", rollout = branches.same_states }

function memory_r1.steps(batch)
  local match = shared.each(batch, function(rollout, t)
    return shared.mean(rollout.steps[t].chunk_answers, function(asked)
      return fm.metric.exact_match { answer = asked.answer, gold = asked.gold }
    end)
  end)
  return { total = match, terms = { match = match }, grouping = "state" }
end

return memory_r1
