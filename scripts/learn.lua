-- One step of training with any reward of scripts/rewards: see its README for what a reward gives.

local fm = require "finemem"

local learn = {}

learn.names = {
  "finemem", "mem_alpha", "atommem", "memory_r1", "memory_r2", "mem_t", "membuilder", "mem_q", "treemem", "comam", "agemem", "memact",
  "infomem", "leave_one_out",
}

-- A reward of these by name, or another module that keeps to their interface. A loop that opens it at every step goes on with the reward as
-- its files are by then, under `finemem-engine run --watch`.
function learn.open(name, step)
  local module = name:find(".", 1, true) and name or "rewards." .. name
  fm.reload { module = module, step = step }
  return require(module)
end

-- An error if `option` lacks what the reward needs.
function learn.needs(reward, option)
  for _, name in ipairs(reward.needs or {}) do
    if option[name] == nil then
      error(string.format("the reward %s needs a %s", reward.name, name), 0)
    end
  end
end

-- Rolls out episodes as the reward wants it: the batches to train on, all their rollouts in one batch, and the batch that shows how the
-- policy does. `option` is what the reward may need: `reasoner`, `policy`, `seed`, `step`, and settings of its own; and `question_share`, for rewards
-- that play whole episodes only.
function learn.rollout(trainer, reward, episodes, option)
  learn.needs(reward, option)
  local batches, shown
  if reward.rollout then
    batches, shown = reward.rollout(trainer, episodes, option)
  else
    batches = { trainer:rollout { episodes = episodes, question_share = option.question_share } }
  end
  local batch = batches[1]
  if #batches > 1 then
    batch = { rollouts = {} }
    for _, part in ipairs(batches) do
      table.move(part.rollouts, 1, #part.rollouts, #batch.rollouts + 1, batch.rollouts)
    end
  end
  return batches, batch, shown or batch
end

-- Updates the policy by what the reward gives to the steps of `batch`, the joined one: the figures of the update.
function learn.update(trainer, batches, credit, lr)
  return trainer:update {
    batch = #batches == 1 and batches[1] or nil,
    batches = #batches > 1 and batches or nil,
    rewards = credit.total,
    advantages = credit.advantages,
    weights = credit.weights,
    grouping = credit.grouping,
    groups = credit.groups,
    scale_rewards = credit.scale_rewards,
    lr = lr,
  }
end

return learn
