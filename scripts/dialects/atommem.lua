-- Actions as AtomMem's models write them, in any number of XML tags:
--
--   <add_memory>…</add_memory>
--   <modify_memory>Memory 3: …</modify_memory>
--   <delete_memory>Memory 3</delete_memory>
--
-- Adding, modifying and deleting call the tools of the flat memory (designs/flat.lua). The other actions, <update_memory> for the note,
-- <update_query> and <final_answer>, call tools with these names, for scripts that have them.

local function plain(key)
  return {
    read = function(body)
      return { [key] = body }
    end,
    write = function(arguments)
      return tostring(arguments[key])
    end,
  }
end

local actions = {
  add_memory = { tool = "memory_insert", form = plain "content" },
  modify_memory = {
    tool = "memory_update",
    form = {
      read = function(body)
        local id, content = body:match "^[Mm]emory%s*(%d+)%s*:%s*(.-)$"
        if id then
          return { memory_id = tonumber(id), new_content = content }
        end
        return nil, 'a change is written "Memory 3: new text"'
      end,
      write = function(arguments)
        return string.format("Memory %d: %s", arguments.memory_id, arguments.new_content)
      end,
    },
  },
  delete_memory = {
    tool = "memory_delete",
    form = {
      read = function(body)
        local id = body:match "^[Mm]emory%s*(%d+)%s*:?$"
        if id then
          return { memory_id = tonumber(id) }
        end
        return nil, 'a deletion is written "Memory 3"'
      end,
      write = function(arguments)
        return string.format("Memory %d", arguments.memory_id)
      end,
    },
  },
  update_memory = { tool = "update_memory", form = plain "content" },
  update_query = { tool = "update_query", form = plain "query" },
  final_answer = { tool = "final_answer", form = plain "answer" },
}

-- The next tag of an action, opening or closing: where it begins and ends, whether it is a closing tag, and the action's name.
local function tag(text, from)
  while true do
    local first, last, slash, name = text:find("<(/?)([%a_]+)%s*>", from)
    if not first then
      return nil
    elseif actions[name] then
      return first, last, slash == "/", name
    end
    from = last + 1
  end
end

return {
  name = "atommem",

  parse = function(text)
    local calls, at = {}, 1
    while true do
      local first, last, closes, name = tag(text, at)
      if not first then
        -- An answer that was cut off may end inside a tag.
        local cut = text:find("</?[%a_]*$", at)
        local word = cut and text:sub(cut):match "[%a_]+$"
        for known in pairs(actions) do
          if word and #word > 2 and known:sub(1, #word) == word then
            calls[#calls + 1] = { raw = text:sub(cut), error = "the tag is not finished" }
            break
          end
        end
        return calls
      end
      local call = { name = actions[name].tool }
      if closes then
        call.name, call.error = nil, "a closing tag without an opening one"
      else
        local next_first, next_last, next_closes, next_name = tag(text, last + 1)
        if next_closes and next_name == name then
          local body = text:sub(last + 1, next_first - 1):match "^%s*(.-)%s*$"
          last = next_last
          if body == "" then
            call.error = "the action is empty"
          else
            call.arguments, call.error = actions[name].form.read(body)
          end
        else
          local open, close = text:find("<" .. name .. ">", last + 1, true), text:find("</" .. name .. ">", last + 1, true)
          if close and (not open or close < open) then
            -- Tags inside an action are part of it and not carried out.
            last = close + #name + 2
            call.error = "another action's tag inside <" .. name .. ">"
          else
            -- Everything before the next action belongs to this one.
            last = (next_first or #text + 1) - 1
            call.error = "<" .. name .. "> is not closed"
          end
        end
      end
      call.raw = text:sub(first, last)
      calls[#calls + 1] = call
      at = last + 1
    end
  end,

  write = function(call)
    for name, action in pairs(actions) do
      if action.tool == call.name then
        return string.format("<%s>%s</%s>", name, action.form.write(call.arguments), name)
      end
    end
    error("AtomMem has no action for " .. tostring(call.name), 0)
  end,

  tools = function(tools)
    local how = {
      memory_insert = "<add_memory>text</add_memory>",
      memory_update = "<modify_memory>Memory 3: new text</modify_memory>",
      memory_delete = "<delete_memory>Memory 3</delete_memory>",
    }
    local lines = { "You act by writing these tags, as many as are needed:", "" }
    for _, tool in ipairs(tools) do
      for name, action in pairs(actions) do
        if action.tool == tool.name then
          lines[#lines + 1] = (how[tool.name] or string.format("<%s>…</%s>", name, name)) .. " " .. tool.description
        end
      end
    end
    return table.concat(lines, "\n")
  end,
}
