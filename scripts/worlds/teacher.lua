-- A teacher for the household world. It knows what each sentence means, and writes the right calls for it.
--
-- Like the policy it only sees the items below the statements of the text. It writes a call for each statement, in order; a skip where there
-- is nothing to do. With care = 1 its calls are right. With less care it makes the mistakes that training is meant to cure: it inserts what
-- it should update, so that the stale item stays; it keeps small talk; it overlooks that something is no longer true; and it inserts a
-- reworded fact that it already has.

local wire = require "lib.wire"
local prompt = require "prompts.flat"
local statements = require "views.statements"

local teacher = {}

-- The chance of each mistake with care = 0.
local mistakes = { change = 1, talk = 0.5, retract = 1.2, repeated = 0.8, stale = 1.2 }

-- The prompt for this text, and the items that it shows, in order of id. `k` is the most items in view.
function teacher.view(memory, chunk, k)
  local found = statements(memory, { chunk = chunk, limit = k })
  local text, shown = prompt { memory = found, chunk = chunk }, {}
  for _, item in ipairs(found) do
    if text:find(wire.its_id .. item.id .. "\n", 1, true) then
      shown[#shown + 1] = item
    end
  end
  return text, shown
end

-- The calls for a text with these events, each { statement, tool, id, content, kind, fact }, with the event's `kind`. `view` has the items that
-- the prompt shows, in order of id, each { id, content, fact }, where `fact` is the fact that the item tells. `known` has the id of the item
-- that says exactly a content. `slips(kind)` says whether to make a mistake.
function teacher.calls(events, view, known, slips)
  local calls, items, by_id = {}, {}, {}
  known = table.clone(known)
  for i, item in ipairs(view) do
    items[i] = { id = item.id, content = item.content, fact = item.fact }
    by_id[item.id] = items[i]
  end

  local function call(event, statement, kind, tool, id, content)
    local item = by_id[id or 0]
    if item then
      known[item.content] = known[item.content] ~= id and known[item.content] or nil
      item.content, item.fact = content, content and item.fact
    end
    if content then
      known[content] = id or true
    end
    calls[#calls + 1] = { statement = statement, tool = tool, id = id, content = content, kind = kind, fact = event.fact }
  end

  -- The items that tell this fact, newest first.
  local function holders(fact)
    local ids = {}
    for _, item in ipairs(items) do
      if item.fact == fact then
        table.insert(ids, 1, item.id)
      end
    end
    return ids
  end

  for i, event in ipairs(events) do
    local kind, fact, content, before = event.kind, event.fact, event.content, #calls
    local held = fact and holders(fact) or {}
    if kind == "talk" then
      if slips "talk" and not known[event.text] then
        call(event, i, kind, "memory_insert", nil, event.text)
      end
    elseif kind == "retract" then
      if #held > 0 and not slips "retract" then
        for _, id in ipairs(held) do
          call(event, i, kind, "memory_delete", id)
        end
      end
    elseif known[content] then
      -- An item said so before something else was true. What was said since then is stale.
      for _, id in ipairs(kind == "change" and held or {}) do
        if id ~= known[content] and not slips "stale" then
          call(event, i, "stale", "memory_delete", id)
        end
      end
    elseif kind == "change" and #held > 0 and not slips "change" then
      call(event, i, kind, "memory_update", held[1], content)
      for j = 2, #held do
        if not slips "stale" then
          call(event, i, "stale", "memory_delete", held[j])
        end
      end
    elseif kind ~= "repeated" or #held == 0 or slips "repeated" then
      call(event, i, kind, "memory_insert", nil, content)
    end
    if #calls == before then
      call(event, i, kind, "memory_skip")
    end
  end
  return calls
end

-- Whether to make a mistake of a kind, for a teacher with this care.
function teacher.slips(care, rng)
  return function(kind)
    return rng:number() < mistakes[kind] * (1 - care)
  end
end

-- Plays an episode on `memory` (an fm.memory) and returns { prompt, completion, calls, view } for each text. `holds[id]` is the fact that
-- an item tells, and so is the `fact` of an item in view.
function teacher.play(parameters)
  local episode, memory = parameters.episode, parameters.memory or parameters.episode.memory
  local slips, holds, known, steps = teacher.slips(parameters.care or 1, parameters.rng), table.clone(episode.holds), {}, {}
  for _, item in ipairs(memory:items {}) do
    known[item.content] = item.id
  end
  for t, chunk in ipairs(episode.chunks) do
    local text, view = teacher.view(memory, chunk, parameters.k or 20)
    memory:set_step { step = t }
    for _, item in ipairs(view) do
      item.fact = holds[item.id]
    end
    local calls = teacher.calls(episode.events[t], view, known, slips)
    for _, call in ipairs(calls) do
      local before = call.id and memory:get({ id = call.id }).content
      if before then
        known[before] = known[before] ~= call.id and known[before] or nil
      end
      if call.tool == "memory_insert" then
        call.id = memory:insert { content = call.content }
        holds[call.id] = call.kind ~= "talk" and call.fact or nil
      elseif call.tool == "memory_update" then
        memory:update { id = call.id, content = call.content }
      elseif call.tool == "memory_delete" then
        memory:delete { id = call.id }
        holds[call.id] = nil
      end
      if call.content then
        known[call.content] = call.id
      end
    end
    steps[t] = { prompt = text, completion = teacher.text(calls), calls = calls, view = view }
  end
  return steps
end

-- The calls, written as the policy should write them.
function teacher.text(calls)
  local lines = {}
  for i, call in ipairs(calls) do
    lines[i] = wire.line(call)
  end
  return table.concat(lines)
end

return teacher
