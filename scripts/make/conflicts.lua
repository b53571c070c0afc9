-- Writes a list of made-up facts that contradict one another, with questions, in the form of MemoryAgentBench's conflict resolution.
--
-- The published files have some thirty relations in one wording each. A method that reads these wordings says little about other texts, so
-- this file has other relations, several wordings of each unless one is asked for, and made-up names. The newest of contradicting facts holds, at every hop of a
-- question. `lib/conflicts/` has the relations, the names and the lists.

local fm = require "finemem"
local arguments = require "lib.arguments"
local list = require "lib.conflicts.list"

local option = arguments.read([[
Writes a list of made-up facts that contradict one another, with questions, in the form of MemoryAgentBench's conflict resolution.

  finemem-engine run scripts/make/conflicts.lua -- --out FILE [--tokens 32000] [--seed 2]

Relations, wordings and names are others than in the published files. The newest of contradicting facts holds. The file has two rows over the
same list: questions for one fact, and questions for a chain of facts. The same arguments give the same file.]], {
  { "out", "FILE", nil, "the file to write", required = true },
  { "tokens", "integer", 6000, "the length of the list, in tokens of about four bytes; the published ones have 6000, 32000, 64000 and 262000" },
  { "seed", "integer", 1, "another seed gives another list" },
  { "questions", "integer", 100, "how many questions each row has" },
  { "wordings", "integer", 3, "how many wordings each relation has in the statements, from 1 to 3; in the published files it is 1" },
  { "hops", "integer", 4, "the longest chain of facts that a question asks for, from 2 to 4" },
})
for name, range in pairs { tokens = { 1000, 1e6 }, questions = { 1, 1e5 }, wordings = { 1, 3 }, hops = { 2, 4 } } do
  if option[name] < range[1] or option[name] > range[2] then
    arguments.refuse("--%s is from %d to %d, not %d", name, range[1], range[2], option[name])
  end
end

local made = list.make(option)
fm.write { path = option.out, text = list.file(made, option.tokens) }
print(string.format("wrote %s: %d facts, %d questions", option.out, #made.statements, #made.single + #made.multi))
