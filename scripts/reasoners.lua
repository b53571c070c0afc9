-- Makes a reasoner from a word, as scripts take it on their command line:
--
--   extractive                               copies its answers out of the items
--   models/Qwen3-0.6B                        a model folder, in this process
--   Qwen/Qwen3-32B@http://127.0.0.1:8000/v1  a model at a server that speaks OpenAI's chat completions

local fm = require "finemem"

local reasoners = {}

-- What a script's arguments may say about reasoners with a model.
local arguments = {
  key_env = false, -- the environment variable that holds a server's key
  extra = false, -- more fields of a server's requests, as JSON: '{"chat_template_kwargs":{"enable_thinking":false}}'
  reply_tokens = 512, -- longest reply
  reply_temperature = 0,
  context = 0, -- tokens of about four bytes that a prompt and its reply may have together at a server: the items that fit a question least are
  -- left out; 0 where no limit is known. A model folder knows its own
  timeout = 120, -- seconds that a request to a server may take
  retries = 5, -- how many more times it is tried
  concurrency = 8, -- requests to a server at a time
  offline = "no", -- yes: a server is not asked, its replies come from the cache
}

-- A script's arguments with their defaults, and those about reasoners.
function reasoners.with(known)
  for name, default in pairs(arguments) do
    known[name] = default
  end
  return known
end

-- `settings` as above, each optional; and `cache`, the file that keeps the replies of a server. `needs` names the argument that `word` is of,
-- where the reasoner has to have a model.
function reasoners.make(word, settings, needs)
  settings = settings or {}
  if word == "extractive" then
    if needs then
      error(string.format("%s needs a reasoner with a model, a model folder or NAME@http://…; extractive has none", needs), 0)
    end
    return fm.reasoner.extractive {}
  end
  local name, url = word:match "^(.-)@(https?://.+)$"
  if not name then
    if word:match "^https?://" then
      error(string.format("'%s' does not name the model: write NAME@%s", word, word), 0)
    end
    if not fm.exists { path = word } then
      error(string.format("'%s' is no reasoner: neither extractive, nor a model folder that is there, nor NAME@http://…", word), 0)
    end
    return fm.reasoner.model { path = word, max_tokens = settings.reply_tokens, temperature = settings.reply_temperature }
  end
  return fm.reasoner.server {
    url = url,
    model = name,
    key_env = settings.key_env or nil,
    extra = settings.extra and fm.json.decode { text = settings.extra } or nil,
    max_tokens = settings.reply_tokens,
    context = (settings.context or 0) > 0 and settings.context or nil,
    temperature = settings.reply_temperature,
    timeout = settings.timeout,
    retries = settings.retries,
    concurrency = settings.concurrency,
    cache = settings.cache,
    offline = settings.offline == "yes",
  }
end

return reasoners
