-- Carries out the recorded calls of a rollout once more, on a flat memory, with or without some of them.

local replay = {}

local run = {}
for _, tool in ipairs(require "tools.flat") do
  run[tool.name] = tool.run
end

-- Carries out a call of a step, and returns the id that it wrote. `ids` has the ids that items have on this memory, where they differ.
local function carry_out(memory, step, call, ids)
  local arguments = table.clone(call.arguments)
  arguments.memory_id = ids[arguments.memory_id] or arguments.memory_id
  return run[call.tool](memory, arguments, { calls = step.calls, chunk = step.chunk })
end

-- Whether a call changed the memory: an operation.
function replay.changed(call)
  return call.valid and call.tool ~= "memory_skip"
end

-- The memory before each step, from the first memory on; the last is the memory at the end. Steps count from `first`.
function replay.memories(steps, first, memory)
  local memories = { memory }
  for t, step in ipairs(steps) do
    memory = memory:copy {}
    memory:set_step { step = first + t - 1 }
    for _, call in ipairs(step.calls) do
      if call.valid then
        carry_out(memory, step, call, {})
      end
    end
    memories[t + 1] = memory
  end
  return memories
end

-- The memory after step `last` if operation `left_out` of step t had not been there, or none of that step's operations if it is nil.
-- All other calls are carried out as recorded. One on an item that is missing fails. One that only the memory refused is tried again.
function replay.without(play, t, left_out, last)
  local played, memory, ids = play.memories[t]:copy {}, play.memories[t]:copy {}, {}
  for s = t, last do
    local step, number = play.steps[s], play.first + s - 1
    played:set_step { step = number }
    memory:set_step { step = number }
    for c, call in ipairs(step.calls) do
      if call.valid then
        local id = carry_out(played, step, call, {})
        local done, own = false, nil
        if s > t or left_out and left_out ~= c then
          done, own = pcall(carry_out, memory, step, call, ids)
        elseif call.tool == "memory_insert" then
          -- What is left out uses up its id: a policy that goes on then sees the same ids.
          memory:delete { id = memory:insert { content = "(left out)" } }
        end
        if call.tool == "memory_insert" then
          -- No item has the id 0.
          ids[id] = done and own or 0
        end
      elseif call.parsed and run[call.tool] and not pcall(carry_out, played:copy {}, step, call, {}) then
        -- The memory refused it, not the check of its arguments.
        pcall(carry_out, memory, step, call, ids)
      end
    end
  end
  return memory
end

return replay
