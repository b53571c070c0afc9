-- Keeps every statement, but replaces an older one that says something else about the same thing.
--
-- Whether two statements are about the same thing is judged by form alone. A statement is cut into a *frame* and a *value* wherever that is
-- possible:
--
--   The capital of Germany is | Berlin.      Ada Lind was born in the city of | Oska.
--
-- A frame ends with a small word, names its subject and has its verb; a value is a name or a short noun. Statements with equal frames are
-- about the same thing. Statements with similar frames are not ("The capital of Great Britain is …"), so both stay. It takes a model to
-- tell relations with several values at a time ("Ada has been to Oska", "… to Bem") from those with one.

local fm = require "finemem"
local texts = require "lib.texts"

local function set(text)
  local words = {}
  for word in text:gmatch "%S+" do
    words[word] = true
  end
  return words
end

local verbs = set "is are was were has have had"
local prepositions = set "of in at by to for with from as on into near"
local articles = set "a an the"
local others = set "and or not no now that this which who whose where when"
local pronouns = set "i he she it they we you his her its my our their your him them us me there"

local function small(word)
  return verbs[word] or prepositions[word] or articles[word] or others[word]
end

-- Whether word `i` is a pronoun. One with a capital only is at the beginning of a sentence: compare "Our Mutual Friend", "Ardashir I".
local function is_pronoun(words, i)
  local word = words[i]
  local begins = i == 1 or i == 2 and word == "I" or words[i - 1]:match "[:,]$" ~= nil
  return pronouns[word] or (begins and pronouns[word:lower()])
end

-- Whether the words from `at` on may be a value: there is no verb, and no small word after an ordinary one ("citizen of …", "born in …").
local function is_value(words, at)
  local ordinary = false
  for i = at, #words do
    local word = words[i]
    if verbs[word] or is_pronoun(words, i) or (i < #words and texts.ends(word)) or (ordinary and small(word)) or (i == at and small(word) and not articles[word]) then
      return false
    end
    ordinary = ordinary or (word:match "^%l" ~= nil and not small(word))
  end
  return at <= #words
end

-- Every frame that a statement can be cut after.
local function frames(statement)
  local words, list = {}, {}
  -- A heading says when something was said, not what.
  for word in statement:gsub("^%[[^%]]*%] ", ""):gsub("[%s.!?]+$", ""):gmatch "%S+" do
    if word ~= "now" then
      words[#words + 1] = word
    end
  end
  local subject, verb = false, false
  for i = 1, #words - 1 do
    local word = words[i]
    if is_pronoun(words, i) or texts.ends(word) then
      break
    end
    -- A verb is a known one, or an ordinary word right after a name.
    local ordinary = word:match "^%l" ~= nil and not small(word)
    verb = verb or verbs[word] or (ordinary and i > 1 and not words[i - 1]:match "^%l" and not small(words[i - 1]:lower()))
    subject = subject or not small(word:lower())
    if subject and verb and (verbs[word] or prepositions[word] or articles[word]) and is_value(words, i + 1) then
      list[#list + 1] = table.concat(words, " ", 1, i)
    end
  end
  return list
end

return {
  name = "newest_wins",
  frames = frames,
  retrieval = { top_k = 10 },

  remember = function(episode)
    local memory, by_frame, by_text = fm.memory.new {}, {}, {}
    local said = {} -- id -> { text, frames }
    local function forget(id)
      by_text[said[id].text] = nil
      for _, frame in ipairs(said[id].frames) do
        by_frame[frame] = by_frame[frame] ~= id and by_frame[frame] or nil
      end
    end
    for step, chunk in ipairs(episode.chunks) do
      memory:set_step { step = step }
      for _, text in ipairs(texts.statements(chunk)) do
        local own, old = frames(text), nil
        for _, frame in ipairs(own) do
          old = old or by_frame[frame]
        end
        local id = by_text[text]
        if not id then
          if old then
            forget(old)
            memory:update { id = old, content = text }
          end
          id = old or memory:insert { content = text }
          said[id], by_text[text] = { text = text, frames = own }, id
        end
        for _, frame in ipairs(own) do
          by_frame[frame] = id
        end
      end
    end
    return memory
  end,
}
