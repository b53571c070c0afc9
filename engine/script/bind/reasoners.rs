//! `fm.reasoner.model` and `fm.reasoner.server`: reasoners with a language model.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use mlua::{ExternalResult, Function as LuaFunction, Lua, Value, WeakLua};
use serde_json::Value as Json;

use super::model::Shared;
use super::reason::{CHAT, Reasoner};
use super::session;
use crate::api::arguments::checked;
use crate::api::convert::{self, list};
use crate::api::lua::read;
use crate::api::{Area, Args, Field, Function, Kind, Need, default, object, optional, required};
use finemem::Result;
use finemem::generate;
use finemem::model::{Model, Tokenizer};
use finemem::reason::{Local, Message, Query, Reason, Reply, Server, local, server};

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

const PROMPT: Field = optional(
    "prompt",
    Kind::Function(&[("input", Kind::Table)], &CHAT),
    "makes the chat that asks a question from { question, instruction, items }, each item { content, section, rank }, in the order in which they \
     were written, the best fit of rank 1; by default the memory and rules as the system message, the question as the user's",
);

const FUNCTIONS: &[Function] = &[
    Function {
        path: "reasoner.model",
        doc: "A reasoner with a language model in this process, which stays as it is while a policy is trained.",
        params: &[
            optional(
                "path",
                Kind::Text,
                "its folder. The tensors are shared with another reasoner of this folder, or with a model from it that has an adapter, without \
                 which the reasoner answers",
            ),
            optional("model", Kind::Object("Model"), "a loaded model instead, without its adapter; its tensors are shared"),
            default("max_tokens", Kind::Integer, Need::Number(256.0), "longest reply in tokens"),
            default("temperature", Kind::Number, Need::Number(0.0), "0 is greedy"),
            default(
                "seed",
                Kind::Integer,
                Need::Number(0.0),
                "the seed of sampling; a reply depends on it and on the chat, on nothing else",
            ),
            default("thinking", Kind::Boolean, Need::Boolean(false), "whether the model thinks before it answers, if its template knows"),
            PROMPT,
        ],
        returns: Kind::Object("Reasoner"),
        result: "the reasoner",
        call: |lua, args| {
            let settings = local::Settings {
                temperature: args.get(lua, "temperature")?,
                max_tokens: args.get(lua, "max_tokens")?,
                seed: args.get::<i64>(lua, "seed")? as u64,
                thinking: args.get(lua, "thinking")?,
            };
            let (path, model): (Option<PathBuf>, Value) =
                (args.get::<Option<String>>(lua, "path")?.map(Into::into), args.get(lua, "model")?);
            let (model, generator, policy) = match (path, model.is_nil()) {
                (Some(path), true) => {
                    let (model, generator) = frozen(lua, &path).into_lua_err()?;
                    (model, generator, None)
                }
                (None, false) => {
                    let policy = args.object::<Shared>(lua, "model")?.0.0.clone();
                    (Rc::new(policy.model.base()), policy.generator.clone(), Some(policy))
                }
                _ => return Err(mlua::Error::runtime("one of 'path' and 'model' says which model it is")),
            };
            let reason = Local::new(model, generator, settings).into_lua_err()?;
            object(lua, Reasoner { policy, ..Reasoner::new(prompted(lua, args, Rc::new(reason))?) })
        },
    },
    Function {
        path: "reasoner.server",
        doc: "A reasoner with a model behind a server that speaks OpenAI's chat completions, as vLLM, SGLang, llama.cpp and Ollama do. Replies are \
              kept by model, messages and parameters, so that nothing is asked twice.",
        params: &[
            required("url", Kind::Text, "the base address, such as http://127.0.0.1:8000/v1"),
            required("model", Kind::Text, "the model's name at the server"),
            optional(
                "key_env",
                Kind::Text,
                "the environment variable that holds the key, such as OPENAI_API_KEY; the key is written nowhere",
            ),
            default("max_tokens", Kind::Integer, Need::Number(1024.0), "longest reply in tokens"),
            optional(
                "context",
                Kind::Integer,
                "tokens that a prompt and its reply may have together at the server, counted as `tokenizer` says: the items that fit a question least are left out",
            ),
            default("temperature", Kind::Number, Need::Number(0.0), "0 is greedy"),
            optional("seed", Kind::Integer, "the seed of sampling, for servers that know of one"),
            optional(
                "extra",
                Kind::Map(&Kind::Any),
                "more fields of a request, such as `{ chat_template_kwargs = { enable_thinking = false } }` for Qwen3 on vLLM; `fm.json.null` takes one out",
            ),
            default("timeout", Kind::Number, Need::Number(120.0), "seconds that one request may take"),
            default(
                "retries",
                Kind::Integer,
                Need::Number(5.0),
                "how many more times a request is tried after 429, 5xx, a timeout or a broken connection",
            ),
            default("concurrency", Kind::Integer, Need::Number(8.0), "requests at a time"),
            optional(
                "cache",
                Kind::Text,
                "the file that keeps replies; by default replies.jsonl in the folder of the run that is open when it is first asked, else memory",
            ),
            default("offline", Kind::Boolean, Need::Boolean(false), "whether to answer from the cache alone; what it lacks is an error"),
            optional("tokenizer", Kind::Text, "a tokenizer.json to count the tokens of prompts by; by default four bytes make a token"),
            PROMPT,
        ],
        returns: Kind::Object("Reasoner"),
        result: "the reasoner",
        call: |lua, args| {
            let timeout: f64 = args.get(lua, "timeout")?;
            let tokenizer: Option<String> = args.get(lua, "tokenizer")?;
            let extra =
                convert::to_json(&args.get(lua, "extra")?).map_err(|e| mlua::Error::runtime(format!("'extra' cannot be sent: {e}")))?;
            let server = Rc::new(
                Server::new(server::Settings {
                    key_env: args.get(lua, "key_env")?,
                    temperature: args.get(lua, "temperature")?,
                    max_tokens: args.get(lua, "max_tokens")?,
                    context: args.get(lua, "context")?,
                    seed: args.get(lua, "seed")?,
                    extra: match extra {
                        Json::Object(fields) => fields,
                        _ => Default::default(),
                    },
                    timeout: Duration::try_from_secs_f64(timeout)
                        .map_err(|_| mlua::Error::runtime(format!("'timeout' is {timeout}; it is a number of seconds")))?,
                    retries: args.get(lua, "retries")?,
                    concurrency: args.get(lua, "concurrency")?,
                    cache: args.get::<Option<String>>(lua, "cache")?.map(Into::into),
                    offline: args.get(lua, "offline")?,
                    tokenizer: tokenizer.map(|path| Tokenizer::load(Path::new(&path))).transpose().into_lua_err()?,
                    ..server::Settings::new(args.get::<String>(lua, "url")?, args.get::<String>(lua, "model")?)
                })
                .into_lua_err()?,
            );
            let reason = prompted(lua, args, server.clone())?;
            object(lua, Reasoner { server: Some(server), ..Reasoner::new(reason) })
        },
    },
];

