-- Mail, tickets, minutes and chats of an office. It shares no relation and no wording with the household world: nothing is trained on it, so
-- it shows what a policy has learned that does not hang on the sentences it was trained with. worlds/episode.lua says what an episode is.

local texts = require "lib.texts"
local chatter = require "worlds.chatter"
local names = require "worlds.names"
local world = require "worlds.episode"

local relations = {}

-- What can be said about a kind of thing. Two wordings of a relation and its question share a key word; {s} is the subject and {o} the value.
local function add(subject, object, ask, forms, gone)
  relations[#relations + 1] = { subject = subject, object = object, ask = ask, forms = forms, gone = gone }
end

add("project", "date", "When is {s} due?", { "{s} is due on {o}.", "On {o}, {s} is due.", "As agreed, {s} is due on {o}." },
  "{s} is not due on {o} any more.")
add("project", "money", "What budget does {s} have?", { "{s} has a budget of {o}.", "{s} was granted a budget of {o}." },
  "{s} does not have a budget of {o} any more.")
add("project", "person", "Who steers {s}?", { "{o} steers {s}.", "{s} is steered by {o}.", "{s} will be steered by {o}." }, "At present nobody steers {s}.")
add("project", "client", "Which client ordered {s}?", { "{s} was ordered by {o}.", "{o} ordered {s}.", "The client who ordered {s} is {o}." })
add("project", "state", "Which status does {s} have?", { "{s} has the status {o}.", "The status reported for {s} is {o}.", "We show {s} with the status {o}." },
  "{s} does not have the status {o} any more.")
add("project", "date", "When does {s} kick off?", { "{s} kicks off on {o}.", "We kick off {s} on {o}.", "The kick off for {s} is set for {o}." },
  "{s} does not kick off on {o} any more.")
add("project", "number", "How many testers does {s} occupy?", { "{s} occupies {o} testers.", "{s} will occupy {o} testers." }, "{s} does not occupy {o} testers any more.")

add("ticket", "person", "Who handles {s}?", { "{s} is handled by {o}.", "{o} handles {s}.", "{o} will handle ticket {s}." }, "At present nobody handles {s}.")
add("ticket", "priority", "What priority does {s} have?", { "{s} has priority {o}.", "{s} runs with priority {o}.", "{s} got priority {o}." },
  "{s} does not have priority {o} any more.")
add("ticket", "state", "Which stage has {s} reached?", { "{s} has reached the stage {o}.", "{s} reached stage {o}.", "Last night {s} reached stage {o}." },
  "{s} is not at the stage {o} any more.")
add("ticket", "person", "Who reported {s}?", { "{s} was reported by {o}.", "{o} reported {s}." })
add("ticket", "version", "Which release fixes {s}?", { "{s} is fixed in release {o}.", "Release {o} fixes {s}.", "{s} gets its fix in release {o}." },
  "Release {o} does not fix {s} any more.")
add("ticket", "ticket", "Which ticket blocks {s}?", { "{s} is blocked by {o}.", "{o} blocks {s}." }, "{o} does not block {s} any more.")
add("ticket", "number", "How many hours were estimated for {s}?", { "{o} hours were estimated for {s}.", "For {s} we estimated {o} hours." },
  "The estimate of {o} hours for {s} does not hold any more.")
add("ticket", "system", "Which system does {s} affect?", { "{s} affects {o}.", "{s} also affects the system {o}." }, "{s} does not affect {o} any more.")

add("person", "person", "Who stands in for {s}?", { "{o} stands in for {s}.", "Please ask {o}, who stands in for {s}.", "The one standing in for {s} is {o}." },
  "{o} does not stand in for {s} any more.")
add("person", "code", "Under which extension can {s} be reached?", { "{s} can be reached under extension {o}.", "Extension {o} reaches {s}.", "Under extension {o}, {s} can be reached." },
  "Extension {o} does not reach {s} any more.")
add("person", "room", "At which desk does {s} sit?", { "{s} sits at desk {o}.", "Desk {o} is where {s} sits." }, "{s} does not sit at desk {o} any more.")
add("person", "date", "When is {s} back from leave?", { "{s} is back from leave on {o}.", "On {o}, {s} is back from leave." })
add("person", "person", "Who mentors {s}?", { "{o} mentors {s}.", "{s} is mentored by {o}." }, "{o} does not mentor {s} any more.")
add("person", "code", "Which badge does {s} wear?", { "{s} wears badge {o}.", "{s} has to wear badge {o}." }, "{s} does not wear badge {o} any more.")
add("person", "team", "Which team did {s} join?", { "{s} joined {o}.", "{s} has joined the team {o}.", "{s} has just joined {o}." }, "{s} is not on {o} any more.")
add("person", "time", "When does {s} clock in?", { "{s} clocks in at {o}.", "As a rule {s} clocks in at {o}." }, "{s} does not clock in at {o} any more.")
add("person", "system", "Which system does {s} maintain?", { "{s} maintains {o}.", "{s} maintains the system {o}." }, "{s} does not maintain {o} any more.")

add("meeting", "time", "When does {s} begin?", { "{s} begins at {o}.", "We begin {s} at {o}." }, "{s} does not begin at {o} any more.")
add("meeting", "date", "Which day was picked for {s}?", { "{o} was picked for {s}.", "For {s} we picked {o}.", "The day picked for {s} is {o}." },
  "{o} is not picked for {s} any more.")
add("meeting", "room", "Which room is booked for {s}?", { "{s} is booked into room {o}.", "Room {o} is booked for {s}.", "For {s} we booked room {o}." },
  "Room {o} is not booked for {s} any more.")
add("meeting", "code", "What is the passcode for {s}?", { "The passcode for {s} is {o}.", "For {s} the passcode is {o}.", "{s} has the passcode {o}." },
  "The passcode for {s} is not {o} any more.")
add("meeting", "person", "Who chairs {s}?", { "{o} chairs {s}.", "{s} is chaired by {o}.", "In the chair for {s} is {o}." }, "{o} does not chair {s} any more.")
add("meeting", "person", "Who writes the minutes for {s}?", { "{o} writes the minutes for {s}.", "{o} will write the minutes for {s}." },
  "{o} does not write the minutes for {s} any more.")

add("system", "version", "Which version does {s} run?", { "{s} runs version {o}.", "{s} runs on version {o}." }, "{s} does not run version {o} any more.")
add("system", "person", "Who administers {s}?", { "{o} administers {s}.", "{s} is administered by {o}." }, "{o} does not administer {s} any more.")
add("system", "date", "When is {s} patched?", { "{s} is patched on {o}.", "We patch {s} on {o}." }, "{s} is not patched on {o} any more.")
add("system", "code", "On which port does {s} listen?", { "{s} listens on port {o}.", "Port {o} is where {s} listens." }, "{s} does not listen on port {o} any more.")
add("system", "system", "Which system backs up {s}?", { "{o} backs up {s}.", "{s} is backed up by {o}." }, "{o} does not back up {s} any more.")
add("system", "client", "Which vendor licenses {s}?", { "{s} is licensed from {o}.", "{o} licenses {s}.", "The vendor that licenses {s} is {o}." })

add("client", "person", "Who is our contact at {s}?", { "Our contact at {s} is {o}.", "{o} is our contact at {s}." }, "{o} is not our contact at {s} any more.")
add("client", "percent", "What discount does {s} get?", { "{s} gets a discount of {o}.", "We give {s} a discount of {o}." },
  "{s} does not get a discount of {o} any more.")
add("client", "date", "When does the contract with {s} expire?", { "The contract with {s} expires on {o}.", "On {o} the contract with {s} expires." },
  "The contract with {s} does not expire on {o} any more.")
add("client", "code", "Which invoice is overdue from {s}?", { "Invoice {o} is overdue from {s}.", "{s} has the overdue invoice {o}." },
  "Invoice {o} from {s} is not overdue any more.")
add("client", "money", "How much did {s} pay up front?", { "{s} paid {o} up front.", "Up front, {s} paid {o}." })

add("document", "person", "Who has to sign {s}?", { "{o} has to sign {s}.", "{s} has to be signed by {o}." }, "{o} does not have to sign {s} any more.")
add("document", "person", "Who reviews {s}?", { "{o} reviews {s}.", "{s} is reviewed by {o}.", "Please let {o} review {s}." }, "{o} does not review {s} any more.")
add("document", "version", "Which draft is valid for {s}?", { "Draft {o} is valid for {s}.", "For {s}, draft {o} is valid." }, "Draft {o} is not valid for {s} any more.")
add("document", "team", "Which team drafts {s}?", { "{s} is drafted by {o}.", "{o} drafts {s}." }, "{o} does not draft {s} any more.")

-- One of a list.
local function one(rng, list)
  return list[rng:integer { low = 1, high = #list }]
end

local function word(rng)
  return names.make(rng, "person", 0)
end

local months = { "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December" }
local days = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday" }

-- Values, by kind.
local values = {
  date = function(rng)
    local day, month, shape = rng:integer { low = 1, high = 28 }, rng:integer { low = 1, high = 12 }, rng:integer { low = 1, high = 4 }
    if shape == 1 then
      return string.format("20%d-%02d-%02d", rng:integer { low = 25, high = 29 }, month, day)
    elseif shape == 2 then
      return string.format("%s %d %s", one(rng, days), day, months[month])
    end
    return shape == 3 and day .. " " .. months[month] or months[month] .. " " .. day
  end,
  time = function(rng)
    return string.format("%d:%02d", rng:integer { low = 7, high = 18 }, 5 * rng:integer { low = 0, high = 11 })
  end,
  money = function(rng)
    return string.format("%d,%d00 euros", rng:integer { low = 1, high = 899 }, rng:integer { low = 1, high = 9 })
  end,
  version = function(rng)
    return rng:integer { low = 1, high = 19 } .. "." .. rng:integer { low = 0, high = 29 } .. one(rng, { "", "", "." .. rng:integer { low = 1, high = 9 } })
  end,
  room = function(rng)
    return string.char(64 + rng:integer { low = 1, high = 6 }) .. rng:integer { low = 1, high = 5 } .. "." .. string.format("%02d", rng:integer { low = 1, high = 40 })
  end,
  number = function(rng) return string.format("%d", rng:integer { low = 2, high = 60 }) end,
  percent = function(rng) return rng:integer { low = 2, high = 40 } .. " percent" end,
  code = function(rng) return string.format("%d", rng:integer { low = 2000, high = 999999 }) end,
  priority = function(rng) return one(rng, { "P", "S" }) .. rng:integer { low = 0, high = 5 } end,
  state = function(rng)
    return one(rng, { "blocked", "approved", "escalated", "deferred", "rejected", "accepted", "suspended", "finished", "postponed", "cancelled", "verified", "green", "red", "amber" })
  end,
  ticket = function(rng) return "#" .. rng:integer { low = 100, high = 9999 } end,
}

-- What a name of a thing may end with, by kind.
local ends = {
  project = { "Rollout", "Migration", "Audit", "Relaunch", "Pilot", "Tender", "Upgrade", "Campaign" },
  meeting = { "Sync", "Retro", "Workshop", "Steering Group", "Demo", "Stand-up", "Planning" },
  system = { "Portal", "DB", "Gateway", "Wiki", "Mail", "Sandbox", "API" },
  client = { "Logistics", "GmbH", "Insurance", "& Sons", "Pharma", "Energy", "plc" },
  document = { "Contract", "Brief", "Handbook", "Offer", "Policy", "Roadmap" },
  team = { "Crew", "Desk", "Guild", "Squad" },
}

local function name(rng, kind, variety)
  local varied = rng:number() < variety
  if values[kind] then
    return values[kind](rng)
  elseif kind == "person" then
    return varied and one(rng, { word(rng) .. " " .. word(rng), word(rng) .. " " .. word(rng) .. "-" .. word(rng) }) or word(rng)
  end
  return varied and word(rng) .. " " .. one(rng, ends[kind]) or word(rng)
end

-- A ticket with two digits swapped or another last digit, or a name that shares a word.
local function akin(rng, other)
  local number = other:match "^#(%d+)$"
  if not number then
    return names.akin(rng, other)
  elseif rng:number() < 0.5 then
    return "#" .. number:gsub("(%d)(%d)$", "%2%1")
  end
  return "#" .. number:sub(1, -2) .. rng:integer { low = 0, high = 9 }
end

local talk = {
  "Thanks for the quick reply.", "Let me know if anything is unclear.", "Sorry for the late answer.", "The coffee machine on our floor is being repaired.",
  "Please keep this thread short.", "I will be in calls all morning.", "Good work, everyone.", "There is cake in the kitchen.", "My screen froze twice.",
  "We ran a little over last time.", "Feel free to forward this.", "The slides will follow.", "No action is needed from your side.", "I had to restart my laptop.",
  "It was a long call.", "The lift is out of order.", "Please excuse the typos.", "That went better than expected.", "I added a few comments inline.",
  "Could somebody bring a spare charger?", "We can sort out the rest next time.", "The heating is fixed.", "Happy to help.", "See the thread below.",
}
local talk_with_name = {
  "{s} sends regards.", "I had lunch with {s}.", "{s} was in a hurry.", "Thanks to {s} for the slides.", "{s} could not open the attachment.", "I just left a message for {s}.",
}
local openings = {
  "For your information: ", "Quick heads-up: ", "As discussed: ", "For the record: ", "Small correction: ", "One more thing: ", "As announced on the phone: ",
}
local subjects = { "A few updates", "Re: this week", "Fwd: changes", "Status", "Loose ends", "Re: Re: open points", "Notes" }
local greetings = { "Hi {s},", "Dear {s},", "Hello {s},", "Good morning {s},", "Hi all," }
local closings = { "Best regards, {s}", "Kind regards, {s}", "Cheers, {s}", "Best, {s}", "Thanks, {s}" }

-- A person, of `people` every other time.
local function somebody(rng, people)
  return #people > 0 and rng:number() < 0.5 and one(rng, people) or word(rng)
end

local function with(line, somebody)
  return (line:gsub("{s}", function() return somebody end))
end

local function stamp(rng)
  return values.date(rng) .. ", " .. values.time(rng)
end

-- The sentences with a mark before each. `mark(i)` gives it.
local function lines(events, mark)
  local list = {}
  for i, event in ipairs(events) do
    list[i] = mark(i) .. event.text
  end
  return table.concat(list, "\n")
end

-- What a text looks like: each function returns the lines above the sentences, the sentences as a text, and the lines below them.
local layouts = {
  mail = function(rng, events, people)
    local from, to, said = somebody(rng, people), somebody(rng, people), {}
    for i, event in ipairs(events) do
      said[i] = event.text
    end
    local head = { "From: " .. from, "To: " .. to, "Subject: " .. one(rng, subjects), with(one(rng, greetings), to) }
    if rng:number() < 0.5 then
      table.insert(head, 3, "Date: " .. stamp(rng))
    end
    return head, texts.paragraph(said), { with(one(rng, closings), from) }
  end,
  ticket = function(rng, events, people)
    local number = rng:integer { low = 1, high = 60 }
    return { "Tracker digest for " .. somebody(rng, people) .. ", " .. stamp(rng) }, lines(events, function(i) return "#" .. number + i .. " " end), {}
  end,
  minutes = function(rng, events, people)
    local mark = one(rng, { "- ", "* ", "" })
    local head = { "Minutes, " .. values.date(rng), "Present: " .. somebody(rng, people) .. ", " .. somebody(rng, people) }
    return head, lines(events, function(i) return mark == "" and i .. ". " or mark end), {}
  end,
  chat = function(rng, events, people)
    local speakers, minute = { somebody(rng, people), somebody(rng, people) }, rng:number() < 0.5 and rng:integer { low = 0, high = 40 }
    return {}, lines(events, function(i)
      return (minute and string.format("10:%02d ", minute + i) or "") .. speakers[i % 2 + 1] .. ": "
    end), {}
  end,
}

-- Each text has a layout of its own. What it says besides the sentences is small talk.
local function layout(rng)
  return function(events, people)
    local above, text, below = layouts[one(rng, { "mail", "mail", "ticket", "minutes", "chat" })](rng, events, people)
    return chatter.around(above, text, events, below)
  end
end

return world {
  source = "office",
  relations = relations,
  name = name,
  few = { date = true, time = true, room = true, number = true, percent = true, version = true, priority = true, state = true },
  akin = akin,
  changed = function(form)
    return (form:gsub("%.$", " from now on."))
  end,
  opening = function(rng)
    return one(rng, openings)
  end,
  talk = function(rng, people)
    if #people > 0 and rng:number() < 0.35 then
      return with(one(rng, talk_with_name), one(rng, people))
    end
    return one(rng, talk)
  end,
  layout = layout,
}
