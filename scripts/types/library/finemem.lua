---@meta finemem
-- The types of `require "finemem"` for lua-language-server, written by `finemem-engine types`. Editor setting:
-- "Lua.workspace.library": ["scripts/types/library"]

---A new low-rank adapter (LoRA), which changes nothing until it is trained.
---@class (exact) fm.Lora
---@field rank? integer its size (default 16)
---@field alpha? number its product is multiplied by alpha / rank (default 32)
---@field targets? ("q_proj"|"k_proj"|"v_proj"|"o_proj"|"gate_proj"|"up_proj"|"down_proj")[] the layers that get one, out of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; by default all
---@field seed? integer the seed of its random half (default 0)

---A message of a chat.
---@class (exact) fm.Message
---@field role "system"|"user"|"assistant" its author
---@field content string its text

---A mean with its 95 % interval.
---@class (exact) fm.Interval
---@field mean number the mean of the scores
---@field low number the lower end of its 95 % interval
---@field high number the upper end
---@field n integer how many scores there are

---A correlation with its 95 % interval.
---@class (exact) fm.Correlation
---@field value number the correlation, from -1 to 1
---@field low number the lower end of its 95 % interval
---@field high number the upper end
---@field n integer how many pairs there are

---The score of one question; an `Asked` also works.
---@class (exact) fm.Result
---@field source string the source that the question is from
---@field metric string the metric that it was scored by
---@field score number the score

---The figures of a table.
---@class (exact) fm.Summary
---@field rows fm.SummaryRow[] a row for each source and metric, in order of first appearance
---@field over_sources? fm.Interval the mean of the rows' means, also called macro average: each source has the same weight; `n` is the number of rows; absent without scores
---@field over_questions? fm.Interval the mean of all scores, also called micro average: each question has the same weight; absent without scores

---The mean score of a source by a metric.
---@class (exact) fm.SummaryRow
---@field source string the source
---@field metric string the metric
---@field mean number the mean of the scores
---@field low number the lower end of its 95 % interval
---@field high number the upper end
---@field n integer how many scores there are

---The rollouts of a batch. Scripts may add keys to the tables in it.
---@class (exact) fm.Batch
---@field rollouts fm.Rollout[] all rollouts; those of an episode are consecutive
---@field id? integer identifies the batch to an update; absent if a script built the batch

---An episode as the policy read it.
---@class (exact) fm.Rollout
---@field episode integer which of the batch's episodes it is
---@field member integer which of the episode's group it is
---@field first? integer the number of its first step; by default 1
---@field state? number|string the name of the memory that it began with, from the episode
---@field steps fm.RolloutStep[] one for each chunk
---@field answers fm.Asked[] the final questions
---@field memory fm.Item[] the memory at the end
---@field journal table[] every operation on it, for `fm.memory.replay`
---@field memory_tokens integer the length of the memory at the end, in tokens
---@field input_tokens integer the length of all chunks, in tokens

---What the policy did with a chunk.
---@class (exact) fm.RolloutStep
---@field chunk string the chunk
---@field role? string the policy's role at this chunk, in episodes with roles
---@field prompt string what the policy read
---@field prompt_tokens integer its length in tokens
---@field thought? string what it thought before its answer
---@field completion string what it wrote, with its thought
---@field tokens integer its length in tokens
---@field calls fm.RolloutCall[] the calls in it
---@field stray integer pieces of text outside calls
---@field untagged integer how many of the calls were read although the dialect's tags are missing
---@field written integer[] ids of the items that it wrote
---@field memory_before fm.Item[] the memory before the step
---@field memory_after fm.Item[] the memory after it
---@field chunk_answers fm.Asked[] the chunk's own questions, asked right after it

---A call and its outcome.
---@class (exact) fm.RolloutCall
---@field tool? string the tool, if one was named
---@field arguments? table its arguments
---@field raw string the text it was read from
---@field parsed boolean whether it could be parsed
---@field valid boolean whether it was carried out
---@field reason? string why it was not

---A remembered piece of text.
---@class (exact) fm.Item
---@field id integer its id: assigned by the store, increasing, never reused in a store
---@field content string its content
---@field step integer the step that wrote it last
---@field created integer the step that inserted it
---@field history fm.Version[] its earlier contents, oldest first
---@field section string the part of the memory that it belongs to; empty in a flat memory
---@field replaces? integer the item that it replaced with its insert
---@field closed? integer the step from which it is no longer valid
---@field score? number how well it matches the query that found it

---An earlier content of an item.
---@class (exact) fm.Version
---@field step integer the step that wrote it
---@field content string the item's content from then on

---A question that was answered from a memory, and its score.
---@class (exact) fm.Asked
---@field question string the question
---@field gold string[] the accepted answers
---@field answer string the answer, or `not in memory`; empty if the model's reply has none, for example because it was cut off in a thought
---@field score? number its score, from 0 to 1, and 0 for an empty answer; absent if a judge has to score it
---@field scored? string what was scored, if the protocol expects other words than the answer's for saying that nothing is known
---@field metric "exact_match"|"substring_exact_match"|"substring_match"|"token_f1"|"locomo_f1"|"rouge_l"|"keyword_fraction"|"parts_fraction"|"boxed_label_strict"|"boxed_label"|"recall_at_1"|"recall_at_5"|"recall_at_10"|"edit_distance"|"all_recalled"|"judge_longmemeval"|"judge_memalpha"|"judge_summary" the metric that scored it
---@field evidence fm.Item[] the retrieved items, best match first
---@field used? integer which of them the answer was taken from
---@field trace? integer[] which of them lead to the answer, in order, if it took several
---@field searched string[] what the model looked up before it answered, in order
---@field kind? string what kind of question it is
---@field id? string its name in its file
---@field chunks? integer[] the chunks that hold what proves the gold answer
---@field prompt_tokens integer tokens that the model read
---@field completion_tokens integer tokens that it wrote
---@field cut boolean whether the limit of tokens, or a filter of the server, cut the model's reply off
---@field requests integer requests to a server that the reply took, including failed tries: in an earlier process, if that cached the reply; 0 if this process has asked for it before
---@field seconds number seconds from the first of these requests to the reply; they run concurrently, so a sum exceeds the time that passed
---@field cached integer replies that were cached, from an earlier process or an equal chat: 1 or 0, or more if the model looked things up
---@field left_out integer items that were left out because the prompt was too long

---A reward: scripts/rewards/README.md says how to write one.
---@class (exact) fm.Reward
---@field steps fun(batch: fm.Batch, option: table): fm.Rewards gives every step of every rollout its reward
---@field name? string its name, for messages
---@field needs? string[] the keys that `option` must have
---@field rollout? any makes the rollouts, for rewards that branch

---The rewards of a batch. In all lists, `[i][t]` is step t of rollout i.
---@class (exact) fm.Rewards
---@field total number[][] the reward of each step; only logged if there are `advantages`
---@field terms? table<string, number[][]> its parts by name
---@field advantages? number[][] passed to `trainer:update`, like all of the following
---@field weights? ((number|number[])[])[] how much each step, or each of its tokens, counts in the loss
---@field grouping? "step"|"instance"|"trajectory"|"state" what is compared
---@field groups? ((number|string)[])[] steps with equal keys are compared
---@field scale_rewards? boolean whether advantages are divided by the group's deviation

---Text in chunks, and questions about it.
---@class (exact) fm.Episode
---@field id string its name
---@field source string where it comes from; results are grouped by it
---@field chunks string[] the text, in the order in which it is read
---@field questions fm.Question[] the questions asked at the end
---@field chunk_questions fm.Question[][] the questions asked after each chunk: as many lists as chunks

---A question with its accepted answers.
---@class (exact) fm.Question
---@field question string the question
---@field answers string[] the accepted answers, at least one
---@field kind? string what kind of question it is
---@field id? string its name in its file
---@field metric? "exact_match"|"substring_exact_match"|"substring_match"|"token_f1"|"locomo_f1"|"rouge_l"|"keyword_fraction"|"parts_fraction"|"boxed_label_strict"|"boxed_label"|"recall_at_1"|"recall_at_5"|"recall_at_10"|"edit_distance"|"all_recalled"|"judge_longmemeval"|"judge_memalpha"|"judge_summary" the metric that scores it, one of fm.metric; by default substring_exact_match
---@field evidence? integer[] the chunks that prove the answer, from 1
---@field instruction? string an instruction added to the question, such as the form of the answer

---A call as a dialect read it. One that cannot be carried out has an `error`.
---@class (exact) fm.Call
---@field raw string the text it was read from, a piece of the answer after that of the call before; anything outside these pieces is stray text
---@field name? string the tool
---@field arguments? table<string, any> the arguments by name
---@field error? string why it cannot be carried out

---How calls are written.
---@class (exact) fm.Dialect
---@field name string its name
---@field parse fun(text: string): fm.Call[] reads every call in an answer, valid or not, in order
---@field write fun(call: table): string writes a call, `{ name, arguments }`, as `parse` reads it
---@field stop? string[] texts that end an answer
---@field json? boolean whether a call is a JSON object that names its tool. An answer of nothing but such objects is then read even if the dialect's tags are missing, and its calls are counted as untagged
---@field tools? fun(tools: table[]): string describes the tools and how to call them, for prompts of models without a chat template

