-- The wire format of the flat tools, written as a strict JSON encoder writes it: keys in this order, ", " and ": " between; and the
-- head of the calls in the prompt.
--
-- Everything in them that never varies is one of `pieces`. The tiny model's tokenizer holds each piece as one token, so a call costs
-- two or three tokens besides what it says. A content starts with a blank: then the tokenizer, which keeps a blank with the word
-- behind it, cuts a name into the same tokens in a call, in the memory and in a chunk. The tools drop that blank.

local fm = require "finemem"

local wire = {}

local insert = '<tool_call>{"name": "memory_insert", "arguments": {"content": "'
local update = '<tool_call>{"name": "memory_update", "arguments": {"new_content": "'
local its_id = '", "memory_id": '
local delete = '<tool_call>{"name": "memory_delete", "arguments": {"memory_id": '
local skip = '<tool_call>{"name": "memory_skip", "arguments": {}}</tool_call>'
local close_text = '"}}</tool_call>'
local close_id = '}}</tool_call>'

-- What the calls follow in the prompt.
wire.call_head = "Calls:\n"

-- What stands between a content and the id of the item that it replaces. The prompt writes the item that a sentence may be about in the
-- same way behind the sentence, so a policy that can copy can also name it.
wire.its_id = its_id

-- Fixed parts of calls and prompts, each to be one token; and numbers, so that an id of up to three digits is one token too.
wire.pieces = {
  insert, update, its_id, delete, skip, close_text, close_id, wire.call_head,
}
for number = 10, 999 do
  wire.pieces[#wire.pieces + 1] = tostring(number)
end

-- The pieces that an id follows.
wire.before_id = { its_id, delete }

-- What stands between the quotation marks of a JSON string that says `text`, a blank first.
local function quoted(text)
  return (fm.json.encode { value = " " .. text }:gsub('^"(.*)"$', "%1"))
end

function wire.insert(content)
  return insert .. quoted(content) .. close_text
end

function wire.update(id, content)
  return update .. quoted(content) .. its_id .. string.format("%d", id) .. close_id
end

function wire.delete(id)
  return delete .. string.format("%d", id) .. close_id
end

function wire.skip()
  return skip
end

return wire
