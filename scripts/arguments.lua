-- Reads a script's own arguments: those after `--` on the command line.

local fm = require "finemem"

local arguments = {}

-- `known` holds every argument with its default: `{ steps = 60, out = false }` reads `--steps 80 --out runs/a`. A default that is a number
-- asks for one, and yes or no for one of the two; false means that nothing is set. An argument that is not known is an error that lists the
-- known ones.
function arguments.read(known)
  local value, names = {}, {}
  for name, default in pairs(known) do
    value[name] = default
    names[#names + 1] = "--" .. name
  end
  table.sort(names)
  local i = 1
  while i <= #fm.args do
    local name = fm.args[i]:match("^%-%-([%w_]+)$")
    if not name or known[name] == nil then
      error(string.format("unknown argument '%s'; known: %s", fm.args[i], table.concat(names, " ")), 0)
    end
    local text = fm.args[i + 1]
    if text == nil or text:sub(1, 2) == "--" then
      error(string.format("--%s needs a value", name), 0)
    end
    if type(known[name]) == "number" then
      value[name] = tonumber(text) or error(string.format("--%s needs a number, not '%s'", name, text), 0)
    elseif (known[name] == "yes" or known[name] == "no") and text ~= "yes" and text ~= "no" then
      error(string.format("--%s is yes or no, not '%s'", name, text), 0)
    else
      value[name] = text
    end
    i = i + 2
  end
  return value
end

return arguments