---A tool, of which only the name matters.
---@class (exact) fm.Named
---@field name string its name

---A memory tool.
---@class (exact) fm.Tool
---@field name string the name that calls use
---@field description string what it does
---@field parameters table JSON schema of the arguments
---@field run fun(memory: fm.Memory, arguments: table, turn: table): any carries out one call; `turn` has the answer's calls, chunk, step and role; returns the id it wrote; an error means that the call is invalid

---A part of a page. Its kind says which of the keys it needs: `text`; `rows` for facts; `columns` and `rows` for a table; `charts`; `episodes`.
---@class (exact) fm.PageSection
---@field kind "text"|"facts"|"table"|"charts"|"episodes" what it shows
---@field title? string its heading
---@field note? string a remark below
---@field folded? boolean whether it is collapsed at first (default false)
---@field text? string paragraphs, with empty lines between them
---@field columns? fm.PageColumn[] the columns of a table
---@field rows? any[][] cells: a number, a string, { value, low, high } by name, or fm.json.null; facts have a name and a string
---@field charts? fm.PageChart[] charts, side by side
---@field episodes? fm.PageEpisode[] episodes to step through

---A column of a table.
---@class (exact) fm.PageColumn
---@field name string its heading
---@field digits? integer digits behind the point; by default four significant ones
---@field percent? boolean whether 0.5 is shown as 50 % (default false)

---A chart.
---@class (exact) fm.PageChart
---@field title string what it shows
---@field kind "lines"|"areas"|"shares"|"scatter" lines with bands, series stacked, their shares stacked, or dots with error bars
---@field x? string what the x axis counts (default "step")
---@field y? string the unit of the y axis
---@field percent? boolean whether 0.5 is shown as 50 % (default false)
---@field note? string a remark below
---@field series fm.PageSeries[] what is drawn

---One series of a chart. All lists are as long as `x`; a number that is not finite is a gap, and so is fm.json.null.
---@class (exact) fm.PageSeries
---@field name string its name in the legend
---@field x number[] the x values, ascending except in a scatter
---@field y any[] the values
---@field low? any[] lower ends of the values: a band, or error bars
---@field high? any[] upper ends of the values
---@field x_low? any[] left ends of the x intervals of a scatter
---@field x_high? any[] right ends of the x intervals of a scatter

---An episode to step through.
---@class (exact) fm.PageEpisode
---@field title string its name in the list
---@field group? string the heading of the episodes that share it, such as the policy
---@field rollout fm.PageRollout a rollout of a batch, which may have `rewards` = { total, terms } of its steps; what its steps lack is taken from `chunks` and `journal`. Without `steps`, only these two, `memory` and `answers` are shown

---What a page shows of an episode: a rollout, or what an evaluation keeps of one. Everything in it may be missing.
---@class (exact) fm.PageRollout
---@field episode? integer which of the batch's episodes it is
---@field member? integer which of the episode's group it is
---@field first? integer the number of its first step; by default 1
---@field chunks string[] the texts, where steps do not hold them
---@field steps fm.RolloutStep[] one for each chunk
---@field answers fm.Asked[] the final questions
---@field memory? fm.Item[] the memory at the end
---@field journal table[] all that was done to it; shows the memory of steps that do not hold it
---@field memory_tokens? integer the length of the memory at the end, in tokens
---@field input_tokens? integer the length of all chunks, in tokens
---@field rewards? fm.PageRewards what the steps were rewarded with

---The rewards of a rollout's steps.
---@class (exact) fm.PageRewards
---@field total number[] a number for each step
---@field terms table<string, number[]> its parts by name

---What a chat template has a place for.
---@class (exact) fm.Carries
---@field tools boolean whether descriptions of tools appear in the text
---@field system boolean whether a system message appears in the text
---@field thinking "switch"|"always"|"unsaid" whether the template can be told to let the model think

---Tokens, and how much the prediction of each counts.
---@class (exact) fm.Sequence
---@field tokens integer[] token ids
---@field weights number[] one less than the tokens: `weights[i]` belongs to `tokens[i + 1]`

---A loss and its gradient.
---@class (exact) fm.Gradients
---@field loss number `-Σ weights[i] · lp[i] / count(weights ≠ 0)`
---@field grads table<string, fm.Gradient> by the published names of the parameters, or for an adapter by PEFT's

---The gradient of one parameter.
---@class (exact) fm.Gradient
---@field norm number its norm
---@field first number[] its first four values

---A sampled completion of a prompt.
---@class (exact) fm.Completion
---@field tokens integer[] token ids, including the end token if any
---@field text string the text, without the end token
---@field logprobs number[] log-probability of each token at the sampling temperature
---@field finish "stop"|"length" why it ended

---A reasoner's answer to a question.
---@class (exact) fm.Answer
---@field text string the answer, or `not in memory`; empty if the model's reply has none, for example because it was cut off in a thought
---@field known boolean whether the items hold an answer
---@field item? fm.Item the item that it was taken from
---@field cut boolean whether the limit of tokens, or a filter of the server, cut the model's reply off
---@field left_out integer items that were left out because the prompt was too long

---A question and the items to answer it from.
---@class (exact) fm.Query
---@field question string the question
---@field items fm.Item[] the items to answer from, best match first
---@field instruction? string an instruction added to the question

---A memory and its questions.
---@class (exact) fm.Questioned
---@field memory fm.Memory the memory
---@field questions fm.Question[] the questions

---A model's reply to a chat.
---@class (exact) fm.Reply
---@field text string the text without the thought before it; empty if there is only a thought
---@field prompt_tokens integer tokens that the model read
---@field completion_tokens integer tokens that it wrote
---@field cut boolean whether the limit of tokens, or a filter of the server, cut the model's reply off
---@field requests integer requests to a server that the reply took, including failed tries: in an earlier process, if that cached the reply; 0 if this process has asked for it before
---@field seconds number seconds from the first of these requests to the reply; they run concurrently, so a sum exceeds the time that passed
---@field cached integer replies that were cached, from an earlier process or an equal chat: 1 or 0, or more if the model looked things up
---@field left_out integer items that were left out because the prompt was too long

---A stream of random numbers.
---@class fm.Rng
local Rng = {}

---The next number.
---@param arguments? {}
---@return number # a number of at least 0 and below 1
function Rng:number(arguments) end

---The arguments of `Rng:integer`.
---@class (exact) fm.Rng.integer.arguments
---@field low? integer the smallest possible result (default 1)
---@field high integer the largest possible result

---The next whole number, each equally likely.
---@param arguments fm.Rng.integer.arguments
---@return integer # a whole number from `low` to `high`
function Rng:integer(arguments) end

---The arguments of `Rng:pick`.
---@class (exact) fm.Rng.pick.arguments
---@field list any[] a non-empty list

---One item of a list, each equally likely.
---@param arguments fm.Rng.pick.arguments
---@return any # the item
function Rng:pick(arguments) end

---The arguments of `Rng:shuffle`.
---@class (exact) fm.Rng.shuffle.arguments
---@field list any[] the list

---Puts the items of a list in random order, in place.
---@param arguments fm.Rng.shuffle.arguments
---@return any[] # the same list
function Rng:shuffle(arguments) end

---A language model.
---@class fm.Model
---@field parameters integer Number of parameters.
---@field context integer Longest sequence in tokens.
---@field chat boolean Whether it has a chat template.
local Model = {}

---The arguments of `Model:encode`.
---@class (exact) fm.Model.encode.arguments
---@field text string the text
---@field plain? boolean whether the text is data: no control token in it is recognised (default false)

---Cuts a text into tokens. Special tokens in it are recognised, except in what `apply_chat_template` and a trainer's prompts show of data, and none are added.
---@param arguments fm.Model.encode.arguments
---@return integer[] # token ids
function Model:encode(arguments) end

---The arguments of `Model:decode`.
---@class (exact) fm.Model.decode.arguments
---@field tokens integer[] token ids
---@field skip_special_tokens? boolean whether to leave special tokens out (default false)

---Joins tokens into a text.
---@param arguments fm.Model.decode.arguments
---@return string # the text
function Model:decode(arguments) end

---The arguments of `Model:apply_chat_template`.
---@class (exact) fm.Model.apply_chat_template.arguments
---@field messages table[]|string `{ role, content, … }` each, or the list as JSON text, which keeps the order of keys in arguments of calls
---@field tools? table[]|string tools as `fm.grpo.new` takes them, or a list of descriptions as JSON text
---@field add_generation_prompt? boolean whether the text ends where the model's answer begins (default true)
---@field enable_thinking? boolean whether the model thinks first, if its template supports that
---@field whole? boolean whether nothing may be lost: a system text that the template has no place for goes before the first message of the user, and tools, or a wish to think, that it has no place for are errors. By default the template drops what transformers lets it drop (default false)
---@field variables? table<string, any> more variables for the template, such as `date_string`

---Formats a conversation with the model's chat template, as transformers does. A template that asks for the date gets today's, in UTC. Words in messages that the tokenizer would take for control tokens, such as `<|im_end|>`, are broken by a sign that `print` does not show and that has no tokens, so the model reads them as plain text. In what a system or assistant message says, only special tokens are.
---@param arguments fm.Model.apply_chat_template.arguments
---@return string # the text; `model:encode` gives the same tokens for it as transformers, except for control tokens in messages
function Model:apply_chat_template(arguments) end

