-- Calls as Hermes and Qwen models write them:
--
--   <tool_call>
--   {"name": "memory_insert", "arguments": {"content": "…"}}
--   </tool_call>
--
-- A trainer without a dialect reads this form. The models' chat templates describe the tools.

local fm = require "finemem"

return {
  name = "hermes",
  json = true,
  parse = function(text)
    return fm.calls.hermes { text = text }
  end,
  write = function(call)
    local name, arguments = fm.json.encode { value = call.name }, fm.json.encode { value = call.arguments }
    return string.format('<tool_call>\n{"name": %s, "arguments": %s}\n</tool_call>', name, arguments)
  end,
}
