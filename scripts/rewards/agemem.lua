-- The reward of AgeMem (arXiv 2601.01885): step-wise GRPO, where the advantage of the whole rollout goes to every step.
--
--   R = R_task + R_context + R_memory + P,   A_t = (R - mean) / (std + eps) for all t
--
-- R_task is the score of the answer, or -1 if there is no answer. R_context is the mean of three numbers: max(0, 1 - used / budget); 1 if
-- the context was made smaller before it overflowed; 1 if the key terms of the query were kept. R_memory is also a mean of three: good
-- entries / entries; 1 if anything was updated or deleted; the relevance of what was retrieved. P is -1 for too many rounds and -0.5 for
-- going over budget.
--
-- Ours: a manager's context is its memory. `used` is the length of the final memory in tokens, and the budget is `option.budget` (1) times
-- the length of the input. The memory was made smaller in time if it ended within the budget and some operation removed or replaced
-- something. Key terms are the capitalised words of the questions, and this part is the share of them that the memory's items contain. The
-- paper has models as judges; here an entry is good if the reasoner can answer one of the final questions from it alone, and relevance is
-- the share of questions answered correctly from what was retrieved. More than `option.calls` (10) calls in one step are too many rounds.

local shared = require "rewards.shared"

local agemem = { name = "agemem", needs = { "reasoner" } }

-- The share of the questions' capitalised words that the items contain. The first word of a question does not count.
local function key_terms_kept(rollout)
  local text, kept, all = {}, 0, 0
  for i, item in ipairs(rollout.memory) do
    text[i] = item.content
  end
  local held = table.concat(text, "\n")
  for _, asked in ipairs(rollout.answers) do
    for term in asked.question:gsub("^%s*%S+", ""):gmatch "%u[%w\128-\255]+" do
      all += 1
      kept += held:find(term, 1, true) and 1 or 0
    end
  end
  return all > 0 and kept / all or 1
end

-- Whether any operation changed or removed an item.
local function revised(rollout)
  for _, entry in ipairs(rollout.journal) do
    if entry.operation ~= "insert" or entry.replaces then
      return true
    end
  end
  return false
end

local function task(rollout)
  local answered = false
  for _, asked in ipairs(rollout.answers) do
    answered = answered or asked.used ~= nil
  end
  return answered and shared.score(rollout.answers) or -1
end

function agemem.steps(batch, option)
  local function over(tokens, rollout)
    return tokens > (option.budget or 1) * rollout.input_tokens
  end

  local function context(rollout)
    local used = rollout.memory_tokens / math.max(1, (option.budget or 1) * rollout.input_tokens)
    local in_time = revised(rollout) and not over(rollout.memory_tokens, rollout)
    return (math.max(0, 1 - used) + (in_time and 1 or 0) + key_terms_kept(rollout)) / 3
  end

  local function memory(rollout)
    local cases = {}
    for k, item in ipairs(rollout.memory) do
      cases[k] = { item = item, asked = rollout.answers }
    end
    local good = shared.mean(shared.useful(option.reasoner, cases))
    local relevant = shared.mean(rollout.answers, function(asked)
      return asked.used and asked.score or 0
    end)
    return (good + (revised(rollout) and 1 or 0) + relevant) / 3
  end

  local function penalty(rollout)
    local sum = over(rollout.memory_tokens, rollout) and -0.5 or 0
    for _, step in ipairs(rollout.steps) do
      if #step.calls > (option.calls or 10) then
        return sum - 1
      end
    end
    return sum
  end

  local result = shared.sum(batch, {
    task = { 1, shared.every(batch, task) },
    context = { 1, shared.every(batch, context) },
    memory = { 1, shared.every(batch, memory) },
    penalty = { 1, shared.every(batch, penalty) },
  })
  result.grouping = "trajectory"
  return result
end

return agemem