---Tells what the model's chat template has a place for; what it has no place for, it drops or refuses.
---@param arguments? {}
---@return fm.Carries # what it carries
function Model:carries(arguments) end

---The arguments of `Model:logprobs`.
---@class (exact) fm.Model.logprobs.arguments
---@field tokens integer[] at least two token ids

---Log-probability of every token after the first, given those before it.
---@param arguments fm.Model.logprobs.arguments
---@return number[] # a list, one shorter than the tokens
function Model:logprobs(arguments) end

---The arguments of `Model:logprobs_all`.
---@class (exact) fm.Model.logprobs_all.arguments
---@field sequences integer[][] token ids of each, at least two

---`logprobs` of many sequences at once: the same numbers, but the device is waited for only once.
---@param arguments fm.Model.logprobs_all.arguments
---@return number[][] # a list for each sequence
function Model:logprobs_all(arguments) end

---The arguments of `Model:gradients`.
---@class (exact) fm.Model.gradients.arguments
---@field sequences fm.Sequence[] the sequences

---The gradient of a weighted log-likelihood. The model is not changed.
---@param arguments fm.Model.gradients.arguments
---@return fm.Gradients # the loss, and for each parameter norm and first values of its gradient
function Model:gradients(arguments) end

---The arguments of `Model:generate`.
---@class (exact) fm.Model.generate.arguments
---@field prompts (integer[]|string)[] texts or lists of token ids
---@field seed? integer the seed of the random numbers; a prompt's completions also depend on its place in the list (default 0)
---@field seeds? integer[] a seed for each prompt instead; its completions depend on nothing else
---@field group? integer completions of each prompt (default 1)
---@field max_tokens integer longest completion in tokens
---@field temperature? number 0 is greedy (default 1)
---@field top_p? number keep the likely tokens with this probability (default 1)
---@field top_k? integer keep so many likely tokens; 0 keeps all (default 0)
---@field min_p? number keep tokens at least so likely, relative to the likeliest (default 0)
---@field stop? string[] texts that end a completion; they stay in it

---Samples completions of prompts.
---@param arguments fm.Model.generate.arguments
---@return fm.Completion[][] # for each prompt a list of completions
function Model:generate(arguments) end

---The arguments of `Model:redraw`.
---@class (exact) fm.Model.redraw.arguments
---@field share? number a row that is shorter than this share of the median is drawn anew (default 0.8)
---@field seed? integer the seed of the new rows (default 0)

---Draws new embeddings for tokens that training hardly saw, like those of the other tokens. Training makes such rows short and alike, and then the model can no longer tell the tokens apart, not even to copy them.
---@param arguments? fm.Model.redraw.arguments
---@return integer # the number of rows drawn anew
function Model:redraw(arguments) end

---The arguments of `Model:save`.
---@class (exact) fm.Model.save.arguments
---@field path string the folder
---@field dtype? "f32"|"bf16"|"f16" how numbers are stored (default "f32")

---Writes a model folder that `fm.model.load` and Python tools read; for a model with an adapter, the adapter's folder, which the `lora` argument and PEFT read.
---@param arguments fm.Model.save.arguments
function Model:save(arguments) end

---A supervised trainer.
---@class fm.SftTrainer
local SftTrainer = {}

---The arguments of `SftTrainer:step`.
---@class (exact) fm.SftTrainer.step.arguments
---@field sequences fm.Sequence[] the sequences to learn
---@field lr? number learning rate of this step

---One AdamW step on the mean negative log-likelihood of the counted tokens.
---@param arguments fm.SftTrainer.step.arguments
---@return table<string, number> # loss, entropy, grad_norm and tokens
function SftTrainer:step(arguments) end

---Items with their history. Every operation happens completely or not at all, and is journaled.
---@class fm.Memory
local Memory = {}

---The arguments of `Memory:set_step`.
---@class (exact) fm.Memory.set_step.arguments
---@field step integer the step, from 1

---Sets the step that later operations belong to.
---@param arguments fm.Memory.set_step.arguments
function Memory:set_step(arguments) end

---The arguments of `Memory:insert`.
---@class (exact) fm.Memory.insert.arguments
---@field content string what it says
---@field section? string the part of the memory that it belongs to; by default that of the replaced item, or the empty section
---@field replaces? integer the item that this one replaces, which is closed

---Adds an item. It is an error if an item of its section has exactly the same content.
---@param arguments fm.Memory.insert.arguments
---@return integer # its id
function Memory:insert(arguments) end

---The arguments of `Memory:update`.
---@class (exact) fm.Memory.update.arguments
---@field id integer the item
---@field content string its new content

---Replaces an item's content.
---@param arguments fm.Memory.update.arguments
function Memory:update(arguments) end

---The arguments of `Memory:delete`.
---@class (exact) fm.Memory.delete.arguments
---@field id integer the item

---Removes an item.
---@param arguments fm.Memory.delete.arguments
function Memory:delete(arguments) end

---The arguments of `Memory:close`.
---@class (exact) fm.Memory.close.arguments
---@field id integer the item

---Ends an item and keeps it as history: it was valid until the current step. Only `closed`, `get` and, if asked, `retrieve` find it.
---@param arguments fm.Memory.close.arguments
function Memory:close(arguments) end

---The arguments of `Memory:items`.
---@class (exact) fm.Memory.items.arguments
---@field section? string only items of this section

---Every item that is not closed, in order of creation.
---@param arguments? fm.Memory.items.arguments
---@return fm.Item[] # the items
function Memory:items(arguments) end

---The arguments of `Memory:closed`.
---@class (exact) fm.Memory.closed.arguments
---@field section? string only items of this section

---Every closed item, in order of creation.
---@param arguments? fm.Memory.closed.arguments
---@return fm.Item[] # the items
function Memory:closed(arguments) end

---The arguments of `Memory:get`.
---@class (exact) fm.Memory.get.arguments
---@field id integer the item

---One item, closed or not.
---@param arguments fm.Memory.get.arguments
---@return fm.Item # the item, or nil if there is none
function Memory:get(arguments) end

---The arguments of `Memory:retrieve`.
---@class (exact) fm.Memory.retrieve.arguments
---@field query string words to look for
---@field k integer how many items
---@field section? string only items of this section
---@field closed? boolean whether to search closed items too (default false)

---The items that match a query best by BM25, best first.
---@param arguments fm.Memory.retrieve.arguments
---@return fm.Item[] # the items, each with its `score`
function Memory:retrieve(arguments) end

---The arguments of `Memory:recent`.
---@class (exact) fm.Memory.recent.arguments
---@field k integer how many items
---@field section? string only items of this section

---The items created last.
---@param arguments fm.Memory.recent.arguments
---@return fm.Item[] # the items, in order of creation
function Memory:recent(arguments) end

---Every operation so far.
---@param arguments? {}
---@return table[] # a list of `{ step, operation = "insert", "update", "delete" or "close", id, content, section, replaces }`
function Memory:journal(arguments) end

---Makes a second, independent memory in the same state.
---@param arguments? {}
---@return fm.Memory # the copy
function Memory:copy(arguments) end

---The arguments of `Memory:export`.
---@class (exact) fm.Memory.export.arguments
---@field path string the file, JSONL

---Writes the journal to a file, from which `fm.memory.import` makes the same memory.
---@param arguments fm.Memory.export.arguments
function Memory:export(arguments) end

---Answers questions from items.
---@class fm.Reasoner
local Reasoner = {}

---The arguments of `Reasoner:answer`.
---@class (exact) fm.Reasoner.answer.arguments
---@field question string the question
---@field items fm.Item[] the items to answer from, best match first
---@field instruction? string an instruction added to the question

---Answers a question.
---@param arguments fm.Reasoner.answer.arguments
---@return fm.Answer # the answer
function Reasoner:answer(arguments) end

---The arguments of `Reasoner:answer_all`.
---@class (exact) fm.Reasoner.answer_all.arguments
---@field queries fm.Query[] the questions with their items

---Answers many questions in one batch, each from its own items.
---@param arguments fm.Reasoner.answer_all.arguments
---@return fm.Answer[] # the answers, in the order of the questions
function Reasoner:answer_all(arguments) end

---The arguments of `Reasoner:ask`.
---@class (exact) fm.Reasoner.ask.arguments
---@field memory fm.Memory the memory
---@field questions fm.Question[] the questions of an episode
---@field retrieval? "bm25"|"whole"|"sections" which items a question is answered from: those that BM25 ranks highest; the whole memory; or, as in Mem-α, those that BM25 ranks highest in each section, and all of the section core (default "bm25")
---@field top_k? integer items that BM25 retrieves for a question, or from each section (default 10)
---@field max_question? integer longest prompt of a question in tokens: the items that fit the question least are left out, or the oldest if the whole memory is used; by default what the reasoner has room for

---Answers questions from a memory, all in one batch, and scores the answers.
---@param arguments fm.Reasoner.ask.arguments
---@return fm.Asked[] # the answers, in the order of the questions
function Reasoner:ask(arguments) end

