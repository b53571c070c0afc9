-- Letters and talk about people, places, firms and things, in plain English. All names and some of the relations are made up for the
-- episode, so a policy has to copy and cannot memorise. worlds/episode.lua says what an episode is.

local texts = require "lib.texts"
local chatter = require "worlds.chatter"
local names = require "worlds.names"
local relations = require "worlds.relations"
local world = require "worlds.episode"

-- The sentences as a paragraph, between the lines above and below a letter, which tell nothing.
local function letter(rng, events, people)
  local said = {}
  for i, event in ipairs(events) do
    said[i] = event.text
  end
  local above, below = chatter.letter(rng, people[1], people[2], names.make(rng, "place", 0))
  return chatter.around(above, texts.paragraph(said), events, below)
end

local layouts = { "paragraph", "paragraph", "letter", "lines", "numbered", "dialogue" }

-- A paragraph, a letter, lines, numbered lines, or the turns of a dialogue. All texts of an episode have the same layout.
local function layout(rng)
  local kind, line = rng:pick { list = layouts }, rng:integer { low = 0, high = 400 }
  local speakers = { names.make(rng, "person", 0), names.make(rng, "person", 0) }
  return function(events)
    if kind == "letter" then
      return letter(rng, events, speakers)
    end
    local lines = {}
    for i, event in ipairs(events) do
      line = line + 1
      local before = kind == "numbered" and line .. ". " or kind == "dialogue" and speakers[line % 2 + 1] .. ": " or ""
      lines[i] = before .. event.text
    end
    return kind == "paragraph" and texts.paragraph(lines) or table.concat(lines, "\n"), events
  end
end

return world {
  source = "household",
  relations = relations.known,
  invent = relations.invent,
  name = names.make,
  few = {},
  akin = names.akin,
  changed = function(form)
    return (form:gsub(" is ([^{]*{o})", " is now %1", 1))
  end,
  opening = chatter.opening,
  talk = chatter.sentence,
  layout = layout,
}
