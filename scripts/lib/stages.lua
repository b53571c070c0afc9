-- What held-out episodes say of a policy before, during and after its training. The figures are kept in stages.jsonl, so that a resumed run does
-- not measure them again.

local fm = require "finemem"
local harm = require "lib.harm"
local household = require "lib.household"
local lines = require "lib.lines"
local warm_up = require "lib.warm_up"

local stages = {}

-- `option` has the run's `path`, the `episodes`, and `training` as household.read takes it.
function stages.open(option)
  local path, known, list = option.path .. "/stages.jsonl", {}, {}
  for _, line in ipairs(lines.read(path)) do
    local row = fm.json.decode { text = line }
    known[row.stage] = true
    list[#list + 1] = row
  end
  local self = {}

  -- Measures the policy as it is, unless that has been done.
  function self.measure(stage)
    if known[stage] or #option.episodes == 0 then
      return
    end
    print(string.format("measuring %d held-out episodes, %s", #option.episodes, stage))
    local row = household.read(option.training, option.episodes)
    row.stage = stage
    lines.add(path, fm.json.encode { value = row })
    known[stage], list[#list + 1] = true, row
    print(string.format("accuracy %s: %.3f (%.3f-%.3f), %.1f %% of the calls invalid", stage, row.accuracy, row.low, row.high, 100 * row.invalid))
    if stage == "after the warm-up" and row.invalid > warm_up.invalid then
      print("advice: reinforcement learning compares calls that are carried out; more --warm_up_steps leave fewer that are not")
    end
  end

  -- Prints all that was measured, a column for each stage.
  function self.report()
    local function row(name, of)
      local cells = { string.format("%-46s", name) }
      for i, figures in ipairs(list) do
        cells[i + 1] = string.format("%20s", of(figures))
      end
      print(table.concat(cells))
    end
    if #list == 0 then
      return
    end
    print ""
    row(string.format("%d held-out episodes", #option.episodes), function(f) return f.stage end)
    row("answer accuracy", function(f) return string.format("%.3f", f.accuracy) end)
    row("  95 % interval", function(f) return string.format("%.3f-%.3f", f.low, f.high) end)
    row("memory, tokens", function(f) return string.format("%.0f", f.memory_tokens) end)
    row("invalid calls", function(f) return string.format("%.1f %%", 100 * f.invalid) end)
    for _, line in ipairs(harm.rows) do
      row(line.title, function(f) return harm.shown(line, f[line.name], f.n or {}) end)
    end
  end

  return self
end

return stages