---The arguments of `Reasoner:ask_all`.
---@class (exact) fm.Reasoner.ask_all.arguments
---@field asked fm.Questioned[] the memories with their questions
---@field retrieval? "bm25"|"whole"|"sections" which items a question is answered from: those that BM25 ranks highest; the whole memory; or, as in Mem-α, those that BM25 ranks highest in each section, and all of the section core (default "bm25")
---@field top_k? integer items that BM25 retrieves for a question, or from each section (default 10)
---@field max_question? integer longest prompt of a question in tokens: the items that fit the question least are left out, or the oldest if the whole memory is used; by default what the reasoner has room for

---Answers each memory's own questions, all in one batch, and scores the answers.
---@param arguments fm.Reasoner.ask_all.arguments
---@return fm.Asked[][] # for each memory, the answers in the order of its questions
function Reasoner:ask_all(arguments) end

---The arguments of `Reasoner:complete`.
---@class (exact) fm.Reasoner.complete.arguments
---@field chats fm.Message[][] the chats, each a list of messages

---Completes chats with the reasoner's model, all in one batch. The extractive reasoner has no model.
---@param arguments fm.Reasoner.complete.arguments
---@return fm.Reply[] # a reply to each chat
function Reasoner:complete(arguments) end

---A policy in training.
---@class fm.GrpoTrainer
---@field updates integer Number of updates done.
---@field planned integer Bytes of memory planned for the run.
---@field peak integer The most bytes in use on the policy's device so far.
local GrpoTrainer = {}

---The arguments of `GrpoTrainer:rollout`.
---@class (exact) fm.GrpoTrainer.rollout.arguments
---@field episodes table[] episodes that a world samples or fm.data.open returns. An episode may begin with a `memory` at step `first`, have a `state` for its rollouts, `roles`: the policy's role at each chunk, and `draws` = { episode, member, step }: the rollout of the same seed whose random numbers it draws, from one of its steps on
---@field group? integer rollouts of each episode; by default the trainer's
---@field temperature? number 0 is greedy; by default the trainer's
---@field seed? integer a different seed gives different samples at the same update (default 0)
---@field question_share? number share of the questions at the end that is drawn, the same questions for a group (default 1)
---@field teacher? fun(input: table): string answers in the policy's place, for `imitate`; `input` is the prompt function's, with `episode`, the number of the episode, and `prompt`

---Lets the policy read episodes chunk by chunk and manage a memory for each, then has the reasoner answer their questions.
---@param arguments fm.GrpoTrainer.rollout.arguments
---@return fm.Batch # the batch: `rollouts[i]` with steps, answers and memory
function GrpoTrainer:rollout(arguments) end

---The arguments of `GrpoTrainer:imitate`.
---@class (exact) fm.GrpoTrainer.imitate.arguments
---@field batch fm.Batch what `rollout` returned since the last update
---@field lr? number learning rate of this update

---Makes the answers of a batch likelier, whoever wrote them: a supervised update on the mean negative log-likelihood of their tokens.
---@param arguments fm.GrpoTrainer.imitate.arguments
---@return table<string, number> # figures of the update
function GrpoTrainer:imitate(arguments) end

---The arguments of `GrpoTrainer:update`.
---@class (exact) fm.GrpoTrainer.update.arguments
---@field batch? fm.Batch what `rollout` returned since the last update
---@field batches? fm.Batch[] several batches instead of one; their rollouts are numbered consecutively
---@field rewards? number[][] `rewards[i][t]`, from which group advantages are computed; only logged if there are `advantages`
---@field advantages? number[][] `advantages[i][t]`, used as they are
---@field weights? ((number|number[])[])[] `weights[i][t]`: how much the step counts in the loss, or a list with a weight for each of its tokens; by default 1
---@field grouping? "step"|"instance"|"trajectory"|"state" which steps are compared; by default the trainer's setting
---@field groups? ((number|string)[])[] `groups[i][t]`, instead of a grouping: steps with equal keys are compared
---@field scale_rewards? boolean whether advantages are divided by the group's deviation; by default the trainer's
---@field lr? number learning rate of this update

---Improves the policy by the rewards or advantages of rollouts. In all lists, `[i][t]` is step t of rollout i.
---@param arguments? fm.GrpoTrainer.update.arguments
---@return table<string, number> # figures of the update
function GrpoTrainer:update(arguments) end

---A run's folder.
---@class fm.Run
---@field path string The folder.
---@field step integer The step of the newest checkpoint, 0 before the first.
local Run = {}

---The arguments of `Run:log`.
---@class (exact) fm.Run.log.arguments
---@field step integer the step, from 1
---@field stats table<string, any> figures by name; a figure that is not finite is logged as null

---Logs a step's figures to metrics.jsonl and for TensorBoard.
---@param arguments fm.Run.log.arguments
function Run:log(arguments) end

---The arguments of `Run:reward`.
---@class (exact) fm.Run.reward.arguments
---@field step integer the step of the run, from 1
---@field batch fm.Batch the batch to reward
---@field reward fm.Reward the reward
---@field option? table further input of the reward
---@field seconds? number how many seconds it may take (default 600)

---Rewards a batch as `fm.reward.call` does. If that fails or takes too long, the complete rollouts are written to failed_step_<step>.jsonl in the run's folder, from which scripts/replay.lua tries the reward again, and the error says so.
---@param arguments fm.Run.reward.arguments
---@return fm.Rewards # the reward's result
function Run:reward(arguments) end

---The arguments of `Run:rollouts`.
---@class (exact) fm.Run.rollouts.arguments
---@field step integer the step, from 1
---@field batch fm.Batch the batch
---@field count? integer how many rollouts; all by default
---@field rewards? fm.Rewards the rewards of the steps and their parts, which a page of the run shows

---Appends the rollouts of a batch to rollouts.jsonl, one per line.
---@param arguments fm.Run.rollouts.arguments
function Run:rollouts(arguments) end

---The arguments of `Run:checkpoint`.
---@class (exact) fm.Run.checkpoint.arguments
---@field step integer the last step that was done
---@field trainer any the trainer to save

---Writes a checkpoint that `--resume` can continue from. The run keeps the newest two.
---@param arguments fm.Run.checkpoint.arguments
---@return string # the checkpoint's folder
function Run:checkpoint(arguments) end

---The arguments of `Run:restore`.
---@class (exact) fm.Run.restore.arguments
---@field trainer any the trainer to load

---Brings the trainer to the newest checkpoint of a resumed run; does nothing in a fresh one.
---@param arguments fm.Run.restore.arguments
---@return integer # the last step done, 0 in a fresh run
function Run:restore(arguments) end

---The arguments of `Run:progress`.
---@class (exact) fm.Run.progress.arguments
---@field step integer the steps done
---@field total integer the steps to do
---@field text? string further text to show

---Shows the progress of the run: a bar on a terminal, an occasional line elsewhere.
---@param arguments fm.Run.progress.arguments
function Run:progress(arguments) end

---Ends the run, so that the script can open another. A run that is still open ends with the script.
---@param arguments? {}
function Run:close(arguments) end

---The engine, as scripts see it.
---@class fm
local fm = {}
fm.json = {}
fm.rng = {}
fm.model = {}
fm.tokenizer = {}
fm.sft = {}
fm.memory = {}
fm.reasoner = {}
fm.metric = {}
fm.reward = {}
fm.data = {}
fm.calls = {}
fm.grpo = {}
fm.schedule = {}
fm.run = {}
fm.page = {}

---The arguments after `--` on the command line.
---@type string[]
fm.args = nil

---The version of the engine.
---@type string
fm.version = nil

---JSON's `null` in Lua.
---@type any
fm.json.null = nil

---The arguments of `fm.json.encode`.
---@class (exact) fm.json.encode.arguments
---@field value any what to write
---@field pretty? boolean whether to use several lines and two spaces of indent (default false)

---Writes a value as JSON. An empty table becomes `{}`, unless `fm.json.decode` made it from `[]`.
---@param arguments fm.json.encode.arguments
---@return string # the JSON text
function fm.json.encode(arguments) end

---The arguments of `fm.json.decode`.
---@class (exact) fm.json.decode.arguments
---@field text string the text

---Reads JSON.
---@param arguments fm.json.decode.arguments
---@return any # the value; `null` is `fm.json.null`
function fm.json.decode(arguments) end

---The arguments of `fm.json.scan`.
---@class (exact) fm.json.scan.arguments
---@field text string the text
---@field from? integer the position where the value begins, in bytes from 1; white space before it is skipped (default 1)

---Reads one JSON value that other text may follow.
---@param arguments fm.json.scan.arguments
---@return table # `{ value, next }`: the value, and the position after it
function fm.json.scan(arguments) end

---The arguments of `fm.read`.
---@class (exact) fm.read.arguments
---@field path string the path of the file or folder

---Reads a file.
---@param arguments fm.read.arguments
---@return string # its content
function fm.read(arguments) end

---The arguments of `fm.write`.
---@class (exact) fm.write.arguments
---@field path string the file
---@field text string what to write

---Writes a file, and the folders above it. The old content is replaced completely or not at all.
---@param arguments fm.write.arguments
function fm.write(arguments) end

