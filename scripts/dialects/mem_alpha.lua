-- Calls as Mem-alpha's models write them, in Qwen-Agent's first format: any number of pairs of lines, or the word Done.
--
--   ✿FUNCTION✿: memory_insert
--   ✿ARGS✿: {"content": "…"}
--
-- An answer of the tools would begin with ✿RESULT✿. It ends the policy's answer, and calls after it do not count.

local fm = require "finemem"

local FUNCTION, ARGS, RESULT = "✿FUNCTION✿", "✿ARGS✿", "✿RESULT✿"

-- Where the first of several marks is, and which one it is.
local function find(text, from, marks)
  local best, which
  for _, mark in ipairs(marks) do
    local at = text:find(mark, from, true)
    if at and (not best or at < best) then
      best, which = at, mark
    end
  end
  return best, which
end

local function trimmed(text)
  return text:match "^%s*(.-)%s*$"
end

-- The call whose mark is at `first`, and where it ends.
local function read(text, first)
  local head = first + #FUNCTION
  local stop, mark = find(text, head, { FUNCTION, ARGS, RESULT })
  local name = trimmed(text:sub(head, (stop or #text + 1) - 1):gsub("^%s*:", "", 1))
  local broken = function(last, why)
    local known = name:match "^[%w_%-]+$"
    return { raw = text:sub(first, last), name = known, error = why }, last
  end
  if mark ~= ARGS then
    return broken((stop or #text + 1) - 1, "the call has no " .. ARGS)
  end
  local begin = text:find("[^%s:]", stop + #ARGS)
  local ok, found
  if begin then
    ok, found = pcall(fm.json.scan, { text = text, from = begin })
  end
  if not ok then
    local after = find(text, stop + #ARGS, { FUNCTION, ARGS, RESULT })
    return broken((after or #text + 1) - 1, begin and "the arguments are not JSON" or "the arguments are empty")
  end
  local last = found.next - 1
  if not name:find "^[%w_%-]+$" then
    return broken(last, "the call names no tool")
  elseif type(found.value) ~= "table" or found.value[1] ~= nil then
    return broken(last, "the arguments are not a JSON object")
  end
  return { raw = text:sub(first, last), name = name, arguments = found.value }, last
end

return {
  name = "mem_alpha",
  stop = { RESULT },

  parse = function(text)
    local calls, at, ended = {}, 1, false
    while true do
      local first, mark = find(text, at, { FUNCTION, ARGS, RESULT })
      if not first then
        return calls
      end
      local call, last
      if mark == FUNCTION then
        call, last = read(text, first)
        if ended then
          call.error = "the call stands after " .. RESULT
        end
        calls[#calls + 1] = call
      elseif mark == ARGS then
        last = (find(text, first + #ARGS, { FUNCTION, ARGS, RESULT }) or #text + 1) - 1
        calls[#calls + 1] = { raw = text:sub(first, last), error = "arguments without " .. FUNCTION }
      else
        ended, last = true, first + #RESULT - 1
      end
      at = last + 1
    end
  end,

  write = function(call)
    return string.format("%s: %s\n%s: %s", FUNCTION, call.name, ARGS, fm.json.encode { value = call.arguments })
  end,

  tools = function(tools)
    local lines = { "You can call these tools:", "" }
    for _, tool in ipairs(tools) do
      lines[#lines + 1] = string.format("- %s: %s Its arguments: %s", tool.name, tool.description, fm.json.encode { value = tool.parameters })
    end
    lines[#lines + 1] = ""
    lines[#lines + 1] = "Write two lines for each call, one call after the other. Answer Done if there is nothing to call."
    lines[#lines + 1] = FUNCTION .. ": name of the tool"
    lines[#lines + 1] = ARGS .. ": arguments as a JSON object"
    return table.concat(lines, "\n")
  end,
}
