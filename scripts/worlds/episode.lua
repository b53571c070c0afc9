-- The machinery of a world, which gives it an endless, seeded source of episodes with known answers. What they are about is the world's own.
--
-- An episode is a sequence of short texts. Each tells new facts, changes of old facts, retractions, facts told before and facts about
-- namesakes, mixed with small talk. The world keeps the truth: `chunk_questions[t]` ask about text t, `questions` about what is true at the
-- end, and both name the texts that tell it. There are questions about retracted facts too; the right answer is the reasoner's refusal.
--
-- An episode may begin with a full `memory`: facts that were told before it. Then there are also questions about facts that the texts do not
-- touch, but that are like those they tell; their `kind` is "kept".
--
-- `events[t]` lists the sentences of text t for a teacher, as { kind, fact, content, text }: `text` as it is in the chunk, and `content`
-- without what was put around it. Each is one statement of lib/texts.lua. `holds[id]` is the fact that an item of the initial memory tells.

local fm = require "finemem"

-- The parameters of `sample`, besides count and seed, with their defaults.
local defaults = {
  chunks = 6, -- texts in an episode
  facts = 3, -- sentences about facts in a text
  noise = 0.25, -- chance of small talk before each of them
  change = 0.4, -- chance that a sentence changes a fact,
  retract = 0.14, -- retracts one,
  repeated = 0.1, -- repeats one,
  namesake = 0.12, -- says something of the kind about a namesake,
  twin = 0.06, -- or says exactly that about somebody else, every other time what has been said of others before; otherwise the fact is new
  reword = 0.35, -- chance that a changed or repeated fact has another wording
  opening = 0.15, -- chance of an opening ("By the way: "), or of "now" in a change
  made_up = 0.3, -- share of relations that are made up
  variety = 1, -- share of names of any shape; the others are one short word
  full = 0, -- share of episodes that begin with a full memory
  past = 200, -- the most facts in it, which were told before the episode,
  least = 10, -- and the fewest; small numbers are more frequent
  neighbour = 0.2, -- chance that a value is one that the episode has elsewhere
  echo = 0, -- chance that a new value has a word of the subject
  ids = 1, -- the memory's first id is from 1 to this, small ones more often
}

-- The right answer about what is not true.
local refusal = "not in memory"

local function fill(form, subject, object)
  return (form:gsub("{(%a)}", { s = subject, o = object }))
end

