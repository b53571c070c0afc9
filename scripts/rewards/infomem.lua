-- The reward of InfoMem (arXiv 2606.03329): the outcome, plus how much the final memory raises the log-likelihood of the gold answer,
--
--   I(a; M | q) = (1 / |a|) * ( log p(a | q, M_T) - log p(a | q, no memory) ),
--
-- I only counts for the successful rollouts S of a group, normalised among them: (I - mean_S) / (std_S + eps), see its sections 4.2 and
-- 4.3. All steps of a rollout get the same.
--
-- Ours, from a reading of the paper without its code: an episode has several questions, so a question is a success if its score is above 0,
-- and I is a rollout's mean over its successes, in nats per token. The deviation is the sample's, the weight is 0.5. M_T is what was
-- retrieved for the question. `option.policy` gives the likelihoods, on its own device. `option.questions` (4) questions of an episode are
-- measured, the same for all its rollouts.

local fm = require "finemem"
local shared = require "rewards.shared"

local infomem = { name = "infomem", needs = { "policy" } }

-- The mean log-probability of the gold answer's tokens after a text.
local function likelihood(policy, text, gold)
  local head, whole = policy:encode { text = text }, policy:encode { text = text .. gold }
  local logprobs = policy:logprobs { tokens = whole }
  local sum, count = 0, 0
  for k = math.min(#head, #whole - 1), #logprobs do
    sum, count = sum + logprobs[k], count + 1
  end
  return sum / math.max(1, count)
end

-- I for one question. `known` keeps likelihoods, because many rollouts of a group need the same ones.
function infomem.gain(policy, asked, known)
  local lines, gold = {}, " " .. asked.gold[1]
  for k, item in ipairs(asked.evidence) do
    lines[k] = item.content .. "\n"
  end
  local function of(memory)
    local text = memory .. "Question: " .. asked.question .. "\nAnswer:"
    local key = text .. "\0" .. gold
    known[key] = known[key] or likelihood(policy, text, gold)
    return known[key]
  end
  return of(table.concat(lines)) - of ""
end

-- The questions of an episode that are measured, by their text.
local function drawn(rollout, option)
  local texts, chosen = {}, {}
  for j, asked in ipairs(rollout.answers) do
    texts[j] = asked.question
  end
  table.sort(texts)
  local rng = fm.rng.new { seed = { option.seed or 0, option.step or 0 } }
  for j, text in ipairs(rng:shuffle { list = texts }) do
    chosen[text] = j <= (option.questions or 4)
  end
  return chosen
end

function infomem.steps(batch, option)
  local known, gain = {}, {}
  for _, group in ipairs(shared.groups(batch)) do
    local succeeded, gains = {}, {}
    for _, i in ipairs(group) do
      local successes, chosen = {}, drawn(batch.rollouts[i], option)
      for _, asked in ipairs(batch.rollouts[i].answers) do
        if asked.score > 0 and chosen[asked.question] then
          successes[#successes + 1] = infomem.gain(option.policy, asked, known)
        end
      end
      gain[i] = 0
      if #successes > 0 then
        succeeded[#succeeded + 1], gains[#gains + 1] = i, shared.mean(successes)
      end
    end
    for k, z in ipairs(shared.zscores(gains)) do
      gain[succeeded[k]] = z
    end
  end
  return shared.sum(batch, {
    outcome = { 1, fm.reward.outcome { batch = batch } },
    information = { option.weight or 0.5, shared.every(batch, function(_, i) return gain[i] end) },
  })
end

return infomem
