//! `fm.reasoner.model` and `fm.reasoner.server`: reasoners with a language model.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use mlua::{ExternalResult, Function as LuaFunction, Lua, Value, WeakLua};

use super::model::ModelHandle;
use super::reason::{CHAT, Reasoner};
use super::session;
use crate::api::arguments::checked;
use crate::api::lua::{read, write};
use crate::api::{Area, Callback, Function, Handed, Kind, function};
use finemem::model::Model;
use finemem::reason::{Local, Message, Query, Reason, Reply, Server, local, server};
use finemem::{Result, generate, record};

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

const PROMPT: Kind = Kind::Function(&[("input", Kind::Table)], &CHAT);

record! {
    /// The prompt of a reasoner.
    struct Prompt {
        /// makes the chat that asks a question, from { question, instruction, items, more }; the items { content, section, rank } are in
        /// the order in which they were written, and the best match has rank 1; with `more` the model may reply with `SEARCH:` and words
        /// to look up; by default memory and rules are the system message, the question is the user's
        prompt: Option<Callback> as PROMPT,
    }

    /// The input of a script's prompt.
    struct Input {
        /// the question
        question: String,
        /// an instruction added to the question
        instruction: Option<String>,
        /// the items to answer from, in the order in which they were written
        items: Vec<InputItem>,
        /// whether the model may reply with `SEARCH:` and words to look up, instead of an answer
        more: bool,
    }

    /// An item that a question is answered from.
    struct InputItem {
        /// its content
        content: String,
        /// its section of the memory
        section: String,
        /// its rank, from 1, the best match
        rank: usize => FromOne,
    }

    struct OfModel {
        /// its folder. The tensors are shared with other reasoners of this folder, and with a model from it that has an adapter; the
        /// reasoner answers without the adapter
        path: Option<PathBuf>,
        /// a loaded model instead, without its adapter; its tensors are shared
        model: Option<Handed<ModelHandle>>,
        ..settings: local::Settings,
        ..own: Prompt,
    }

    struct OfServer {
        ..settings: server::Settings,
        ..own: Prompt,
    }
}

const FUNCTIONS: &[Function] = &[
    function! {
        /// A reasoner with a language model in this process, which does not change while a policy is trained.
        "reasoner.model" (lua, given: OfModel) -> Handed<Reasoner>: "the reasoner" {
            let (model, generator, policy) = match (&given.path, &given.model) {
                (Some(path), None) => {
                    let (model, generator) = frozen(lua, path).into_lua_err()?;
                    (model, generator, None)
                }
                (None, Some(model)) => {
                    let policy = model.borrow()?.policy().clone();
                    (Rc::new(policy.model.base()), policy.generator.clone(), Some(policy))
                }
                _ => return Err(mlua::Error::runtime("a reasoner needs either 'path' or 'model'")),
            };
            let reason = Local::new(model, generator, given.settings).into_lua_err()?;
            Handed::new(lua, Reasoner { policy, ..Reasoner::new(given.own.around(lua, Rc::new(reason))) })
        }
    },
    function! {
        /// A reasoner with a model on a server with OpenAI's chat completions API, such as vLLM, SGLang, llama.cpp and Ollama. Replies are
        /// kept by model, messages and parameters, so that nothing is asked twice.
        "reasoner.server" (lua, given: OfServer) -> Handed<Reasoner>: "the reasoner" {
            let server = Rc::new(Server::new(given.settings).into_lua_err()?);
            let reason = given.own.around(lua, server.clone());
            Handed::new(lua, Reasoner { server: Some(server), ..Reasoner::new(reason) })
        }
    },
];

/// The frozen model of a folder, and its sampler: a loaded one, if it is the same.
fn frozen(lua: &Lua, path: &Path) -> Result<(Rc<Model>, generate::SharedGenerator)> {
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
        None => (Model::load_as(path, session.device()?, None)?, generate::SharedGenerator::default()),
    };
    let model = Rc::new(model);
    known.push((Rc::downgrade(&model), generator.clone()));
    Ok((model, generator))
}

impl Prompt {
    /// The reasoner with the script's own prompt, if the script has one.
    fn around(self, lua: &Lua, reason: Rc<dyn Reason>) -> Rc<dyn Reason> {
        match self.prompt {
            Some(prompt) => Rc::new(Prompted { reason, prompt: prompt.0, lua: lua.weak() }),
            None => reason,
        }
    }
}

/// A reasoner whose chats are made by a script.
struct Prompted {
    reason: Rc<dyn Reason>,
    prompt: LuaFunction,
    lua: WeakLua,
}

impl Prompted {
    fn call(&self, query: &Query<'_>) -> mlua::Result<Vec<Message>> {
        let lua = self.lua.try_upgrade().ok_or_else(|| mlua::Error::runtime("the script has ended"))?;
        let item = |entry: &finemem::reason::Entry<'_>| InputItem {
            content: entry.content.to_owned(),
            section: entry.section.to_owned(),
            rank: entry.rank,
        };
        let input = Input {
            question: query.question.to_owned(),
            instruction: query.instruction.map(str::to_owned),
            items: query.shown().into_iter().map(item).collect(),
            more: query.more,
        };
        let chat: Value = self.prompt.call(write(&lua, &input)?)?;
        checked(&CHAT, &chat).map_err(|e| mlua::Error::runtime(format!("what 'prompt' returns {e}")))?;
        let chat: Vec<Message> = read(&chat).map_err(mlua::Error::runtime)?;
        if chat.is_empty() { Err(mlua::Error::runtime("a chat needs at least one message")) } else { Ok(chat) }
    }
}

impl Reason for Prompted {
    fn hops(&self) -> usize {
        self.reason.hops()
    }

    fn describe(&self) -> String {
        format!("{}, with the script's prompt", self.reason.describe())
    }

    fn complete(&self, chats: &[Vec<Message>]) -> Result<Vec<Reply>> {
        self.reason.complete(chats)
    }

    fn chat(&self, query: &Query<'_>) -> Result<Vec<Message>> {
        self.call(query).map_err(|e| crate::api::error(&e))
    }

    fn count(&self, chat: &[Message]) -> Result<usize> {
        self.reason.count(chat)
    }

    fn room(&self) -> Option<usize> {
        self.reason.room()
    }
}
