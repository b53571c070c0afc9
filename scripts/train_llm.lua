-- Trains a published model with Fine-Mem (arXiv 2601.08435) on a data file.
--
--   finemem-engine run scripts/train_llm.lua -- --model DIR --data FILE [--steps 100] [--lora 16] [--out DIR] …
--
-- Every default below is the paper's where it is known, else that of Mem-α's published script, which the paper builds on, else our choice;
-- each is an argument. `finemem-engine plan --model DIR --lora 16 --recompute all` says beforehand what the run takes.

local fm = require "finemem"
local arguments = require "arguments"
local leakage = require "leakage"
local learn = require "learn"
local measure = require "measure"
local reasoners = require "reasoners"

local option = arguments.read(reasoners.with {
  model = "", -- a folder of the types qwen3, qwen2 or llama
  data = "", -- what fm.data.open reads
  facts = 0, -- facts a chunk, for files that are cut by facts; 0 leaves it to the reader
  without_benchmark = "no", -- yes: without the rows of Mem-α's file whose texts and questions are those of MemoryAgentBench
  out = false, -- the run folder
  seed = 0,
  steps = 100, -- our choice; Mem-α goes through its data five times
  episodes = 32, -- instances a step (Mem-α)
  group = 8, -- rollouts of each (paper)
  question_share = 0.2, -- part of the final questions that is asked in training (paper)
  temperature = 1, -- of rollouts (Mem-α)
  top_p = 1, -- (Mem-α)
  max_prompt = 6144, -- tokens (Mem-α)
  max_tokens = 2048, -- of an answer (Mem-α)
  view_items = 20, -- newest items that a prompt shows (Mem-α)
  top_k = 10, -- items that BM25 retrieves for a question (our choice; the only number seen is 2)
  reasoner = "extractive", -- what answers, a word of reasoners.lua (paper: Qwen3-32B without thinking, at temperature 0.1)
  thinking = "no", -- (paper: no)
  rewards = "finemem", -- a name under scripts/rewards/
  without = "", -- chunk, evidence or both
  w1 = 0.5, -- weight of the chunk reward (paper)
  w2 = 0.05, -- weight of compression (paper)
  beta = 0.5, -- part of the final score that goes by evidence (paper)
  grouping = "step", -- what is compared (paper); Mem-α: instance
  lr = 1e-6, -- at its highest (Mem-α, all weights); adapters usually want 1e-5 to 1e-4
  warm_up = 0.05, -- part of the steps (Mem-α)
  loss = "verl", -- the policy loss (Mem-α: verl's); others: grpo, dr_grpo, dapo, gspo, cispo, rloo, reinforce
  clip_low = false, clip_high = false, dual_clip = false, -- by default the loss's; of verl's 0.2, 0.2 and 3 (Mem-α)
  kl_coef = 0.001, -- (Mem-α's script; its paper, and the readings of Fine-Mem, have none: 0)
  minibatches = 1, -- optimiser steps of an update (Mem-α)
  max_grad_norm = 1, weight_decay = 0.01, -- (our choice: what verl does by default)
  lora = 0, -- rank of an adapter on all linear layers; 0 trains all weights (paper)
  alpha = 0, -- of the adapter; 0 is twice the rank
  micro_tokens = 4096, -- tokens that go through the model at a time in an update
  recompute = "all", -- what the backward pass computes again to save memory: none, attention or all
  reward_seconds = 600, -- what a reward may take in a step
  checkpoint = 10, -- steps between checkpoints
})
if option.model == "" or option.data == "" then
  error("--model DIR and --data FILE are needed: a model folder and a file of episodes", 0)
end
local function flag(name)
  local value = option[name]
  if value ~= "yes" and value ~= "no" then
    error(string.format("--%s is yes or no, not '%s'", name, value), 0)
  end
  return value == "yes"
end
-- A number that may be left out.
local function number(name)
  return option[name] and (tonumber(option[name]) or error(string.format("--%s needs a number, not '%s'", name, option[name]), 0)) or nil
end
local without = {}
for part in option.without:gmatch "[^,]+" do
  without[part] = true
end
local reward = learn.open(option.rewards)

local lora = option.lora > 0 and { rank = option.lora, alpha = option.alpha > 0 and option.alpha or 2 * option.lora, seed = option.seed } or nil
local policy = fm.model.load { path = option.model, lora = lora }
print(policy)
local episodes = fm.data.open { path = option.data, facts_per_chunk = option.facts > 0 and option.facts or nil }
print(string.format("%d episodes from %s", #episodes, option.data))
if flag "without_benchmark" then
  local all = #episodes
  episodes = leakage.without_benchmark(episodes)
  print(string.format("%d of %d episodes are not MemoryAgentBench's", #episodes, all))
  if #episodes == 0 then
    error("there is nothing left to train on", 0)
  end
end

local reasoner = reasoners.make(option.reasoner, option)
local batch_size = math.min(option.episodes, #episodes)
local trainer = fm.grpo.new {
  policy = policy,
  tools = require "tools.flat",
  prompt = require "prompts.chat" { policy = policy, thinking = flag "thinking" },
  reasoner = reasoner,
  group = option.group,
  seed = option.seed,
  lr = option.lr,
  temperature = option.temperature,
  top_p = option.top_p,
  max_prompt = option.max_prompt,
  max_tokens = option.max_tokens,
  view = "recent",
  view_items = option.view_items,
  top_k = option.top_k,
  grouping = option.grouping,
  loss = option.loss,
  clip_low = number "clip_low",
  clip_high = number "clip_high",
  dual_clip = number "dual_clip",
  kl_coef = option.kl_coef,
  minibatches = option.minibatches,
  max_grad_norm = option.max_grad_norm,
  weight_decay = option.weight_decay,
  micro_tokens = option.micro_tokens,
  recompute = option.recompute,
  episodes = batch_size,
}
local rate = fm.schedule.warm_up { to = option.lr, steps = option.warm_up * option.steps }
print(string.format("planned: %.2f GB of memory", trainer.planned / 1e9))

local run = fm.run.open { path = option.out or nil, seed = option.seed, arguments = option }
local done = run:restore { trainer = trainer }

-- The episodes of a step: the file shuffled anew for each pass through it, whatever step a run is resumed at.
local function batch_of(step)
  local chosen, order, pass = {}, nil, nil
  for i = (step - 1) * batch_size, step * batch_size - 1 do
    if pass ~= i // #episodes then
      pass, order = i // #episodes, {}
      for j = 1, #episodes do
        order[j] = j
      end
      fm.rng.new({ seed = { option.seed, pass } }):shuffle { list = order }
    end
    chosen[#chosen + 1] = episodes[order[i % #episodes + 1]]
  end
  return chosen
end

for step = done + 1, option.steps do
  local began = fm.seconds {}
  reward = learn.open(option.rewards, step)
  local given = {
    without = without, w1 = option.w1, w2 = option.w2, beta = option.beta, question_share = option.question_share,
    reasoner = reasoner, policy = policy, seed = option.seed, step = step,
  }
  local batches, batch, shown = learn.rollout(trainer, reward, batch_of(step), given)
  local rolled = fm.seconds {}
  local rewards = run:reward { step = step, batch = batch, reward = reward, option = given, seconds = option.reward_seconds }
  local stats = learn.update(trainer, batches, rewards, rate(step))
  local figures = measure.step(stats, shown, rewards)
  run:log { step = step, stats = stats }
  run:rollouts { step = step, batch = batch, count = 1, rewards = rewards }
  local finished = fm.seconds {}
  run:progress {
    step = step,
    total = option.steps,
    text = string.format("reward %.3f  accuracy %.3f  memory %d tokens  %.0f s (%.0f %% rollout)",
      stats.reward, figures.accuracy, figures.memory_tokens, finished - began, 100 * (rolled - began) / (finished - began)),
  }
  local stop = fm.stopping {}
  if stop or step % option.checkpoint == 0 or step == option.steps then
    run:checkpoint { step = step, trainer = trainer }
  end
  if step == done + 1 then
    print(string.format("memory: %.2f GB at most so far, %.2f GB planned", trainer.peak / 1e9, trainer.planned / 1e9))
  end
  if stop then
    print("stopped; go on with: finemem-engine run --resume " .. run.path)
    return
  end
end

policy:save { path = run.path .. "/policy", dtype = lora and "f32" or "bf16" }
print("written: " .. run.path .. (lora and "/policy, an adapter in PEFT's layout" or "/policy"))
