-- A line for each call of the flat memory's tools (designs/flat.lua), about a third as long as JSON:
--
--   insert Ada Lind lives in Oska.
--   update 12 Ada Lind lives in Bem.
--   delete 12
--   skip
--
-- A line may begin with the number of the statement that it is about: "3. skip". For small models, whose answers take most of a rollout's
-- time. A line that is none of these is a call that cannot be read.

local forms = {
  insert = {
    tool = "memory_insert",
    shape = "insert TEXT",
    read = function(rest)
      return rest ~= "" and { content = rest } or nil
    end,
    write = function(arguments)
      return "insert " .. arguments.content
    end,
  },
  update = {
    tool = "memory_update",
    shape = "update ID TEXT",
    read = function(rest)
      local id, content = rest:match "^(%d+) +(.+)$"
      return id and { memory_id = tonumber(id), new_content = content } or nil
    end,
    write = function(arguments)
      return string.format("update %d %s", arguments.memory_id, arguments.new_content)
    end,
  },
  delete = {
    tool = "memory_delete",
    shape = "delete ID",
    read = function(rest)
      local id = rest:match "^%d+$"
      return id and { memory_id = tonumber(id) } or nil
    end,
    write = function(arguments)
      return string.format("delete %d", arguments.memory_id)
    end,
  },
  skip = {
    tool = "memory_skip",
    shape = "skip",
    read = function(rest)
      return rest == "" and {} or nil
    end,
    write = function()
      return "skip"
    end,
  },
}

local function form_of(tool)
  for _, form in pairs(forms) do
    if form.tool == tool then
      return form
    end
  end
  error("this dialect has no line for " .. tostring(tool), 0)
end

return {
  name = "lines",

  parse = function(text)
    local calls = {}
    for line in text:gmatch "[^\n]+" do
      local word, rest = line:gsub("^%s*%d+[.:)] +", ""):match "^%s*(%a+) *(.-)%s*$"
      local form = forms[word]
      local arguments = form and form.read(rest)
      if arguments then
        calls[#calls + 1] = { raw = line, name = form.tool, arguments = arguments }
      elseif line:find "%S" then
        calls[#calls + 1] = { raw = line, error = form and string.format('a line with %s is written "%s"', word, form.shape) or "the line is no call" }
      end
    end
    return calls
  end,

  -- A line break in a content would end the call.
  write = function(call)
    local number = call.statement and string.format("%d. ", call.statement) or ""
    return number .. form_of(call.name).write(call.arguments):gsub("%s*\n%s*", " ")
  end,

  tools = function(tools)
    local lines = { "Write one line for each call:" }
    for _, tool in ipairs(tools) do
      lines[#lines + 1] = string.format("%s: %s", form_of(tool.name).shape, tool.description)
    end
    return table.concat(lines, "\n")
  end,
}
