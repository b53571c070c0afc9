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

-- Plays an episode on `memory` (an fm.memory) and returns { prompt, completion, calls, view } for each text. `holds[id]` is the fact that
-- an item tells, and so is the `fact` of an item in view. Calls are { statement, tool, id, content, kind }, with the event's `kind`.
function teacher.play(parameters)
  local episode, memory, rng = parameters.episode, parameters.memory or parameters.episode.memory, parameters.rng
  local care, k = parameters.care or 1, parameters.k or 20
  local holds, known, steps = table.clone(episode.holds), {}, {}
  for _, item in ipairs(memory:items {}) do
    known[item.content] = item.id
  end

  local function slips(kind)
    return rng:number() < mistakes[kind] * (1 - care)
  end

  for t, chunk in ipairs(episode.chunks) do
    local text, view = teacher.view(memory, chunk, k)
    local calls, statement = {}, 0
    memory:set_step { step = t }
    for _, item in ipairs(view) do
      item.fact = holds[item.id]
    end

    local function forget(id)
      local content = memory:get({ id = id }).content
      known[content] = known[content] ~= id and known[content] or nil
    end

    local function call(kind, tool, id, content)
      if tool == "memory_insert" then
        id = memory:insert { content = content }
      elseif tool == "memory_update" then
        forget(id)
        memory:update { id = id, content = content }
      elseif tool == "memory_delete" then
        forget(id)
        memory:delete { id = id }
        holds[id] = nil
      end
      if content then
        known[content] = id
      end
      calls[#calls + 1] = { statement = statement, tool = tool, id = id, content = content, kind = kind }
      return id
    end

    -- The items in view that tell this fact, newest first.
    local function holders(fact)
      local ids = {}
      for _, item in ipairs(view) do
        if holds[item.id] == fact then
          table.insert(ids, 1, item.id)
        end
      end
      return ids
    end

    for i, event in ipairs(episode.events[t]) do
      statement = i
      local kind, fact, content, before = event.kind, event.fact, event.content, #calls
      local held = fact and holders(fact) or {}
      if kind == "talk" then
        if slips "talk" and not known[event.text] then
          call(kind, "memory_insert", nil, event.text)
        end
      elseif kind == "retract" then
        if #held > 0 and not slips "retract" then
          for _, id in ipairs(held) do
            call(kind, "memory_delete", id)
          end
        end
      elseif known[content] then
        -- An item said so before something else was true. What was said since then is stale.
        for _, id in ipairs(kind == "change" and held or {}) do
          if id ~= known[content] and not slips "stale" then
            call("stale", "memory_delete", id)
          end
        end
      elseif kind == "change" and #held > 0 and not slips "change" then
        call(kind, "memory_update", held[1], content)
        for i = 2, #held do
          if not slips "stale" then
            call("stale", "memory_delete", held[i])
          end
        end
      elseif kind ~= "repeated" or #held == 0 or slips "repeated" then
        holds[call(kind, "memory_insert", nil, content)] = fact
      end
      if #calls == before then
        call(kind, "memory_skip")
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
