-- Alarms: what is wrong with a memory, an experiment or a run, in plain words, and what to do about it.

local fm = require "finemem"
local measure = require "lib.measure"

local alarms = {}

local function percent(value)
  return string.format("%.0f %%", 100 * value)
end

-- A share of fewer than this is decided by a single case.
local FEW = 20

-- Says what is wrong with a share of lib/harm.lua, or another one, that is larger than it should be. `of` is what it is a share of, where
-- that was counted.
local function above(figure, limit, text, of)
  return function(figures)
    local value, n = figures[figure], figures.n and figures.n[of]
    return value and value > limit and (not n or n >= FEW) and string.format(text, percent(value)) or nil
  end
end

-- Says what is wrong if the score of a memory that does not belong to the questions comes within a tenth of the real one.
local function without(figure, text)
  return function(figures)
    local value, real = figures[figure], figures.accuracy
    return value and real and real > 0 and value >= 0.9 * real and string.format(text, value, real) or nil
  end
end

-- Each alarm has its limit, with the reason above it, and the advice. A `general` one is about the questions or the reasoner, whatever the
-- memory.
local known = {
  -- One in twenty: with fewer, the few facts of a short episode decide.
  {
    name = "facts lost",
    wrong = above("facts_lost", 0.05, "%s of the facts that were in the memory, and are still true, can no longer be answered", "facts"),
    advice = "look at the updates and deletes of such items, and reward single steps for what they keep, as Fine-Mem's chunk and evidence terms do",
  },
  -- One in fifty: a policy writes hundreds of times in a long text, so even rare mistakes add up.
  {
    name = "wrong updates",
    wrong = above("wrong_updates", 0.02, "%s of the updates replaced a true fact that nothing else says", "updates"),
    advice = "the policy cannot tell whether an item is about the same thing; show it several candidates, or train it on memories with similar names",
  },
  {
    name = "wrong deletes",
    wrong = above("wrong_deletes", 0.02, "%s of the deletes removed a true fact that nothing else says", "deletes"),
    advice = "reward what a step keeps, or leave the delete tool out",
  },
  -- One in ten: a question is answered from ten items by default, so one of them is outdated.
  {
    name = "stale items",
    wrong = above("stale", 0.1, "%s of the items tell something outdated", "items"),
    advice = "the policy inserts where it should update; reward updates, or the answers right after a change",
  },
  {
    name = "talk kept",
    wrong = above("talk", 0.1, "%s of the items that were written tell no fact", "written"),
    advice = "raise the weight of the compression term, or put more small talk into the episodes",
  },
  -- Nearly everything: a text of facts alone is rightly copied, but leaves nothing out.
  {
    name = "verbatim copying",
    wrong = above("verbatim", 0.9, "%s of the chunks' words are copied into the memory"),
    advice = "it hardly selects anything; raise the weight of the compression term, or read texts that have more to leave out",
  },
  {
    name = "questions without a memory", general = true,
    wrong = without("empty_score", "an empty memory scores %.3f, the real one %.3f"),
    advice = "the questions can be answered without it and train nothing; drop such questions, for example with make/open_book_questions.lua",
  },
  {
    name = "questions of any memory", general = true,
    wrong = without("shuffled_score", "the memory of another episode scores %.3f, the episode's own %.3f"),
    advice = "what is remembered does not matter; look at the questions and at what the reasoner answers",
  },
  -- One in ten: then answering loses as much as a memory may.
  {
    name = "a reasoner that misses facts", general = true,
    wrong = function(figures)
      local value = figures.true_score
      return value and value < 0.9 and string.format("even a memory of exactly the true facts scores only %.3f", value) or nil
    end,
    advice = "the reasoner is the limit, not the memory; choose a better one, or other questions",
  },
  -- Half: the update then learns from fewer groups than it pays for.
  {
    name = "dead groups",
    wrong = above("frac_reward_zero_std", 0.5, "%s of the steps teach nothing, because the rewards of their group are equal"),
    advice = "sample at a higher temperature or with larger groups, or use a reward with step terms",
  },
  -- One call in five: then the form of the calls costs more than what they do.
  {
    name = "calls that fail",
    wrong = above("invalid", 0.2, "%s of the calls are not valid"),
    advice = "look at the reasons in the rollouts; a larger --max_tokens helps if calls are cut off, another --dialect if they cannot be read",
  },
  -- A tenth more than at its best is no accident over several steps.
  {
    name = "more calls that fail",
    wrong = function(figures)
      local value, best = figures.invalid, figures.invalid_best
      return value and best and value > best + 0.1 and string.format("%s of the calls are not valid, up from %s", percent(value), percent(best)) or nil
    end,
    advice = "the policy forgets the form of its calls; lower the learning rate, or raise the weight of the format term",
  },
}

-- The alarms that hold for figures: those of lib/harm.lua by their names, and `accuracy`, `invalid`, `frac_reward_zero_std`. Each is
-- { name, general, advice, text }, where the text says what is wrong, and the advice.
function alarms.of(figures)
  local list = {}
  for _, one in ipairs(known) do
    local wrong = one.wrong(figures)
    list[#list + 1] = wrong and { name = one.name, general = one.general or false, advice = one.advice, text = wrong .. ": " .. one.advice } or nil
  end
  return list
end

-- How many steps of a run a figure is the mean of. One step has few updates and deletes.
local SMOOTH = 3

-- The other figures, as they are logged.
local logged = { ["memory/accuracy"] = "accuracy", ["tools/failure_frequency"] = "invalid", frac_reward_zero_std = "frac_reward_zero_std" }

-- A function that is given the logged figures of a run's steps, in order, and returns the alarms that hold for the first time.
function alarms.watch()
  local raised, recent, best = {}, {}, math.huge
  return function(stats)
    recent[#recent + 1] = stats
    if #recent > SMOOTH then
      table.remove(recent, 1)
    end
    if #recent < SMOOTH then
      return {}
    end
    local sums, counts, figures = {}, {}, {}
    for _, row in ipairs(recent) do
      for name, value in pairs(row) do
        -- A figure that is not finite is logged as null.
        local own = logged[name] or name:match "^harm/(.*)"
        if own and type(value) == "number" then
          sums[own], counts[own] = (sums[own] or 0) + value, (counts[own] or 0) + 1
        end
      end
    end
    for name, sum in pairs(sums) do
      figures[name] = sum / counts[name]
    end
    best = math.min(best, figures.invalid or math.huge)
    figures.invalid_best = best
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
