-- Makes models/tiny: a byte-level BPE tokenizer and a small policy, supervised by a careless teacher in the household world.
--
-- The policy has to copy names that it has never seen, almost without fault. Its decisions should be careless, so that reinforcement
-- learning has something to teach. It starts with attention that copies (init = "copying"), so that a few million tokens are enough, and
-- goes from short names in short texts to everything that the world has. There is a checkpoint for `run --resume` every 400 steps and on
-- Ctrl-C.

local fm = require "finemem"
local arguments = require "lib.arguments"
local teacher = require "worlds.teacher"
local wire = require "lib.wire"
local motley = require "worlds.motley"
local world = require "worlds.household"

local option, record = arguments.read([[
Makes models/tiny: a byte-level BPE tokenizer and a small policy, supervised by a careless teacher in the household world.

  finemem-engine run scripts/make/policy.lua -- [--minutes 40] [--out models/tiny]

Training ends with --minutes or --steps, whichever comes first.]], {
  { "out", "DIR", "models/tiny", "the model folder to write" },
  { "minutes", "number", 40, "longest training time" },
  { "steps", "integer", 1e9, "most training steps" },
  { "seed", "integer", 1, "the seed of weights and episodes" },
  { "care", "number", 0.4, "how careful the teacher is, from 0 to 1" },
  { "policy", "DIR", "", "a model folder to continue from; by default a new model" },
})

local vocabulary, batch_tokens, warm_up = 4096, 3072, 40
local top_rate = option.policy == "" and 1.2e-3 or 8e-4
local prompt_weight = 0.1 -- weight of predicting a prompt token, at first
local id_weight = 4 -- weight of predicting an id: there is one for a dozen other tokens
local choice_weight = 4 -- weight of predicting which tool is called

-- What an episode is like at this share of the run, and how it is played. Lengths and rates vary. Until the last sixth, the teacher is careful
-- and facts are reworded more often: the policy learns to tell what an item is about. Then it learns to be careless with what it knows. A policy
-- from a folder has had its first lessons.
local function lesson(progress, rng)
  progress = option.policy == "" and progress or 0.3 + 0.7 * progress
  local stage = progress < 0.1 and { 0.2, 2 } or progress < 0.3 and { 0.5, 4 } or { 0.9, 8 }
  local drill = progress < 0.83
  local world_of = {
    variety = stage[1],
    facts = rng:integer { low = 1, high = stage[2] },
    chunks = rng:integer { low = 3, high = 8 },
    noise = 0.4 * rng:number(),
    change = drill and 0.3 or 0.2 + 0.2 * rng:number(),
    retract = 0.1,
    repeated = 0.08,
    reword = drill and 0.5 or 0.35,
    made_up = 0.2 + 0.4 * rng:number(),
    namesake = 0.1 + 0.15 * rng:number(),
    twin = 0.06 + 0.1 * rng:number(),
    neighbour = 0.2 + 0.3 * rng:number(),
    echo = 0.1,
    full = progress > 0.1 and 0.5 or 0,
    past = 400,
    ids = 90000,
  }
  return world_of, { care = drill and 1 or option.care }
end

local function play(progress, seed, rng)
  local world_of, how = lesson(progress, rng)
  world_of.count, world_of.seed = 1, seed
  -- From the second stage on, some episodes have nothing of the household.
  local other = progress > 0.1 and rng:number() < 0.4
  world_of.made_up = other and 1 or world_of.made_up
  how.episode, how.rng = (other and motley or world).sample(world_of)[1], rng
  return teacher.play(how)
end

