-- Names made up from syllables, in as many shapes as real names have: one to four words, rare letters, accents, apostrophes, hyphens,
-- initials, digits, "of the". Also lower-case words.
--
-- Plain names are one short word; the others have any shape.

local names = {}

local function list(text)
  local out = {}
  for word in text:gmatch("%S+") do
    out[#out + 1] = word == "-" and "" or word
  end
  return out
end

local function chance(rng, p)
  return rng:number() < p
end

local function pick(rng, from)
  return rng:pick { list = from }
end

-- Styles of syllables: how one may begin, its vowel, and how it may end.
local styles = {
  { list "b d f g h k l m n p r s t v j w", list "a e i o u", list "- - - n r l s m" },
  { list "b br d dr f fl g gr h k kr l m n p r s st t tr v w sh th - ch", list "a e i o u ai ea ee ou y", list "- - n r l s m nd rt ck t d ng" },
  { list "b d f g h hj k kj l m n r s sk st t v - tv", list "a e i o u y å ö ø ä é", list "- - n r l s m nn rg nd lf" },
  { list "b c č d g h j k l m n p r s š t v z ž - zl vr", list "a e i o u a e i á ě ý", list "- - n r k v c š m ł sz" },
  { list "b c d f g h l m n ñ p qu r s t v z - ch ll", list "a e i o u a o é á í ó ã ia ie", list "- - - n r s l z" },
  { list "b d gh h j k kh l m n q r s sh t th w y z x ts zh -", list "a i u a e o ā ī ū ao ei uo", list "- - n h m r sh q d ng" },
  { list "b d f g h j k l m n p ph r s ș t ț v w x z wh cr pl", list "a e i o u ü ö â ă oo au", list "- x n ck ff lt mp gh ry st" },
}

local letters = {}
for letter in ("eeeeaaaaiiioootttnnnsssrrrlllddhhuuccmmffppggwwyybbvkxjqz"):gmatch "." do
  letters[#letters + 1] = letter
end

local lower_to_upper = { ["å"] = "Å", ["ö"] = "Ö", ["ø"] = "Ø", ["ä"] = "Ä", ["é"] = "É", ["č"] = "Č", ["š"] = "Š", ["ž"] = "Ž", ["á"] = "Á",
  ["ñ"] = "Ñ", ["ș"] = "Ș", ["ț"] = "Ț", ["ü"] = "Ü", ["ā"] = "Ā", ["ī"] = "Ī", ["ū"] = "Ū", ["í"] = "Í", ["ó"] = "Ó", ["ý"] = "Ý", ["â"] = "Â" }

local function capital(word)
  return (word:gsub("^[\1-\127\194-\244][\128-\191]*", function(first)
    return lower_to_upper[first] or first:upper()
  end))
end

-- A lower-case word of one to four syllables, or sometimes of random letters.
function names.stem(rng, low, high)
  if chance(rng, 0.12) then
    local word = {}
    for i = 1, rng:integer { low = 3, high = 9 } do
      word[i] = pick(rng, letters)
    end
    return table.concat(word)
  end
  local style = styles[chance(rng, 0.5) and rng:integer { low = 1, high = 2 } or rng:integer { low = 3, high = #styles }]
  local word = ""
  for _ = 1, rng:integer { low = low or 1, high = high or 3 } do
    word = word .. pick(rng, style[1]) .. pick(rng, style[2]) .. (chance(rng, 0.6) and pick(rng, style[3]) or "")
  end
  if #word < 3 then
    word = word .. pick(rng, styles[1][1]) .. pick(rng, styles[1][2])
  end
  return word
end

-- A capitalised word, sometimes in two parts.
local function word(rng)
  local roll = rng:number()
  if roll < 0.04 then
    return capital(names.stem(rng, 1, 1)) .. "'" .. names.stem(rng, 1, 2)
  elseif roll < 0.06 then
    return pick(rng, { "O'", "D'", "Mc", "L'" }) .. capital(names.stem(rng, 1, 2))
  elseif roll < 0.10 then
    return capital(names.stem(rng, 1, 2)) .. "-" .. capital(names.stem(rng, 1, 2))
  elseif roll < 0.12 then
    return (names.stem(rng, 1, 1):upper())
  end
  return capital(names.stem(rng, 1, 3))
end

local function initial(rng)
  return string.char(64 + rng:integer { low = 1, high = 26 }) .. "."
end

local adjectives = list "Red Silent Golden Last Little Broken Blue Hidden Old Second Wild Cold Green Long Lost White Open Quiet Great Black Seven Northern"
local nouns = list "River Garden Winter Lantern Bridge Song House Island Road Clock Orchard Letter Storm Mirror Harvest Kite Stone Wheel Night Forest Star Door"
local trades = list "Brothers Works Motors Foods Group Bank Press Airways Studios Systems Mills Holdings Records Glass Tools Partners Trust Labs"
local grounds = list "United Rovers Wanderers City Athletic Stars FC RC Lions Eagles 04 Union"
local halls = list "College Academy Institute School Hall Centre Museum Library Theatre"
local ranks = list "Duke Count Lord Baron Queen Bishop Abbot Princess"

-- The shapes of names by kind of thing. Each function makes one name.
local shapes = {
  person = {
    function(rng) return word(rng) .. " " .. word(rng) end,
    function(rng) return word(rng) .. " " .. word(rng) end,
    function(rng) return word(rng) .. " " .. word(rng) end,
    word,
    function(rng) return word(rng) .. " " .. initial(rng) .. " " .. word(rng) end,
    function(rng) return initial(rng) .. " " .. initial(rng) .. " " .. word(rng) end,
    function(rng) return word(rng) .. " " .. word(rng) .. " " .. word(rng) end,
    function(rng) return word(rng) .. " " .. pick(rng, list "of von de al- ibn van di da bin the") .. " " .. word(rng) end,
    function(rng) return word(rng) .. " " .. word(rng) .. pick(rng, { " Jr.", " II", " III", ", " .. pick(rng, ranks) .. " of " .. word(rng) }) end,
  },
  place = {
    word, word, word,
    function(rng) return pick(rng, list "New Port Saint Upper Lower San North South Fort Lake") .. " " .. word(rng) end,
    function(rng) return word(rng) .. " " .. pick(rng, list "Falls City Bay Hills Springs Island Valley Park") end,
    function(rng) return word(rng) .. " " .. word(rng) end,
    function(rng) return word(rng) .. pick(rng, { "-on-", " on the ", " am ", " of the " }) .. word(rng) end,
    function(rng) return word(rng) .. ", " .. (chance(rng, 0.5) and initial(rng) .. initial(rng) or word(rng)) end,
  },
  work = {
    function(rng) return "The " .. pick(rng, adjectives) .. " " .. pick(rng, nouns) end,
    function(rng) return "The " .. pick(rng, nouns) .. " of " .. word(rng) end,
    function(rng) return pick(rng, adjectives) .. " " .. word(rng) end,
    function(rng) return word(rng) .. " of the " .. pick(rng, nouns) end,
    function(rng) return pick(rng, nouns) .. " on the " .. word(rng) .. " " .. pick(rng, nouns) end,
    function(rng) return word(rng) .. " " .. rng:integer { low = 2, high = 2100 } end,
    function(rng) return "A " .. pick(rng, nouns) .. " for " .. word(rng) .. " " .. word(rng) end,
    function(rng) return word(rng) .. " in the " .. initial(rng) .. initial(rng) .. initial(rng) end,
    word,
  },
  firm = {
    word,
    function(rng) return word(rng) .. " " .. pick(rng, trades) end,
    function(rng) return word(rng) .. " & " .. word(rng) end,
    function(rng) return word(rng) .. " " .. pick(rng, { "Inc.", "Ltd", "Company", "AG", "S.A." }) end,
    function(rng) return pick(rng, adjectives) .. " " .. word(rng) .. " " .. pick(rng, trades) end,
  },
  club = {
    function(rng) return word(rng) .. " " .. pick(rng, grounds) end,
    function(rng) return pick(rng, { "FC ", "AS ", "SV ", "Real " }) .. word(rng) end,
    function(rng) return word(rng) .. " " .. pick(rng, { "national hockey team", "chess circle", "rowing club", "choir" }) end,
    function(rng) return "The " .. word(rng) .. " " .. pick(rng, nouns) .. "s" end,
  },
  school = {
    function(rng) return word(rng) .. " " .. pick(rng, halls) end,
    function(rng) return pick(rng, halls) .. " of " .. word(rng) end,
    function(rng) return pick(rng, halls) .. " of " .. word(rng) .. ", " .. word(rng) end,
  },
  product = {
    word,
    function(rng) return word(rng) .. " " .. rng:integer { low = 1, high = 9000 } end,
    function(rng) return string.char(64 + rng:integer { low = 1, high = 26 }) .. pick(rng, { "-", "" }) .. rng:integer { low = 1, high = 999 } end,
    function(rng) return word(rng) .. word(rng) end,
  },
  term = {
    names.stem, names.stem,
    function(rng) return names.stem(rng) .. " " .. names.stem(rng) end,
    function(rng) return pick(rng, list "table water mountain street night folk royal free double long") .. " " .. names.stem(rng) end,
    function(rng) return names.stem(rng) .. "-" .. names.stem(rng, 1, 2) .. "ing" end,
  },
}

-- A name of a thing of that kind. `variety` (0 to 1) is the share of names that take any shape; the others are one short word.
function names.make(rng, kind, variety)
  local plain = not chance(rng, variety)
  if kind == "number" then
    return string.format("%d", rng:integer { low = 2, high = pick(rng, { 9, 99, 2100 }) })
  elseif plain then
    local short = names.stem(rng, 1, 2)
    return kind == "term" and short or capital(short)
  end
  return pick(rng, shapes[kind])(rng)
end

local articles = { The = true, the = true, A = true, a = true, An = true, an = true }

-- A name that is easily mistaken for `name`: it has one word more at either end, one word less, or another word in the place of one. With
-- or without an article, a name is the same.
function names.akin(rng, name)
  local words, roll = list(name), rng:number()
  local first = #words > 1 and articles[words[1]] and 2 or 1
  local at = rng:integer { low = first, high = #words }
  if first == #words or roll < 0.25 then
    table.insert(words, chance(rng, 0.5) and first or #words + 1, word(rng))
  elseif roll < 0.4 and #name - #words[at] > 4 then
    table.remove(words, at)
  else
    words[at] = word(rng)
  end
  return table.concat(words, " ")
end

return names
