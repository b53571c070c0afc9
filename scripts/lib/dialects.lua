-- Finds out how a model writes its calls: which of scripts/dialects reads what the model's chat template shows.
--
-- The template is tried, not recognised by the model's name. It renders a call that we know, and every dialect reads the text. If it does
-- not render calls, its text for a conversation with a tool may say how one is written. If that leaves no dialect, or more than one, calls
-- are read as Hermes and Qwen write them.

local fm = require "finemem"
local arguments = require "lib.arguments"

local dialects = {}

local default = "hermes"

local known = { name = "memory_insert", arguments = { content = "The cup is blue." } }
local tool = {
  name = known.name,
  description = "Keeps one fact.",
  parameters = { type = "object", properties = { content = { type = "string" } }, required = { "content" } },
}

-- Conversations before the call. Not every template accepts a system message.
local user = { role = "user", content = "What is new?" }
local openings = { { { role = "system", content = "Keep facts." }, user }, { user } }

-- The names of all dialects.
function dialects.names()
  return arguments.names "dialects"
end

-- The text of a conversation with the tool, or nil if the template refuses it.
local function rendered(policy, messages)
  local ok, text = pcall(policy.apply_chat_template, policy, { messages = messages, tools = { tool }, add_generation_prompt = false })
  return ok and text or nil
end

-- What the template adds to a conversation for the known call, in all forms in which it takes one: templates differ in whether arguments
-- are a table or JSON text, and whether there has to be a content.
local function calls_of(policy)
  local texts = {}
  for _, opening in ipairs(openings) do
    local before = rendered(policy, opening)
    for _, arguments in ipairs(before and { known.arguments, fm.json.encode { value = known.arguments } } or {}) do
      for _, content in ipairs { "", false } do
        local call = { id = "call00001", type = "function", ["function"] = { name = known.name, arguments = arguments } }
        local messages = table.clone(opening)
        messages[#messages + 1] = { role = "assistant", content = content or nil, tool_calls = { call } }
        local text, same = rendered(policy, messages), 0
        while text and same < #before and text:byte(same + 1) == before:byte(same + 1) do
          same += 1
        end
        texts[#texts + 1] = text and text:sub(same + 1)
      end
    end
  end
  return texts
end

-- How much of `text` the dialect takes for the known call; nil if it does not read it there.
local function taken(dialect, text)
  for _, call in ipairs(fm.calls.read({ text = text, dialect = dialect }).calls) do
    if call.parsed and call.tool == known.name and fm.json.encode { value = call.arguments } == fm.json.encode { value = known.arguments } then
      return #call.raw
    end
  end
  return nil
end

-- The words around name and arguments where the dialect writes a call, such as <tool_call> and "arguments". A part of the tool's name shows
-- nothing.
local function words(dialect)
  local ok, text = pcall(dialect.write, known)
  local list = {}
  for _, part in ipairs { fm.json.encode { value = known.arguments }, known.arguments.content, known.name } do
    text = ok and text:gsub(part:gsub("%p", "%%%0"), " ") or ""
  end
  for word in text:gmatch "[^%s{:]+" do
    if word:find "[%w\128-\255]" and not known.name:find(word, 1, true) then
      list[#list + 1] = word
    end
  end
  return list
end

-- The JSON dialects read both of these keys.
local either = { ['"arguments"'] = '"parameters"', ['"parameters"'] = '"arguments"' }

-- How many words of the dialect's own way to write a call are in a text without blanks; nil unless all are.
local function shown(dialect, squeezed)
  local list = words(dialect)
  for _, word in ipairs(list) do
    local other = dialect.json and either[word] or word
    if not squeezed:find(word, 1, true) and not squeezed:find(other, 1, true) then
      return nil
    end
  end
  return #list > 0 and #list or nil
end

-- The text of a conversation with the tool, without blanks, and without JSON that describes a tool, which looks like a call.
local function instruction(policy)
  local text = rendered(policy, openings[1]) or rendered(policy, openings[2]) or ""
  local parts, at = {}, 1
  while true do
    local first = text:find("{", at, true)
    if not first then
      parts[#parts + 1] = text:sub(at)
      return (table.concat(parts):gsub("%s", ""))
    end
    local ok, found = pcall(fm.json.scan, { text = text, from = first })
    local last = ok and found.next - 1 or first
    local object = text:sub(first, last)
    local describes = object:find(tool.description, 1, true) or object:find('"properties"', 1, true)
    parts[#parts + 1] = text:sub(at, describes and first - 1 or last)
    at = last + 1
  end
end

-- The names of the dialects for which `of` gives the most; none if it gives nothing for any.
local function best(of)
  local names, most = {}, 0
  for _, name in ipairs(dialects.names()) do
    local value = of(require("dialects." .. name)) or 0
    if value > most then
      names, most = { name }, value
    elseif value == most and most > 0 then
      names[#names + 1] = name
    end
  end
  return names
end

-- The dialect of a model, and why it is this one.
function dialects.of(policy)
  if not policy.chat then
    return require("dialects." .. default), "the default, because the model has no chat template"
  end
  local names, why = {}, "its chat template writes a call so"
  for _, text in ipairs(calls_of(policy)) do
    names = #names == 0 and best(function(dialect) return taken(dialect, text) end) or names
  end
  if #names == 0 then
    local squeezed = instruction(policy)
    names, why = best(function(dialect) return shown(dialect, squeezed) end), "its chat template asks for calls so"
  end
  if #names ~= 1 then
    why = #names == 0 and "the default, because the chat template shows no call that a dialect reads"
      or "the default, because the chat template's calls may be those of " .. table.concat(names, " or ")
  end
  return require("dialects." .. (#names == 1 and names[1] or default)), why
end

-- The dialect called `name`, or without a name that of the model, and why it is this one.
function dialects.choose(name, policy)
  if not name then
    return dialects.of(policy)
  end
  local names = dialects.names()
  if not table.find(names, name) then
    error(string.format("there is no dialect '%s'; there are %s", name, table.concat(names, ", ")), 0)
  end
  return require("dialects." .. name), "--dialect names it"
end

-- The argument of a program that has a model write calls.
dialects.argument = { "dialect", dialects.names(), nil, "how the policy writes its calls; by default as its chat template shows" }

-- Says how the policy's calls are read, and why so, and notes it in `record`, for run.json. Returns the dialect that --dialect names, if it
-- names one, as lib/designs.lua takes it.
function dialects.settle(option, record, policy)
  local dialect, why = dialects.choose(option.dialect, policy)
  print(string.format("calls are read as %s writes them: %s", dialect.name, why))
  record.dialect, record.dialect_why = dialect.name, why
  return option.dialect and dialect or nil
end

return dialects
