//! What a chat template does with what it is given. Many templates have no place for tools or for a system message, and drop or refuse
//! them; few know of thinking. Rendering with and without tells.

use serde_json::{Value, json};

use super::template::{Chat, ChatTemplate};
use crate::error::{Error, Result};
use crate::{record, words};

words! {
    /// How a template decides whether the model thinks.
    pub enum Thinking {
        /// It is told.
        Switch = "switch",
        /// It begins a thought in every prompt.
        Always = "always",
        /// It leaves it to the model.
        Unsaid = "unsaid",
    }
}

record! {
    /// What a chat template has a place for.
    #[derive(Copy)]
    pub struct Carries as "Carries" {
        /// whether descriptions of tools appear in the text
        pub tools: bool,
        /// whether a system message appears in the text
        pub system: bool,
        /// whether the template can be told to let the model think
        pub thinking: Thinking,
    }
}

/// The names under which templates ask whether to think.
const SWITCHES: [&str; 2] = ["enable_thinking", "thinking"];

/// A word that no template has.
const WORD: &str = "xprobex";

impl ChatTemplate {
    /// What the template has a place for. It is found out once.
    ///
    /// # Errors
    /// A folder without a template.
    pub fn carries(&self) -> Result<Carries> {
        self.choose(false)?;
        Ok(*self.found.get_or_init(|| {
            let has = |chat: &Chat, words: &[&str]| self.render(chat).is_ok_and(|text| words.iter().all(|word| text.contains(word)));
            let user = vec![json!({ "role": "user", "content": "yprobey" })];
            let plain = Chat { messages: user.clone(), add_generation_prompt: true, ..Chat::default() };
            let system = [vec![json!({ "role": "system", "content": WORD })], user].concat();
            let system = Chat { messages: system, ..plain.clone() };
            let carried = has(&system, &[WORD, "yprobey"]);
            let base = if carried { &system } else { &plain };
            let parameters =
                json!({ "type": "object", "properties": { "zprobez": { "type": "string", "description": "p" } }, "required": ["zprobez"] });
            let tool = json!({ "type": "function", "function": { "name": "wprobew", "description": "vprobev", "parameters": parameters } });
            let tools = Chat { tools: Some(vec![tool]), ..base.clone() };
            let thinking = match self.switch(base) {
                Some(_) => Thinking::Switch,
                None if self.render(base).is_ok_and(|text| text.trim_end().ends_with("<think>")) => Thinking::Always,
                None => Thinking::Unsaid,
            };
            Carries { tools: has(&tools, &["wprobew", "vprobev", "zprobez", "yprobey"]), system: carried, thinking }
        }))
    }

    /// The variable that tells the template whether the model thinks.
    fn switch(&self, chat: &Chat) -> Option<&'static str> {
        SWITCHES.into_iter().find(|name| {
            let told = |on: bool| self.render(&chat.told(name, on)).ok();
            told(true) != told(false)
        })
    }

    /// The chat in a form of which the template drops nothing: without a place for a system message, its text comes before the first
    /// message of the user.
    ///
    /// # Errors
    /// Tools, or a wish to think, that the template has no place for.
    pub fn fit(&self, chat: Chat) -> Result<Chat> {
        let mut chat = chat;
        let carries = self.carries()?;
        if chat.tools.as_ref().is_some_and(|tools| !tools.is_empty()) && !carries.tools {
            return Err(Error::argument("the chat template has no place for tools: describe them in a message"));
        }
        if !carries.system {
            merge_system(&mut chat.messages);
        }
        if let Some(on) = chat.enable_thinking {
            match self.switch(&Chat { enable_thinking: None, ..chat.clone() }) {
                Some(name) => chat = chat.told(name, on),
                None if on && carries.thinking == Thinking::Unsaid => {
                    return Err(Error::argument("the chat template cannot be told to let the model think: leave 'thinking' out"));
                }
                None => {}
            }
        }
        Ok(chat)
    }
}

impl Chat {
    /// The chat with a switch for thinking.
    fn told(&self, name: &str, on: bool) -> Self {
        let mut chat = self.clone();
        chat.enable_thinking = None;
        chat.variables.insert(name.into(), on.into());
        chat
    }
}

/// Puts the texts of system messages before the first message of the user.
fn merge_system(messages: &mut Vec<Value>) {
    let is = |message: &Value, roles: &[&str]| message["role"].as_str().is_some_and(|role| roles.contains(&role));
    let (system, mut rest): (Vec<Value>, Vec<Value>) = messages.drain(..).partition(|message| is(message, &["system", "developer"]));
    let texts: Vec<&str> = system.iter().filter_map(|message| message["content"].as_str()).collect();
    let text = texts.join("\n\n");
    match rest.iter_mut().find(|message| is(message, &["user"])) {
        _ if text.is_empty() => {}
        Some(user) => match &mut user["content"] {
            Value::Array(parts) => parts.insert(0, json!({ "type": "text", "text": text })),
            Value::String(content) if content.is_empty() => *content = text,
            Value::String(content) => *content = format!("{text}\n\n{content}"),
            other => *other = text.into(),
        },
        None => rest.insert(0, json!({ "role": "user", "content": text })),
    }
    *messages = rest;
}
