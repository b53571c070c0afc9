-- The memory that a model makes of an episode: what a baseline with a model returns.

local fm = require "finemem"

local managed = {}

-- How many tokens of an answer to take: as many as were published, and at most an eighth of the model's context, which is MemAgent's share of
-- its own (1,024 of 8K). A model without a chat template was not taught when to stop, and would write all of them for each chunk.
function managed.tokens(policy, published)
  return math.min(published, policy.chat and policy.context // 8 or 256)
end

-- `option` is that of a baseline's `run`. `how` says what a trainer is told: `tools`, `prompt`, `dialect`, `view`, `view_items`, and `tokens`,
-- the longest answer that was published; and `retrieval`.
function managed.run(option, how)
  local policy = option.policy
  local trainer = fm.grpo.new {
    policy = policy, tools = how.tools, dialect = how.dialect, view = how.view, view_items = how.view_items,
    prompt = function(input)
      if option.said then
        option.said(input.step)
      end
      return how.prompt(input)
    end,
    reasoner = fm.reasoner.extractive {}, max_tokens = option.max_tokens or managed.tokens(policy, how.tokens),
    group = 1, episodes = 1, train = false,
  }
  -- Who asks the questions has the memory for it.
  local episode = { chunks = option.episode.chunks, questions = {} }
  local rollout = trainer:rollout({ episodes = { episode }, group = 1, temperature = 0 }).rollouts[1]
  return { memory = fm.memory.replay { journal = rollout.journal }, retrieval = how.retrieval, rollout = rollout }
end

-- The same with a memory design of designs.lua. `more` goes to the design and its prompt, and has `tokens`.
function managed.design(name, option, more)
  local designs = require "designs"
  local policy = option.policy or error("this baseline is a model's: it needs a policy (--policy DIR)", 0)
  local design = designs.open(name, { policy = policy, plain = true, dialect = more.dialect, tokens = managed.tokens(policy, more.tokens) })
  design.tokens = more.tokens
  return managed.run(option, design)
end

return managed
