-- Figures about a batch of rollouts: how well questions are answered, how long the memory is, and what the policy did.

local fm = require "finemem"
local harm = require "lib.harm"
local readings = require "lib.harm.readings"

local measure = {}

local operations = { memory_insert = "insert", memory_update = "update", memory_delete = "delete", memory_skip = "skip" }

-- The mean score of a rollout's final answers; 0 if there are none.
function measure.score(rollout)
  local sum = 0
  for _, answer in ipairs(rollout.answers) do
    sum = sum + answer.score
  end
  return sum / math.max(1, #rollout.answers)
end

-- Mean answer accuracy with its 95 % interval over rollouts, memory and input tokens, calls per step by kind, and the shares of calls that
-- could be parsed, that were invalid, and that were read although the dialect's tags are missing.
function measure.batch(batch)
  local scores, memory, input, steps, calls, parsed, invalid, untagged, stray = {}, 0, 0, 0, 0, 0, 0, 0, 0
  local kinds = { insert = 0, update = 0, delete = 0, skip = 0 }
  for i, rollout in ipairs(batch.rollouts) do
    scores[i] = measure.score(rollout)
    memory = memory + rollout.memory_tokens
    input = input + rollout.input_tokens
    for _, step in ipairs(rollout.steps) do
      steps = steps + 1
      untagged, stray = untagged + step.untagged, stray + step.stray
      for _, call in ipairs(step.calls) do
        calls = calls + 1
        parsed = parsed + (call.parsed and 1 or 0)
        if not call.valid then
          invalid = invalid + 1
        elseif operations[call.tool] then
          local kind = operations[call.tool]
          kinds[kind] = kinds[kind] + 1
        end
      end
    end
  end
  local interval = fm.metric.interval { scores = scores, seed = 1 }
  local rollouts = #batch.rollouts
  local figures = {
    accuracy = interval.mean, low = interval.low, high = interval.high,
    memory_tokens = memory / rollouts, input_tokens = input / rollouts,
    parsed = calls > 0 and parsed / calls or 1, invalid = invalid / math.max(1, calls),
    untagged = untagged / math.max(1, calls), calls = calls / steps, stray = stray / steps,
  }
  for kind, count in pairs(kinds) do
    figures[kind] = count / steps
  end
  return figures
end

-- Adds the figures of lib/harm.lua about a batch to `stats`, by their names with `prefix` before them. Returns them.
function measure.harm(stats, prefix, batch, episodes, option)
  local figures = harm.measure(readings.of_batch(batch, episodes), option)
  for _, row in ipairs(harm.rows) do
    stats[prefix .. row.name] = figures[row.name]
  end
  return figures
end

-- The mean of `values[rollout][step]`.
function measure.mean(values)
  local sum, count = 0, 0
  for _, steps in ipairs(values) do
    for _, value in ipairs(steps) do
      sum, count = sum + value, count + 1
    end
  end
  return sum / math.max(1, count)
end

-- Adds figures about a training step's batch and rewards to those of its update. Returns the batch's own figures.
function measure.step(stats, batch, rewards)
  local figures = measure.batch(batch)
  for name, values in pairs(rewards.terms or {}) do
    stats["rewards/" .. name .. "/mean"] = measure.mean(values)
  end
  for _, name in ipairs { "accuracy", "memory_tokens", "input_tokens", "insert", "update", "delete", "skip" } do
    stats["memory/" .. name] = figures[name]
  end
  stats["tools/call_frequency"] = figures.calls
  stats["tools/parse_rate"] = figures.parsed
  stats["tools/failure_frequency"] = figures.invalid
  stats["tools/untagged_rate"] = figures.untagged
  stats["tools/stray_text"] = figures.stray
  return figures
end

-- The figures that a run has logged, one table for each step; nil if there is no such run. A last line that was cut off is left out.
function measure.logged(folder)
  local path = folder .. "/metrics.jsonl"
  if not fm.exists { path = path } then
    return nil
  end
  local rows = {}
  for line in fm.read { path = path }:gmatch "([^\n]*)\n" do
    local read, row = pcall(fm.json.decode, { text = line })
    if not read or type(row) ~= "table" or type(row.step) ~= "number" then
      error(string.format("%s: line %d does not have a step's figures", path, #rows + 1), 0)
    end
    rows[#rows + 1] = row
  end
  return rows
end

return measure
