-- The prompt of the tiny model: the statements of the text, each with the items in view that it may be about, and the line that the calls
-- follow. It explains nothing, because the tiny model learned the task by example.
--
--     1 Oska Bem's tutor is now Ilmar.", "memory_id": 12 Oska's tutor is[- Marru Velt-]. Oska{+ Bem is{+ now Ilmar
--     2 We had tea.
--     Calls:
--
-- Words of an item that the statement lacks stand in brackets. After the item there are the words of the statement that the item lacks, each
-- run of them with the word before it. So the model sees where the two differ; what that means it has to judge. There is a blank before each statement and each content, so that a
-- word has the same tokens everywhere, and an item is written the way a call names it (see lib/wire.lua).

local texts = require "lib.texts"
local wire = require "lib.wire"

-- Two texts have in common the share of their words that both have, from 0 to 1, where a word counts one over the square root of the number
-- of items in view that have it. Up to three items are beside a statement: the best, if it has at least `enough` in common with it, and those
-- that have at least the share `alike` of what the best has.
local enough, alike, most = 0.3, 0.7, 3

-- The words of a text: where each begins and ends, and its key. The sign U+FDD0 breaks what the tokenizer would take for a part of a call. It
-- is not a part of a word.
local function words(text)
  local list, set = {}, {}
  for first, word, behind in text:gmatch "()([%w\128-\255]+)()" do
    local key = word:gsub("\u{fdd0}", ""):lower()
    list[#list + 1], set[key] = { first = first, last = behind - 1, key = key }, true
  end
  return list, set
end

-- The first byte of a word, or of the blank before it.
local function start(text, word)
  return text:sub(word.first - 1, word.first - 1) == " " and word.first - 1 or word.first
end

-- The runs of words that are not in `other`, from `first` to `last`, each with the word `before` it.
local function missing(text, list, other)
  local runs, open = {}, nil
  for i, word in ipairs(list) do
    if other[word.key] then
      open = nil
    elseif open then
      open.last = word.last
    else
      open = { first = start(text, word), last = word.last, before = list[i - 1] }
      runs[#runs + 1] = open
    end
  end
  return runs
end

-- An item beside a statement.
local function candidate(item, statement)
  local parts, at = { wire.its_id, string.format("%d", item.id) }, 1
  for _, run in ipairs(missing(item.text, item.words, statement.set)) do
    table.move({ item.text:sub(at, run.first - 1), wire.open, item.text:sub(run.first, run.last), wire.close }, 1, 4, #parts + 1, parts)
    at = run.last + 1
  end
  parts[#parts + 1] = item.text:sub(at)
  for _, run in ipairs(missing(statement.text, statement.words, item.set)) do
    local before = run.before and " " .. statement.text:sub(run.before.first, run.before.last) or ""
    parts[#parts + 1] = before .. wire.more .. statement.text:sub(run.first, run.last)
  end
  return table.concat(parts)
end

-- The items beside a statement, the best first. Among those that fit equally well the newest comes first.
local function candidates(statement, items, weight)
  local list = {}
  for i, item in ipairs(items) do
    local common, all = 0, item.weight
    for word in pairs(statement.set) do
      all = all + (weight[word] or 1)
      common = common + (item.set[word] and weight[word] or 0)
    end
    list[i] = { item = item, common = 2 * common / all }
  end
  table.sort(list, function(a, b)
    if a.common ~= b.common then
      return a.common > b.common
    end
    return a.item.id > b.item.id
  end)
  local best = {}
  for i = 1, math.min(most, #list) do
    if list[i].common >= math.max(enough, alike * list[1].common) then
      best[i] = list[i].item
    end
  end
  return best
end

-- `input.memory` lists the items in view, `input.chunk` is the text.
return function(input)
  local items, weight = {}, {}
  for i, item in ipairs(input.memory) do
    local text = " " .. item.content
    local list, set = words(text)
    items[i] = { id = item.id, text = text, words = list, set = set, weight = 0 }
    for word in pairs(set) do
      weight[word] = (weight[word] or 0) + 1
    end
  end
  for word, count in pairs(weight) do
    weight[word] = count ^ -0.5
  end
  for _, item in ipairs(items) do
    for word in pairs(item.set) do
      item.weight = item.weight + weight[word]
    end
  end
  local lines = {}
  for i, text in ipairs(texts.statements(input.chunk)) do
    local statement = { text = " " .. text }
    statement.words, statement.set = words(statement.text)
    local line = { string.format("%d", i), statement.text }
    for _, item in ipairs(candidates(statement, items, weight)) do
      line[#line + 1] = candidate(item, statement)
    end
    lines[i] = table.concat(line) .. "\n"
  end
  lines[#lines + 1] = wire.call_head
  return table.concat(lines)
end
