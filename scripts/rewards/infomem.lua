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

-- For each case { text, gold }, the mean log-probability of the gold answer's tokens after the text. All cases are one batch.
local function likelihoods(policy, cases)
  local sequences, heads, means = {}, {}, {}
  for c, case in ipairs(cases) do
    sequences[c] = policy:encode { text = case[1] .. case[2], plain = true }
    heads[c] = #policy:encode { text = case[1], plain = true }
  end
  for c, logprobs in ipairs(policy:logprobs_all { sequences = sequences }) do
    local sum, count = 0, 0
    for k = math.min(heads[c], #logprobs), #logprobs do
      sum, count = sum + logprobs[k], count + 1
    end
    means[c] = sum / math.max(1, count)
  end
  return means
end

-- I for each question. Many rollouts of a group need the same likelihoods, so equal cases are measured once.
function infomem.gains(policy, questions)
  local cases, known = {}, {}
  local function case(asked, memory)
    local text, gold = memory .. "Question: " .. asked.question .. "\nAnswer:", " " .. asked.gold[1]
    local key = text .. "\0" .. gold
    if not known[key] then
      table.insert(cases, { text, gold })
      known[key] = #cases
    end
    return known[key]
  end
  local with, without, gains = {}, {}, {}
  for n, asked in ipairs(questions) do
    local lines = {}
    for k, item in ipairs(asked.evidence) do
      lines[k] = item.content .. "\n"
    end
    with[n], without[n] = case(asked, table.concat(lines)), case(asked, "")
  end
  local means = likelihoods(policy, cases)
  for n = 1, #questions do
    gains[n] = means[with[n]] - means[without[n]]
  end
  return gains
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
  -- The successes of all rollouts, and of each where its own stand among them.
  local successes, own = {}, {}
  for i, rollout in ipairs(batch.rollouts) do
    local chosen = drawn(rollout, option)
    own[i] = {}
    for _, asked in ipairs(rollout.answers) do
      if asked.score > 0 and chosen[asked.question] then
        table.insert(successes, asked)
        table.insert(own[i], #successes)
      end
    end
  end
  local gains, gain = infomem.gains(option.policy, successes), {}
  for _, group in ipairs(shared.groups(batch)) do
    local succeeded, means = {}, {}
    for _, i in ipairs(group) do
      gain[i] = 0
      if #own[i] > 0 then
        table.insert(succeeded, i)
        table.insert(means, shared.mean(own[i], function(n) return gains[n] end))
      end
    end
    for k, z in ipairs(fm.reward.zscores { values = means }) do
      gain[succeeded[k]] = z
    end
  end
  return shared.sum(batch, {
    outcome = { 1, fm.reward.outcome { batch = batch } },
    information = { option.weight or 0.5, shared.every(batch, function(_, i) return gain[i] end) },
  })
end

return infomem
