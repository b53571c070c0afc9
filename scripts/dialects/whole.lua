-- The whole answer is one call: its text is the new memory (designs/overwrite.lua).

local function trimmed(text)
  return text:match "^%s*(.-)%s*$"
end

return {
  name = "whole",

  parse = function(text)
    local content = trimmed(text)
    if content == "" then
      return {}
    end
    return { { raw = content, name = "memory_write", arguments = { content = content } } }
  end,

  write = function(call)
    return trimmed(call.arguments.content)
  end,

  -- The task already says everything.
  tools = function()
    return ""
  end,
}
