-- The episodes of an evaluation, cut into chunks as each method reads them.

local fm = require "finemem"
local arguments = require "lib.arguments"
local reading = require "lib.eval.reading"

local episodes = {}

-- The catalogue for recommendations of a data file: entity2id.json of MemoryAgentBench, unless a file is named.
local function titles(data, named)
  local folder = data:match "^(.*[/\\])[^/\\]*$" or ""
  for _, path in ipairs(named and { named } or { folder .. "entity2id.json", folder .. "../entity2id.json" }) do
    if named or fm.exists { path = path } then
      return fm.json.decode { text = fm.read { path = path } }
    end
  end
  arguments.refuse(
    "%s asks for recommendations, which are looked up in MemoryAgentBench's entity2id.json: put it beside the data, or name it with --titles FILE",
    data)
  return nil
end

local function recommends(list)
  for _, episode in ipairs(list) do
    for _, question in ipairs(episode.questions) do
      if (question.metric or ""):find "^recall_at_" then
        return true
      end
    end
  end
  return false
end

-- The distinct texts among episodes, because rows of a file often share theirs: the first episode of each text, and for each episode the
-- number of its text.
function episodes.texts(list)
  local first, place, known = {}, {}, {}
  for i, episode in ipairs(list) do
    local text = table.concat(episode.chunks, "\0")
    if not known[text] then
      first[#first + 1] = episode
      known[text] = #first
    end
    place[i] = known[text]
  end
  return first, place
end

-- Opens the file that eval.lua's arguments name. Returns `all`, the episodes; `own`, by method, for the methods that read chunks of their
-- own size; `titles`, if there are recommendations to look up; `skipped`, what of the file could not be read; and `notes`, what to know about
-- the episodes.
function episodes.open(option, policy, methods)
  local skipped, notes

  -- Chunks of so many tokens, or of so many facts; nil leaves the size to the reader.
  local function open(tokens, facts)
    local list = {}
    skipped, notes = {}, {}
    for _, episode in ipairs(fm.data.open {
      path = option.data, facts_per_chunk = facts, chunk_tokens = tokens, strict = option.strict, skipped = skipped, notes = notes,
    }) do
      local wanted = not option.source or episode.source:find(option.source, 1, true)
      if wanted and (option.limit == 0 or #list < option.limit) then
        list[#list + 1] = episode
      end
    end
    if #list == 0 then
      arguments.refuse("%s has no episode%s", option.data, option.source and string.format(" whose source contains '%s'", option.source) or "")
    end
    return list
  end

  local facts = option.facts > 0 and option.facts or nil
  local all, own = open(option.chunk_tokens > 0 and option.chunk_tokens or nil, facts), {}
  for i = 1, math.min(10, #skipped) do
    print("skipped: " .. skipped[i])
  end
  for i = 1, math.min(10, #notes) do
    print("note: " .. notes[i])
  end
  local models = false
  for _, method in ipairs(methods) do
    models = models or method.design ~= nil
  end
  if option.chunk_tokens == 0 and models then
    local first = all[1].chunks
    local largest, longest = reading.chunk_tokens(policy, math.huge, first), 0
    for _, episode in ipairs(all) do
      for _, chunk in ipairs(episode.chunks) do
        longest = math.max(longest, #chunk)
      end
    end
    if longest > 4 * largest then
      print(string.format(
        "chunks are cut to about %d tokens of four bytes, a quarter of the policy's context; --chunk_tokens sets another size", largest))
      all = open(largest, facts)
    end
    for _, method in ipairs(methods) do
      if method.chunk_tokens then
        own[method] = open(reading.chunk_tokens(policy, method.chunk_tokens, first), nil)
      end
    end
  end
  return { all = all, own = own, titles = recommends(all) and titles(option.data, option.titles) or nil, skipped = skipped, notes = notes }
end

return episodes
