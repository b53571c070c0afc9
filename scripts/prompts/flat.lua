-- The prompt of the tiny model: the sentences of the text, each followed by the item in view that it may be about, and the line that the
-- calls follow.
--
-- It explains nothing, because the tiny model learned the task by example. There is a blank before each sentence and each content, so that
-- a word has the same tokens everywhere, and an item is written the way a call names it (see lib/wire.lua). An item goes with the sentence
-- that shares the rarest words with it. Items that share only common words are left out, and so are all but the best item of a sentence.
--
--      Oska's tutor is now Ben Ilmar.", "memory_id": 12 The tutor of Oska is Marru Velt.
--     Calls:

local wire = require "lib.wire"

-- A shared word counts 1 over the number of other lines that have it, so two lines that share a word with no other line have enough in
-- common.
local enough = 0.5

-- The sentences of a text. A line is cut where a sentence clearly ends, not after an initial or an abbreviation with dots.
local function sentences(chunk)
  local list = {}
  for line in chunk:gmatch "[^\n]+" do
    local cut = line:gsub("([^%s.][^%s.][.!?]) (%u)", "%1\n%2")
    for sentence in cut:gmatch "[^\n]+" do
      list[#list + 1] = { text = sentence }
    end
  end
  return list
end

-- The sign U+FDD0 breaks what the tokenizer would take for a part of a call. It is not a part of a word.
local function words(text)
  local set = {}
  for word in text:gsub("\u{fdd0}", ""):lower():gmatch "[%w\128-\255]+" do
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
    -- Among items that fit equally well, the oldest.
    if best >= enough and (not place.item or best > place.score or best == place.score and item.id < place.item.id) then
      place.item, place.score = item, best
    end
  end
  local lines = {}
  for _, sentence in ipairs(list) do
    local about = ""
    if sentence.item then
      about = string.format("%s%d %s", wire.its_id, sentence.item.id, sentence.item.content)
    end
    lines[#lines + 1] = " " .. sentence.text .. about .. "\n"
  end
  lines[#lines + 1] = wire.call_head
  return table.concat(lines)
end
