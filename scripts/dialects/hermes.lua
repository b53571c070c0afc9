-- Calls as Hermes and Qwen models write them:
--
--   <tool_call>
--   {"name": "memory_insert", "arguments": {"content": "…"}}
--   </tool_call>
--
-- A trainer without a dialect reads this form. The models' chat templates describe the tools. Small models often leave the tags out, so an
-- answer of nothing but such objects is read too (`json`), and its calls are counted as untagged.

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
