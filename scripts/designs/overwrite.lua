-- MemAgent's memory (arXiv 2507.02259): one text of limited length, which the policy rewrites for each chunk. The answer is the new memory
-- (dialects/whole.lua); there are no other calls.
--
-- `option.tokens` is the limit, by default the published 1024; a longer text loses its end. Ours: the policy does not know the questions.

local common = require "lib.tools"

return function(option)
  local count, limit = common.counter("overwrite", option.policy), option.tokens or 1024
  return {
    dialect = require "dialects.whole",
    retrieval = { retrieval = "whole" },
    view = function(memory)
      return memory:items { section = "core" }
    end,
    sections = { { name = "core", title = "Memory", whole = true } },
    task = string.format([[
You read a stream of texts, one at a time, and cannot see them again. All that stays is one text, the memory, from which questions about everything you read will be answered. With each new text you write the memory anew: keep what it said that still holds, add what the new text says, drop what matters least. It holds at most %d tokens. Answer with the new memory and nothing else.]], limit),
    tools = {
      {
        name = "memory_write",
        description = "Writes the memory anew.",
        parameters = common.schema({ content = { type = "string", minLength = 1 } }, { "content" }),
        run = function(memory, arguments)
          local content = common.trimmed(common.cut(count, common.trimmed(arguments.content), limit, ""))
          local now = common.only(memory, "core")
          if now and now.content == content then
            return nil -- The policy may leave the memory as it is.
          end
          return common.write(memory, "core", content)
        end,
      },
    },
  }
end
