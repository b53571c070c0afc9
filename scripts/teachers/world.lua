-- The teacher of a world (worlds/teacher.lua) for any design whose prompt shows an item as "[12] its content". It knows what each sentence
-- means; like the policy it sees only the items that the prompt shows.

local teacher = require "worlds.teacher"

-- The fact that each content of an episode tells.
local function facts_of(episode)
  local facts = {}
  for _, item in ipairs(episode.memory:items {}) do
    facts[item.content] = episode.holds[item.id]
  end
  for _, events in ipairs(episode.events) do
    for _, event in ipairs(events) do
      if event.content then
        facts[event.content] = event.fact
      end
    end
  end
  return facts
end

local function careful()
  return false
end

-- `option.episodes` are those that are played. Returns the calls for an input of trainer:rollout's `teacher`.
return function(option)
  local facts = {}
  return function(input)
    local episode = option.episodes[input.episode]
    facts[episode] = facts[episode] or facts_of(episode)
    local view, known = {}, {}
    for _, item in ipairs(input.memory) do
      if input.prompt:find("[" .. item.id .. "] ", 1, true) then
        view[#view + 1] = { id = item.id, content = item.content, fact = facts[episode][item.content] }
        known[item.content] = item.id
      end
    end
    return teacher.calls(episode.events[input.step], view, known, careful)
  end
end
