-- Seconds of a training step on 64 sequences of 900 tokens, of which the first 600 are the same in all, or not.
--
--   finemem-engine run benches/shared.lua -- [micro_tokens]

local fm = require "finemem"

local folder = "models/tiny"
local policy = fm.model.new {
  tokenizer = folder .. "/tokenizer.json", seed = 1,
  config = {
    model_type = "qwen3", vocab_size = 4096, hidden_size = 512, intermediate_size = 1536, num_hidden_layers = 8, num_attention_heads = 8,
    num_key_value_heads = 4, head_dim = 64, max_position_embeddings = 1024, rope_theta = 10000, rms_norm_eps = 1e-6, tie_word_embeddings = true,
    eos_token_id = 0,
  },
}

-- The answer, the last 100 tokens, is learned.
local function sequences(shared)
  local list = {}
  for i = 1, 64 do
    local rng, tokens, weights = nil, {}, {}
    for t = 1, 900 do
      rng = t == 1 and fm.rng.new { seed = { 1, shared and 0 or i } } or t == 601 and fm.rng.new { seed = { 2, i } } or rng
      tokens[t] = rng:integer { low = 0, high = 4095 }
      weights[t - 1] = t > 1 and (t > 800 and 1 or 0) or nil
    end
    list[i] = { tokens = tokens, weights = weights }
  end
  return list
end

local trainer = fm.sft.new { policy = policy, lr = 1e-4, micro_tokens = tonumber(fm.args[1]) or 4096 }
local times = {}
for round = 0, 2 do
  for _, shared in ipairs { true, false } do
    local list = sequences(shared)
    local began = fm.seconds {}
    local stats = trainer:step { sequences = list }
    local seconds = fm.seconds {} - began
    -- The first round allocates.
    times[shared] = round > 0 and math.min(times[shared] or math.huge, seconds) or nil
    print(string.format("%s: %.1f s, %d of %d tokens shared", shared and "alike" or "different", seconds, stats.shared, stats.tokens))
  end
end
print(string.format("ratio %.2f", times[true] / times[false]))
