-- A chunk as statements: what a manager without a model can keep one by one.

local statements = {}

-- A line that says who speaks: a short name, a colon, then the speech; or a role in angle brackets.
local function spoken(line)
  local name = line:match "^([^%s:.!?][^:.!?]*): "
  return name ~= nil and select(2, name:gsub("%S+", "")) <= 3 or line:match "^<%a+>" ~= nil
end

local titles = {}
for title in ("Dr Mr Mrs Ms St Jr Sr Prof Gen Rev No Mt vs Inc Co Corp Ltd"):gmatch "%a+" do
  titles[title] = true
end

-- Whether a word ends a sentence plainly: it is no initial, title or abbreviation with dots.
function statements.ends(word)
  local stem = word:match "^[\"'(]*([^.]*)[.!?][\"')]*$"
  return stem ~= nil and #stem > 1 and not titles[stem]
end

-- A line of prose with its sentences on lines of their own.
local function sentences(line)
  return (line:gsub("(%S+) %f[%u]", function(word)
    return statements.ends(word) and word .. "\n" or nil
  end))
end

-- The lines of a chunk, in order; prose cut into sentences, a turn of a dialogue whole, a text with the line below that labels it. A
-- heading in square brackets, such as a date, stands before everything that follows it.
function statements.of(chunk)
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

return statements
