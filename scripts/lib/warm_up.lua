-- Supervised steps on the calls of a teacher. A model that does not know the form of calls, or what they are for, earns no reward to learn from.

local fm = require "finemem"
local loop = require "lib.loop"
local measure = require "lib.measure"

local warm_up = {}

-- From this share of invalid calls on, reinforcement learning has little to compare (our choice).
warm_up.invalid = 0.1

-- Where each argument of a tool stands in a teacher's call.
local keys = {
  memory_insert = { content = "content" }, memory_update = { memory_id = "id", new_content = "content" }, memory_delete = { memory_id = "id" },
  memory_skip = {},
}

-- The text of calls, each { statement, tool, id, content }, as the dialect writes them.
function warm_up.text(calls, dialect)
  local lines = {}
  for i, call in ipairs(calls) do
    local arguments = {}
    for key, from in pairs(keys[call.tool]) do
      arguments[key] = call[from]
    end
    lines[i] = dialect.write { name = call.tool, arguments = arguments, statement = call.statement }
  end
  return table.concat(lines, "\n")
end

-- Trains from step `done + 1` to `steps`. `option`:
--
--   trainer, run          the trainer, and the folder of the run, restored to step `done`
--   done, steps, total    the steps that are done, those of the warm-up, and all of the run
--   teacher               a module of scripts/teachers
--   dialect               how calls are written
--   sample(step)          the episodes of a step
--   rate(step)            the learning rate
--   checkpoint            steps between checkpoints
--
-- Returns whether it came to the end; false when somebody pressed Ctrl-C.
function warm_up.run(option)
  local make = require("teachers." .. option.teacher)
  for step = option.done + 1, option.steps do
    local began = fm.seconds {}
    local episodes = option.sample(step)
    local teach = make { episodes = episodes }
    local batch = option.trainer:rollout { episodes = episodes, group = 1, teacher = function(input)
      return warm_up.text(teach(input), option.dialect)
    end }
    local stats = option.trainer:imitate { batch = batch, lr = option.rate(step) }
    local figures = measure.batch(batch)
    stats["teacher/accuracy"], stats["teacher/failure_frequency"] = figures.accuracy, figures.invalid
    option.run:log { step = step, stats = stats }
    local spent = fm.seconds {} - began
    option.run:progress {
      step = step, total = option.total,
      text = string.format("warm-up: loss %.3f  teacher's accuracy %.3f  %.0f tokens/s, %.0f %% of them shared", stats.loss, figures.accuracy,
        stats.num_tokens / spent, 100 * stats.num_tokens_shared / stats.num_tokens),
    }
    if loop.checkpoint(option, step, step == option.steps) then
      return false
    end
  end
  return true
end

return warm_up
