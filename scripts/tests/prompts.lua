-- The tiny model's prompt marks where an item differs from a statement.

local prompt = require "prompts.flat"

-- The lines below a statement in the prompt, for a memory of these contents. Ids count from 1.
local function below(statement, contents)
  local items = {}
  for id, content in ipairs(contents) do
    items[id] = { id = id, content = content }
  end
  local lines = {}
  for line in prompt({ memory = items, chunk = statement }):gmatch "[^\n]+" do
    lines[#lines + 1] = line
  end
  assert(lines[1] == "1 " .. statement and lines[#lines] == "Calls:", table.concat(lines, "\n"))
  return table.move(lines, 2, #lines - 1, 1, {})
end

local function check(statement, content, line)
  local found = below(statement, { content })
  assert(#found == 1 and found[1] == line .. '", "memory_id": 1', table.concat(found, "\n"))
end

-- Another value, another subject, a phrase before the statement.
check("Oska's tutor is now Ilmar.", "Oska's tutor is Marru Velt.", " Oska's tutor is[- Marru Velt-]{+ now Ilmar+}.")
check("Oska Bem's tutor is Ilmar.", "Oska's tutor is Ilmar.", " Oska{+ Bem+}'s tutor is Ilmar.")
check("By the way: kee is the dialect of Ygi.", "gawai is the dialect of Ygi.", "[- gawai-]{+ By the way: kee+} is the dialect of Ygi.")
-- The same words in another order: who teaches whom.
check("Velt's tutor is Oska.", "Oska's tutor is Marru Velt.", "[~ Oska~]'s tutor is[- Marru-][~ Velt~].")
-- One of them has a word twice. Short words do not count, unless they stand by a longer one.
check("The bank of the town is Tarn.", "The bank of Tarn is shut.", " The bank of{+ the town is+} Tarn[- is shut-].")
check("Where we all met is Mill of Ur.", "Mill of Ur is where we all met.", "[~ Mill of Ur~][- is-] where we all met{+ is+}.")
-- Items that have too little in common are not shown, and the better one comes first.
local shown = below("Oska's tutor is Ilmar.", { "Port Velt lies far away.", "Oska's tutor is Bem.", "Oska's tutor is Ilmar Bem." })
assert(#shown == 2 and shown[1]:find "3$" and shown[2]:find "2$", table.concat(shown, "\n"))
-- Among many items that say the same of somebody else, which are marked, the one that is outdated is shown.
local crowd = { "Oska Bem's tutor is Marru." }
for i, name in ipairs { "Tarn", "Velt", "Sor", "Kee", "Ygi" } do
  crowd[i + 1] = "Oska " .. name .. "'s tutor is Ilmar Rhee Tover."
end
shown = below("Oska Bem's tutor is Ilmar Rhee Tover.", crowd)
assert(#shown == 3 and shown[1]:find "^%[%*%].* 6$" and shown[2]:find "^ .* 1$" and shown[3]:find "^ .* 5$", table.concat(shown, "\n"))