---The arguments of `fm.append`.
---@class (exact) fm.append.arguments
---@field path string the file
---@field text string what to write

---Appends to a file, and makes the folders above it. When this returns, the text is on the disk.
---@param arguments fm.append.arguments
function fm.append(arguments) end

---The arguments of `fm.exists`.
---@class (exact) fm.exists.arguments
---@field path string the path of the file or folder

---Whether a file or folder exists.
---@param arguments fm.exists.arguments
---@return boolean # true if it exists
function fm.exists(arguments) end

---The arguments of `fm.list`.
---@class (exact) fm.list.arguments
---@field path string the path of the file or folder

---The contents of a folder.
---@param arguments fm.list.arguments
---@return string[] # the names of its files and folders, sorted
function fm.list(arguments) end

---The arguments of `fm.modules`.
---@class (exact) fm.modules.arguments
---@field folder string its name, with dots as `require` takes it, such as `rewards`

---The modules in a folder, wherever `require` looks for it.
---@param arguments fm.modules.arguments
---@return string[] # the modules' names, sorted, as `require` takes them: `rewards.finemem` and so on
function fm.modules(arguments) end

---The arguments of `fm.sha256`.
---@class (exact) fm.sha256.arguments
---@field text string the text

---A unique name for a text, for example to name what was computed from it.
---@param arguments fm.sha256.arguments
---@return string # its SHA-256, 64 hexadecimal digits
function fm.sha256(arguments) end

---A clock, for measuring how long something takes.
---@param arguments? {}
---@return number # seconds since the script began
function fm.seconds(arguments) end

---The arguments of `fm.exit`.
---@class (exact) fm.exit.arguments
---@field error? string what went wrong, in one line: the command prints it without a traceback, and fails

---Ends the script here; `pcall` does not catch it. The command succeeds unless there is an `error`.
---@param arguments? fm.exit.arguments
function fm.exit(arguments) end

---The arguments of `fm.rng.new`.
---@class (exact) fm.rng.new.arguments
---@field seed integer|integer[] a whole number, or a list such as { seed, step, episode }

---A stream of random numbers that depends only on its seed, and is the same on every machine.
---@param arguments fm.rng.new.arguments
---@return fm.Rng # the stream
function fm.rng.new(arguments) end

---The arguments of `fm.model.load`.
---@class (exact) fm.model.load.arguments
---@field path string the folder, or a GGUF file
---@field device? string auto, gpu, cpu, or part of an adapter's name; by default the run's device
---@field dtype? "f32"|"bf16"|"f16"|"q8_0"|"q4_k" how matrices are kept; by default f32, in which they can be trained, or with an adapter as in the folder; q8_0 and q4_k round them
---@field lora? fm.Lora|string a new adapter, or the folder of an adapter written by PEFT or `model:save`; then only the adapter is trained

---Loads a published model folder of type qwen3, qwen2 or llama: config.json, tokenizer.json, model.safetensors or its shards, and the chat template if there is one. They are read as transformers reads them, and an adapter as PEFT reads it; what is not supported is an error. Keys of config.json that transformers does not know for the type are named in a warning and ignored. A GGUF file has all of this in itself; a tokenizer.json beside it is used instead of the tokenizer inside.
---@param arguments fm.model.load.arguments
---@return fm.Model # the model
function fm.model.load(arguments) end

---The arguments of `fm.model.new`.
---@class (exact) fm.model.new.arguments
---@field config table<string, any> the content of a published model's config.json
---@field tokenizer string its tokenizer.json
---@field seed integer the seed of the weights
---@field init? "random"|"copying" plain random weights, or random ones with attention that copies before any training (default "random")

---Makes a model with random weights.
---@param arguments fm.model.new.arguments
---@return fm.Model # the model
function fm.model.new(arguments) end

---The arguments of `fm.tokenizer.train`.
---@class (exact) fm.tokenizer.train.arguments
---@field texts string[] what to learn from
---@field vocab_size integer number of tokens, including added ones and the end token
---@field path string the file to write
---@field added? string[] texts to keep as one token each
---@field end_token? string the special token that ends a text (default "<|im_end|>")

---Trains a byte-level BPE and writes its tokenizer.json. A word keeps the space before it; digits and signs are tokens of their own.
---@param arguments fm.tokenizer.train.arguments
---@return integer # the id of the end token
function fm.tokenizer.train(arguments) end

---The arguments of `fm.sft.new`.
---@class (exact) fm.sft.new.arguments
---@field policy fm.Model the model to train
---@field lr? number default learning rate of steps (default 0.001)
---@field beta1? number decay of the first moment (default 0.9)
---@field beta2? number decay of the second moment (default 0.95)
---@field weight_decay? number decoupled weight decay of matrices (default 0)
---@field max_grad_norm? number largest norm of the gradient; 0 for no clipping (default 1)
---@field freeze_embedding? boolean keep the embedding, and a head that is tied to it, as it is (default false)
---@field micro_tokens? integer tokens that go through the model at a time; a longer sequence forms its own micro-batch (default 4096)
---@field recompute? "none"|"attention"|"all" what the backward pass recomputes to save memory: nothing, the attention part of the blocks, or whole blocks (default "none")

---A supervised trainer: AdamW on the weighted log-likelihood of given sequences.
---@param arguments fm.sft.new.arguments
---@return fm.SftTrainer # the trainer
function fm.sft.new(arguments) end

---The arguments of `fm.memory.new`.
---@class (exact) fm.memory.new.arguments
---@field first_id? integer the id of the first item (default 1)

---An empty memory.
---@param arguments? fm.memory.new.arguments
---@return fm.Memory # the memory
function fm.memory.new(arguments) end

---The arguments of `fm.memory.import`.
---@class (exact) fm.memory.import.arguments
---@field path string the file, JSONL

---Reads a memory that `memory:export` wrote.
---@param arguments fm.memory.import.arguments
---@return fm.Memory # the memory
function fm.memory.import(arguments) end

---The arguments of `fm.memory.replay`.
---@class (exact) fm.memory.replay.arguments
---@field journal table[] a result of `memory:journal`, or a rollout's `journal`
---@field last? integer the last step to carry out; by default all are carried out
---@field from? fm.Memory the memory that it continues from

---Carries out a journal on an empty memory, or on a copy of the memory that it continues from.
---@param arguments fm.memory.replay.arguments
---@return fm.Memory # the memory
function fm.memory.replay(arguments) end

---The arguments of `fm.reasoner.extractive`.
---@class (exact) fm.reasoner.extractive.arguments
---@field hops? integer the most items that an answer may take: with more than 1 it looks up what the items found so far speak of (default 1)

---A reasoner that copies its answers from the items; it has no state and no randomness.
---@param arguments? fm.reasoner.extractive.arguments
---@return fm.Reasoner # the reasoner
function fm.reasoner.extractive(arguments) end

---The arguments of `fm.reasoner.model`.
---@class (exact) fm.reasoner.model.arguments
---@field path? string its folder. The tensors are shared with other reasoners of this folder, and with a model from it that has an adapter; the reasoner answers without the adapter
---@field model? fm.Model a loaded model instead, without its adapter; its tensors are shared
---@field max_tokens? integer longest reply in tokens (default 256)
---@field temperature? number 0 is greedy (default 0)
---@field seed? integer the seed of sampling; a reply depends only on it and on the chat (default 0)
---@field thinking? boolean whether the model thinks before it answers, if its template supports that (default false)
---@field hops? integer the most items that an answer may take: with more than 1 the model may ask that many times to look something up (default 1)
---@field prompt? fun(input: table): fm.Message[] makes the chat that asks a question, from { question, instruction, items, more }; the items { content, section, rank } are in the order in which they were written, and the best match has rank 1; with `more` the model may reply with `SEARCH:` and words to look up; by default memory and rules are the system message, the question is the user's

---A reasoner with a language model in this process, which does not change while a policy is trained.
---@param arguments? fm.reasoner.model.arguments
---@return fm.Reasoner # the reasoner
function fm.reasoner.model(arguments) end

---The arguments of `fm.reasoner.server`.
---@class (exact) fm.reasoner.server.arguments
---@field url string the base address, such as `http://127.0.0.1:8000/v1`; the environment variables `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` mean what they mean to curl
---@field model string the model's name at the server
---@field key_env? string the environment variable that holds the key, such as OPENAI_API_KEY; the key is never written anywhere
---@field max_tokens? integer longest reply in tokens (default 1024)
---@field context? integer tokens that a prompt and its reply may have together at the server, counted by `tokenizer`; if they exceed it, the items that fit the question least are left out
---@field temperature? number 0 is greedy (default 0)
---@field seed? integer the seed of sampling, for servers that support one
---@field extra? table<string, any> additional fields of a request, such as `{ chat_template_kwargs = { enable_thinking = false } }` for Qwen3 on vLLM; `fm.json.null` removes a field
---@field timeout? number seconds that one request may take (default 120)
---@field retries? integer how often a request is retried after 429, 5xx, a timeout or a broken connection; the server may ask for a pause of up to 10 minutes (default 5)
---@field concurrency? integer requests at a time (default 8)
---@field cache? string the file that keeps replies; by default replies.jsonl in the folder of the run that is open at the first question, or memory without a run
---@field offline? boolean whether to answer from the cache alone; a missing reply is an error (default false)
---@field tokenizer? string a tokenizer.json for counting the tokens of prompts; by default four bytes count as a token
---@field hops? integer the most items that an answer may take: with more than 1 the model may ask that many times to look something up (default 1)
---@field prompt? fun(input: table): fm.Message[] makes the chat that asks a question, from { question, instruction, items, more }; the items { content, section, rank } are in the order in which they were written, and the best match has rank 1; with `more` the model may reply with `SEARCH:` and words to look up; by default memory and rules are the system message, the question is the user's

