-- The memory that a model makes of an episode with a memory design: what a baseline with a model returns.

local fm = require "finemem"
local designs = require "designs"

-- `option` is that of a baseline's `run`: the episode, the policy, and how long an answer may be. `more` goes to the design and its prompt.
return function(name, option, more)
  local policy = option.policy or error("this baseline is a model's: it needs a policy (--policy DIR)", 0)
  local design = designs.open(name, { policy = policy, plain = true, dialect = more.dialect, tokens = more.tokens })
  local trainer = fm.grpo.new {
    policy = policy, tools = design.tools, prompt = design.prompt, dialect = design.dialect,
    view = design.view, view_items = design.view_items,
    reasoner = fm.reasoner.extractive {}, max_tokens = option.max_tokens or more.max_tokens,
    group = 1, episodes = 1, train = false,
  }
  -- Who asks the questions has the memory for it.
  local episode = { chunks = option.episode.chunks, questions = {} }
  local rollout = trainer:rollout({ episodes = { episode }, group = 1, temperature = 0 }).rollouts[1]
  return { memory = fm.memory.replay { journal = rollout.journal }, retrieval = design.retrieval, rollout = rollout }
end
