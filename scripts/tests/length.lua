-- Measuring at sizes of the memory and in the office, and curricula: the parameters of the training episodes follow their schedules.

local fm = require "finemem"
local compare = require "lib.compare"
local household = require "lib.household"
local length = require "lib.length"

-- The table of the comparison opens, and what it schedules changes with the step.
local methods, names, seeds, sizes = compare.methods { table = "comparisons.length", episodes = 12 }
assert(names[1] == "base" and seeds == 3 and #sizes == 7 and sizes[7] == 10000)

-- The mean number of facts in a text, of small talk beside each, and of items in the memory at first, and the share of answers that other
-- questions of the episode ask about, in a method's episodes of a step.
local function of(name, step)
  local option = table.clone(household.defaults)
  for key, value in pairs(methods[table.find(names, name)].option) do
    option[key] = value
  end
  local facts, talk, items, texts, episodes, seen, again = 0, 0, 0, 0, 0, 0, 0
  for _, episode in ipairs(household.episodes(option, step)) do
    items, episodes = items + #episode.memory:items {}, episodes + 1
    for t, events in ipairs(episode.events) do
      -- The lines around a letter are talk, whatever the noise.
      local letter = episode.chunks[t]:find("\n\n", 1, true)
      texts = texts + (letter and 0 or 1)
      for _, event in ipairs(letter and {} or events) do
        facts, talk = facts + (event.fact and 1 or 0), talk + (event.fact and 0 or 1)
      end
    end
    for _, one in ipairs(episode.questions) do
      local found = false
      for _, other in ipairs(episode.questions) do
        found = found or other ~= one and other.question:find(one.answers[1], 1, true) ~= nil
      end
      seen, again = seen + 1, again + (found and 1 or 0)
    end
  end
  return facts / texts, talk / facts, items / episodes, again / seen
end

local facts, talk, items, again = of("trained", 1)
assert(facts == 3 and talk > 0.1 and talk < 0.4 and items < 200)
assert(of("chunk length", 1) == 1 and of("chunk length", 20) == 4 and of("all four", 30) == 4)
assert(select(2, of("noise", 1)) < 0.1 and select(2, of("noise", 20)) > 0.45)
local few, many = select(3, of("memory size", 1)), select(3, of("memory size", 20))
assert(few >= 10 and few < 70 and many > 2 * few, many)
local apart, near = select(4, of("neighbours", 1)), select(4, of("neighbours", 20))
assert(near > 2 * apart, near)
local none, why = pcall(compare.methods, { table = "tests.length_unknown" })
assert(not none and tostring(why):find("'fact' is not an option", 1, true), why)

-- Held-out episodes: plain ones, the office's, and those with a memory of a size.
local training = household.open { held_out = 3, episodes = 1, group = 2 }
local figures, batch = household.measure(training)
assert(#batch.rollouts == 3 and figures.office >= 0 and figures.office <= 1)
local at = household.measure_at(training, 40)
assert(at.told >= 0 and at.told <= 1 and at.kept >= 0 and at.kept <= 1)
assert(math.abs(household.office_share({ accuracy = 0.4, office = 0.3 }, { accuracy = 0.8, office = 0.6 }) - 0.75) < 1e-9)
assert(household.office_share({ accuracy = 0.4, office = 0.3 }, { accuracy = 0.4, office = 0.6 }) == nil)

-- The tables against figures worked out by hand. t of 1 degree of freedom is 12.7062.
local function run(accuracy, lost)
  local stats = { step = 1 }
  length.log(stats, 10, { told = accuracy, facts_lost = lost })
  length.log(stats, 1000, { told = accuracy / 2 })
  return { stats }
end
local made = { { name = "base", runs = { run(0.4, 0.02), run(0.6, 0.04) } }, { name = "trained", runs = { run(0.9, 0.125) } } }
local text = length.markdown(made)
for _, line in ipairs {
  "| Accuracy, what the texts tell | 10 | 1000 |",
  "| base | 0.500 (-0.771 to 1.771) | 0.250 (-0.385 to 0.885) |",
  "| trained | 0.900 | 0.450 |",
  "| trained | - | - |",
  "| base | 3.0 (-9.7 to 15.7) % | - |",
  "| trained | 12.5 % | - |",
} do
  assert(text:find(line, 1, true), line .. " is not in\n" .. text)
end
length.report(fm.args[1], "by hand", made)
assert(fm.exists { path = fm.args[1] .. "/length.html" })
assert(length.markdown { { name = "old", runs = { { { step = 1 } } } } } == nil)
