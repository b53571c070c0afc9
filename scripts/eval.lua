-- Evaluates a policy and baselines on a published file, by the metric of each question's protocol.

local fm = require "finemem"
local arguments = require "lib.arguments"
local designs = require "lib.designs"
local dialects = require "lib.dialects"
local episodes = require "lib.eval.episodes"
local methods = require "lib.eval.methods"
local reasoners = require "lib.reasoners"
local report = require "lib.eval.report"

local option, record = arguments.read([[
Evaluates a policy and baselines on a published file, by the metric of each question's protocol.

  finemem-engine run scripts/eval.lua -- --data FILE [--policy DIR] [--baselines NAME,…] [--reasoner …] [--judge …] [--out DIR] …

Prints a table, and writes to the run's folder: table.md (the same), results.jsonl (a line for each question), memories.jsonl (the items),
readings.jsonl (what models did with each chunk), summary.json, and page.html, a page to step through the episodes.
`finemem-engine run --resume DIR` continues an evaluation that was stopped.]], reasoners.with {
  { "data", "FILE", nil, "a published file such as factconsolidation_6k.json, in any format that fm.data.open reads", required = true },
  { "policy", "DIR", "models/tiny", "a model folder, whose tokenizer also counts tokens; with none, only baselines are evaluated, and models/tiny counts" },
  { "adapter", "DIR", nil, "an adapter of the policy, as train_llm.lua writes it" },
  { "design", designs.names(), "flat", "the memory design of a policy with a chat template, a module of scripts/designs" },
  { "baselines", "NAMES", "no_memory,whole_context,bm25_chunks_2,bm25_chunks_10,add_everything,newest_wins", "baselines of scripts/baselines" },
  { "reasoner", "NAME", "extractive", "what answers: extractive, a model folder or NAME@http://…" },
  { "judge", "NAME", nil, "a model folder or NAME@http://…, for the metrics that need a judge" },
  { "titles", "FILE", nil, "the catalogue of recommendations; by default entity2id.json beside the data or one folder above, if there is one" },
  { "source", "TEXT", nil, "only episodes whose source contains this" },
  { "limit", "integer", 0, "only so many episodes; 0 is all" },
  { "facts", "integer", 3, "facts in each chunk, if the file is a list of facts: the tiny policy learned from texts of three; 0 packs them by chunk_tokens" },
  { "chunk_tokens", "integer", 0, "tokens, of about four bytes, in each chunk of prose, talk or examples; 0 is what the authors of the file, or of a "
    .. "method that reads chunks of its own size, chose, but at most a quarter of the policy's context" },
  { "strict", "flag", false, "whether a row that cannot be read is an error" },
  { "max_tokens", "integer", 0, "longest answer of a model to a chunk, in tokens; 0 leaves it to the method, see lib/eval/reading.lua" },
  { "max_prompt", "integer", 8192, "longest prompt of a model that reads a chunk, in tokens; memory is reserved for it, and items that do not fit are not shown" },
  dialects.argument,
  { "view", { "statements", "relevant", "recent" }, "statements", "the policy sees items for each statement, for the chunk, or the newest" },
  { "view_items", "integer", 20, "how many items it sees" },
  { "window", "integer", 32768, "tokens that the baseline whole_context keeps" },
  { "shown", "integer", 8, "episodes of each method on the page" },
  { "out", "DIR", nil, "the run's folder; by default a new one under runs/" },
})

local with_policy = option.policy ~= "none"
local policy = fm.model.load { path = with_policy and option.policy or "models/tiny", lora = with_policy and option.adapter or nil }
local dialect
if with_policy then
  print(policy)
  dialect = dialects.settle(option, record, policy)
end
local chosen = methods.open(option.baselines, with_policy)
local data = episodes.open(option, policy, chosen)

-- A wrong argument is refused before there is a folder. A server's replies are kept in the folder, and offline they come from it.
local function answering()
  return reasoners.make(option.reasoner, option), option.judge and reasoners.make(option.judge, option, "--judge") or nil
end
local reasoner, judge
if not option.offline then
  reasoner, judge = answering()
end
local run = arguments.open_run { path = option.out, seed = 0, arguments = record }
if option.offline then
  option.cache = run.path .. "/replies.jsonl"
  reasoner, judge = answering()
end

local began = fm.seconds {}
local runs = methods.run_all(run, chosen, data, {
  policy = policy, name = option.adapter or option.policy, design = option.design, dialect = dialect, max_tokens = option.max_tokens > 0 and option.max_tokens or nil, view = option.view,
  view_items = option.view_items, max_prompt = option.max_prompt, window = option.window,
}, { reasoner = reasoner, judge = judge, shown = option.shown, costly = option.reasoner ~= "extractive", stopped = "stopped; resume with: finemem-engine run --resume " .. run.path })
report.all(run.path, runs, data, {
  file = option.data, counted_by = with_policy and option.policy or "models/tiny", reasoner = option.reasoner, answered_by = tostring(reasoner),
  judged = judge ~= nil, shown = option.shown, began = began,
})
