-- Credit by branch means, after TreeMem (arXiv 2605.04811): each stage's output is expanded into several branches, and the value of a node
-- is the mean of the final rewards of the leaves under it,
--
--   V(leaf) = r,   V(node) = mean over the leaves under it of r.
--
-- Ours: the paper's stages are a builder, a summariser and a retriever. A single manager does not have these, so an episode's chunks are
-- cut into three stages of equal length, each expanded into B = 2 branches: 8 leaves. A leaf's reward is the mean score of the final
-- questions. Nodes with the same parent began from the same memory and are compared with one another.

local branches = require "rewards.branches"
local shared = require "rewards.shared"

local treemem = { name = "treemem" }

-- `option`: the number of `stages`, and of branches as `branching`.
function treemem.rollout(trainer, episodes, option)
  local stages, nodes, batches, offset = option.stages or 3, {}, {}, 0
  for e, episode in ipairs(episodes) do
    stages = math.min(stages, #episode.chunks)
    nodes[e] = { root = e }
  end
  for stage = 1, stages do
    local starts = {}
    for k, node in ipairs(nodes) do
      local episode = episodes[node.root]
      local first, last = (stage - 1) * #episode.chunks // stages + 1, stage * #episode.chunks // stages
      local marks = { root = node.root, parent = stage > 1 and offset + k or nil }
      starts[k] = branches.from(node, first, episode, k .. "/" .. first, last, stage < stages and {} or nil, marks)
    end
    offset += stage > 1 and #nodes or 0
    batches[stage] = branches.roll(trainer, starts, option.branching or 2, stage)
    nodes = batches[stage].rollouts
  end
  return batches, batches[stages]
end

function treemem.steps(batch)
  local children, siblings = {}, {}
  for i, rollout in ipairs(batch.rollouts) do
    if rollout.parent then
      children[rollout.parent] = children[rollout.parent] or {}
      table.insert(children[rollout.parent], i)
    end
    siblings[i] = rollout.parent and "under " .. rollout.parent or "episode " .. rollout.episode
  end
  -- All nodes of a stage have the same number of leaves, so the mean of the children is the mean of the leaves.
  local function worth(i)
    return children[i] and shared.mean(children[i], worth) or shared.score(batch.rollouts[i].answers)
  end
  local value = shared.every(batch, function(_, i)
    return worth(i)
  end)
  local groups = shared.each(batch, function(_, t, i)
    return siblings[i] .. ", step " .. t
  end)
  return { total = value, terms = { branch = value }, groups = groups }
end

return treemem
