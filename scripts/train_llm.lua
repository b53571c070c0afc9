-- Trains a published model with Fine-Mem (arXiv 2601.08435), or another reward, on a world or a data file. Before that, it may learn from a
-- teacher's calls.
--
-- A default is the paper's where the paper states it, else that of Mem-α's published script, on which the paper builds, else our choice.

local fm = require "finemem"
local arguments = require "lib.arguments"
local designs = require "lib.designs"
local dialects = require "lib.dialects"
local loop = require "lib.loop"
local reasoners = require "lib.reasoners"
local sources = require "lib.sources"
local stages = require "lib.stages"
local warm_up = require "lib.warm_up"

local option, record = arguments.read([[
Trains a published model with Fine-Mem (arXiv 2601.08435) on a world or a data file.

  finemem-engine run scripts/train_llm.lua -- --model DIR --data FILE [--warm_up_steps 50] [--steps 100] [--lora 16] [--out DIR] …

`finemem-engine plan --model DIR --lora 16 --recompute all` tells beforehand how much memory the run takes.]], reasoners.with {
  { "model", "DIR", nil, "a model folder of type qwen3, qwen2 or llama, or a GGUF file", required = true },
  { "data", "FILE", nil, "household or office, the worlds; or a file of episodes, in any format that fm.data.open reads", required = true },
  { "held_out", "integer", 24, "episodes of a world to measure before, between and after training" },
  { "facts", "integer", 0, "facts in each chunk, for files that are lists of facts; 0 leaves it to the reader" },
  { "without_benchmark", "flag", false, "whether to leave out those rows of Mem-α's file that share texts and questions with MemoryAgentBench" },
  { "out", "DIR", nil, "the run's folder; by default a new one under runs/" },
  { "seed", "integer", 0, "the seed of the order of episodes and of sampling" },
  { "steps", "integer", 100, "training steps (our choice; Mem-α goes through its data five times)" },
  { "warm_up_steps", "integer", 0, "supervised steps on a teacher's calls before the training steps" },
  { "warm_up_lr", "number", 5e-4, "highest learning rate of these steps (our choice, for an adapter)" },
  { "teacher", arguments.names "teachers", nil, "whose calls these are: for a world its own by default, for a file newest_wins" },
  { "episodes", "integer", 32, "episodes in each step (Mem-α)" },
  { "group", "integer", 8, "rollouts of each episode (paper)" },
  { "question_share", "number", 0.2, "share of the final questions that is asked in training (paper)" },
  { "temperature", "number", 1, "temperature of rollouts (Mem-α)" },
  { "top_p", "number", 1, "probability mass that sampling keeps (Mem-α)" },
  { "max_prompt", "integer", 6144, "longest prompt, in tokens (Mem-α)" },
  { "max_tokens", "integer", 2048, "longest answer of the policy, in tokens (Mem-α)" },
  { "view_items", "integer", 20, "newest items that a prompt shows (Mem-α)" },
  { "top_k", "integer", 10, "items that BM25 retrieves for a question (our choice; the only published number is 2)" },
  { "reasoner", "NAME", "extractive", "what answers: extractive, a model folder or NAME@http://… (paper: Qwen3-32B without thinking, temperature 0.1)" },
  { "thinking", "flag", false, "whether the policy thinks before it answers (paper: no)" },
  dialects.argument,
  { "design", designs.names(), "flat", "the memory design, a module of scripts/designs" },
  { "rewards", "NAME", "finemem", "a reward of scripts/rewards, or a module whose name has a dot" },
  { "without", "PARTS", "", "what to leave out of Fine-Mem's reward: chunk, evidence or chunk,evidence" },
  { "w1", "number", 0.5, "weight of the chunk reward (paper)" },
  { "w2", "number", 0.05, "weight of compression (paper)" },
  { "beta", "number", 0.5, "share of the final score that follows the evidence (paper)" },
  { "untagged", "number", 1, "what a valid call counts in the format reward if it lacks the dialect's tags (our choice)" },
  { "grouping", loop.groupings, "step", "what is compared (paper; Mem-α: instance)" },
  { "lr", "number", 1e-6, "highest learning rate (Mem-α, for all weights; adapters usually need 1e-5 to 1e-4)" },
  { "warm_up", "number", 0.05, "share of the steps in which the learning rate rises (Mem-α)" },
  { "loss", loop.losses, "verl", "the policy loss (Mem-α)" },
  { "clip_low", "number", nil, "how far a ratio may fall below 1; by default the loss's own, for verl 0.2 (Mem-α)" },
  { "clip_high", "number", nil, "how far a ratio may rise above 1; by default the loss's own, for verl 0.2 (Mem-α)" },
  { "dual_clip", "number", nil, "bound for negative advantages; by default the loss's own, for verl 3 (Mem-α)" },
  { "kl_coef", "number", nil, "weight of KL; by default 0.001 (Mem-α's script; its paper, and the readings of Fine-Mem, have none: 0), and 0 after a warm-up, because the reference has not learned from it" },
  { "minibatches", "integer", 1, "optimiser steps in each update (Mem-α)" },
  { "max_grad_norm", "number", 1, "largest norm of the gradient (verl's default)" },
  { "weight_decay", "number", 0.01, "weight decay (verl's default)" },
  { "lora", "integer", 0, "rank of an adapter on all linear layers; 0 trains all weights (paper)" },
  { "alpha", "number", 0, "the adapter's alpha; 0 is twice the rank" },
  { "micro_tokens", "integer", nil, "tokens that go through the model at a time in an update; by default as many as the engine takes" },
  { "recompute", { "none", "attention", "all" }, "all", "what the backward pass computes again to save memory" },
  { "reward_seconds", "number", nil, "seconds that the reward may take in each step; by default the engine's limit" },
  { "checkpoint", "integer", 10, "steps between checkpoints" },
})
local without = loop.without(option.without)
loop.reward(option.rewards)

