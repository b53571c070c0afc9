-- The prompt of the tiny model: the text, sentence by sentence, each under the items in view that it may be about, and where the calls
-- start.
--
-- It explains nothing, because the tiny model learned the task by example. Each sentence and each content follows a blank, so that a
-- word has the same tokens wherever it stands (see tools/wire.lua). An item stands above the sentence with which it shares the rarest
-- words, the one that shares most right above it; items that share none, and all but the best two of a sentence, are left out.
--
--     [12] The tutor of Oska is Marru Velt.
--      Oska's tutor is now Ben Ilmar.
--     Calls:

local call_head = require("tools.wire").call_head

local most = 2

-- The lines of a text, and the sentences of a line where their end is plain: not after an initial or an abbreviation with dots.
local function sentences(chunk)
  local list = {}
  for line in chunk:gmatch "[^\n]+" do
    local cut = line:gsub("([^%s.][^%s.][.!?]) (%u)", "%1\n%2")
    for sentence in cut:gmatch "[^\n]+" do
      list[#list + 1] = { text = sentence, items = {} }
    end
  end
  return list
end

local function words(text)
  local set = {}
  for word in text:lower():gmatch "[%w\128-\255]+" do
    set[word] = true
  end
  return set
end

-- `input.memory` lists the items in view, `input.chunk` is the text.
return function(input)
  local list, frequency, contents = sentences(input.chunk), {}, {}
  for i, item in ipairs(input.memory) do
    contents[i] = words(item.content)
    for word in pairs(contents[i]) do
      frequency[word] = (frequency[word] or 0) + 1
    end
  end
  for _, sentence in ipairs(list) do
    sentence.words = words(sentence.text)
    for word in pairs(sentence.words) do
      frequency[word] = (frequency[word] or 0) + 1
    end
  end
  for i, item in ipairs(input.memory) do
    local best, place = 0, nil
    for _, sentence in ipairs(list) do
      local score = 0
      for word in pairs(contents[i]) do
        score = score + (sentence.words[word] and 1 / (frequency[word] - 1) or 0)
      end
      if score > best then
        best, place = score, sentence
      end
    end
    if place then
      table.insert(place.items, { id = item.id, content = item.content, score = best })
    end
  end
  local lines = {}
  for _, sentence in ipairs(list) do
    table.sort(sentence.items, function(a, b)
      return a.score < b.score or a.score == b.score and a.id < b.id
    end)
    for i = math.max(1, #sentence.items - most + 1), #sentence.items do
      lines[#lines + 1] = string.format("[%d] %s\n", sentence.items[i].id, sentence.items[i].content)
    end
    lines[#lines + 1] = " " .. sentence.text .. "\n"
  end
  lines[#lines + 1] = call_head
  return table.concat(lines)
end
