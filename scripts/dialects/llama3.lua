-- Calls as Llama 3.1 and 3.2 models write them when asked for JSON:
--
--   {"name": "memory_insert", "parameters": {"content": "…"}}
--
-- with or without <|python_tag|> before it. Several calls are a JSON list, or are separated by semicolons, commas or line breaks. The
-- models' chat templates describe the tools. An answer of nothing but such objects in code fences is read too (`json`), and its calls are
-- counted as untagged.

local fm = require "finemem"

local TAG = "<|python_tag|>"

-- Where the next object begins: at a brace that is followed by a quoted name, a bare "name", a closing brace or the end of the text. Other
-- braces are chatter.
local function opening(text, from)
  local first
  for _, pattern in ipairs { "{%s*[\"'}]", "{%s*name", "{%s*$" } do
    local at = text:find(pattern, from)
    first = at and math.min(at, first or at) or first
  end
  return first
end

-- Extends an object from `first` to `last` by the tag, brackets and separators around it, but not to before `from`.
local function grown(text, first, last, from)
  local before = text:sub(from, first - 1)
  local list = before:match "%[%s*$" or ""
  before = before:sub(1, #before - #list)
  local tag = before:match "%s*$"
  tag = before:sub(1, #before - #tag):sub(-#TAG) == TAG and TAG .. tag or ""
  last = select(2, text:find("^%s*[%];,]+", last + 1)) or last
  return first - #list - #tag, last
end

local function understand(raw, value)
  if type(value) ~= "table" or value[1] ~= nil then
    return { raw = raw, error = "the call is not a JSON object" }
  end
  local name = type(value.name) == "string" and value.name ~= "" and value.name or nil
  local arguments = value.parameters
  if arguments == nil then
    arguments = value.arguments
  end
  if not name then
    return { raw = raw, error = "the call names no tool" }
  elseif type(arguments) ~= "table" or arguments[1] ~= nil then
    return { raw = raw, name = name, error = '"parameters" is not a JSON object' }
  end
  return { raw = raw, name = name, arguments = arguments }
end

return {
  name = "llama3",
  json = true,

  parse = function(text)
    local calls, at = {}, 1
    while true do
      local first = opening(text, at)
      if not first then
        return calls
      end
      local ok, found = pcall(fm.json.scan, { text = text, from = first })
      local last, call
      if ok then
        first, last = grown(text, first, found.next - 1, at)
        call = understand(text:sub(first, last), found.value)
      else
        -- A call that cannot be read extends to the next line that begins an object, or to the end.
        local next_line = text:find('\n[%s%[]*{%s*"', first) or text:find('[;,]%s*{%s*"name"', first)
        first, last = grown(text, first, next_line and next_line - 1 or #text, at)
        call = { raw = text:sub(first, last), error = "not JSON: " .. (tostring(found):match "JSON value: ([^\n]*)" or "it is empty") }
      end
      calls[#calls + 1] = call
      at = last + 1
    end
  end,

  write = function(call)
    local name, arguments = fm.json.encode { value = call.name }, fm.json.encode { value = call.arguments }
    return string.format('{"name": %s, "parameters": %s}', name, arguments)
  end,
}
