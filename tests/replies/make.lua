-- Records what published models answer when they are asked to manage a memory: replies.jsonl, one reply a line.
--
--   finemem-engine run --device cpu tests/replies/make.lua -- MODEL FILE
--
-- MODEL is a folder in bf16 of SmolLM2-135M-Instruct (Q4_1) or Qwen2.5-Coder-0.5B-Instruct (Q5_0), opened from GGUF with transformers.
-- The template of the first has no place for tools, so the task lists them. The counts are not written here: a person counted them, by the
-- rule in the file's first line.

local fm = require "finemem"
local tools = require "tools.flat"

local policy = fm.model.load { path = fm.args[1], dtype = "bf16" }
local name = fm.args[1]:match "[^/]+$"
local templated = name:find "Qwen" ~= nil

local chunks = {
  "Ada Lovelace moved from London to Ockham in May.",
  "The cup is blue. The table is oak. Nobody likes the rain today.",
  "Marta's flight to Lisbon leaves at 7:40 on Tuesday from gate B12.",
  "Correction: the meeting is on Friday, not on Thursday. The room is the same.",
  "Tom no longer works at Brixton Bakery. He has not found another job.",
  "Good morning! How are you? Fine, thanks. And you? Fine too.",
  "The recipe needs 200 g of flour, 3 eggs and a pinch of salt. Bake it for 40 minutes at 180 degrees.",
  "Her son said: \"I'd rather be called {Max} than Maximilian\", and so they do.",
  "In 1994 the bridge over the Neris was closed. In 1996 it was opened again, painted green.",
  "User: my new phone number is 555-0134. Assistant: noted.",
}
local memory = "Memory (2 of 2 items):\n[3] The meeting is on Thursday in room 12.\n[7] Tom works at Brixton Bakery."

local task = fm.read({ path = "scripts/prompts/chat.lua" }):match "local task = %[%[\n(.-)%]%]"
if not templated then
  local lines = { "\nTools, each called as <tool_call>{\"name\": …, \"arguments\": …}</tool_call>:" }
  for _, tool in ipairs(tools) do
    lines[#lines + 1] = string.format("- %s: %s Its arguments: %s", tool.name, tool.description, fm.json.encode { value = tool.parameters })
  end
  task ..= "\n" .. table.concat(lines, "\n")
end

local one = '{"name": "memory_insert", "arguments": {"content": "Jo lives in Riga."}}'
local two = '{"name": "memory_insert", "arguments": {"content": "Riga is in Latvia."}}'
local tagged, again = "<tool_call>\n" .. one .. "\n</tool_call>", "<tool_call>\n" .. two .. "\n</tool_call>"
local function fence(text)
  return "```json\n" .. text .. "\n```"
end

-- How the model is asked: the kind, an example answer, a sentence at the end, the longest answer, the temperature, the seed, the chunks.
local kinds = {
  { "plain, greedy", nil, "", 160, 0, 2, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 } },
  { "plain, sampled", nil, "", 160, 1, 3, { 2, 4, 5, 6, 7, 9 } },
  { "plain, cut at 24 tokens", nil, "", 24, 0, 4, { 1, 7 } },
  { "plain, cut at 44 tokens", nil, "", 44, 0, 5, { 2, 7, 9 } },
  { "shown an untagged call", one, "", 120, 0, 6, { 1, 2, 5, 9 } },
  { "shown a tagged call", tagged, "", 120, 0, 7, { 1, 2, 4, 7, 9 } },
  { "shown a fence", fence(one), "", 120, 0, 8, { 1, 3, 9 } },
  { "shown a list", "[" .. one .. ", " .. two .. "]", "", 120, 0, 9, { 2, 7, 9 } },
  { "shown prose before a call", "I keep this fact.\n" .. one, "", 120, 0, 10, { 3, 8 } },
  { "shown a wrong tool", '{"name": "add_memory", "arguments": {"text": "Jo lives in Riga."}}', "", 100, 0, 11, { 1, 3 } },
  { "asked for a fence", nil, "\n\nAnswer with JSON in a ```json block.", 140, 0, 12, { 1, 4, 9 } },
  { "asked to explain", nil, "\n\nExplain in one sentence what you do before each call.", 140, 0, 13, { 2, 5 } },
  { "shown two fences", fence(one) .. "\n" .. fence(two), "", 130, 0.7, 101, { 2, 4, 9 } },
  { "shown a fence between prose", "I keep this:\n" .. fence(one) .. "\nNothing else is new.", "", 130, 0.7, 102, { 1, 5, 9 } },
  { "shown a call with parameters", (one:gsub("arguments", "parameters")), "", 100, 0.7, 103, { 2, 3, 7 } },
  { "shown a tagged call between prose", "I keep this fact.\n" .. tagged .. "\nNothing else is new.", "", 130, 0.7, 104, { 1, 4, 8 } },
  { "shown a bare fence", "```\n" .. one .. "\n" .. two .. "\n```", "", 130, 0.7, 105, { 2, 5, 10 } },
  { "shown two tagged calls, cut", tagged .. "\n" .. again, "", 64, 0.7, 106, { 2, 7, 9 } },
  { "shown two calls in lines, cut", one .. "\n" .. two, "", 60, 0.7, 107, { 2, 7, 9 } },
}

local lines = {}
for _, kind in ipairs(kinds) do
  local what, example, hint, longest, temperature, seed, numbers = table.unpack(kind, 1, 7)
  local prompts = {}
  for i, number in ipairs(numbers) do
    local messages = { { role = "system", content = task } }
    if example then
      messages[2] = { role = "user", content = "Memory: empty\n\nText:\nJo lives in Riga." }
      messages[3] = { role = "assistant", content = example }
    end
    messages[#messages + 1] = { role = "user", content = memory .. "\n\nText:\n" .. chunks[number] .. hint }
    prompts[i] = policy:apply_chat_template { messages = messages, tools = templated and tools or nil }
  end
  for i, list in ipairs(policy:generate { prompts = prompts, seed = seed, temperature = temperature, max_tokens = longest }) do
    lines[#lines + 1] = fm.json.encode { value = { model = name, kind = what, chunk = numbers[i], reply = list[1].text } }
  end
end
fm.write { path = fm.args[2], text = table.concat(lines, "\n") .. "\n" }
