-- Made-up names: of people, places, firms, ships, titles and so on.
--
-- Names share their parts on purpose: people share first and last names, and firms, bridges and schools are named after people and towns.
-- No name is part of another one of its kind, so an answer cannot contain two of them by accident.

local names = {}

local function words(text)
  local list = {}
  for word in text:gmatch "%S+" do
    list[#list + 1] = word
  end
  return list
end

local onset = words "b br c ch d dr f fl g gl h j k kl kr l m n p pr r s sk sl st t th tr v w z"
local vowel = words "a a a e e e i i o o u ö é å ai ei"
local middle = words "l r n m s t d v b k ll rr nn st nd rt lm sk lv mb"
local close = words "n l r s k t rn ld nk st lm rd nt x lk"
local first_end = words "a a o e in is an ena ilo ette ric us"
local last_end = { "", "", "er", "inger", "quist", "ow", "ardt", "elli", "ovan", "mark", "by" }
local town_end = words "wick mere stead vik gard holt ness dell burn haven"
local noun = words [[clockmaker orchard lantern harbour widow fiddler tide meadow winter staircase fox candle letter miller garden storm window
  mirror owl thread road bell shepherd attic compass frost ribbon island heron plover anchor kettle apron ladder swan cellar]]
local adjective = words "last silent blue crooked hidden long second burning borrowed patient empty golden broken distant grey early"
local number = words "two three four five six seven nine"

-- What names of these kinds are; they are the same in every list.
local common = {
  animal = words "otter badger heron stag salmon hedgehog owl fox lynx raven tortoise swan beaver goat weasel",
  instrument = words "oboe cello harp bassoon viola trombone clarinet flute zither lute dulcimer tuba piccolo",
  cargo = words "salt wool tin pepper tobacco barley cotton coal marble tea rice copper wax",
  colour = words "red ochre black green white brown violet orange turquoise pink",
  stone = words "granite slate sandstone basalt flint limestone gneiss marble tuff",
  month = words "January February March April May June July August September October November December",
  fish = words "perch trout pike carp eels roach bream char tench whitefish",
  ingredient = words "leeks barley chestnuts lentils turnips eel buckwheat plums mutton pumpkin beans cheese walnuts cabbage",
}
local article = { animal = "a", instrument = "the" }

local function capital(text)
  return text:sub(1, 1):upper() .. text:sub(2)
end

-- A name with its indefinite article.
function names.a(text)
  return (text:find "^[AEIOUaeiou]" and "an " or "a ") .. text
end

-- The name in a sentence.
function names.spoken(entity)
  return entity.article == "a" and names.a(entity.name) or entity.article == "the" and "the " .. entity.name or entity.name
end

-- Makes names of each kind, as many as `count` says, from a stream of random numbers. Gives lists of { name, kind, article } by kind.
function names.make(rng, count)
  local function pick(list)
    return list[rng:integer { high = #list }]
  end
  local function chance(share)
    return rng:number() < share
  end

  local known = {}
  -- Syllables that are used once, in lower case.
  local function stem(ends)
    local text
    repeat
      text = pick(onset) .. pick(vowel) .. pick(middle) .. (ends or pick(vowel) .. pick(close))
    until not known[text] and #text >= 4
    known[text] = true
    return text
  end

  local function pool(size, make)
    local list = {}
    for i = 1, size do
      list[i] = make()
    end
    return list
  end
  local size = math.ceil(2.2 * math.sqrt(count.person))
  local firsts = pool(size, function() return capital(stem(pick(first_end))) end)
  local lasts = pool(2 * size, function() return capital(pick(onset) .. pick(vowel) .. pick(close) .. pick(last_end)) end)
  local towns = pool(count.town, function() return capital(stem "") .. pick(town_end) end)

  local unused = table.clone(towns)

  local function first() return pick(firsts) end
  local function last() return pick(lasts) end
  local function town() return pick(towns) end
  local function a_noun() return capital(pick(noun)) end
  local function an_adjective() return capital(pick(adjective)) end
  local function plural(text)
    text = text or a_noun()
    return text == "Fox" and "Foxes" or text == "Compass" and "Compasses" or text:gsub("y$", "ie") .. "s"
  end
  local function joined(form, change)
    local one, other = a_noun(), a_noun()
    while other == one do
      other = a_noun()
    end
    return form:format(change and change(one) or one, change and change(other) or other)
  end
  local function the(text) return text, "the" end

  local function title()
    return pick {
      function() return joined "The %s and the %s" end,
      function() return "The " .. an_adjective() .. " " .. a_noun() end,
      function() return "The " .. plural() .. " of " .. town() end,
      function() return joined "In the %s of the %s" end,
      function() return "To the " .. a_noun() .. " and Back" end,
      function() return "Where the " .. a_noun() .. " Ends" end,
      function() return capital(names.a(an_adjective())) .. " " .. a_noun() .. " in " .. town() end,
      function() return "Letters to " .. names.a(a_noun()) end,
      function() return first() .. " and the " .. a_noun() end,
      function() return capital(pick(number)) .. " " .. plural() .. " for " .. first() end,
    }()
  end

  local make = {
    person = function()
      local draw = rng:number()
      if draw < 0.8 then
        return first() .. " " .. last()
      elseif draw < 0.88 then
        return first() .. " " .. pick(words "B. D. H. K. M. T.") .. " " .. last()
      elseif draw < 0.95 then
        return first() .. " " .. pick(words "van dal de") .. " " .. last()
      end
      return first() .. " " .. last() .. "-" .. last()
    end,
    town = function() return table.remove(unused) end,
    river = function()
      local name = capital(stem "")
      return the(chance(0.5) and "River " .. name or name .. " River")
    end,
    lake = function() return "Lake " .. capital(stem()) end,
    mountain = function()
      local name = capital(stem())
      return chance(0.5) and "Mount " .. name or name .. " Peak"
    end,
    bridge = function()
      if chance(0.4) then
        return the("Bridge of the " .. capital(pick(number)) .. " " .. plural())
      end
      return last() .. " Bridge"
    end,
    ship = function()
      return the(pick {
        function() return an_adjective() .. " " .. a_noun() end,
        function() return a_noun() .. " of " .. town() end,
        function() return joined "%s and %s" end,
        function() return first() .. " " .. last() end,
      }())
    end,
    firm = function()
      local trade = pick(words "Rope Timber Glass Salt Paper Lamp Wool Iron Cask Copper")
      local draw = rng:integer { high = 6 }
      if draw == 1 then
        return the(town() .. " " .. trade .. " Company")
      end
      return last() .. ({ "", " & Sons", " & Daughters", " and " .. last(), " Brothers", " " .. trade .. " Works" })[draw]
    end,
    chapel = function()
      if chance(0.3) then
        return the("Chapel of the " .. an_adjective() .. " " .. a_noun())
      elseif chance(0.3) then
        return last() .. " Chapel"
      end
      return the("Chapel of Saint " .. first())
    end,
    book = title,
    painting = title,
    newspaper = function()
      if chance(0.5) then
        return the(last() .. " " .. pick(words "Courier Herald Observer Messenger Chronicle"))
      end
      return the(pick(words "Morning Evening Northern Southern Free Weekly") .. " " .. a_noun())
    end,
    museum = function()
      return the(pick {
        function() return last() .. " Museum" end,
        function() return joined("Museum of %s and %s", plural) end,
        function() return town() .. " Museum of " .. plural() end,
        function() return last() .. " Collection" end,
      }())
    end,
    inn = function()
      return the(pick {
        function() return joined "%s and %s" end,
        function() return capital(pick(number)) .. " " .. plural() end,
        function() return an_adjective() .. " " .. a_noun() end,
        function() return a_noun() .. " at " .. town() end,
      }())
    end,
    dish = function()
      return pick {
        function() return stem() .. " stew" end,
        function() return last() .. " pudding" end,
        function() return "sour " .. stem() end,
        function() return stem() .. " soup" end,
        function() return last() .. " pie" end,
      }()
    end,
    festival = function()
      return the(pick {
        function() return "Festival of the " .. an_adjective() .. " " .. plural() end,
        function() return "Feast of Saint " .. first() end,
        function() return "Night of the " .. capital(pick(number)) .. " " .. plural() end,
        function() return joined("Fair of %s and %s", plural) end,
      }())
    end,
    illness = function()
      return pick {
        function() return stem() .. " fever" end,
        function() return last() .. " disease" end,
        function() return pick(common.colour) .. " " .. stem() .. " cough" end,
      }()
    end,
    herb = function()
      return pick {
        function() return stem "" .. "wort" end,
        function() return pick(common.colour) .. " " .. stem() end,
        function() return stem() .. " root" end,
      }()
    end,
    school = function()
      return pick {
        function() return town() .. " Grammar School" end,
        function() return "Saint " .. first() .. " School" end,
        function() return the("School of the " .. capital(pick(number)) .. " " .. plural()) end,
        function() return last() .. " School" end,
      }()
    end,
    choir = function()
      return the(pick {
        function() return town() .. " Chamber Choir" end,
        function() return "Choir of Saint " .. first() end,
        function() return last() .. " Singers" end,
      }())
    end,
    dog = function() return capital(stem(pick(words "i y o a"))) end,
  }

  -- Which names there are: no name may be part of another one of its kind. Books and pictures have titles alike.
  local taken, spoken = {}, {}
  local function free(name, kind)
    local text = name:lower()
    for _, other in ipairs(taken[kind]) do
      if text:find(other, 1, true) or other:find(text, 1, true) then
        return false
      end
    end
    return not spoken[text]
  end

  local made = {}
  for kind, list in pairs(common) do
    made[kind] = {}
    for i, name in ipairs(list) do
      made[kind][i] = { name = name, kind = kind, article = article[kind] }
    end
  end
  for _, kind in ipairs(words [[person town river lake mountain bridge ship firm chapel book painting newspaper museum inn dish festival illness herb
    school choir dog]]) do
    taken[kind] = kind == "painting" and taken.book or {}
    made[kind] = {}
    -- A kind whose names run out has fewer.
    local failed = 0
    while #made[kind] < count[kind] and failed < 200 and (kind ~= "town" or #unused > 0) do
      failed = failed + 1
      local name, with = make[kind]()
      if free(name, kind) then
        table.insert(taken[kind], name:lower())
        spoken[name:lower()], failed = true, 0
        table.insert(made[kind], { name = name, kind = kind, article = with })
      end
    end
  end
  return made
end

return names
