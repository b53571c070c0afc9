-- Each memory design: what scripted calls do to a memory, the limits, the errors of wrong calls, and what a prompt shows.

local fm = require "finemem"
local designs = require "lib.designs"
local chat = require "prompts.chat"
local reading = require "lib.eval.reading"

local policy = fm.model.load { path = "models/tiny" }

local function open(name)
  local design = designs.open(name, { policy = policy, plain = true })
  local memory = fm.memory.new {}
  -- Carries out a call as a rollout does, but does not check the schema.
  local function call(tool, arguments)
    for _, known in ipairs(design.tools) do
      if known.name == tool then
        return known.run(memory, arguments, { calls = { { tool = tool, arguments = arguments } } })
      end
    end
    error("no tool " .. tool)
  end
  local function fails(said, tool, arguments)
    local copy = fm.json.encode { value = memory:items {} }
    local ok, why = pcall(call, tool, arguments)
    assert(not ok and tostring(why):find(said, 1, true), string.format("%s: '%s' does not say '%s'", tool, tostring(why), said))
    assert(fm.json.encode { value = memory:items {} } == copy, tool .. " failed and changed the memory")
  end
  local function view(chunk, limit)
    return design.view(memory, { chunk = chunk, step = 1, limit = limit or design.view_items })
  end
  return design, memory, call, fails, view
end

