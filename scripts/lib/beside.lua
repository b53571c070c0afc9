-- The items in view that each statement of a text may be about, to be shown beside it.

local likeness = require "lib.likeness"
local texts = require "lib.texts"

local beside = {}

-- Two texts have in common the share of their words that both have, from 0 to 1, where a word counts one over the square root of the number
-- of items in view that have it. Up to three items are beside a statement: the best, if it has at least `enough` in common with it, and of
-- those that have at least the share `alike` of what the best has, the most varied (see lib/likeness.lua).
local enough, alike, most = 0.3, 0.5, 3

-- The items beside a statement. Among those that fit equally well the newest comes first.
local function candidates(statement, items, weight)
  local list = {}
  for i, item in ipairs(items) do
    local common, all = 0, item.weight
    for word in pairs(statement.set) do
      all = all + (weight[word] or 1)
      common = common + (item.set[word] and weight[word] or 0)
    end
    list[i] = { item = item, words = item.words, common = 2 * common / all, several = false }
  end
  table.sort(list, function(a, b)
    if a.common ~= b.common then
      return a.common > b.common
    end
    return a.item.id > b.item.id
  end)
  local good, best = {}, {}
  for _, one in ipairs(list) do
    if one.common >= math.max(enough, alike * list[1].common) then
      good[#good + 1] = one
    end
  end
  for i, one in ipairs(likeness.varied(statement.words, good, 0)) do
    best[i] = i <= most and one or nil
  end
  return best
end

-- The statements of `chunk`, each { text, words, set, items }, and the weights of words. `memory` lists the items in view. An entry of `items` is
-- { item, several }, where `item` has id, text, words and set, and `several` says that others have just as much in common with the
-- statement. Texts begin with a blank. `words` and `set` are those of likeness.words.
function beside.of(memory, chunk)
  local items, weight = {}, {}
  for i, item in ipairs(memory) do
    local text = " " .. item.content
    local list, set = likeness.words(text)
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
  local statements = {}
  for i, text in ipairs(texts.statements(chunk)) do
    local statement = { text = " " .. text }
    statement.words, statement.set = likeness.words(statement.text)
    statement.items = candidates(statement, items, weight)
    statements[i] = statement
  end
  return statements, weight
end

return beside
