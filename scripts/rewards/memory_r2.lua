-- The reward of Memory-R2 (LoGo-GRPO, arXiv 2605.21768), for each session, which is a chunk here:
--
--   R_t = F1(answers to Q_t) - lambda * max(0, tokens(M) - 0.7 * tokens(history)) / tokens(history),   lambda = 0.3
--
-- Q_t are the questions whose gold evidence is in session t. Whole rollouts answer them from their final memory (the global branch,
-- "persession" in its code). Each session is also chosen with p = 0.25, as in its code: then the policy reads it again m = 4 times from one
-- rollout's memory before it, and answers Q_t right after it (the local branch). Each group has its own z-scores: a session over the whole
-- rollouts, a local branch over its m.
--
-- Ours: a question that does not say where its evidence is belongs to every session of a whole rollout, and a local branch then asks the
-- chunk's own questions. The history of a local branch is the text read so far; its tokens are estimated from its share of the bytes. The
-- fact extractor, a second role in the paper, is part of the one manager.

local fm = require "finemem"
local branches = require "rewards.branches"
local shared = require "rewards.shared"

local memory_r2 = { name = "memory_r2" }

local function questions_of(episode, t)
  local list = {}
  for _, question in ipairs(episode.questions) do
    if question.evidence and table.find(question.evidence, t) then
      list[#list + 1] = question
    end
  end
  return #list > 0 and list or episode.chunk_questions[t] or {}
end

-- `option`: `p`, `m`, and the `seed` that sessions are drawn with.
function memory_r2.rollout(trainer, episodes, option)
  local rng = fm.rng.new { seed = { option.seed or 0, option.step or 0 } }
  local whole, starts = trainer:rollout { episodes = episodes }, {}
  local members = #whole.rollouts // #episodes
  for e, episode in ipairs(episodes) do
    for t = 1, #episode.chunks do
      if rng:number() < (option.p or 0.25) then
        local i = (e - 1) * members + rng:integer { high = members }
        local read = #table.concat(episode.chunks, "", 1, t) / #table.concat(episode.chunks)
        local marks = { history_tokens = read * whole.rollouts[i].input_tokens }
        starts[#starts + 1] = branches.from(whole.rollouts[i], t, episode, i .. "/" .. t, t, questions_of(episode, t), marks)
      end
    end
  end
  return #starts == 0 and { whole } or { whole, branches.roll(trainer, starts, option.m or 4, 1) }, whole
end

function memory_r2.steps(batch, option)
  local function f1(rollout, t)
    local asked = {}
    for _, answer in ipairs(rollout.answers) do
      if rollout.history_tokens or shared.proves(answer, shared.number(rollout, t)) then
        asked[#asked + 1] = answer
      end
    end
    return shared.mean(asked, function(answer)
      return fm.metric.token_f1 { answer = answer.answer, gold = answer.gold }
    end)
  end
  local function too_long(rollout)
    local history = rollout.history_tokens or rollout.input_tokens
    return -math.max(0, rollout.memory_tokens - 0.7 * history) / math.max(1, history)
  end
  local result = shared.sum(batch, {
    session = { 1, shared.each(batch, f1) },
    length = { option.lambda or 0.3, shared.every(batch, too_long) },
  })
  result.grouping = "state"
  return result
end

return memory_r2
