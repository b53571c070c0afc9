-- Makes a reasoner from a word on the command line:
--
--   extractive                               copies its answers from the items
--   models/Qwen3-0.6B                        a model folder, loaded in this process
--   Qwen/Qwen3-32B@http://127.0.0.1:8000/v1  a model on a server with OpenAI's chat completions

local fm = require "finemem"
local arguments = require "lib.arguments"

local reasoners = {}

-- What a program can be told about a reasoner, mostly about one with a model. Without a default here, the engine's own counts.
local specs = {
  { "hops", "integer", 1, "items that may be combined for an answer: with more than 1 a reasoner looks up what the items found so far speak of, a model up to so many times" },
  { "key_env", "NAME", nil, "the environment variable that holds a server's key" },
  { "extra", "JSON", nil, [[more fields for a server's requests, such as '{"chat_template_kwargs":{"enable_thinking":false}}']] },
  { "reply_tokens", "integer", 512, "longest reply, in tokens" },
  { "reply_temperature", "number", 0, "temperature of replies; 0 is greedy" },
  { "context", "integer", 0, "tokens, of about four bytes, that a prompt and its reply may have together on a server: the items that fit a question "
    .. "least are left out; 0 if there is no known limit. A model folder knows its own" },
  { "timeout", "number", nil, "seconds that a request to a server may take; by default the engine's limit" },
  { "retries", "integer", nil, "how many more times a failed request is tried; by default as often as the engine does" },
  { "concurrency", "integer", nil, "requests to a server at a time; by default as many as the engine sends" },
  { "offline", "flag", false, "whether to take a server's replies from the cache only" },
}

-- A program's arguments, followed by those about reasoners.
function reasoners.with(own)
  return table.move(specs, 1, #specs, #own + 1, own)
end

-- The reasoner that `word` names. `option` has the values of the arguments above, each optional, and `cache`, the file that keeps a
-- server's replies. `needs` names the argument that `word` is the value of, if that has to be a reasoner with a model.
function reasoners.make(word, option, needs)
  option = option or {}
  if word == "extractive" then
    if needs then
      arguments.refuse("%s needs a reasoner with a model: a model folder or NAME@http://…, not extractive", needs)
    end
    return fm.reasoner.extractive { hops = option.hops }
  end
  local name, url = word:match "^(.-)@(https?://.+)$"
  if not name then
    if word:match "^https?://" then
      arguments.refuse("'%s' does not name a model: write NAME@%s", word, word)
    end
    if not fm.exists { path = word } then
      arguments.refuse("'%s' is not a reasoner: write extractive, an existing model folder, or NAME@http://…", word)
    end
    return fm.reasoner.model { path = word, max_tokens = option.reply_tokens, temperature = option.reply_temperature, hops = option.hops }
  end
  return fm.reasoner.server {
    url = url,
    model = name,
    hops = option.hops,
    key_env = option.key_env,
    extra = option.extra and fm.json.decode { text = option.extra } or nil,
    max_tokens = option.reply_tokens,
    context = (option.context or 0) > 0 and option.context or nil,
    temperature = option.reply_temperature,
    timeout = option.timeout,
    retries = option.retries,
    concurrency = option.concurrency,
    cache = option.cache,
    offline = option.offline,
  }
end

return reasoners
