-- A file that grows by a line for each piece of work, so that a script that was stopped can continue from there.

local fm = require "finemem"
local arguments = require "lib.arguments"

local lines = {}

-- The complete lines of a file; none if there is no such file. A last line that was cut off is removed from the file.
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

-- The episodes that are in a file of such lines already: the first of `episodes`, with the same ids and texts. Anything else in it is an
-- error. Prints how many there are.
function lines.episodes(path, episodes)
  local done = {}
  for i, line in ipairs(lines.read(path)) do
    done[i] = fm.json.decode { text = line }
    local same = episodes[i] and episodes[i].id == done[i].id and #episodes[i].chunks == #done[i].chunks
    for c, chunk in ipairs(same and episodes[i].chunks or {}) do
      same = same and done[i].chunks[c] == chunk
    end
    if not same then
      arguments.refuse("%s: line %d is the episode '%s', which the data does not have, or not in these chunks: remove the file, or name another with --out",
        path, i, done[i].id)
    end
  end
  if #done > 0 then
    print(string.format("%d of %d episodes are done", #done, #episodes))
  end
  return done
end

-- Adds a line. It is on the disk when this returns.
function lines.add(path, line)
  fm.append { path = path, text = line .. "\n" }
end

return lines
