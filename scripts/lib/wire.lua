-- How the tiny model writes the calls of the flat memory's tools: as a strict JSON encoder does, with keys in this order and ", " and ": "
-- between them. Also the line of the prompt that the calls follow.
--
-- Every part that never varies is one of `pieces`. The tiny model's tokenizer has a token for each piece, so a call costs two or three
-- tokens besides what it says. A content starts with a blank: the tokenizer keeps a blank with the word after it, and so cuts a name into
-- the same tokens in a call, in the memory and in a chunk. The tools drop the blank.

local fm = require "finemem"

local wire = {}

local insert = '<tool_call>{"name": "memory_insert", "arguments": {"content": "'
local update = '<tool_call>{"name": "memory_update", "arguments": {"new_content": "'
local its_id = '", "memory_id": '
local delete = '<tool_call>{"name": "memory_delete", "arguments": {"memory_id": '
local skip = '<tool_call>{"name": "memory_skip", "arguments": {}}</tool_call>\n'
local close_text = '"}}</tool_call>\n'
local close_id = '}}</tool_call>\n'

-- The line that the calls follow in the prompt.
wire.call_head = "Calls:\n"

-- The piece between a content and the id of the item that it replaces. The prompt writes it between an item and its id, so a policy that can
-- copy can also name the item.
wire.its_id = its_id

-- The prompt's signs around words of an item that the statement lacks, and around words of the statement that the item lacks, as wdiff writes
-- them, and around words that both have, but in another order. The last one stands before an item that is one of several.
wire.open, wire.close, wire.more, wire.more_end, wire.moved, wire.moved_end, wire.several = "[-", "-]", "{+", "+}", "[~", "~]", "[*]"

-- Fixed parts of calls and prompts, and numbers, so that three digits of an id are one token too.
wire.pieces = {
  insert, update, its_id, delete, skip, close_text, close_id, wire.call_head,
}
for number = 10, 999 do
  wire.pieces[#wire.pieces + 1] = tostring(number)
end
table.move({ wire.open, wire.close, wire.more, wire.more_end, wire.moved, wire.moved_end, wire.several }, 1, 7, #wire.pieces + 1, wire.pieces)

-- The pieces that an id follows, and those that a call begins with.
wire.before_id = { its_id, delete }
wire.begins = { insert, update, delete, skip }

-- A blank and `text`, as they are written between the quotation marks of a JSON string.
local function quoted(text)
  return (fm.json.encode { value = " " .. text }:gsub('^"(.*)"$', "%1"))
end

-- The line of a call, { statement, tool, id, content }.
function wire.line(call)
  local number, id = string.format("%d", call.statement), call.id and string.format("%d", call.id)
  if call.tool == "memory_insert" then
    return number .. insert .. quoted(call.content) .. close_text
  elseif call.tool == "memory_update" then
    return number .. update .. quoted(call.content) .. its_id .. id .. close_id
  elseif call.tool == "memory_delete" then
    return number .. delete .. id .. close_id
  end
  return number .. skip
end

return wire
