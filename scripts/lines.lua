-- A file that grows by a line for each piece of work, so that a script that was stopped goes on where it was.

local fm = require "finemem"

local lines = {}

-- The whole lines of a file. A last line that was cut off is removed from it. A file that is not there has none.
function lines.read(path)
  local list = {}
  if not fm.exists { path = path } then
    return list
  end
  local text, whole = fm.read { path = path }, 0
  for line, behind in text:gmatch "([^\n]*)\n()" do
    list[#list + 1] = line
    whole = behind - 1
  end
  if whole < #text then
    fm.write { path = path, text = text:sub(1, whole) }
  end
  return list
end

-- Adds a line. It is on the disk when this returns.
function lines.add(path, line)
  fm.append { path = path, text = line .. "\n" }
end

return lines
