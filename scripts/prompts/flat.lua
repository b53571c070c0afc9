-- The prompt of the tiny model: the statements of the text, each followed by the items in view that it may be about, and the line that the
-- calls follow. It explains nothing, because the tiny model learned the task by example.
--
--     1 Oska Bem's tutor is now Ilmar.
--      Oska{+ Bem+}'s tutor is[- Marru Velt-]{+ now Ilmar+}.", "memory_id": 12
--     2 We had tea.
--     Calls:
--
-- Words of an item that the statement lacks stand in [- -], and words of the statement that the item lacks in {+ +}, after the word that
-- they follow in the statement. Words that both have, but in another order, stand in [~ ~], if one of them is longer than three letters. So the
-- model sees where the two differ; what that means it has to judge. [*] before an item says that there are more in view that have just the same
-- in common with the statement: what many share tells nothing about what one of them is about.
-- The id comes last, so that a model that reads from left to right knows by then how well the item fits. There is a blank before each
-- statement and each content, so that a word has the same tokens everywhere, and an item ends the way a call names it (see lib/wire.lua).

local beside = require "lib.beside"
local wire = require "lib.wire"

-- The first byte of a word, or of the blank before it.
local function start(text, word)
  return text:sub(word.first - 1, word.first - 1) == " " and word.first - 1 or word.first
end

-- Pairs the words that an item and a statement have in common: `at[j]` is the item's word that word j of the statement is, and `kind[i]` is
-- "same" for words of the item that are in the same order, and "moved" for others. The run of words that weighs most is found first, then those
-- left and right of it, as Python's difflib does.
local function pair(item, statement, weight)
  local kind, at = {}, {}
  local function within(first, last, low, high)
    local best, length, to_i, to_j = 0, 0, nil, nil
    local before = {} -- the common run that ends at the word of the item before and at each word of the statement: { weight, length }
    for i = first, last do
      local now, key = {}, item[i].key
      for j = low, high do
        if statement[j].key == key then
          local run = before[j - 1]
          now[j] = { (run and run[1] or 0) + weight[key], (run and run[2] or 0) + 1 }
          if now[j][1] > best then
            best, length, to_i, to_j = now[j][1], now[j][2], i, j
          end
        end
      end
      before = now
    end
    if to_i then
      for back = 0, length - 1 do
        at[to_j - back], kind[to_i - back] = to_i - back, "same"
      end
      within(first, to_i - length, low, to_j - length)
      within(to_i + 1, last, to_j + 1, high)
    end
  end
  within(1, #item, 1, #statement)
  -- A short word tells little by itself.
  for j, word in ipairs(statement) do
    for i, own in ipairs(item) do
      local counts = #word.key > 3 or kind[i - 1] == "moved" and at[j - 1] == i - 1
      if counts and not at[j] and not kind[i] and own.key == word.key then
        at[j], kind[i] = i, "moved"
      end
    end
  end
  return kind, at
end

-- The runs of words of one kind: from the `first`-th to the `last`-th word of the list. `kind(i)` is nil for words that are in no run.
local function runs(list, kind)
  local found, open = {}, nil
  for i in ipairs(list) do
    local own = kind(i)
    if open and open.kind == own then
      open.last = i
    else
      open = own and { first = i, last = i, kind = own } or nil
      found[#found + 1] = open
    end
  end
  return found
end

-- The text of a run of words, with the blank before it and signs behind it that a blank follows, as after "By the way:".
local function text_of(text, list, run)
  local first, last = list[run.first], list[run.last]
  local behind = text:match("^[^%w%s\128-\255]+()%s", last.last + 1) or last.last + 1
  return text:sub(start(text, first), behind - 1)
end

local signs = { missing = { wire.open, wire.close }, moved = { wire.moved, wire.moved_end } }

-- The line of an item below a statement; `several` says that others have just as much in common with it.
local function candidate(item, several, statement, weight)
  local kind, place = pair(item.words, statement.words, weight)
  local marked, added = {}, {} -- `marked[i]`: the run that begins with word i of the item; `added[i]`: what the statement has after that word
  for _, run in ipairs(runs(item.words, function(i) return kind[i] ~= "same" and (kind[i] or "missing") or nil end)) do
    marked[run.first] = run
  end
  for _, run in ipairs(runs(statement.words, function(j) return not place[j] and "more" or nil end)) do
    local after = place[run.first - 1] or 0
    local behind = marked[after + 1]
    after = behind and behind.kind == "missing" and behind.last or after
    added[after] = (added[after] or "") .. wire.more .. text_of(statement.text, statement.words, run) .. wire.more_end
  end
  local parts, at, i = { added[0] }, 1, 1
  while i <= #item.words do
    local run = marked[i]
    local last = run and run.last or i
    local first, behind = start(item.text, item.words[i]), item.words[last].last
    if run then
      local sign = signs[run.kind]
      table.move({ item.text:sub(at, first - 1), sign[1], item.text:sub(first, behind), sign[2] }, 1, 4, #parts + 1, parts)
    else
      parts[#parts + 1] = item.text:sub(at, behind)
    end
    for word = i, last do
      parts[#parts + 1] = added[word]
    end
    at, i = behind + 1, last + 1
  end
  table.move({ item.text:sub(at), wire.its_id, string.format("%d", item.id) }, 1, 3, #parts + 1, parts)
  return (several and wire.several or "") .. table.concat(parts)
end

-- `input.memory` lists the items in view, `input.chunk` is the text.
return function(input)
  local lines = {}
  local statements, weight = beside.of(input.memory, input.chunk)
  for i, statement in ipairs(statements) do
    lines[#lines + 1] = string.format("%d", i) .. statement.text
    for _, one in ipairs(statement.items) do
      lines[#lines + 1] = candidate(one.item, one.several, statement, weight)
    end
  end
  lines[#lines + 1] = wire.call_head
  return table.concat(lines, "\n")
end