---A reasoner with a model on a server with OpenAI's chat completions API, such as vLLM, SGLang, llama.cpp and Ollama. Replies are kept by model, messages and parameters, so that nothing is asked twice.
---@param arguments fm.reasoner.server.arguments
---@return fm.Reasoner # the reasoner
function fm.reasoner.server(arguments) end

---The arguments of `fm.metric.exact_match`.
---@class (exact) fm.metric.exact_match.arguments
---@field answer string the answer to score
---@field gold string[] the gold texts: accepted answers, or for some metrics keywords or parts

---1 if the normalised answer equals an accepted one, else 0. From SQuAD.
---@param arguments fm.metric.exact_match.arguments
---@return number # the score
function fm.metric.exact_match(arguments) end

---The arguments of `fm.metric.substring_exact_match`.
---@class (exact) fm.metric.substring_exact_match.arguments
---@field answer string the answer to score
---@field gold string[] the gold texts: accepted answers, or for some metrics keywords or parts

---1 if the normalised answer contains an accepted one, else 0. From MemoryAgentBench.
---@param arguments fm.metric.substring_exact_match.arguments
---@return number # the score
function fm.metric.substring_exact_match(arguments) end

---The arguments of `fm.metric.substring_match`.
---@class (exact) fm.metric.substring_match.arguments
---@field answer string the answer to score
---@field gold string[] the gold texts: accepted answers, or for some metrics keywords or parts

---1 if the answer contains the first accepted one, ignoring case, else 0. Mem-α's metric for SQuAD and HotpotQA.
---@param arguments fm.metric.substring_match.arguments
---@return number # the score
function fm.metric.substring_match(arguments) end

---The arguments of `fm.metric.token_f1`.
---@class (exact) fm.metric.token_f1.arguments
---@field answer string the answer to score
---@field gold string[] the gold texts: accepted answers, or for some metrics keywords or parts

---How well the words of the answer match an accepted one: the harmonic mean of precision and recall. From SQuAD.
---@param arguments fm.metric.token_f1.arguments
---@return number # the score
function fm.metric.token_f1(arguments) end

---The arguments of `fm.metric.locomo_f1`.
---@class (exact) fm.metric.locomo_f1.arguments
---@field answer string the answer to score
---@field gold string[] the accepted answers
---@field kind string the category: 1 to 5, or multi-hop, temporal, open-domain, single-hop, adversarial

---LoCoMo's score by the question's category: the F1 over stems, or for an adversarial question whether the answer says that nothing is known.
---@param arguments fm.metric.locomo_f1.arguments
---@return number # the score
function fm.metric.locomo_f1(arguments) end

---The arguments of `fm.metric.rouge_l`.
---@class (exact) fm.metric.rouge_l.arguments
---@field answer string the answer to score
---@field gold string[] the gold texts: accepted answers, or for some metrics keywords or parts

---The F-measure of the longest common subsequence of stemmed words, as in `rouge_score`.
---@param arguments fm.metric.rouge_l.arguments
---@return number # the score
function fm.metric.rouge_l(arguments) end

---The arguments of `fm.metric.keyword_fraction`.
---@class (exact) fm.metric.keyword_fraction.arguments
---@field answer string the answer to score
---@field gold string[] the gold texts: accepted answers, or for some metrics keywords or parts

---The share of keywords in the answer; a single gold text lists them separated by commas, of several each is a keyword. From Mem-α.
---@param arguments fm.metric.keyword_fraction.arguments
---@return number # the score
function fm.metric.keyword_fraction(arguments) end

---The arguments of `fm.metric.parts_fraction`.
---@class (exact) fm.metric.parts_fraction.arguments
---@field answer string the answer to score
---@field gold string[] the gold texts: accepted answers, or for some metrics keywords or parts

---The share of the `;`-separated parts of an accepted answer that the answer contains. Mem-α's metric for PerLTQA.
---@param arguments fm.metric.parts_fraction.arguments
---@return number # the score
function fm.metric.parts_fraction(arguments) end

---The arguments of `fm.metric.boxed_label_strict`.
---@class (exact) fm.metric.boxed_label_strict.arguments
---@field answer string the answer to score
---@field gold string[] the gold texts: accepted answers, or for some metrics keywords or parts

---1 if the content of `\boxed{}`, or without one the whole answer, is an accepted number and nothing else. Mem-α's metric for classes.
---@param arguments fm.metric.boxed_label_strict.arguments
---@return number # the score
function fm.metric.boxed_label_strict(arguments) end

---The arguments of `fm.metric.boxed_label`.
---@class (exact) fm.metric.boxed_label.arguments
---@field answer string the answer to score
---@field gold string[] the gold texts: accepted answers, or for some metrics keywords or parts

---1 if the answer gives an accepted label, in any form. A number may be in `\boxed{}`, after "label:" or similar, or the only one, so that `label: 4`, `4.` and `The label is 4` count as 4. A name may be in `\boxed{}`, after "label:" or similar, or the whole answer.
---@param arguments fm.metric.boxed_label.arguments
---@return number # the score
function fm.metric.boxed_label(arguments) end

---The arguments of `fm.metric.recall_at_k`.
---@class (exact) fm.metric.recall_at_k.arguments
---@field answer string the answer to score
---@field gold string[] the titles to find
---@field titles? string[] the catalogue; without one each recommendation is its own title
---@field k integer how many recommendations count

---The share of gold titles among k recommendations, each matched to the nearest title of a catalogue. From MemoryAgentBench.
---@param arguments fm.metric.recall_at_k.arguments
---@return number # the score
function fm.metric.recall_at_k(arguments) end

---The arguments of `fm.metric.edit_distance`.
---@class (exact) fm.metric.edit_distance.arguments
---@field answer string the answer to score
---@field gold string[] the gold texts: accepted answers, or for some metrics keywords or parts

---The smallest number of characters to insert, delete or replace that turns the answer into an accepted one. Lower is better.
---@param arguments fm.metric.edit_distance.arguments
---@return number # the score
function fm.metric.edit_distance(arguments) end

---The arguments of `fm.metric.all_recalled`.
---@class (exact) fm.metric.all_recalled.arguments
---@field answer string the answer to score
---@field gold string[] the gold texts: accepted answers, or for some metrics keywords or parts

---1 if the answer contains every gold text, else 0. MemoryAgentBench's metric for EventQA.
---@param arguments fm.metric.all_recalled.arguments
---@return number # the score
function fm.metric.all_recalled(arguments) end

---The arguments of `fm.metric.score`.
---@class (exact) fm.metric.score.arguments
---@field metric "exact_match"|"substring_exact_match"|"substring_match"|"token_f1"|"locomo_f1"|"rouge_l"|"keyword_fraction"|"parts_fraction"|"boxed_label_strict"|"boxed_label"|"recall_at_1"|"recall_at_5"|"recall_at_10"|"edit_distance"|"all_recalled"|"judge_longmemeval"|"judge_memalpha"|"judge_summary" the metric's name
---@field answer string the answer to score
---@field gold string[] the accepted answers
---@field kind? string the question's kind, such as LoCoMo's category or LongMemEval's question type

---Scores an answer by the named metric.
---@param arguments fm.metric.score.arguments
---@return number # the score
function fm.metric.score(arguments) end

---The arguments of `fm.metric.lenient`.
---@class (exact) fm.metric.lenient.arguments
---@field metric "exact_match"|"substring_exact_match"|"substring_match"|"token_f1"|"locomo_f1"|"rouge_l"|"keyword_fraction"|"parts_fraction"|"boxed_label_strict"|"boxed_label"|"recall_at_1"|"recall_at_5"|"recall_at_10"|"edit_distance"|"all_recalled"|"judge_longmemeval"|"judge_memalpha"|"judge_summary" the metric's name

---The metric that scores the same labels in whatever form an answer gives them. For `exact_match` and `boxed_label_strict` it is `boxed_label`; others have none.
---@param arguments fm.metric.lenient.arguments
---@return string|nil # its name for `fm.metric.score`, or nil
function fm.metric.lenient(arguments) end

---The arguments of `fm.metric.needs_judge`.
---@class (exact) fm.metric.needs_judge.arguments
---@field metric "exact_match"|"substring_exact_match"|"substring_match"|"token_f1"|"locomo_f1"|"rouge_l"|"keyword_fraction"|"parts_fraction"|"boxed_label_strict"|"boxed_label"|"recall_at_1"|"recall_at_5"|"recall_at_10"|"edit_distance"|"all_recalled"|"judge_longmemeval"|"judge_memalpha"|"judge_summary" the metric's name

