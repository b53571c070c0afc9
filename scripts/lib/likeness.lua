-- What a statement and the items of a memory have in common.

local likeness = {}

-- The words of a text: where each begins and ends, and its key; and their keys as a set. The sign U+FDD0, which stands in what the tokenizer
-- would take for a part of a call, is not a part of a word.
function likeness.words(text)
  local list, set = {}, {}
  for first, word, behind in text:gmatch "()([%w\128-\255]+)()" do
    local key = word:gsub("\u{fdd0}", ""):lower()
    list[#list + 1], set[key] = { first = first, last = behind - 1, key = key }, true
  end
  return list, set
end

-- The words of a text and its pairs of adjacent words, as a set.
local function parts(list)
  local set = {}
  for i, word in ipairs(list) do
    set[word.key] = true
    set[word.key .. " " .. (list[i + 1] and list[i + 1].key or "")] = true
  end
  return set
end

-- Whether an item has in common with the statement what another item lacks. All three are sets.
local function adds(item, other, statement)
  for part in pairs(statement) do
    if item[part] and not other[part] then
      return true
    end
  end
  return false
end

-- The items, which are listed from the best to the worst, in another order: first those that have in common with the statement what no better
-- one has, words or pairs of adjacent words. A large memory has many items that say the same of somebody else, and the one that is outdated may
-- be behind them all. `statement`, and the `words` of each item, are lists of words.
function likeness.varied(statement, items)
  local first, rest, all, sets = {}, {}, parts(statement), {}
  for _, item in ipairs(items) do
    local own, new = parts(item.words), true
    for _, better in ipairs(sets) do
      new = new and adds(own, better, all)
    end
    table.insert(new and first or rest, item)
    sets[#sets + 1] = new and own or nil
  end
  return table.move(rest, 1, #rest, #first + 1, first)
end

return likeness
