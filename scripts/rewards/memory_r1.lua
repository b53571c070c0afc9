-- The reward of Memory-R1's memory manager (arXiv 2508.19828): every turn is a bandit of one step. Its operations are carried out on a
-- stored memory, the questions that belong to the turn are answered from the result, and the reward is their exact match:
--
--   r(t) = (1/n) sum_k 1[ answer(M_t, q_k) = gold_k ],   A = z-score among the attempts at the turn from the same memory.
--
-- Ours: the paper's stored memories come from a large model; here the policy itself plays the episode once and its memories before each
-- chunk are the stored ones. The questions of a turn are those of its chunk. The answer agent, which the paper trains in turn, stays as it
-- is. On plain rollouts the same rule compares the same step of different memories.

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