local function make()
  local texts = {}
  for _, of in ipairs { world, motley } do
    for _, episode in ipairs(of.sample { count = 800, seed = option.seed }) do
      for _, chunk in ipairs(episode.chunks) do
        texts[#texts + 1] = " " .. chunk:gsub("\n", "\n ")
      end
    end
  end
  local words = " " .. table.concat(require "worlds.words", " ")
  for _ = 1, 30 do
    texts[#texts + 1] = words
  end
  local tokenizer = option.out .. "/tokenizer.json"
  local last = fm.tokenizer.train { texts = texts, vocab_size = vocabulary, added = wire.pieces, path = tokenizer }
  return fm.model.new {
    tokenizer = tokenizer,
    seed = option.seed,
    init = "copying",
    config = {
      model_type = "qwen3",
      vocab_size = vocabulary,
      hidden_size = 128,
      intermediate_size = 384,
      num_hidden_layers = 4,
      num_attention_heads = 4,
      num_key_value_heads = 2,
      head_dim = 64,
      max_position_embeddings = 4096,
      rope_theta = 10000,
      rms_norm_eps = 1e-6,
      tie_word_embeddings = true,
      eos_token_id = last,
    },
  }, last
end

-- What the policy makes of the texts' events when it writes the calls itself: the shares of calls in valid wire format, of contents that
-- are a sentence of the text and of ids that belong to the sentence, and how often it is careful.
local function examine(policy, temperature)
  local count = {}
  local function note(name, yes)
    count[name] = count[name] or { 0, 0 }
    count[name][1], count[name][2] = count[name][1] + (yes and 1 or 0), count[name][2] + 1
  end
  local steps, prompts, events = {}, {}, {}
  for i, episode in ipairs(world.sample { count = 24, seed = 999983, full = 0.5, ids = 90000 }) do
    for t, step in ipairs(teacher.play { episode = episode, rng = fm.rng.new { seed = { 7, i } }, care = option.care }) do
      steps[#steps + 1], prompts[#prompts + 1], events[#events + 1] = step, step.prompt, episode.events[t]
    end
  end
  for i, answers in ipairs(policy:generate { prompts = prompts, max_tokens = 300, temperature = temperature, seed = 1 }) do
    local told, touched, items = {}, {}, {}
    for _, event in ipairs(events[i]) do
      told[event.content or event.text], told[event.text] = event, event
    end
    for _, item in ipairs(steps[i].view) do
      items[item.id] = item
    end
    for raw in answers[1].text:gmatch "(.-</tool_call>)" do
      local ok, call = pcall(function()
        return fm.json.decode { text = raw:match "^%s*%d+<tool_call>(.*)</tool_call>$" }
      end)
      local arguments = ok and type(call) == "table" and call.arguments
      note("valid", arguments)
      if arguments and call.name ~= "memory_skip" then
        local content, item = arguments.content or arguments.new_content, items[arguments.memory_id or 0]
        local event = content and told[content:match "^%s*(.-)%s*$"]
        if content then
          note("content", event)
        end
        if call.name ~= "memory_insert" and (event or not content) then
          note("id", item and (not event or event.fact == item.fact))
        end
        if event then
          touched[event] = call.name
        elseif item and item.fact then
          touched[item.fact] = call.name
        end
      end
    end
    for _, event in ipairs(events[i]) do
      local held = false
      for _, item in ipairs(steps[i].view) do
        held = held or (event.fact and item.fact == event.fact)
      end
      if event.kind == "talk" then
        note("talk kept", touched[event])
      elseif event.kind == "retract" and held then
        note("retraction deleted", touched[event.fact] == "memory_delete")
      elseif event.kind == "change" and held then
        note("change updated", touched[event] == "memory_update")
      elseif event.kind ~= "repeated" and event.kind ~= "retract" and not held then
        note("new inserted", touched[event] == "memory_insert")
      end
    end
  end
  local line = {}
  for _, name in ipairs { "valid", "content", "id", "new inserted", "change updated", "retraction deleted", "talk kept" } do
    local got = count[name] or { 0, 0 }
    line[#line + 1] = string.format("%s %.1f%%", name, 100 * got[1] / math.max(1, got[2]))
  end
  return string.format("temperature %.1f: ", temperature) .. table.concat(line, ", ")
end

local policy, last
if option.policy == "" then
  policy, last = make()
else
  policy = fm.model.load { path = option.policy }
  last = policy:encode { text = "<|im_end|>" }[1]
end
print(tostring(policy))
-- The tokens of pieces, as a set.
local function tokens_of(pieces)
  local set = {}
  for _, piece in ipairs(pieces) do
    set[policy:encode { text = piece }[1]] = true
  end
  return set
end
local before_id, begins = tokens_of(wire.before_id), tokens_of(wire.begins)
local trainer = fm.sft.new { policy = policy, beta2 = 0.98, weight_decay = 0.01 }

local run = arguments.open_run { seed = option.seed, arguments = record }
local step, tokens, episode, before, loss, waiting = run:restore { trainer = trainer }, 0, 0, 0, nil, {}
if step > 0 then
  local state = fm.json.decode { text = fm.read { path = run.path .. "/state.json" } }
  tokens, episode, before = state.tokens, state.episode, state.seconds
  print(string.format("resuming after step %d", step))
end
local began = fm.seconds {} - before

-- Saves what `--resume` continues from. Texts that wait to be learned are not kept; the next episodes take their place.
local function save()
  fm.write {
    path = run.path .. "/state.json",
    text = fm.json.encode { value = { tokens = tokens, episode = episode, seconds = fm.seconds {} - began } },
  }
  run:checkpoint { step = step, trainer = trainer }
end

-- The next sequences of several episodes, about batch_tokens tokens in all.
local function batch(progress)
  local sequences, size = {}, 0
  while size < batch_tokens do
    if #waiting == 0 then
      for _ = 1, 16 do
        episode = episode + 1
        local rng = fm.rng.new { seed = { option.seed, 1, episode } }
        for _, example in ipairs(play(progress, option.seed * 1000003 + episode, rng)) do
          waiting[#waiting + 1] = example
        end
      end
      fm.rng.new({ seed = { option.seed, 2, episode } }):shuffle { list = waiting }
    end
    local example = table.remove(waiting)
    local prompt, completion = policy:encode { text = example.prompt }, policy:encode { text = example.completion }
    local all, weights = prompt, {}
    for i = 1, #prompt - 1 do
      weights[i] = progress < 0.3 and prompt_weight or 0
    end
    completion[#completion + 1] = last
    for _, token in ipairs(completion) do
      weights[#weights + 1] = before_id[all[#all]] and id_weight or begins[token] and choice_weight or 1
      all[#all + 1] = token
    end
    sequences[#sequences + 1], size = { tokens = all, weights = weights }, size + #all
  end
  return sequences, size
end

while true do
  local progress = math.max(step / option.steps, (fm.seconds {} - began) / 60 / option.minutes)
  if progress >= 1 then
    break
  end
  step = step + 1
  local sequences, size = batch(progress)
  local rate = top_rate * math.min(1, step / warm_up) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
  local stats = trainer:step { sequences = sequences, lr = rate }
  tokens, loss = tokens + size, loss and 0.95 * loss + 0.05 * stats.loss or stats.loss
  if step % 50 == 0 then
    local seconds = fm.seconds {} - began
    print(string.format("step %d  %.2fM tokens  %.0f s  %.1fk tokens/s  loss %.3f", step, tokens / 1e6, seconds, tokens / seconds / 1e3, loss))
  end
  if step % 400 == 0 then
    save()
    policy:save { path = option.out, dtype = "f16" }
    print(examine(policy, 1))
  end
  if fm.stopping {} then
    save()
    print("stopped; resume with: finemem-engine run --resume " .. run.path)
    return
  end
end

-- Real texts have tokens that these texts hardly have, and the policy has to copy them too.
print(string.format("%d new embeddings", policy:redraw { seed = option.seed }))
policy:save { path = option.out, dtype = "f16" }
print(string.format("%d steps, %.1f million tokens, %.0f minutes", step, tokens / 1e6, (fm.seconds {} - began) / 60))
print(examine(policy, 0))
print(examine(policy, 1))