-- One of a list. `rng:pick` would copy the list, which may be long.
local function one(rng, list)
  return list[rng:integer { low = 1, high = #list }]
end

local Episode = {}
Episode.__index = Episode

function Episode:chance(p)
  return self.rng:number() < p
end

-- A new name. Of kinds with few names, and where new ones are hard to find, it may be one that the episode has.
function Episode:name(kind)
  local name, tries = nil, 0
  repeat
    name, tries = self.own.name(self.rng, kind, self.option.variety), tries + 1
  until not self.taken[name] or self.own.few[kind] or tries == 100
  self.taken[name] = true
  return name
end

function Episode:relation()
  if self:chance(self.option.made_up) then
    if #self.invented < 4 then
      self.invented[#self.invented + 1] = self.own.invent(self.rng)
    end
    return one(self.rng, self.invented)
  end
  return one(self.rng, self.own.relations)
end

-- Notes that facts are about this name, as a subject or as a value.
function Episode:introduce(kind, name)
  local cast = self.cast[kind] or {}
  cast[#cast + 1] = name
  self.cast[kind] = cast
end

-- A value for the fact: a new name, or sometimes one that the episode already has.
function Episode:object(fact)
  local known = self.cast[fact.relation.object]
  if known and self:chance(self.option.neighbour) then
    local name = one(self.rng, known)
    if name ~= fact.subject and name ~= fact.object then
      return name
    end
  end
  local name
  repeat
    name = self:chance(self.option.echo) and self.own.akin(self.rng, fact.subject) or self:name(fact.relation.object)
  until name ~= fact.object
  self:introduce(fact.relation.object, name)
  return name
end

-- A new fact; without `object`, its value is a new one. Nil if there is such a fact.
function Episode:add(relation, subject, kind, object)
  local key = subject .. "\0" .. relation.ask
  if self.told[key] then
    return nil
  end
  local fact = { subject = subject, relation = relation, form = self.rng:integer { low = 1, high = #relation.forms }, kind = kind, alive = true }
  fact.object = object or self:object(fact)
  self.told[key] = true
  self.facts[#self.facts + 1] = fact
  fact.index = #self.facts
  self:introduce(relation.subject, subject)
  return fact
end

function Episode:new_fact()
  local fact
  repeat
    local relation = self:relation()
    local known = self.cast[relation.subject]
    local subject = known and self:chance(0.6) and one(self.rng, known) or self:name(relation.subject)
    fact = self:add(relation, subject, "new")
  until fact
  return fact
end

-- A fact that is still true and that this text has not mentioned. After a past, every other one is of the episode, if there is any.
function Episode:old_fact(retractable)
  local recent = self.past > 0 and self:chance(0.5)
  local list, all = {}, {}
  for _, fact in ipairs(self.facts) do
    if fact.alive and fact.touched ~= self.time and (fact.relation.gone or not retractable) then
      all[#all + 1] = fact
      if recent and fact.touched > 0 then
        list[#list + 1] = fact
      end
    end
  end
  list = #list > 0 and list or all
  return #list > 0 and one(self.rng, list) or nil
end

-- Whether two names share a word.
local function akin(name, other)
  for word in name:gmatch "%S+" do
    if (" " .. other .. " "):find(" " .. word .. " ", 1, true) then
      return true
    end
  end
  return false
end

-- Facts that are still true and that this text does not touch, but that are easily mistaken for `fact`. One of each kind: the same of a
-- namesake; another of its subject; one about its value, or whose value is its subject; and one with the same value. If there is none of
-- them, the same of somebody else.
function Episode:likes(fact)
  local kinds, others = { {}, {}, {}, {} }, {}
  for _, other in ipairs(self.facts) do
    if other.alive and other.touched ~= self.time then
      local same = other.relation == fact.relation
      local kind = same and akin(other.subject, fact.subject) and 1 or other.subject == fact.subject and 2
        or (other.subject == fact.object or other.object == fact.subject) and 3 or other.object == fact.object and 4
      local list = kinds[kind] or same and others
      if list then
        list[#list + 1] = other
      end
    end
  end
  local likes = {}
  for _, list in ipairs(kinds) do
    likes[#likes + 1] = #list > 0 and one(self.rng, list) or nil
  end
  return #likes == 0 and #others > 0 and { one(self.rng, others) } or likes
end

function Episode:content(fact)
  return fill(fact.relation.forms[fact.form], fact.subject, fact.object)
end

-- What can happen to a fact. Each function returns the event, or nil if it cannot happen now.
local happenings = {}

function happenings.new(self)
  local fact = self:new_fact()
  return { kind = "new", fact = fact.index, content = self:content(fact) }
end

function happenings.namesake(self, old)
  old = old or self:old_fact()
  local name = old and self.own.akin(self.rng, old.subject)
  local fact = name and self:add(old.relation, name, "namesake")
  return fact and { kind = "namesake", fact = fact.index, content = self:content(fact) }
end

function happenings.twin(self, old)
  local shared = self.shared and self.shared.alive and self:chance(0.5) and self.shared or nil
  old = shared or old or self:old_fact()
  self.shared = old
  local name = old and self:name(old.relation.subject)
  local fact = name and name ~= old.object and self:add(old.relation, name, "new", old.object)
  return fact and { kind = "twin", fact = fact.index, content = self:content(fact) }
end

function happenings.change(self)
  local fact = self:old_fact()
  if not fact then
    return nil
  end
  fact.object = self:object(fact)
  self:reword(fact)
  if fact.kind == "new" then
    fact.kind = "changed"
  end
  local event = { kind = "change", fact = fact.index, content = self:content(fact) }
  if self:chance(self.option.opening) then
    event.text = fill(self.own.changed(fact.relation.forms[fact.form]), fact.subject, fact.object)
  end
  return event
end

function happenings.retract(self)
  local fact = self:old_fact(true)
  if not fact then
    return nil
  end
  fact.alive, fact.kind = false, "retracted"
  return { kind = "retract", fact = fact.index, text = fill(fact.relation.gone, fact.subject, fact.object) }
end

function happenings.repeated(self)
  local fact = self:old_fact()
  if not fact then
    return nil
  end
  self:reword(fact)
  return { kind = "repeated", fact = fact.index, content = self:content(fact) }
end

function Episode:reword(fact)
  if self:chance(self.option.reword) then
    fact.form = self.rng:integer { low = 1, high = #fact.relation.forms }
  end
end

function Episode:happen()
  local roll, event = self.rng:number(), nil
  for _, kind in ipairs { "change", "retract", "repeated", "namesake", "twin" } do
    roll = roll - self.option[kind]
    if roll < 0 then
      event = happenings[kind](self)
      break
    end
  end
  event = event or happenings.new(self)
  event.text = event.text or event.content
  local fact = self.facts[event.fact]
  fact.touched = self.time
  -- The texts that say what is true now. A change makes the older ones wrong.
  if event.kind ~= "repeated" then
    fact.proof = {}
  end
  table.insert(fact.proof, self.time)
  if self:chance(self.option.opening) then
    event.text = self.own.opening(self.rng) .. event.text
  end
  return event
end

-- The memory that the episode begins with.
function Episode:remember()
  local option, holds = self.option, {}
  local memory = fm.memory.new { first_id = math.floor(option.ids ^ self.rng:number()) }
  self.time, self.past = 0, 0
  local past = self:chance(option.full) and math.floor(option.least * (option.past / option.least) ^ self.rng:number()) or 0
  for i = 1, past do
    local event = i > 1 and self:chance(option.namesake) and happenings.namesake(self, one(self.rng, self.facts))
      or i > 1 and self:chance(option.twin) and happenings.twin(self, one(self.rng, self.facts)) or happenings.new(self)
    local fact = self.facts[event.fact]
    fact.touched, fact.proof = 0, {}
    holds[memory:insert { content = event.content }] = event.fact
  end
  self.past = past
  return memory, holds
end

-- The sentences of one text.
function Episode:tell()
  local events = {}
  for _ = 1, self.option.facts do
    if self:chance(self.option.noise) then
      events[#events + 1] = { kind = "talk", text = self.own.talk(self.rng, self.cast.person or {}) }
    end
    events[#events + 1] = self:happen()
  end
  return events
end

-- What is asked about a fact. `kept` if it is asked because a text is about something similar.
function Episode:question(fact, kept)
  return {
    question = fill(fact.relation.ask, fact.subject, ""),
    answers = { fact.alive and fact.object or refusal },
    kind = (kept or fact.touched == 0) and "kept" or fact.kind,
    evidence = table.clone(fact.proof),
  }
end

local function episode(own, option, rng, id)
  local self = setmetatable({ own = own, option = option, rng = rng, facts = {}, cast = {}, taken = {}, told = {}, invented = {} }, Episode)
  local layout = own.layout(rng)
  local out = { id = id, source = own.source, chunks = {}, questions = {}, chunk_questions = {}, events = {} }
  out.memory, out.holds = self:remember()
  local asked = {}
  for t = 1, option.chunks do
    self.time = t
    local events = self:tell()
    out.chunks[t], out.events[t] = layout(events, self.cast.person or {})
    out.chunk_questions[t] = {}
    for _, event in ipairs(events) do
      if event.fact then
        local fact = self.facts[event.fact]
        table.insert(out.chunk_questions[t], self:question(fact))
        for _, like in ipairs(self:likes(fact)) do
          asked[like] = true
          table.insert(out.chunk_questions[t], self:question(like, true))
        end
      end
    end
  end
  for _, fact in ipairs(self.facts) do
    if fact.touched > 0 or asked[fact] then
      table.insert(out.questions, self:question(fact))
    end
  end
  return out
end

-- Makes a world: its parameters' `defaults`, its `refusal`, its `relations`, and `sample`. `own` has what the episodes are about:
--
--   source                     its name
--   relations                  what can be said, as worlds/relations.lua lists it; if there is none, all are made up
--   invent(rng)                a relation made up for the episode; without it, none are made up
--   name(rng, kind, variety)   a name or value of that kind
--   few                        the kinds with so few names that many things share them, as a set
--   akin(rng, name)            a name like another one
--   changed(form)              a wording of a fact that says that it is news
--   opening(rng)               what may stand before a sentence
--   talk(rng, people)          small talk, sometimes about one of them
--   layout(rng)                a function(events, people) that makes a text of sentences, and returns it with all of its sentences
return function(own)
  local defaults = table.clone(defaults)
  defaults.made_up = #own.relations == 0 and 1 or own.invent and defaults.made_up or 0
  local world = { defaults = defaults, refusal = refusal, relations = own.relations }

  -- Makes `count` episodes. The same seed gives the same episodes, and episode i does not depend on the count.
  function world.sample(parameters)
    local option = {}
    for key, default in pairs(defaults) do
      option[key] = parameters[key] == nil and default or parameters[key]
    end
    for key in pairs(parameters) do
      if defaults[key] == nil and key ~= "count" and key ~= "seed" then
        error(string.format("%s.sample: unknown parameter '%s'", own.source, key), 2)
      end
    end
    if option.made_up > 0 and not own.invent then
      error(own.source .. ".sample: this world has no made-up relations; leave made_up at 0", 2)
    elseif option.made_up < 1 and #own.relations == 0 then
      error(own.source .. ".sample: this world has only made-up relations; leave made_up at 1", 2)
    end
    local made = {}
    for i = 1, parameters.count do
      made[i] = episode(own, option, fm.rng.new { seed = { parameters.seed, i } }, string.format("%s-%d-%d", own.source, parameters.seed, i))
    end
    return made
  end

  return world
end
