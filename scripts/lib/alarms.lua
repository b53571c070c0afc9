-- Alarms: what is wrong with a memory, an experiment or a run, in plain words, and what to do about it.

local fm = require "finemem"
local measure = require "lib.measure"

local alarms = {}

local function percent(value)
  return string.format("%.0f %%", 100 * value)
end

-- An alarm for a figure of lib/harm.lua, or another one, that is larger than it should be.
local function above(figure, limit, text)
  return function(figures)
    local value = figures[figure]
    return value and value > limit and string.format(text, percent(value)) or nil
  end
end

-- A score of a memory that does not belong to the questions, when it comes within a tenth of the real one.
local function without(figure, text)
  return function(figures)
    local value, real = figures[figure], figures.accuracy
    return value and real and real > 0 and value >= 0.9 * real and string.format(text, value, real) or nil
  end
end

-- Each has a name, the limit with its reason, and the advice.
local known = {
  -- One in twenty: with fewer, the few facts of a short episode decide.
  { "facts lost", above("facts_lost", 0.05, "%s of the facts that were in the memory, and are still true, can no longer be answered: look at the "
    .. "deletes and updates of such an item, and reward single steps for what they keep, as the chunk and evidence terms do") },
  -- One in fifty: a policy writes hundreds of times in a long text, so even rare mistakes add up.
  { "wrong updates", above("wrong_updates", 0.02, "%s of the updates replaced a true fact that nothing else says: the policy cannot tell whether an "
    .. "item is about the same thing; show it several candidates, or train it on memories with similar names") },
  { "wrong deletes", above("wrong_deletes", 0.02, "%s of the deletes removed a true fact that nothing else says: reward keeping, or take the delete tool away") },
  -- One in ten: the reasoner finds ten items for a question, so one more is an outdated one.
  { "stale items", above("stale", 0.1, "%s of the items tell something outdated: the policy inserts where it should update; reward updates, or the "
    .. "questions asked right after a change") },
  { "talk kept", above("talk", 0.1, "%s of the items that were written tell no fact: raise the weight of the compression term, or put more small talk into the episodes") },
  -- Nearly everything: a text of facts alone is rightly copied, but leaves nothing out.
  { "verbatim copying", above("verbatim", 0.9, "%s of the chunks' words are copied into the memory: it hardly selects anything; raise the weight of "
    .. "the compression term, or read texts that have more to leave out") },
  { "questions without a memory", without("empty_score", "an empty memory scores %.3f, the real one %.3f: the questions can be answered without "
    .. "it and train nothing; drop such questions, for example with make/open_book_questions.lua") },
  { "questions of any memory", without("shuffled_score", "the memory of another episode scores %.3f, the episode's own %.3f: what is remembered does "
    .. "not matter; look at the questions and at what the reasoner answers") },
  -- Otherwise more is lost in answering than a memory could gain.
  { "a reasoner that misses facts", function(figures)
    local value = figures.true_score
    return value and value < 0.9 and string.format("even a memory of exactly the true facts scores only %.3f: the reasoner is the limit, "
      .. "not the memory; choose a better one with --reasoner, or other questions", value) or nil
  end },
  -- Half: the update then learns from fewer groups than it pays for.
  { "dead groups", above("frac_reward_zero_std", 0.5, "%s of the steps teach nothing, because the rewards of their group are equal: sample at a higher "
    .. "temperature, with larger groups, or use a reward with step terms") },
  -- One call in five: then a reward for the format outweighs what the calls do.
  { "calls that fail", above("invalid", 0.2, "%s of the calls are not valid: look at the reasons in the rollouts; a larger --max_tokens helps if they "
    .. "are cut off, another --dialect if they cannot be read") },
  -- A tenth more than at the best time is no accident over three steps.
  { "more calls that fail", function(figures)
    local value, best = figures.invalid_mean, figures.invalid_best
    return value and value > best + 0.1 and string.format("%s of the calls are not valid, up from %s: the policy forgets the form of its calls; "
      .. "lower the learning rate, or raise the weight of the format term", percent(value), percent(best)) or nil
  end },
}

-- The alarms that hold for figures: those of lib/harm.lua by their names, and `accuracy`, `invalid`, `frac_reward_zero_std`. Each is
-- { name, text }.
function alarms.of(figures)
  local list = {}
  for _, one in ipairs(known) do
    local text = one[2](figures)
    list[#list + 1] = text and { name = one[1], text = text } or nil
  end
  return list
end

-- How many steps the share of invalid calls is smoothed over.
local SMOOTH = 3

-- The other figures, as they are logged.
local logged = { ["memory/accuracy"] = "accuracy", ["tools/failure_frequency"] = "invalid", frac_reward_zero_std = "frac_reward_zero_std" }

-- A function that is given the logged figures of a run's steps, in order, and returns the alarms that hold for the first time.
function alarms.watch()
  local raised, recent, best = {}, {}, math.huge
  return function(stats)
    local figures = {}
    for name, value in pairs(stats) do
      -- A figure that is not finite is logged as null.
      local own = logged[name] or name:match "^harm/(.*)"
      if own and type(value) == "number" then
        figures[own] = value
      end
    end
    recent[#recent + 1] = figures.invalid
    if #recent > SMOOTH then
      table.remove(recent, 1)
    end
    if #recent == SMOOTH then
      local sum = 0
      for _, value in ipairs(recent) do
        sum += value
      end
      best = math.min(best, sum / SMOOTH)
      figures.invalid_mean, figures.invalid_best = sum / SMOOTH, best
    end
    local new = {}
    for _, alarm in ipairs(alarms.of(figures)) do
      if not raised[alarm.name] then
        raised[alarm.name] = true
        new[#new + 1] = alarm
      end
    end
    return new
  end
end

-- Watches a run whose folder is `path`, after `done` steps: returns a function that is given the figures of each further step, prints the
-- alarms that hold for the first time, and keeps them in alarms.jsonl.
function alarms.keep(path, done)
  local file, watch, kept = path .. "/alarms.jsonl", alarms.watch(), {}
  local function lines(step, new)
    for _, alarm in ipairs(new) do
      kept[#kept + 1] = fm.json.encode { value = { step = step, name = alarm.name, text = alarm.text } } .. "\n"
    end
    return #new > 0
  end
  for _, row in ipairs(done > 0 and measure.logged(path) or {}) do
    if row.step <= done then
      lines(row.step, watch(row))
    end
  end
  fm.write { path = file, text = table.concat(kept) }
  return function(step, stats)
    local new = watch(stats)
    if lines(step, new) then
      for _, alarm in ipairs(new) do
        print(string.format("alarm at step %d, %s: %s", step, alarm.name, alarm.text))
      end
      fm.write { path = file, text = table.concat(kept) }
    end
  end
end

return alarms
