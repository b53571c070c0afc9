-- What can be said about somebody or something: dozens of known relations, and new ones made up on the spot.
--
-- A relation is { subject = kind, object = kind, forms = {wordings}, gone = the retraction, ask = the question }, where {s} and {o} stand
-- for the two names. All wordings of a relation and its question share its key word.

local names = require "worlds.names"

local relations = {}

local function add(subject, object, ask, forms, gone)
  relations[#relations + 1] = { subject = subject, object = object, ask = ask, forms = forms, gone = gone }
end

-- A relation named by a noun; `more` is another wording.
local function noun(subject, key, object, more)
  add(subject, object, "What is the " .. key .. " of {s}?",
    { "The " .. key .. " of {s} is {o}.", "{s}'s " .. key .. " is {o}.", "{o} is the " .. key .. " of {s}.", more },
    "The " .. key .. " of {s} is no longer {o}.")
end

noun("person", "dentist", "person", "{s} goes to a dentist called {o}.")
noun("person", "landlord", "person", "{s} rents from a landlord named {o}.")
noun("person", "tutor", "person", "{s} takes lessons with a tutor named {o}.")
noun("person", "business partner", "person", "{s} has found a business partner in {o}.")
noun("person", "neighbour", "person", "{s} lives next to a neighbour called {o}.")
noun("person", "best friend", "person", "{s} has a best friend called {o}.")
noun("person", "cousin", "person", "{s} has a cousin called {o}.")
noun("person", "fiancé", "person")
noun("person", "boss", "person", "{s} reports to a boss named {o}.")
noun("person", "rival", "person", "{s} competes with a rival named {o}.")
noun("person", "home town", "place", "{s} comes from the home town of {o}.")
noun("person", "holiday spot", "place", "{s} has a holiday spot in {o}.")
noun("person", "email provider", "firm")
noun("person", "favourite dish", "term", "{s} orders the favourite dish, {o}.")
noun("person", "hobby", "term", "{s} has taken up the hobby of {o}.")
noun("person", "trade", "term", "{s} earns a living in the trade of {o}.")
noun("person", "locker number", "number", "{s} was given the locker number {o}.")
noun("person", "shoe size", "number")
noun("person", "nickname", "term", "{s} goes by the nickname {o}.")
noun("person", "cat", "person", "{s} has a cat called {o}.")
noun("person", "car", "product", "{s} drives a car of the type {o}.")
noun("person", "phone", "product", "{s} makes calls on a phone called {o}.")
noun("person", "boat", "work", "{s} sails a boat named {o}.")
noun("person", "bank", "firm", "{s} keeps savings at a bank called {o}.")
noun("place", "mayor", "person", "{s} has elected as its mayor {o}.")
noun("place", "anthem", "work", "{s} sings the anthem {o}.")
noun("place", "twin town", "place", "{s} has a twin town in {o}.")
noun("place", "railway hub", "place")
noun("place", "main harbour", "place", "{s} ships through the main harbour of {o}.")
noun("place", "currency", "term", "{s} pays in the currency called {o}.")
noun("place", "dialect", "term", "{s} uses the dialect called {o}.")
noun("place", "tallest tower", "work")
noun("place", "patron", "person", "{s} honours the patron {o}.")
noun("place", "bus operator", "firm", "{s} is served by the bus operator {o}.")
noun("place", "postal code", "number", "{s} has the postal code {o}.")
noun("work", "narrator", "person", "{s} is told by the narrator {o}.")
noun("work", "translator", "person", "{s} was given to the translator {o}.")
noun("work", "genre", "term", "{s} belongs to the genre of {o}.")
noun("work", "sequel", "work", "{s} was followed by the sequel {o}.")
noun("work", "main character", "person", "{s} follows the main character {o}.")
noun("work", "page count", "number")
noun("work", "setting", "place", "{s} has its setting in {o}.")
noun("firm", "accountant", "person", "{s} trusts the accountant {o}.")
noun("firm", "largest customer", "firm", "{s} sells most to its largest customer, {o}.")
noun("firm", "main supplier", "firm", "{s} buys from the main supplier {o}.")
noun("firm", "spokesman", "person", "{s} speaks through the spokesman {o}.")
noun("firm", "warehouse", "place", "{s} stores its goods in a warehouse in {o}.")
noun("firm", "flagship", "product", "{s} is proud of its flagship, {o}.")
noun("club", "coach", "person", "{s} is trained by the coach {o}.")
noun("club", "goalkeeper", "person")
noun("club", "sponsor", "firm", "{s} carries the name of the sponsor {o}.")
noun("club", "mascot", "term", "{s} cheers for a mascot named {o}.")
noun("club", "training ground", "place", "{s} has a training ground in {o}.")
noun("school", "caretaker", "person", "{s} is looked after by the caretaker {o}.")
noun("school", "head teacher", "person", "{s} is led by the head teacher {o}.")
noun("school", "exchange school", "school")
noun("product", "inventor", "person", "{s} goes back to the inventor {o}.")
noun("product", "battery type", "product", "{s} needs the battery type {o}.")
noun("term", "champion", "person")

add("person", "place", "Where is {s} living?", { "{s} is living in {o}.", "The town where {s} is living is {o}." }, "{s} is no longer living in {o}.")
add("person", "firm", "Where is {s} working?", { "{s} is working at {o}.", "The firm where {s} is working is {o}." }, "{s} is no longer working at {o}.")
add("person", "school", "Where is {s} studying?", { "{s} is studying at {o}.", "The place where {s} is studying is {o}." }, "{s} is no longer studying at {o}.")
add("person", "term", "What is {s} learning?", { "{s} is learning {o}.", "The skill that {s} is learning is {o}." }, "{s} is no longer learning {o}.")
add("person", "work", "What is {s} reading?", { "{s} is reading {o}.", "The book that {s} is reading is {o}." }, "{s} is no longer reading {o}.")
add("person", "club", "Which club is {s} a fan of?", { "{s} is a fan of the club {o}.", "The club that {s} is a fan of is {o}." }, "{s} is no longer a fan of the club {o}.")
add("person", "club", "Which club is {s} a member of?", { "{s} is a member of {o}.", "The club that {s} is a member of is {o}." }, "{s} is no longer a member of {o}.")
add("place", "place", "Which county is {s} a part of?", { "{s} is a part of {o}.", "The county that {s} is a part of is {o}." }, "{s} is no longer a part of {o}.")
add("person", "place", "What town is {s} a native of?", { "{s} is a native of {o}.", "The town that {s} is a native of is {o}." })
add("person", "school", "Which school is {s} a graduate of?", { "{s} is a graduate of {o}.", "The school that {s} is a graduate of is {o}." })
add("person", "person", "Who is {s} a pupil of?", { "{s} is a pupil of {o}.", "The one that {s} is a pupil of is {o}." }, "{s} is no longer a pupil of {o}.")
add("firm", "firm", "Which company is {s} a branch of?", { "{s} is a branch of {o}.", "The company that {s} is a branch of is {o}." }, "{s} is no longer a branch of {o}.")
add("person", "person", "Who is {s} engaged to?", { "{s} is engaged to {o}.", "The one that {s} is engaged to is {o}." }, "{s} is no longer engaged to {o}.")
add("person", "place", "Where was {s} raised?", { "{s} was raised in {o}.", "The village where {s} was raised is {o}." })
add("person", "place", "Where is {s} buried?", { "{s} is buried in {o}.", "The town where {s} is buried is {o}." })
add("place", "place", "In which region does {s} lie?", { "{s} lies in the region of {o}.", "The region where {s} lies is {o}." })
add("work", "person", "Who painted {s}?", { "{s} was painted by {o}.", "The artist who painted {s} is {o}." })
add("work", "place", "Where is {s} kept?", { "{s} is kept in {o}.", "The town where {s} is kept is {o}." }, "{s} is no longer kept in {o}.")
add("work", "firm", "Who published {s}?", { "{s} was published by {o}.", "The house that published {s} is {o}." })
add("firm", "person", "Who owns {s}?", { "The person who owns {s} is {o}.", "The one who owns {s} is {o}." }, "The person who owns {s} is no longer {o}.")
add("firm", "place", "Where is {s} registered?", { "{s} is registered in {o}.", "The town where {s} is registered is {o}." }, "{s} is no longer registered in {o}.")
add("product", "firm", "Who sells {s}?", { "The shop that sells {s} is {o}.", "The firm that sells {s} is {o}." }, "The shop that sells {s} is no longer {o}.")
add("product", "place", "Where is {s} assembled?", { "{s} is assembled in {o}.", "The town where {s} is assembled is {o}." }, "{s} is no longer assembled in {o}.")
add("term", "place", "Where was {s} first practised?", { "{s} was first practised in {o}.", "The place where {s} was first practised is {o}." })
add("club", "place", "Where is {s} based?", { "{s} is based in {o}.", "The town where {s} is based is {o}." }, "{s} is no longer based in {o}.")

local kinds = { "person", "place", "work", "firm", "club", "school", "product", "term" }

-- A made-up relation: its key is a made-up word.
local function invent(rng)
  local key = names.stem(rng, 1, 3)
  local nouns, verbs = { "person", "place", "firm", "thing", "name", "town", "group" }, { "by", "in", "at", "for", "with", "from", "to" }
  local thing, link = rng:pick { list = nouns }, rng:pick { list = verbs }
  local shapes = {
    { "What is the K of {s}?", { "The K of {s} is {o}.", "{s}'s K is {o}.", "{o} is the K of {s}." }, "The K of {s} is no longer {o}." },
    { "What is the K of {s}?", { "The name of the current K of {s} is {o}.", "The K of {s} is {o}." }, "The K of {s} is no longer {o}." },
    { "Where is {s} Ked?", { "{s} is Ked in {o}.", "The N where {s} is Ked is {o}." }, "{s} is no longer Ked in {o}." },
    { "What was {s} Ked L?", { "{s} was Ked L {o}.", "The N that {s} was Ked L is {o}." } },
    { "What is the K of {s}?", { "{s} has the K of {o}.", "The K of {s} is {o}." }, "{s} no longer has the K of {o}." },
    { "Which N is the K of {s}?", { "The K of {s} is Led L the N of {o}.", "The N of the K of {s} is {o}." } },
    { "Which K is {s} linked to?", { "{s} is linked to the K of {o}.", "The K that {s} is linked to is {o}." }, "{s} is no longer linked to the K of {o}." },
    { "Who Ked {s}?", { "The N that Ked {s} is {o}.", "The one who Ked {s} is {o}." } },
    { "Which N is {s} a K of?", { "{s} is a K of {o}.", "The N that {s} is a K of is {o}." }, "{s} is no longer a K of {o}." },
  }
  local shape = rng:pick { list = shapes }
  local led = names.stem(rng, 1, 2) .. "ed"
  local function fill(text)
    return text and (text:gsub("Led", led):gsub("%f[%u][KLN]", { K = key, L = link, N = thing }))
  end
  local forms = {}
  for i, form in ipairs(shape[2]) do
    forms[i] = fill(form)
  end
  return { subject = rng:pick { list = kinds }, object = rng:pick { list = kinds }, ask = fill(shape[1]), forms = forms, gone = fill(shape[3]) }
end

return { known = relations, invent = invent }