local lora = option.lora > 0 and { rank = option.lora, alpha = option.alpha > 0 and option.alpha or 2 * option.lora, seed = option.seed } or nil
local policy = fm.model.load { path = option.model, lora = lora }
print(policy)
local design = designs.open(option.design, { policy = policy, thinking = option.thinking, dialect = dialects.settle(option, record, policy) })
local source = sources.open(option)
local reasoner = reasoners.make(option.reasoner, option)
option.kl_coef = option.kl_coef or option.warm_up_steps > 0 and 0 or 0.001

record.prompt = design.told
local settings = {
  policy = policy, tools = design.tools, prompt = design.prompt, dialect = design.dialect, reasoner = reasoner, view = design.view, episodes = source.count,
}
for _, name in ipairs {
  "group", "seed", "lr", "temperature", "top_p", "max_prompt", "max_tokens", "view_items", "top_k", "grouping", "loss", "clip_low", "clip_high",
  "dual_clip", "kl_coef", "minibatches", "max_grad_norm", "weight_decay", "micro_tokens", "recompute",
} do
  settings[name] = option[name]
end
local trainer = fm.grpo.new(settings)
print(string.format("planned: %s of memory", loop.size(trainer.planned)))

local run = arguments.open_run { path = option.out, seed = option.seed, arguments = record }
-- With a model as reasoner most figures of harm would take more replies than the reward.
local harm = {
  reasoner = reasoner, silent = option.reasoner ~= "extractive", retrieval = { top_k = option.top_k },
  count = function(text) return #policy:encode { text = text } end,
}
local held_out = stages.open { path = run.path, episodes = source.held_out, training = { trainer = trainer, harm = harm } }
local done, warm = run:restore { trainer = trainer }, option.warm_up_steps

-- Both parts of the run, from where it is. False when somebody pressed Ctrl-C.
local function train()
  if done == 0 then
    held_out.measure "untrained"
  end
  local warmed = done >= warm or warm_up.run {
    trainer = trainer, run = run, done = done, steps = warm, total = warm + option.steps, teacher = option.teacher or source.teacher,
    dialect = design.dialect, sample = source.sample, checkpoint = option.checkpoint,
    rate = fm.schedule.warm_up {
      to = fm.schedule.cosine { from = option.warm_up_lr, to = 0.1 * option.warm_up_lr, steps = warm }, steps = 0.05 * warm,
    },
  }
  if not warmed then
    return false
  elseif warm > 0 and done <= warm then
    policy:save { path = run.path .. "/warm_start", dtype = lora and "f32" or "bf16" }
    held_out.measure "after the warm-up"
  end
  local rate = fm.schedule.warm_up { to = option.lr, steps = option.warm_up * option.steps }
  return loop.run {
    trainer = trainer, run = run, done = math.max(done, warm), steps = warm + option.steps, seed = option.seed, reward = option.rewards,
    given = function()
      return {
        without = without, w1 = option.w1, w2 = option.w2, beta = option.beta, untagged = option.untagged,
        question_share = option.question_share, reasoner = reasoner, policy = policy,
      }
    end,
    harm = harm, sample = source.sample, rate = function(step) return rate(step - warm) end,
    checkpoint = option.checkpoint, seconds = option.reward_seconds,
  }
end

if train() then
  policy:save { path = run.path .. "/policy", dtype = lora and "f32" or "bf16" }
  if option.steps > 0 then
    held_out.measure "after training"
  end
  held_out.report()
  print("written: " .. run.path .. (lora and "/policy, an adapter in PEFT's layout" or "/policy"))
else
  print("stopped; resume with: finemem-engine run --resume " .. run.path)
end
