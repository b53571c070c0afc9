-- A chunk as statements: what a manager without a model can keep one by one.

local statements = {}

-- A line that says who speaks: a short name, a colon, then the speech; or a role in angle brackets.
local function spoken(line)
  local name = line:match "^([^%s:.!?][^:.!?]*): "
  return name ~= nil and select(2, name:gsub("%S+", "")) <= 3 or line:match "^<%a+>" ~= nil
end

local titles = { Dr = true, Mr = true, Mrs = true, Ms = true, St = true, Jr = true, Sr = true, Prof = true, Gen = true, No = true, vs = true }

-- A line of prose, cut where sentences end plainly: not after an initial, a title or an abbreviation with dots.
local function sentences(line)
  return (line:gsub("([^%s.]*[^%s.])([.!?][\"']?) (%u)", function(word, stop, capital)
    if #word > 1 and not titles[word] then
      return word .. stop .. "\n" .. capital
    end
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
