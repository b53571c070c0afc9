-- Figures of a comparison's runs on published files: each run's policy reads the file as eval.lua has it read, and the extractive reasoner
-- answers from its memory. They are kept beside the run's other figures, in published.jsonl, with a line for each file.

local fm = require "finemem"
local baseline = require "baselines.policy"
local episodes = require "lib.eval.episodes"
local lines = require "lib.lines"
local methods = require "lib.eval.methods"

local published = {}

-- Items that may be combined for an answer: as many as the longest questions of MemoryAgentBench need.
local HOPS = 4

-- The figures of a file besides the scores of its sources.
local others = {
  { name = "memory", title = "tokens of the memory, of the text's", percent = true },
  { name = "wrong_updates", title = "wrong updates", percent = true },
  { name = "facts_lost", title = "facts lost", percent = true },
  { name = "stale", title = "stale items kept", percent = true },
}

local function stem(file)
  return file:match "([^/\\]+)%.%w+$" or file:match "[^/\\]+$"
end

local function path_of(folder)
  return folder .. "/published.jsonl"
end

-- The files that `text` lists, separated by commas. A file that cannot be read is an error now, and not after the first training.
function published.files(text)
  local files, known = {}, {}
  for file in (text or ""):gmatch "[^,]+" do
    if known[stem(file)] then
      error(string.format("--data: two files are called '%s'", stem(file)), 0)
    end
    known[stem(file)] = true
    fm.data.open { path = file }
    files[#files + 1] = file
  end
  return files
end

-- The figures that a run in `folder` has, as { file, sources, figures } for each file that was read.
local function read(folder)
  local list = {}
  for i, line in ipairs(lines.read(path_of(folder))) do
    list[i] = fm.json.decode { text = line }
  end
  return list
end

-- Those of `files` that the run in `folder` has no figures of.
function published.missing(folder, files)
  local known, list = {}, {}
  for _, one in ipairs(read(folder)) do
    known[one.file] = true
  end
  for _, file in ipairs(files) do
    list[#list + 1] = not known[stem(file)] and file or nil
  end
  return list
end

-- Has the policy of the run in `folder` read a file, and keeps the figures.
function published.measure(folder, file)
  -- To open a finished run again would take back what it did since its last checkpoint.
  local shown = fm.seconds {}
  local run = { path = folder, progress = function(_, at)
    if fm.seconds {} - shown > 5 then
      shown = fm.seconds {}
      print(string.format("%s: %s", stem(file), at.text))
    end
  end }
  local policy = fm.model.load { path = folder .. "/policy" }
  local data = episodes.open({ data = file, facts = 3, chunk_tokens = 0, limit = 0, strict = false }, policy, { baseline })
  local done = methods.run_all(run, { baseline }, data, {
    policy = policy, name = "policy", view = "statements", view_items = 20, max_prompt = 8192, window = 32768,
  }, { reasoner = fm.reasoner.extractive { hops = HOPS }, shown = 0, costly = false, stopped = "stopped; the same command continues" })[1]
  local found = { file = stem(file), sources = {}, figures = {} }
  for i, row in ipairs(done.figures.summary.rows) do
    found.sources[i], found.figures[row.source] = row.source, row.mean
  end
  found.figures.memory = done.cost.memory_tokens / done.cost.input_tokens
  for _, name in ipairs { "wrong_updates", "facts_lost", "stale" } do
    found.figures[name] = done.harm[name]
  end
  lines.add(path_of(folder), fm.json.encode { value = found })
end

-- Adds the figures of the run in `folder` to those of its last step, as `published/FILE/NAME`, with the `columns` that they make, which
-- lists { name, title, percent, digits } once each.
function published.add(row, folder, columns)
  for _, one in ipairs(read(folder)) do
    local function column(name, title, percent)
      local key = string.format("published/%s/%s", one.file, name)
      row[key] = one.figures[name]
      if not columns[key] then
        columns[key] = true
        columns[#columns + 1] = { name = key, title = title, percent = percent, digits = 3 }
      end
    end
    for _, source in ipairs(one.sources) do
      column(source, source, false)
    end
    for _, other in ipairs(others) do
      column(other.name, one.file .. ": " .. other.title, other.percent)
    end
  end
end

return published