-- The items as texts: `section:id content`.
local function holds(items, ...)
  local expected = { ... }
  for i = 1, math.max(#items, #expected) do
    local item = items[i]
    local found = item and string.format("%s:%d %s", item.section, item.id, item.content)
    assert(found == expected[i], string.format("%s is not %s", tostring(found), tostring(expected[i])))
  end
end

local function prompt(design, memory, items, chunk)
  local totals = {}
  for _, item in ipairs(memory:items {}) do
    totals[item.section] = (totals[item.section] or 0) + 1
  end
  return design.prompt { memory = items, total = #memory:items {}, totals = totals, chunk = chunk, step = 1, tools = design.tools }
end

do -- layered
  local design, memory, call, fails, view = open "layered"
  call("memory_update", { memory_type = "core_memory", new_content = "Ada likes tea." })
  for i = 1, 7 do
    call("new_memory_insert", { memory_type = "semantic_memory", content = "Fact " .. i })
  end
  call("new_memory_insert", { memory_type = "episodic_memory", content = "Fact 1" })
  fails("item 2 says exactly that", "new_memory_insert", { memory_type = "semantic_memory", content = "Fact 1" })
  fails("memory_id says which", "memory_update", { memory_type = "semantic_memory", new_content = "x" })
  fails("item 9 is not in the semantic memory", "memory_update", { memory_type = "semantic_memory", memory_id = 9, new_content = "x" })
  fails("'ab3f' is no memory_id", "memory_delete", { memory_type = "episodic_memory", memory_id = "ab3f" })
  fails("no item has id 99", "memory_delete", { memory_type = "episodic_memory", memory_id = 99 })
  call("memory_update", { memory_type = "semantic_memory", memory_id = "3", new_content = "Fact two" })
  call("memory_delete", { memory_type = "semantic_memory", memory_id = 5 })
  holds(view("", 2), "core:1 Ada likes tea.", "semantic:7 Fact 6", "semantic:8 Fact 7", "episodic:9 Fact 1")
  local text = prompt(design, memory, view("", 2), "It rained.")
  for _, part in ipairs { "Core memory:\nAda likes tea.", "Semantic memory (2 of 6 items):\n[7] Fact 6", "Episodic memory (1 of 1 items):", "Text:\nIt rained." } do
    assert(text:find(part, 1, true), part)
  end
  -- A core that is too long is cut, and says so.
  local words = {}
  for i = 1, 400 do
    words[i] = "word" .. i
  end
  call("memory_update", { memory_type = "core_memory", new_content = table.concat(words, " ") })
  local core = memory:get({ id = 1 }).content
  local mark = " [content exceeds 512 tokens, truncated]"
  assert(core:sub(1, 17) == "word1 word2 word3" and core:sub(-#mark) == mark, core)
  assert(#policy:encode { text = core } <= 514, "the core has " .. #policy:encode { text = core } .. " tokens")
  local kept = select(2, core:gsub("word", ""))
  assert(#policy:encode { text = table.concat(words, " ", 1, kept + 1) } > 512 - #policy:encode { text = mark }, "a word more would fit")
  call("memory_delete", { memory_type = "core_memory" })
  fails("the core memory is empty", "memory_delete", { memory_type = "core_memory" })
end

do -- scratchpad
  local design, memory, call, fails, view = open "scratchpad"
  call("update_memory", { content = "Look for Ada." })
  for _, fact in ipairs { "Ada lives in Oska.", "Bo lives in Rin.", "It rained.", "The sun was out." } do
    call("memory_insert", { content = fact })
  end
  holds(view("", 2), "core:1 Look for Ada.", ":4 It rained.", ":5 The sun was out.")
  call("update_query", { query = "Where does Ada live?" })
  call("update_query", { query = "Where does Bo live?" })
  call("update_query", { query = "Where does Ada live?" })
  holds(view("", 1), "core:1 Look for Ada.", ":2 Ada lives in Oska.", "query:8 Where does Ada live?")
  assert(#memory:items {} == 5, "queries are no memories")
  assert(prompt(design, memory, view("", 1), "x"):find("Your query:\nWhere does Ada live?", 1, true))
  call("update_memory", { content = "Ada was found." })
  fails("item 1 is not in the long-term memory", "memory_delete", { memory_id = 1 })
  fails("item 1 is not in the long-term memory", "memory_update", { memory_id = 1, new_content = "x" })
  call("memory_update", { memory_id = 2, new_content = "Ada lives in Bem." })
  call("memory_delete", { memory_id = 4 })
  holds(memory:items {}, "core:1 Ada was found.", ":2 Ada lives in Bem.", ":3 Bo lives in Rin.", ":5 The sun was out.")
  -- All state is in the memory, so a copy behaves the same.
  local copy = fm.memory.replay { journal = memory:journal {} }
  holds(design.view(copy, { chunk = "", step = 2, limit = 1 }), "core:1 Ada was found.", ":2 Ada lives in Bem.", "query:8 Where does Ada live?")
  -- AtomMem's tags are these calls.
  local read = fm.calls.read { text = "<add_memory>a</add_memory><update_query>b</update_query><update_memory>c</update_memory>", dialect = design.dialect }
  for i, name in ipairs { "memory_insert", "update_query", "update_memory" } do
    assert(read.calls[i].tool == name)
  end
end

do -- overwrite
  local design = designs.open("overwrite", { policy = policy, plain = true, tokens = 20 })
  local memory = fm.memory.new {}
  local write = design.tools[1].run
  local read = fm.calls.read { text = "\n Ada lives in Oska. \n", dialect = design.dialect }
  assert(#read.calls == 1 and read.calls[1].tool == "memory_write" and read.stray == 0)
  assert(#fm.calls.read({ text = " \n", dialect = design.dialect }).calls == 0)
  write(memory, read.calls[1].arguments)
  assert(write(memory, read.calls[1].arguments) == nil, "the same again is no write")
  write(memory, { content = string.rep("Ada lives in Rin. ", 50) })
  local items = memory:items {}
  assert(#items == 1 and #items[1].history == 1 and items[1].section == "core")
  assert(#policy:encode { text = items[1].content } <= 20 and items[1].content:sub(1, 12) == "Ada lives in", items[1].content)
  assert(prompt(design, memory, design.view(memory, {}), "x"):find("Memory:\nAda lives in", 1, true))
end

do -- candidates
  local _, memory, call, fails, view = open "candidates"
  for _, fact in ipairs { "Ada lives in Oska.", "Bo plays the cello.", "Cy paints houses.", "It rained.", "Bo sings." } do
    call("memory_add", { content = fact })
  end
  holds(view("Cy sells paints.\nAda left Oska.", 2), ":1 Ada lives in Oska.", ":3 Cy paints houses.")
  call("memory_update", { memory_id = 1, new_content = "Ada lives in Bem." })
  holds(view("Bo sings and plays the cello.", 2), ":2 Bo plays the cello.", ":5 Bo sings.")
  fails("memory 1 is none of those that were shown", "memory_update", { memory_id = 1, new_content = "x" })
  fails("memory 4 is none of those that were shown", "memory_delete", { memory_id = 4 })
  holds(view("It rained.", 1), ":4 It rained.")
  call("memory_delete", { memory_id = 4 })
  call("memory_noop", {})
  fails("no item has id 4; the memory holds 4 items: 1-3, 5", "memory_update", { memory_id = 4, new_content = "x" })
  holds(view("", 3))
  holds(memory:items {}, ":1 Ada lives in Bem.", ":2 Bo plays the cello.", ":3 Cy paints houses.", ":5 Bo sings.")
end

do -- versions
  local _, memory, call, fails, view = open "versions"
  call("core_memory", { operation = "APPEND", content = "Ada is a baker." })
  call("core_memory", { operation = "APPEND", content = "She likes tea." })
  call("core_memory", { operation = "REPLACE", old_text = "a baker", new_text = "a painter" })
  fails("old_text is not in the core memory", "core_memory", { operation = "REPLACE", old_text = "coffee", new_text = "milk" })
  fails("REPLACE needs old_text", "core_memory", { operation = "REPLACE", content = "x" })
  fails("5001 characters, and 5000", "core_memory", { operation = "REWRITE", content = string.rep("é", 5001) })
  call("semantic_memory", { operation = "ADD", content = "Ada lives in Oska." })
  call("episodic_memory", { operation = "ADD", content = "Ada moved in May." })
  call("episodic_memory", { operation = "ADD", content = "Ada moved with Bo." })
  memory:set_step { step = 2 }
  call("semantic_memory", { operation = "UPDATE", memory_id = 2, content = "Ada lives in Rin." })
  call("episodic_memory", { operation = "MERGE", memory_ids = { 3, 4 }, content = "Ada moved with Bo in May." })
  call("semantic_memory", { operation = "SKIP" })
  call("procedural_memory", { operation = "ADD", content = "To bake, heat the oven." })
  fails("item 5 is not in the episodic memory", "episodic_memory", { operation = "UPDATE", memory_id = 5, content = "x" })
  fails("item 2 is closed", "semantic_memory", { operation = "UPDATE", memory_id = 2, content = "x" })
  fails("UPDATE needs memory_id", "semantic_memory", { operation = "UPDATE", content = "x" })
  holds(view "Where is Ada?", "core:1 Ada is a painter.\nShe likes tea.", "episodic:6 Ada moved with Bo in May.", "semantic:5 Ada lives in Rin.",
    "procedural:7 To bake, heat the oven.")
  local new = memory:get { id = 5 }
  assert(new.replaces == 2 and memory:get({ id = new.replaces }).closed == 2 and memory:get({ id = 6 }).replaces == 3)
  holds(memory:closed {}, "semantic:2 Ada lives in Oska.", "episodic:3 Ada moved in May.", "episodic:4 Ada moved with Bo.")
end

do -- intervals
  local design, memory, call, fails = open "intervals"
  call("memory_insert", { content = "Ada lives in Oska." })
  call("memory_insert", { content = "Ada has a cat." })
  memory:set_step { step = 4 }
  call("memory_replace", { memory_id = 1, new_content = "Ada lives in Rin." })
  call("memory_close", { memory_id = 2 })
  fails("item 2 is closed", "memory_close", { memory_id = 2 })
  holds(memory:items {}, ":3 Ada lives in Rin.")
  local past = memory:get { id = 1 }
  assert(past.created == 1 and past.closed == 4)
  -- She moves back: a fact may become true again.
  call("memory_replace", { memory_id = 3, new_content = "Ada lives in Oska." })
  holds(memory:retrieve { query = "Where does Ada live?", k = 9 }, ":4 Ada lives in Oska.")
  assert(#memory:retrieve { query = "Where did Ada live?", k = 9, closed = true } == 4)
  assert(design.view == "relevant")
end

do -- deferred
  local design, memory, call, fails, view = open "deferred"
  call("memory_add", { content = "Ada lives in Oska." })
  call("memory_buffer", { content = "She has a new cat; whose?" })
  -- Notes are shown with every text.
  holds(view("Nothing of this.", 1), "buffer:2 She has a new cat; whose?", ":1 Ada lives in Oska.")
  holds(view "Ada's cat is Bem.", "buffer:2 She has a new cat; whose?", ":1 Ada lives in Oska.")
  fails("item 1 is not in the buffer memory", "memory_drop", { note_id = 1 })
  fails("item 2 is not in the long-term memory", "memory_update", { memory_id = 2, new_content = "x" })
  call("memory_add", { content = "Ada's cat is Bem.", note_id = 2 })
  holds(memory:items {}, ":1 Ada lives in Oska.", ":3 Ada's cat is Bem.")
  call("memory_buffer", { content = "Note 0" })
  call("memory_update", { memory_id = 1, new_content = "Ada lives in Rin.", note_id = 4 })
  holds(memory:items {}, ":1 Ada lives in Rin.", ":3 Ada's cat is Bem.")
  for i = 1, 9 do
    call("memory_buffer", { content = "Note " .. i })
  end
  local waiting = memory:items { section = "buffer" }
  assert(#waiting == 8 and waiting[1].content == "Note 2", "the oldest note gives way")
  call("memory_drop", { note_id = waiting[1].id })
  call("memory_ignore", {})
  assert(#memory:items { section = "buffer" } == 7)
  local text = prompt(design, memory, view "Ada left.", "Ada left.")
  assert(text:find("Notes that wait for more", 1, true) and text:find("Note 9", 1, true), text)
end

-- Errors say what is wrong.
for said, wrong in pairs {
  ["there is no memory design 'flatt'; there are "] = function() designs.open("flatt", {}) end,
  ["the design 'layered' counts tokens"] = function() require "designs.layered" {} end,
  ["no chat template"] = function() chat { policy = policy } { memory = {}, total = 0, totals = {}, chunk = "x", tools = {} } end,
} do
  local ok, why = pcall(wrong)
  assert(not ok and tostring(why):find(said, 1, true), tostring(why))
end

-- Every design works in a rollout. The tiny model has never seen such prompts, and its answers do not matter.
local episode = { chunks = { "Ada lives in Oska.", "Ada lives in Rin now." }, questions = { { question = "Where does Ada live?", answers = { "Rin" } } } }
for _, name in ipairs(designs.names()) do
  local design = designs.open(name, { policy = policy, plain = true })
  local trainer = fm.grpo.new {
    policy = policy, tools = design.tools, prompt = design.prompt, dialect = design.dialect, view = design.view, view_items = design.view_items,
    retrieval = design.retrieval.retrieval, top_k = design.retrieval.top_k,
    reasoner = fm.reasoner.extractive {}, max_tokens = 24, train = false,
  }
  local rollout = trainer:rollout({ episodes = { episode }, group = 1, temperature = 0 }).rollouts[1]
  assert(#rollout.steps == 2 and rollout.steps[2].prompt:find("Ada lives in Rin now.", 1, true), name)
  local again = fm.memory.replay { journal = rollout.journal }
  assert(fm.json.encode { value = again:items {} } == fm.json.encode { value = rollout.memory }, name)
end

-- The baselines with a model: MemAgent's memory is whatever the model wrote, Mem-α's is what its calls did.
for _, name in ipairs { "mem_alpha", "memagent" } do
  local baseline = require("baselines." .. name)
  assert(baseline.name == name and baseline.chunk_tokens > 0 and baseline.answer_tokens > 0)
  local design = baseline.design { policy = policy, tokens = 64 }
  local read = reading.read { episodes = { episode }, policy = policy, design = design, tokens = 24, shown = 0, name = name }
  assert(#read[1].steps == 2 and design.retrieval.retrieval)
  local completion = read[1].steps[2].completion:match "^%s*(.-)%s*$"
  if name == "memagent" and completion ~= "" then
    holds(read[1].memory:items {}, "core:1 " .. completion)
  end
end

-- A view that returns something else is an error that names it.
local trainer = fm.grpo.new {
  policy = policy, tools = require "tools.flat", prompt = function() return "x" end, reasoner = fm.reasoner.extractive {}, max_tokens = 4,
  view = function() return "nothing" end,
}
local ok, why = pcall(trainer.rollout, trainer, { episodes = { episode }, group = 1 })
assert(not ok and tostring(why):find("what 'view' returned must be a list", 1, true), tostring(why))