---Whether a model decides the score: `fm.metric.judge` makes the chats, `fm.metric.verdict` reads the replies.
---@param arguments fm.metric.needs_judge.arguments
---@return boolean # whether it does
function fm.metric.needs_judge(arguments) end

---The arguments of `fm.metric.judge`.
---@class (exact) fm.metric.judge.arguments
---@field metric "exact_match"|"substring_exact_match"|"substring_match"|"token_f1"|"locomo_f1"|"rouge_l"|"keyword_fraction"|"parts_fraction"|"boxed_label_strict"|"boxed_label"|"recall_at_1"|"recall_at_5"|"recall_at_10"|"edit_distance"|"all_recalled"|"judge_longmemeval"|"judge_memalpha"|"judge_summary" the metric's name
---@field question string the question
---@field answer string the answer to score
---@field gold string[] the accepted answers, or the rubric, or why the question cannot be answered, or an expert's summary and its key points
---@field kind? string the question's kind, such as LoCoMo's category or LongMemEval's question type
---@field id? string the question's id; a LongMemEval id with `_abs` means that it cannot be answered

---The chats that ask a judge about an answer: by LongMemEval's protocol for the question's type, by Mem-α's whether it meets a rubric, by HELMET's about the fluency, recall and precision of a summary.
---@param arguments fm.metric.judge.arguments
---@return fm.Message[][] # the chats for `reasoner:complete`, at temperature 0; `fm.metric.verdict` reads the replies
function fm.metric.judge(arguments) end

---The arguments of `fm.metric.verdict`.
---@class (exact) fm.metric.verdict.arguments
---@field metric "exact_match"|"substring_exact_match"|"substring_match"|"token_f1"|"locomo_f1"|"rouge_l"|"keyword_fraction"|"parts_fraction"|"boxed_label_strict"|"boxed_label"|"recall_at_1"|"recall_at_5"|"recall_at_10"|"edit_distance"|"all_recalled"|"judge_longmemeval"|"judge_memalpha"|"judge_summary" the metric's name
---@field replies string[] the judge's reply to each chat
---@field gold string[] the accepted answers

---Reads a judge's replies.
---@param arguments fm.metric.verdict.arguments
---@return number|nil # the score, or nil if the replies do not give one
function fm.metric.verdict(arguments) end

---The arguments of `fm.metric.interval`.
---@class (exact) fm.metric.interval.arguments
---@field scores number[] the scores
---@field seed? integer the seed of the resampling (default 0)

---The mean of scores with its 95 % bootstrap interval.
---@param arguments fm.metric.interval.arguments
---@return fm.Interval # mean and interval
function fm.metric.interval(arguments) end

---The arguments of `fm.metric.student_interval`.
---@class (exact) fm.metric.student_interval.arguments
---@field values number[] the values

---The mean of a few independent values, such as one per seed, with its 95 % interval by Student's t distribution.
---@param arguments fm.metric.student_interval.arguments
---@return fm.Interval # mean and interval; for a single value the interval is -inf to inf
function fm.metric.student_interval(arguments) end

---The arguments of `fm.metric.paired_interval`.
---@class (exact) fm.metric.paired_interval.arguments
---@field scores number[] the scores
---@field than number[] the scores to compare with, for the same questions
---@field seed? integer the seed of the resampling (default 0)

---How much better scores are than others for the same questions, with the 95 % bootstrap interval of the difference.
---@param arguments fm.metric.paired_interval.arguments
---@return fm.Interval # the mean of the differences and its interval
function fm.metric.paired_interval(arguments) end

---The arguments of `fm.metric.rank_correlation`.
---@class (exact) fm.metric.rank_correlation.arguments
---@field values number[] the numbers
---@field with number[] the numbers to compare their order with, for the same things
---@field units? (number|string)[] the name of each pair's unit: what is drawn together in a resample, such as an episode; by default each pair is its own
---@field groups? (number|string)[] the name of each pair's group, if only pairs of one group are to be compared
---@field seed? integer the seed of the resampling (default 0)

---Spearman's rank correlation, with its 95 % bootstrap interval over units. With groups, a pair's ranks are those in its group.
---@param arguments fm.metric.rank_correlation.arguments
---@return fm.Correlation # the correlation; nil if all of one side are equal
function fm.metric.rank_correlation(arguments) end

---The arguments of `fm.metric.summary`.
---@class (exact) fm.metric.summary.arguments
---@field results fm.Result[] a score for each question
---@field seed? integer the seed of the resampling (default 0)

---The mean score of each source and metric, and the averages over sources and over questions, with 95 % bootstrap intervals.
---@param arguments fm.metric.summary.arguments
---@return fm.Summary # the figures
function fm.metric.summary(arguments) end

---The arguments of `fm.reward.format`.
---@class (exact) fm.reward.format.arguments
---@field batch fm.Batch a result of `trainer:rollout`
---@field untagged? number what a valid call counts that was read although the dialect's tags are missing (default 1)

---The share of a step's calls that were valid and carried out.
---@param arguments fm.reward.format.arguments
---@return number[][] # rewards[rollout][step]
function fm.reward.format(arguments) end

---The arguments of `fm.reward.chunk_step`.
---@class (exact) fm.reward.chunk_step.arguments
---@field batch fm.Batch a result of `trainer:rollout`

---The mean score of the questions about a step's chunk, asked right after the step.
---@param arguments fm.reward.chunk_step.arguments
---@return number[][] # rewards[rollout][step]
function fm.reward.chunk_step(arguments) end

---The arguments of `fm.reward.evidence`.
---@class (exact) fm.reward.evidence.arguments
---@field batch fm.Batch a result of `trainer:rollout`
---@field beta? number the share that is distributed by evidence; the rest is distributed equally (default 0.5)
---@field update? "last"|"origin"|"split" which step is credited for an updated item: its last write, its insert, or all writes in equal shares (default "last")

---The score of the final questions, distributed over the steps that wrote the items they were answered from.
---@param arguments fm.reward.evidence.arguments
---@return number[][] # rewards[rollout][step]
function fm.reward.evidence(arguments) end

---The arguments of `fm.reward.compression`.
---@class (exact) fm.reward.compression.arguments
---@field batch fm.Batch a result of `trainer:rollout`

---How much shorter the final memory is than everything that was read; the same for every step.
---@param arguments fm.reward.compression.arguments
---@return number[][] # rewards[rollout][step]
function fm.reward.compression(arguments) end

---The arguments of `fm.reward.outcome`.
---@class (exact) fm.reward.outcome.arguments
---@field batch fm.Batch a result of `trainer:rollout`

---The mean score of the final questions; the same for every step.
---@param arguments fm.reward.outcome.arguments
---@return number[][] # rewards[rollout][step]
function fm.reward.outcome(arguments) end

---The arguments of `fm.reward.zscores`.
---@class (exact) fm.reward.zscores.arguments
---@field values number[] the numbers

---How far each number of a list is from their mean, in units of the sample deviation; zeros if they differ only by rounding.
---@param arguments fm.reward.zscores.arguments
---@return number[] # a number for each
function fm.reward.zscores(arguments) end

---The arguments of `fm.reward.call`.
---@class (exact) fm.reward.call.arguments
---@field batch fm.Batch the batch to reward
---@field reward fm.Reward the reward
---@field option? table further input of the reward
---@field seconds? number how many seconds it may take (default 600)

---Calls `reward.steps(batch, option)`, and checks that it returns a finite number for each step of each rollout.
---@param arguments fm.reward.call.arguments
---@return fm.Rewards # the reward's result
function fm.reward.call(arguments) end

---The arguments of `fm.data.open`.
---@class (exact) fm.data.open.arguments
---@field path string the file, or the folder
---@field format? "memalpha"|"memoryagentbench"|"locomo"|"longmemeval"|"squad"|"intents"|"membuilder"|"episodes" the file's format; by default detected from its content
---@field strict? boolean whether an unreadable row is an error; otherwise it is skipped and reported (default false)
---@field facts_per_chunk? integer how many facts of a list make a chunk; by default as many as fit into `chunk_tokens`, or 4 without that
---@field chunk_tokens? integer how many tokens, of about four bytes each, make a chunk of prose, of a dialogue or of labelled examples; by default as the file's authors do: 4096, for intents 1024, for LoCoMo one session
---@field skipped? string[] a list that receives what was skipped: the place in the file, and the reason; without it this is printed on standard error
---@field notes? string[] a list that receives notes: how many episodes were sorted by date, which dates cannot be read, which episodes have one name; without it they are printed on standard error

---Reads the episodes of a published file, or of a folder of CSV files.
---@param arguments fm.data.open.arguments
---@return fm.Episode[] # the episodes
function fm.data.open(arguments) end

---The arguments of `fm.data.line`.
---@class (exact) fm.data.line.arguments
---@field episode fm.Episode the episode

---Formats an episode as a line of a file that `fm.data.open` reads.
---@param arguments fm.data.line.arguments
---@return string # its JSON, without a line end
function fm.data.line(arguments) end

---The arguments of `fm.calls.hermes`.
---@class (exact) fm.calls.hermes.arguments
---@field text string an answer

