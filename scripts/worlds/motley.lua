-- Statements of any look, for pretraining: relations, wordings, values, bullets, headers and talk are made up for each episode. Nothing means
-- anything, so a policy learns to compare and to copy whatever stands there. worlds/episode.lua says what an episode is.

local texts = require "lib.texts"
local names = require "worlds.names"
local common = require "worlds.words"
local world = require "worlds.episode"

local function list(text)
  local out = {}
  for word in text:gmatch "%S+" do
    out[#out + 1] = word
  end
  return out
end

local function pick(rng, from)
  return rng:pick { list = from }
end

local function number(rng, low, high)
  return rng:integer { low = low, high = high }
end

local small = list "of in at by for with from to on as is was has the a an and its this that under over into before after now"
local months = list "January February March April May June July August September October November December"
local signs = list "* - • > + ~ # = »"

-- Values and subjects that are not names of anything.
local codes = {
  function(rng) return string.format("%d", number(rng, 1, pick(rng, { 9, 99, 9999, 999999 }))) end,
  function(rng) return string.format("%d:%02d", number(rng, 0, 23), number(rng, 0, 59)) end,
  function(rng) return number(rng, 1, 31) .. " " .. pick(rng, months) end,
  function(rng) return pick(rng, months) .. " " .. number(rng, 1, 31) .. pick(rng, { "", ", " .. number(rng, 1900, 2099) }) end,
  function(rng) return string.format("%d-%02d-%02d", number(rng, 1900, 2099), number(rng, 1, 12), number(rng, 1, 31)) end,
  function(rng) return string.format("%d.%d%s", number(rng, 0, 30), number(rng, 0, 40), pick(rng, { "", "." .. number(rng, 0, 20) })) end,
  function(rng) return "#" .. number(rng, 1, 99999) end,
  function(rng) return pick(rng, { "$", "€", "No. ", "@", "" }) .. number(rng, 1, 99999) end,
  function(rng) return number(rng, 1, 400) .. pick(rng, { " %", "%", " km", " EUR", "k", "/" .. number(rng, 2, 99), ",000" }) end,
  function(rng) return names.stem(rng, 1, 1):upper() .. pick(rng, { "-", "_", "/", "" }) .. number(rng, 1, 9999) end,
  function(rng) return names.stem(rng, 1, 2) .. pick(rng, { "@", ".", "/" }) .. names.stem(rng, 1, 2) end,
}

local kinds = { "person", "person", "place", "work", "firm", "club", "school", "product", "term", "number", "code", "code", "code" }

local function english(rng)
  -- `rng:pick` would copy the list.
  return common[number(rng, 1, #common)]
end

-- A word of the kind that a sentence has in its middle.
local function any_word(rng)
  local roll = rng:number()
  return roll < 0.35 and pick(rng, small) or roll < 0.7 and english(rng) or names.stem(rng, 1, 2)
end

-- A name of one to three English words.
local function plain_name(rng)
  local parts = {}
  for i = 1, number(rng, 1, 3) do
    parts[i] = english(rng):gsub("^%l", string.upper)
  end
  return table.concat(parts, " ")
end

local function name(rng, kind, variety)
  if kind == "code" then
    return pick(rng, codes)(rng)
  end
  return rng:number() < 0.3 and plain_name(rng) or names.make(rng, kind, variety)
end

-- Some words; `key` is one of them, if it is given.
local function phrase(rng, low, high, key)
  local words = {}
  for i = 1, number(rng, low, high) do
    words[i] = any_word(rng)
  end
  if key then
    table.insert(words, number(rng, 1, #words + 1), key)
  end
  return table.concat(words, " ")
end

-- A wording: the subject, then the value, as a change leaves the subject alone, with words before, between and after them. Some wordings are
-- long, so that how much two statements have in common does not say that they are about the same thing.
local function form(rng, key)
  local key_first, long = rng:number() < 0.5, rng:number() < 0.3
  local first = rng:number() < 0.3 and "" or phrase(rng, 0, long and 8 or 3, key_first and key or nil)
  local parts = { first, "{s}", phrase(rng, 1, long and 6 or 3, not key_first and key or nil),
    "{o}", rng:number() < 0.3 and phrase(rng, 1, long and 6 or 3) or "" }
  local text = table.concat(parts, " "):gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")
  return (rng:number() < 0.8 and text:gsub("^%l", string.upper) or text) .. pick(rng, { ".", ".", ".", ".", ".", "", "!" })
end

local function invent(rng)
  local key = rng:number() < 0.5 and english(rng) or names.stem(rng, 1, 3)
  local stem = form(rng, key)
  local gone = rng:number() < 0.5 and stem:gsub("{o}", pick(rng, { "no longer {o}", "not {o}" }))
    or stem:gsub("^(.-)([.!]?)$", pick(rng, { "%1 any more%2", "%1 no more%2" }))
  return {
    subject = pick(rng, kinds), object = pick(rng, kinds), ask = "What is the " .. key .. " of {s}?",
    forms = { stem, rng:number() < 0.5 and stem or form(rng, key) }, gone = gone,
  }
end

-- What stands before each line of an episode: a function of the line's number.
local before = {
  function() return function() return "" end end,
  function(rng)
    local sign = pick(rng, signs) .. " "
    return function() return sign end
  end,
  function(rng)
    local style = pick(rng, { "(%d) ", "#%d ", "%d) ", "[%d] ", "%d: ", "%d - ", "%d. ", "%d.1 " })
    return function(line) return string.format(style, line) end
  end,
  function(rng)
    local style = pick(rng, { "%s: ", "<%s> ", "%s> ", "@%s ", "%s - ", "[%s] " })
    local speakers = { names.make(rng, "person", 0.2), names.make(rng, "person", 0.2), pick(rng, codes)(rng) }
    return function() return string.format(style, pick(rng, speakers)) end
  end,
  function(rng)
    local style = pick(rng, { "%s ", "[%s] ", "%s: " })
    return function() return string.format(style, pick(rng, codes)(rng)) end
  end,
}

-- Words and names, every other time one of those that facts are about.
local function talk(rng, people)
  local parts = {}
  for i = 1, number(rng, 1, 4) do
    local what = rng:number()
    parts[i] = what < 0.5 and phrase(rng, 1, 3) or what < 0.75 and #people > 0 and people[number(rng, 1, #people)] or name(rng, pick(rng, kinds), 1)
  end
  return table.concat(parts, pick(rng, { " ", " ", ", ", ": ", ": ", " - " })) .. pick(rng, { "", "", ".", "!", "?", ":", "," })
end

local function layout(rng)
  local prefix, line, headed = pick(rng, before)(rng), number(rng, 0, 400), rng:number() < 0.3
  local paragraph = rng:number() < 0.2
  return function(events, people)
    local lines, all = {}, {}
    if headed then
      for i = 1, number(rng, 1, 3) do
        all[i] = { kind = "talk", text = talk(rng, people) }
        lines[i] = all[i].text
      end
    end
    for _, event in ipairs(events) do
      line = line + 1
      all[#all + 1] = event
      lines[#lines + 1] = (paragraph and "" or prefix(line)) .. event.text
    end
    return paragraph and texts.paragraph(lines) or table.concat(lines, "\n"), all
  end
end

return world {
  source = "motley",
  relations = {},
  invent = invent,
  name = name,
  few = { number = true, code = true },
  akin = names.akin,
  changed = function(form) return form end,
  opening = function(rng)
    return phrase(rng, 1, 3):gsub("^%l", string.upper) .. ": "
  end,
  talk = talk,
  layout = layout,
}
