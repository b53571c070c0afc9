-- Small talk, with nothing to remember, phrases that people put before a piece of news, and the lines around a letter.

local chatter = {}

local sentences = {
  "The weather was lovely this morning.", "It rained a little after lunch.", "We had tea and talked for a while.", "Thanks for asking!",
  "I hope you are well.", "What a week it has been.", "Nothing much happened today.", "I will write again soon.", "The train was late, as always.",
  "Sorry for the short note.", "It is getting dark early these days.", "I could not sleep last night.", "The soup was too hot.",
  "Everybody laughed a lot.", "I must water the plants.", "The dog next door would not stop barking.", "Let us talk about it tomorrow.",
  "That was quite a surprise.", "I am a bit tired today.", "How time flies!", "We should meet more often.", "The queue at the bakery was endless.",
  "Do not worry about me.", "I lost my umbrella again.", "It was good to hear your voice.", "Have a nice evening.", "I need to tidy my desk.",
  "The radio played old songs all day.", "Somebody left the window open.", "I had to run for the bus.", "The coffee tastes better here.",
  "Remind me to call you back.", "It smells of fresh paint.", "We were all very hungry by then.", "I think it will snow.", "Anyway, that is all for now.",
}

local with_name = {
  "It was nice to see {s} again.", "{s} says hello.", "I ran into {s} the other day.", "{s} was in a good mood.", "We laughed about {s} for hours.",
  "I have not heard from {s} in a while.", "{s} told a long story at dinner.", "Everybody was talking about {s}.",
}

local openings = { "By the way: ", "News: ", "I heard this today: ", "Just so you know: ", "A small note: ", "They told me: " }

-- The lines above and below a letter. {s} is a person, {p} a place, {d} a day and {n} a number.
local months = { "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December" }
local headings = { "{p}, {d}", "{d}", "{p}", "Letter no. {n}", "At home, {d}", "{p}, late at night", "{d}, on the train to {p}" }
local greetings = { "Dear {s},", "My dear {s},", "Dear {s} and {s},", "Hello {s}!", "{s},", "Dear all," }
local farewells = { "Love, {s}", "Yours, {s}", "As ever, {s}", "{s}", "See you soon, {s}", "Hugs from {s} and {s}" }

-- A sentence of small talk, sometimes about one of `subjects`.
function chatter.sentence(rng, subjects)
  if #subjects > 0 and rng:number() < 0.35 then
    local name = rng:pick { list = subjects }
    return (rng:pick { list = with_name }:gsub("{s}", function() return name end))
  end
  return rng:pick { list = sentences }
end

-- Lines that may stand above and below the letters between two people: two lists.
function chatter.letter(rng, from, to, place)
  local function line(forms, person)
    local other = rng:number() < 0.5 and from or to
    local text = rng:pick({ list = forms }):gsub("{s}", person, 1)
    text = text:gsub("{s}", other):gsub("{p}", place):gsub("{n}", rng:integer { low = 2, high = 60 })
    return (text:gsub("{d}", rng:integer { low = 1, high = 28 } .. " " .. rng:pick { list = months }))
  end
  local above = { rng:number() < 0.3 and line(headings, to) or nil }
  above[#above + 1] = rng:number() < 0.8 and line(greetings, to) or nil
  return above, { rng:number() < 0.6 and line(farewells, from) or nil }
end

-- A text of sentences, which are told by `events`, between lines that tell nothing, and its events with the talk of these lines.
function chatter.around(above, text, events, below)
  local all = {}
  local function talked(lines)
    for _, line in ipairs(lines) do
      all[#all + 1] = { kind = "talk", text = line }
    end
  end
  talked(above)
  table.move(events, 1, #events, #all + 1, all)
  talked(below)
  local parts = { table.concat(above, "\n"), text, table.concat(below, "\n") }
  return (table.concat(parts, "\n\n"):gsub("^\n+", ""):gsub("\n+$", "")), all
end

function chatter.opening(rng)
  return rng:pick { list = openings }
end

return chatter