---Reads calls in the format of Hermes and Qwen models: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`.
---@param arguments fm.calls.hermes.arguments
---@return fm.Call[] # the calls, valid or not, in order
function fm.calls.hermes(arguments) end

---The arguments of `fm.calls.read`.
---@class (exact) fm.calls.read.arguments
---@field text string an answer
---@field dialect? fm.Dialect how calls are written; by default as Hermes and Qwen do
---@field prompt? string the prompt before the answer; if it ends with <think>, the answer begins inside a thought
---@field tools? fm.Named[] the tools that calls without tags may name, as `fm.grpo.new` takes them; by default there are none

---Reads the calls in a text as a rollout does: the dialect's result is checked, and a thought before the calls is returned separately.
---@param arguments fm.calls.read.arguments
---@return table # `{ calls, stray, untagged, thought }`: the calls, the number of stretches of other text, how many of the calls lack the dialect's tags, and the thought, if any
function fm.calls.read(arguments) end

---The arguments of `fm.grpo.new`.
---@class (exact) fm.grpo.new.arguments
---@field policy fm.Model the model to train
---@field tools fm.Tool[] the memory tools
---@field prompt fun(input: table): string makes the prompt of a step from { memory, total, totals, chunk, step, role, last, tools }: the items in view, how many items there are, in total and in each section; `last` is the previous step, without its memories and the answers to its questions
---@field reasoner fm.Reasoner answers the questions
---@field dialect? fm.Dialect how the policy writes calls; by default the format of Hermes and Qwen
---@field group? integer rollouts of each episode (default 8)
---@field seed? integer seed of sampling and of the order of samples (default 0)
---@field lr? number default learning rate of updates (default 1e-6)
---@field temperature? number default sampling temperature of rollouts (default 1)
---@field top_p? number sample only from the likeliest tokens whose probabilities add up to this (default 1)
---@field max_tokens? integer longest completion of a step (default 256)
---@field max_prompt? integer longest prompt of a step, for which memory is reserved; by default what the model has room for
---@field episodes? integer episodes of a batch, for which memory is reserved; by default the most that sampling ever uses
---@field view? ("recent"|"relevant")|(fun(memory: fm.Memory, input: table): fm.Item[]) which items a prompt shows: the newest ("recent", the default), those that BM25 finds for the chunk ("relevant"), or those that a function of the memory and { chunk, step, role, limit } returns
---@field view_items? integer most items in a prompt; halved until the prompt fits the model (default 20)
---@field grouping? "step"|"instance"|"trajectory"|"state" what is compared within an episode: the same step of all rollouts, all steps, means of whole rollouts, or the same step of rollouts with equal `state` (default "step")
---@field minibatches? integer optimiser steps of one update (default 1)
---@field beta1? number decay of AdamW's first moment (default 0.9)
---@field beta2? number decay of AdamW's second moment (default 0.99)
---@field weight_decay? number decoupled weight decay of matrices (default 0)
---@field max_grad_norm? number largest norm of the gradient; 0 for no clipping (default 1)
---@field freeze_embedding? boolean keep the embedding, and a head that is tied to it, as it is (default false)
---@field train? boolean whether there will be updates; if not, as in an evaluation, no memory is reserved for them (default true)
---@field retrieval? "bm25"|"whole"|"sections" which items a question is answered from: those that BM25 ranks highest; the whole memory; or, as in Mem-α, those that BM25 ranks highest in each section, and all of the section core (default "bm25")
---@field top_k? integer items that BM25 retrieves for a question, or from each section (default 10)
---@field max_question? integer longest prompt of a question in tokens: the items that fit the question least are left out, or the oldest if the whole memory is used; by default what the reasoner has room for
---@field loss? "verl"|"grpo"|"dr_grpo"|"dapo"|"gspo"|"cispo"|"rloo"|"reinforce" the policy loss, as its paper states it; each of the next ten arguments replaces one of its settings (default "verl")
---@field ratio? "token"|"sequence" whether the ratio is per token, or per step as the mean over its tokens
---@field clip_low? number how far the ratio may fall below 1
---@field clip_high? number how far the ratio may rise above 1
---@field dual_clip? number bound of a clipped loss for negative advantages; 0 for no bound
---@field aggregation? "token"|"sequence"|"constant"|"sum" the mean over tokens, or the mean over steps of one of these: the mean over tokens, their sum / max_tokens, their sum
---@field baseline? "mean"|"leave_one_out" what a reward is compared with: the group's mean, or that of the others
---@field scale_rewards? boolean whether advantages are divided by the group's deviation
---@field kl_coef? number weight of the KL to the initial policy, or with an adapter to the policy without it; 0 for none
---@field kl_estimator? "k1"|"k2"|"k3" how KL is estimated; in the loss, k1 does not restrain the policy
---@field kl_in? "loss"|"reward" where KL is applied: in the loss of each token, or summed in the reward of each step
---@field micro_tokens? integer tokens that go through the model at a time; a longer sequence forms its own micro-batch (default 4096)
---@field recompute? "none"|"attention"|"all" what the backward pass recomputes to save memory: nothing, the attention part of the blocks, or whole blocks (default "none")

---A trainer that rolls a policy out over episodes and improves it by group-relative policy optimisation. It plans the memory it needs; if a run does not fit, that is an error before any memory is taken.
---@param arguments fm.grpo.new.arguments
---@return fm.GrpoTrainer # the trainer
function fm.grpo.new(arguments) end

---The arguments of `fm.schedule.linear`.
---@class (exact) fm.schedule.linear.arguments
---@field from number the value up to `start`
---@field to number the value from `start + steps` on
---@field steps number how many steps it takes
---@field start? number the step at which it begins to change (default 0)

---A value that changes linearly from one number to another, and then stays constant.
---@param arguments fm.schedule.linear.arguments
---@return fun(step: number): number # a function of the step
function fm.schedule.linear(arguments) end

---The arguments of `fm.schedule.cosine`.
---@class (exact) fm.schedule.cosine.arguments
---@field from number the value up to `start`
---@field to number the value from `start + steps` on
---@field steps number how many steps it takes
---@field start? number the step at which it begins to change (default 0)

---A value that changes from one number to another along half a cosine, slowly at both ends, and then stays constant.
---@param arguments fm.schedule.cosine.arguments
---@return fun(step: number): number # a function of the step
function fm.schedule.cosine(arguments) end

---The arguments of `fm.schedule.piecewise`.
---@class (exact) fm.schedule.piecewise.arguments
---@field points number[][] `{ { step, value }, … }`, with increasing steps: the value from each step on; before the first step it is the first value

---A value that changes at given steps and is constant between them.
---@param arguments fm.schedule.piecewise.arguments
---@return fun(step: number): number # a function of the step
function fm.schedule.piecewise(arguments) end

---The arguments of `fm.schedule.warm_up`.
---@class (exact) fm.schedule.warm_up.arguments
---@field to number|(fun(step: number): number) the value after the warm-up: a number, or a schedule
---@field steps number how many steps the warm-up takes; 1 or less means no warm-up

---A value that rises from near 0 to its target: step 1 gives `to / steps`, step `steps` and all later ones give `to`.
---@param arguments fm.schedule.warm_up.arguments
---@return fun(step: number): number # a function of the step
function fm.schedule.warm_up(arguments) end

---The arguments of `fm.run.open`.
---@class (exact) fm.run.open.arguments
---@field path? string the folder; by default the next free runs/<script>-<number>
---@field resume? boolean whether to resume the run in this folder if there is one (default false)
---@field seed? integer the run's seed, for run.json
---@field arguments? table<string, any> settings to record in run.json

---Opens the run's folder: a new one, or with `--resume` the one to resume. Only one run can be open at a time.
---@param arguments? fm.run.open.arguments
---@return fm.Run # the run
function fm.run.open(arguments) end

---The arguments of `fm.log`.
---@class (exact) fm.log.arguments
---@field step integer the step, from 1
---@field stats table<string, any> figures by name; a figure that is not finite is logged as null

---Logs a step's figures to the open run; opens one if there is none.
---@param arguments fm.log.arguments
function fm.log(arguments) end

---Whether Ctrl-C was pressed. A script that asks ends its loop itself; one that never asks is ended immediately.
---@param arguments? {}
---@return boolean # true if the script should save its work and end
function fm.stopping(arguments) end

---The arguments of `fm.reload`.
---@class (exact) fm.reload.arguments
---@field module string its name, as for `require`
---@field step? integer the step from which it applies, for run.json

---Under `finemem-engine run --watch`: reloads a module if its file has changed since it was loaded, or the file of a module that it requires while loading. From then on `require` returns the new version; values of the old one do not change. A file that cannot be loaded is reported, and the old version stays. Does nothing without `--watch`.
---@param arguments fm.reload.arguments
---@return boolean # whether it was reloaded
function fm.reload(arguments) end

---The arguments of `fm.page.write`.
---@class (exact) fm.page.write.arguments
---@field path string the file, HTML
---@field title string the title above the page
---@field sections fm.PageSection[] its sections, from top to bottom

---Writes a self-contained HTML page of tables, charts and episodes to step through.
---@param arguments fm.page.write.arguments
---@return integer # how many episodes did not fit on the page, which also says so
function fm.page.write(arguments) end

return fm
