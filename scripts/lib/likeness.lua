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
-- be behind them all. `statement`, and the `words` of each item, are lists of words. Up to `more` items that have in common with it just what
-- one of the first has come with these, and `several` of it says that there are some.
function likeness.varied(statement, items, more)
  local first, rest, all, leaders = {}, {}, parts(statement), {}
  for _, item in ipairs(items) do
    local own, leader, same = parts(item.words), nil, false
    for _, better in ipairs(leaders) do
      if not adds(own, better.parts, all) then
        leader, same = better, not adds(better.parts, own, all)
        break
      end
    end
    if not leader then
      leaders[#leaders + 1] = { item = item, parts = own, more = 0 }
    elseif same then
      leader.item.several, leader.more = true, leader.more + 1
    end
    table.insert((not leader or same and leader.more <= more) and first or rest, item)
  end
  return table.move(rest, 1, #rest, #first + 1, first)
end

return likeness
