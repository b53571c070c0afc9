-- Runs methods over episodes. A method fills a memory from an episode's chunks, see baselines/README.md; then the episode's questions are
-- asked of that memory, of every method in the same way.

local fm = require "finemem"

local evaluation = {}

-- Whether the retrieved items come from the chunks that hold the gold evidence: the share of items that do, and the share of those chunks
-- that an item comes from. Nothing where the file does not name them, or nothing was retrieved.
local function evidence_shares(answer)
  if not answer.chunks then
    return nil
  end
  local gold, reached, found = {}, {}, 0
  for _, chunk in ipairs(answer.chunks) do
    gold[chunk] = true
  end
  for _, item in ipairs(answer.evidence) do
    if gold[item.step] then
      reached[item.step] = true
      found = found + 1
    end
  end
  local chunks = 0
  for _ in pairs(reached) do
    chunks = chunks + 1
  end
  return #answer.evidence > 0 and found / #answer.evidence or 0, chunks / #answer.chunks
end

-- The scores of answers that a model has to judge, from `judge`, a reasoner. Without one they have no score.
local function judged(answers, judge)
  local chats, waiting = {}, {}
  for _, answer in ipairs(answers) do
    if fm.metric.needs_judge { metric = answer.metric } then
      waiting[#waiting + 1] = answer
      chats[#chats + 1] = judge and fm.metric[answer.metric] {
        question = answer.question, answer = answer.answer, gold = answer.gold, kind = answer.kind, id = answer.id,
      }
    end
  end
  for i, reply in ipairs(judge and #chats > 0 and judge:complete { chats = chats } or {}) do
    waiting[i].score = fm.metric.verdict { metric = waiting[i].metric, reply = reply.text }
  end
end

-- What a policy's rollout cost: tokens that it read and wrote.
local function tokens_of(rollout)
  local read, written = 0, 0
  for _, step in ipairs(rollout and rollout.steps or {}) do
    read, written = read + step.prompt_tokens, written + step.tokens
  end
  return read, written
end

-- Runs one method over episodes. `option`: `episodes`, `method`, `settings` (what the method's `run` gets beside the episode), `reasoner`,
-- `judge` if there is one, `count` (how many tokens a text has), `said` (called with a line of progress).
-- Gives `answers` (a table each, as reasoner:ask gives them, with `method`, `source`, `episode`), `cost`, and `memories`, one an episode.
function evaluation.run(option)
  local method = option.method
  local cost = {
    chunks = 0, questions = 0, build_seconds = 0, ask_seconds = 0, memory_tokens = 0, input_tokens = 0, policy_read = 0, policy_written = 0,
    reasoner_read = 0, reasoner_written = 0, requests = 0,
  }
  local answers, memories, known = {}, {}, {}
  for i, episode in ipairs(option.episodes) do
    -- Rows of one file often share their text, which is read once.
    local text = table.concat(episode.chunks, "\0")
    local result = known[text]
    if not result then
      local began = fm.seconds {}
      local settings = { episode = episode }
      for name, value in pairs(option.settings) do
        settings[name] = value
      end
      result = method.run(settings)
      known[text] = result
      result.memory_tokens, result.input_tokens = 0, 0
      cost.build_seconds = cost.build_seconds + fm.seconds {} - began
      for _, item in ipairs(result.memory:items {}) do
        result.memory_tokens = result.memory_tokens + option.count(item.content)
      end
      for _, chunk in ipairs(episode.chunks) do
        result.input_tokens = result.input_tokens + option.count(chunk)
      end
      local read, written = tokens_of(result.rollout)
      cost.policy_read, cost.policy_written = cost.policy_read + read, cost.policy_written + written
      cost.chunks = cost.chunks + #episode.chunks
      cost.memory_tokens = cost.memory_tokens + result.memory_tokens
      cost.input_tokens = cost.input_tokens + result.input_tokens
    end
    local began = fm.seconds {}
    local ask = { memory = result.memory, questions = episode.questions }
    for name, value in pairs(result.retrieval) do
      ask[name] = value
    end
    local asked = option.reasoner:ask(ask)
    judged(asked, option.judge)
    cost.ask_seconds = cost.ask_seconds + fm.seconds {} - began
    for _, answer in ipairs(asked) do
      answer.method, answer.source, answer.episode = method.name, episode.source, episode.id
      answer.evidence_precision, answer.evidence_recall = evidence_shares(answer)
      cost.questions = cost.questions + 1
      cost.reasoner_read = cost.reasoner_read + answer.prompt_tokens
      cost.reasoner_written = cost.reasoner_written + answer.completion_tokens
      cost.requests = cost.requests + answer.requests
      answers[#answers + 1] = answer
    end
    memories[i] = { episode = episode, result = result, answers = asked }
    option.said(string.format("%s: %d of %d episodes, %d questions", method.name, i, #option.episodes, cost.questions))
  end
  return { method = method.name, answers = answers, cost = cost, memories = memories }
end

-- The mean of what `of` gives for the answers, and how many it gives something for.
local function mean(answers, of)
  local sum, count = 0, 0
  for _, answer in ipairs(answers) do
    local value = of(answer)
    if value then
      sum, count = sum + value, count + 1
    end
  end
  return count > 0 and sum / count or nil, count
end

-- The figures of one run: `summary` of the scores, the same by kind of question as `kinds` (a row's source is source, line end, kind), `precision` and `recall` of the evidence where it is known, `unjudged` answers.
function evaluation.figures(run)
  local scored, kinds = {}, {}
  for _, answer in ipairs(run.answers) do
    if answer.score then
      scored[#scored + 1] = answer
      if answer.kind then
        kinds[#kinds + 1] = { source = answer.source .. "\n" .. answer.kind, metric = answer.metric, score = answer.score }
      end
    end
  end
  return {
    summary = fm.metric.summary { results = scored, seed = 1 },
    kinds = fm.metric.summary { results = kinds, seed = 1 },
    precision = mean(run.answers, function(answer) return answer.evidence_precision end),
    recall = mean(run.answers, function(answer) return answer.evidence_recall end),
    unjudged = #run.answers - #scored,
  }
end

return evaluation
