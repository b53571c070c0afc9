-- The prompt of the tiny model: the text, sentence by sentence, each with the item in view that it may be about, and where the calls
-- start.
--
-- It explains nothing, because the tiny model learned the task by example. Each sentence and each content follows a blank, so that a
-- word has the same tokens wherever it stands, and the item behind a sentence is written as a call names it (see lib/wire.lua). An
-- item stands behind the sentence with which it shares the rarest words; items that share only common ones, and all but the best of a
-- sentence, are left out.
--
--      Oska's tutor is now Ben Ilmar.", "memory_id": 12 The tutor of Oska is Marru Velt.
--     Calls:

local wire = require "lib.wire"

-- A shared word counts 1 over the number of other lines that have it: two lines alone with a word have enough in common.
local enough = 0.5

-- The lines of a text, and the sentences of a line where their end is plain: not after an initial or an abbreviation with dots.
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
    -- Of items that fit alike, the one inserted first.
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
