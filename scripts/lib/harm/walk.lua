-- A reading, operation by operation: what became of the facts. lib/harm.lua says what is counted.

-- Words in a row that count as copied.
local RUN = 4

local function words(text)
  local list = {}
  for word in text:lower():gmatch "%S+" do
    list[#list + 1] = word
  end
  return list
end

-- How many words of a chunk stand in the contents that were written with it, and how many it has.
local function copied(chunk, contents)
  local own, known, covered = words(chunk), {}, 0
  local run = math.min(RUN, #own)
  for _, content in ipairs(contents) do
    local list = words(content)
    for i = 1, #list - run + 1 do
      known[table.concat(list, " ", i, i + run - 1)] = true
    end
  end
  local upto = 0
  for i = 1, #own - run + 1 do
    if known[table.concat(own, " ", i, i + run - 1)] then
      covered = covered + i + run - 1 - math.max(upto, i - 1)
      upto = i + run - 1
    end
  end
  return covered, #own
end

-- Walks through a reading's operations and adds to the sums.
local function walk(reading, told, sums)
  local live, count, held, score = {}, {}, {}, {}
  for _, answer in ipairs(reading.answers) do
    score[answer.question] = score[answer.question] or answer.score
  end
  local ever, same = {}, {} -- facts that were told at the end of a step; how often a text is in the memory
  local function change(text, by)
    same[text] = (same[text] or 0) + by
    for _, fact in ipairs(told.facts[text] or {}) do
      count[fact] = (count[fact] or 0) + by
    end
  end
  local function put(id, text, written)
    live[id] = { text = text, written = written }
    change(text, 1)
  end
  for _, item in ipairs(reading.initial) do
    put(item.id, item.content, 0)
  end

  local suspects, wrote, step = {}, {}, reading.first
  -- Ends the steps before `upto`.
  local function close(upto)
    for _, suspect in ipairs(suspects) do
      local wrong = suspect.bystander and same[suspect.bystander] == 0
      for _, fact in ipairs(suspect.facts) do
        wrong = wrong or (fact.from <= step and step < fact.to and count[fact] == 0)
      end
      sums["wrong_" .. suspect.kind] += wrong and 1 or 0
    end
    for _, text in ipairs(wrote) do
      for _, fact in ipairs(told.facts[text] or {}) do
        ever[fact] = ever[fact] or (count[fact] > 0 and fact.from <= step)
      end
    end
    if step < upto then
      local covered, all = copied(reading.chunks[step - reading.first + 1] or "", wrote)
      sums.copied, sums.words = sums.copied + covered, sums.words + all
    end
    for at = step + 1, upto - 1 do
      sums.words += #words(reading.chunks[at - reading.first + 1] or "")
    end
    suspects, wrote, step = {}, {}, upto
  end
  local function remove(id, kind)
    local item = live[id]
    -- What was closed before is no longer read, so nothing is lost with it.
    if not item then
      return
    end
    local facts = told.facts[item.text] or {}
    for _, fact in ipairs(facts) do
      -- It was told at the end of the step before.
      ever[fact] = ever[fact] or (item.written < step and fact.from < step)
    end
    -- A step may change its own items as it likes, as long as it leaves them right.
    local known = told.known[item.text]
    if reading.events or known then
      sums[kind] += 1
      suspects[#suspects + 1] = {
        kind = kind, facts = facts, bystander = reading.events and item.written == 0 and not known and item.text or nil,
      }
    end
    change(item.text, -1)
    live[id] = nil
  end
  for _, entry in ipairs(reading.operations) do
    if entry.step > step then
      close(entry.step)
    end
    if entry.operation == "update" then
      remove(entry.id, "updates")
    elseif entry.operation == "insert" and entry.replaces then
      remove(entry.replaces, "updates")
    elseif entry.operation ~= "insert" then
      remove(entry.id, "deletes")
    end
    if entry.content then
      put(entry.id, entry.content, step)
      wrote[#wrote + 1] = entry.content
    end
  end
  close(reading.first + #reading.chunks)

  for fact, n in pairs(count) do
    ever[fact] = ever[fact] or n > 0
  end
  for fact, was in pairs(ever) do
    if was and fact.final and score[fact.question] then
      sums.told += 1
      sums.lost += score[fact.question] < 1 and 1 or 0
    end
  end
  for _, item in pairs(live) do
    local stale = told.outdated(item.text, item.written)
    if reading.events or told.known[item.text] then
      sums.items, sums.stale = sums.items + 1, sums.stale + (stale and 1 or 0)
    end
    if reading.events and item.written > 0 then
      sums.written += 1
      sums.talk += not stale and #(told.facts[item.text] or {}) == 0 and 1 or 0
    end
  end
end

return walk
