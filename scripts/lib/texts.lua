-- Texts without a model: a chunk cut into statements, and memories that keep texts as they are.

local fm = require "finemem"

local texts = {}

-- Whether a line says who speaks: a short name, a colon and the speech, or a role in angle brackets. A phrase such as "By the way: " is not
-- a name: it begins with a capital letter and ends with a small one.
local function spoken(line)
  local name = line:match "^([^%s:.!?][^:.!?]*): "
  if not name then
    return line:match "^<%a+>" ~= nil
  end
  return select(2, name:gsub("%S+", "")) <= 3 and not name:match "^%u.* %l%S*$"
end

local titles = {}
for title in ("Dr Mr Mrs Ms St Jr Sr Prof Gen Rev No Mt vs Inc Co Corp Ltd"):gmatch "%a+" do
  titles[title] = true
end

-- Whether a word clearly ends a sentence: it is not an initial, a title or an abbreviation with dots, unless a full stop follows its own.
function texts.ends(word)
  local stem = word:match "^[\"'(]*(.-)[.!?][\"')]*$"
  if not stem then
    return false
  end
  return stem:match "%.$" or stem:match "%d%.%d+$" or not stem:find(".", 1, true) and stem:find("[%w\128-\255].*[%w\128-\255]") and not titles[stem]
end

-- A line of prose, with each sentence on a line of its own. A letter that is not ASCII counts as a capital. A digit before a full stop ends a
-- sentence too, unless it is an ordinal number in a name: "1. FC".
local function sentences(line)
  return (line:gsub("(%S+) ()%f[%u\194-\244]", function(word, at)
    local digit = word:match "^%W?%d%.$" and not line:find("^%u%u", at)
    return (digit or texts.ends(word)) and word .. "\n" or nil
  end))
end

-- The statements of a chunk, in order: prose is cut into sentences, a turn of a dialogue stays whole, and a text stays with the line below
-- that labels it. A heading in square brackets, such as a date, is put before everything that follows it. The number or bullet of a line in a list is
-- left out.
function texts.statements(chunk)
  local list, heading, labelled = {}, "", {}
  local function add(text)
    list[#list + 1] = heading .. text
  end
  local function flush(label)
    if label then
      labelled[#labelled + 1] = label
      add(table.concat(labelled, "\n"))
    else
      for _, line in ipairs(labelled) do
        for text in (spoken(line) and line or sentences(line)):gmatch "[^\n]+" do
          add(text)
        end
      end
    end
    labelled = {}
  end
  for line in (chunk .. "\n"):gmatch "([^\n]*)\n" do
    line = line:match "^%s*(.-)%s*$"
    line = line:match "^%d+%. +(.+)$" or line:match "^[-*] +(.+)$" or line:match "^• +(.+)$" or line
    if line:match "^%[.*%]$" then
      flush()
      heading = line .. " "
    elseif line:match "^[Ll]abel:" then
      flush(line)
    elseif line == "" then
      flush()
    else
      labelled[#labelled + 1] = line
    end
  end
  flush()
  return list
end

-- A paragraph of sentences, where `statements` finds the same ones: a sentence that it would not tell from those before it has a new line.
function texts.paragraph(list)
  local lines = {}
  for i, text in ipairs(list) do
    local line = i > 1 and lines[#lines] .. " " .. text
    local found = line and texts.statements(line)
    if found and found[#found] == text and #found == #texts.statements(lines[#lines]) + 1 then
      lines[#lines] = line
    else
      lines[#lines + 1] = text
    end
  end
  return table.concat(lines, "\n")
end

-- A memory of texts as they are, each of them once, with the number of its chunk as step. `parts(chunk)` gives the texts of a chunk.
function texts.memory(chunks, parts)
  local memory, seen = fm.memory.new {}, {}
  for step, chunk in ipairs(chunks) do
    memory:set_step { step = step }
    for _, text in ipairs(parts(chunk)) do
      if text:match "%S" and not seen[text] then
        seen[text] = true
        memory:insert { content = text }
      end
    end
  end
  return memory
end

-- A memory of whole chunks.
function texts.chunks(chunks)
  return texts.memory(chunks, function(chunk) return { chunk } end)
end

return texts
