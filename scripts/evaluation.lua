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

-- The scores of answers that a model has to judge, from `judge`, a reasoner. Those that it gives no score have none.
local function judged(answers, judge)
  local chats, waiting = {}, {}
  for _, answer in ipairs(answers) do
    if fm.metric.needs_judge { metric = answer.metric } then
      local asked = fm.metric.judge {
        metric = answer.metric, question = answer.question, answer = answer.answer, gold = answer.gold, kind = answer.kind, id = answer.id,
      }
      waiting[#waiting + 1] = { answer = answer, from = #chats, count = #asked }
      table.move(asked, 1, #asked, #chats + 1, chats)
    end
  end
  local replies = #chats > 0 and judge:complete { chats = chats } or {}
  for _, wait in ipairs(waiting) do
    local said = {}
    for i = 1, wait.count do
      said[i] = replies[wait.from + i].text
    end
    wait.answer.score = fm.metric.verdict { metric = wait.answer.metric, replies = said, gold = wait.answer.gold }
  end
end

-- The scores of recommendations, each taken for the nearest of `titles`, a catalogue as MemoryAgentBench's entity2id.json: numbers by the names
-- of entities. Gold answers may be such numbers.
local function recommended(answers, titles)
  local names, list = {}, {}
  for name, id in pairs(titles) do
    names[string.format("%d", id)], list[#list + 1] = name, name
  end
  -- Of equally near titles the first counts.
  table.sort(list, function(a, b) return titles[a] < titles[b] end)
  for _, answer in ipairs(answers) do
    local k = answer.metric:match "^recall_at_(%d+)$"
    if k then
      for i, gold in ipairs(answer.gold) do
        answer.gold[i] = names[gold] or gold
      end
      answer.score = fm.metric.recall_at_k { answer = answer.answer, gold = answer.gold, titles = list, k = tonumber(k) }
    end
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
-- `judge` if there is one, `titles` if there is a catalogue (numbers by names), `count` (how many tokens a text has), `said` (called with a
-- line of progress).
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
      local settings = {
        episode = episode,
        said = function(step)
          local left = (fm.seconds {} - began) / math.max(1, step - 1) * (#episode.chunks - step + 1)
          option.said(string.format(
            "%s: chunk %d of %d, episode %d of %d%s", method.name, step, #episode.chunks, i, #option.episodes,
            step > 1 and string.format(", %.0f s left of it", left) or ""))
        end,
      }
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
    if option.titles then
      recommended(asked, option.titles)
    end
    if option.judge then
      judged(asked, option.judge)
    end
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
