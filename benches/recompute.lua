-- What recomputing the blocks in the backward pass costs in time and saves in memory: a full training step of one sequence.
--
--   finemem-engine run benches/recompute.lua

local fm = require "finemem"

local TOKENS, ROUNDS = 2048, 3
local MODES = { "none", "attention", "all" }

local policy = fm.model.new {
  tokenizer = "models/tiny/tokenizer.json",
  seed = 1,
  config = {
    model_type = "qwen3", vocab_size = 2048, hidden_size = 512, intermediate_size = 1536, num_hidden_layers = 8,
    num_attention_heads = 8, num_key_value_heads = 4, head_dim = 64, max_position_embeddings = 4096, rope_theta = 10000,
    rms_norm_eps = 1e-6, tie_word_embeddings = true, eos_token_id = 0,
  },
}
local tokens, weights = {}, {}
for i = 1, TOKENS do
  tokens[i], weights[i] = 1 + i * 7 % 1000, i < TOKENS and 1 or nil
end

-- By turns, so that what else the machine does meets all alike.
local trainers, best = {}, {}
for _, mode in ipairs(MODES) do
  trainers[mode] = fm.sft.new { policy = policy, micro_tokens = TOKENS, recompute = mode }
end
for _ = 1, ROUNDS do
  for _, mode in ipairs(MODES) do
    local began = fm.seconds {}
    trainers[mode]:step { sequences = { { tokens = tokens, weights = weights } }, lr = 0 }
    best[mode] = math.min(best[mode] or math.huge, fm.seconds {} - began)
  end
end
print(string.format("a step of %d tokens, the fastest of %d", TOKENS, ROUNDS))
for _, mode in ipairs(MODES) do
  print(string.format("%-10s %6.2f s, %.2f of none", mode, best[mode], best[mode] / best.none))
end