/// The model in a folder that nobody trains, and what samples from it: one that is there already, if it is the same.
fn frozen(lua: &Lua, path: &Path) -> Result<(Rc<Model>, generate::Shared)> {
    let session = session(lua);
    let same = |model: &Model| {
        let place = |path: &Path| path.canonicalize().ok();
        model.folder.path().is_some_and(|other| place(other).is_some() && place(other) == place(path))
    };
    let mut known = session.frozen.borrow_mut();
    known.retain(|(model, _)| model.strong_count() > 0);
    for (model, generator) in known.iter() {
        if let Some(model) = model.upgrade().filter(|model| same(model)) {
            return Ok((model, generator.clone()));
        }
    }
    let policies: Vec<_> = session.policies.borrow().iter().filter_map(std::rc::Weak::upgrade).collect();
    let (model, generator) = match policies.iter().find(|policy| policy.model.lora.is_some() && same(&policy.model)) {
        Some(policy) => (policy.model.base(), policy.generator.clone()),
        None => (Model::load_as(path, session.device()?, None)?, generate::Shared::default()),
    };
    let model = Rc::new(model);
    known.push((Rc::downgrade(&model), generator.clone()));
    Ok((model, generator))
}

/// The reasoner with the script's own prompt, if the script has one.
fn prompted(lua: &Lua, args: &Args, reason: Rc<dyn Reason>) -> mlua::Result<Rc<dyn Reason>> {
    Ok(match args.get::<Option<LuaFunction>>(lua, "prompt")? {
        Some(prompt) => Rc::new(Prompted { reason, prompt, lua: lua.weak() }),
        None => reason,
    })
}

/// A reasoner whose chats a script makes.
struct Prompted {
    reason: Rc<dyn Reason>,
    prompt: LuaFunction,
    lua: WeakLua,
}

impl Prompted {
    fn call(&self, query: &Query<'_>) -> mlua::Result<Vec<Message>> {
        let lua = self.lua.try_upgrade().ok_or_else(|| mlua::Error::runtime("the script has ended"))?;
        let input = lua.create_table()?;
        input.raw_set("question", query.question)?;
        input.raw_set("instruction", query.instruction)?;
        let entry = |entry: &finemem::reason::Entry<'_>| {
            let table = lua.create_table()?;
            table.raw_set("content", entry.content)?;
            table.raw_set("section", entry.section)?;
            table.raw_set("rank", entry.rank + 1)?;
            Ok(table)
        };
        input.raw_set("items", list(&lua, query.shown().into_iter().map(entry))?)?;
        let chat: Value = self.prompt.call(input)?;
        checked(&CHAT, &chat).map_err(|e| mlua::Error::runtime(format!("what 'prompt' returns {e}")))?;
        let chat: Vec<Message> = read(&chat).map_err(mlua::Error::runtime)?;
        if chat.is_empty() { Err(mlua::Error::runtime("a chat needs at least one message")) } else { Ok(chat) }
    }
}

impl Reason for Prompted {
    fn describe(&self) -> String {
        format!("{}, with a prompt of the script", self.reason.describe())
    }

    fn complete(&self, chats: &[Vec<Message>]) -> Result<Vec<Reply>> {
        self.reason.complete(chats)
    }

    fn chat(&self, query: &Query<'_>) -> Result<Vec<Message>> {
        self.call(query).map_err(|e| crate::error(&e))
    }

    fn count(&self, chat: &[Message]) -> Result<usize> {
        self.reason.count(chat)
    }

    fn room(&self) -> Option<usize> {
        self.reason.room()
    }
}
