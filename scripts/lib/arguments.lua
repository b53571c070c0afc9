-- Reads a program's arguments, those after `--` on the command line, from one table that is also its help.

local fm = require "finemem"

local arguments = {}

-- Leaves with one line, for an argument that cannot be used.
function arguments.refuse(...)
  fm.exit { error = string.format(...) }
end

-- The names of the modules in a folder, without the folder's.
function arguments.names(folder)
  local names = {}
  for i, module in ipairs(fm.modules { folder = folder }) do
    names[i] = module:match "[^.]+$"
  end
  return names
end

-- Refuses the name of a module that does not exist. `list` returns the names to choose from, by default those of the modules in the folder.
function arguments.module(name, what, list)
  local folder = name:match "^(.+)%.[^.]+$"
  local known = folder and fm.modules { folder = folder }
  if known and not table.find(known, name) then
    known = list and list() or known
    arguments.refuse("there is no %s '%s'%s", what, name, #known > 0 and "; there are " .. table.concat(known, ", ") or "")
  end
end

-- Opens the run's folder as fm.run.open does; leaves with one line if it cannot be used.
function arguments.open_run(settings)
  local opened, run = pcall(fm.run.open, settings)
  if not opened then
    arguments.refuse("%s", (tostring(run):match "fm%.run%.open: ([^\n]*)") or tostring(run))
  end
  return run
end

-- How many letters have to be added, left out or replaced to make one word of another.
local function distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + (same and 0 or 1))
    end
  end
  return row[#b]
end

-- What to say about an unknown name: the name that was probably meant.
local function nearest(name, specs)
  local best, least = nil, #name / 2
  for _, spec in ipairs(specs) do
    local far = distance(name, spec[1])
    if far <= least then
      best, least = spec[1], far
    end
  end
  return best and string.format("; did you mean --%s?", best) or "; --help lists all"
end

-- What a value of this kind looks like.
local function shape(kind)
  return type(kind) == "table" and "WORD" or ({ number = "NUMBER", integer = "NUMBER", flag = "yes|no" })[kind] or kind
end

-- The value that `text` stands for.
local function value(name, kind, text)
  if kind == "number" or kind == "integer" then
    local number = tonumber(text)
    if not number or number ~= number or math.abs(number) == math.huge then
      arguments.refuse("--%s needs a number, not '%s'", name, text)
    elseif kind == "integer" and number % 1 ~= 0 then
      arguments.refuse("--%s needs a whole number, not '%s'", name, text)
    end
    return number
  elseif kind == "flag" then
    if text ~= "yes" and text ~= "no" then
      arguments.refuse("--%s is yes or no, not '%s'", name, text)
    end
    return text == "yes"
  elseif kind == "JSON" and not pcall(fm.json.decode, { text = text }) then
    arguments.refuse("--%s needs JSON, not '%s'", name, text)
  elseif type(kind) == "table" and not table.find(kind, text) then
    arguments.refuse("--%s is one of %s, not '%s'", name, table.concat(kind, ", "), text)
  end
  return text
end

local function spoken(given)
  return type(given) == "boolean" and (given and "yes" or "no") or tostring(given)
end

-- Words and phrases in lines of at most `width` characters. A phrase is not broken.
local function wrapped(words, width, indent)
  local lines, line = {}, ""
  for _, word in ipairs(words) do
    if line ~= "" and utf8.len(line) + 1 + utf8.len(word) > width then
      lines[#lines + 1], line = line, word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n" .. string.rep(" ", indent))
end

local function help(about, specs)
  local heads, width = {}, 0
  for i, spec in ipairs(specs) do
    heads[i] = string.format("--%s %s", spec[1], shape(spec[2]))
    width = math.max(width, utf8.len(heads[i]))
  end
  print(about .. "\n\nArguments:")
  for i, spec in ipairs(specs) do
    local words = {}
    for word in (spec[4] .. (type(spec[2]) == "table" and ": " .. table.concat(spec[2], ", ") or "")):gmatch "%S+" do
      words[#words + 1] = word
    end
    if spec.required then
      words[#words + 1] = "[required]"
    elseif spec[3] ~= nil and spec[3] ~= "" then
      words[#words + 1] = string.format("[default: %s]", spoken(spec[3]))
    end
    print("  " .. heads[i] .. string.rep(" ", width - utf8.len(heads[i]) + 2) .. wrapped(words, 116 - width, width + 4))
  end
end

-- Reads the arguments that `specs` lists, each as { name, kind, default, explanation }. The kind is "number", "integer", "flag" for yes or
-- no, a list of words to choose from, or for any other text a word that says what it is, such as "FILE". An argument without a default is
-- nil when it is not given; one with `required = true` has to be given.
--
-- Gives the values by name, flags as booleans; and the same for run.json, with false for what was not given and flags as words. `--help`
-- prints `about` and the arguments, and ends the program.
function arguments.read(about, specs)
  local option, kinds = {}, {}
  for _, spec in ipairs(specs) do
    option[spec[1]], kinds[spec[1]] = spec[3], spec[2]
  end
  local i = 1
  while i <= #fm.args do
    local name = fm.args[i]:match "^%-%-([%w_]+)$"
    if name == "help" then
      help(about, specs)
      fm.exit {}
    elseif not name or not kinds[name] then
      arguments.refuse("unknown argument '%s'%s", fm.args[i], nearest(name or fm.args[i], specs))
    end
    local text = fm.args[i + 1]
    if text == nil or text:sub(1, 2) == "--" then
      arguments.refuse("--%s needs a value: %s", name, shape(kinds[name]))
    end
    option[name] = value(name, kinds[name], text)
    i = i + 2
  end
  local record = {}
  for _, spec in ipairs(specs) do
    local name, given = spec[1], option[spec[1]]
    if spec.required and given == nil then
      arguments.refuse("--%s %s is needed: %s", name, shape(spec[2]), spec[4])
    end
    if given == nil then
      record[name] = false
    else
      record[name] = kinds[name] == "flag" and spoken(given) or given
    end
  end
  return option, record
end

return arguments
