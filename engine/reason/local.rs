//! A frozen model in this process, through the same batched sampling as the policy.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Message, Reason, Reply, Role, Usage, prompt};
use crate::generate::{Finish, Options, Request, SharedGenerator, Stream};
use crate::memory::calls;
use crate::model::plain::Breaks;
use crate::model::{Chat, Model};
use crate::schema::defaults;
use crate::{Error, Result, record};

record! {
    /// How a local model answers.
    pub struct Settings {
        /// longest reply in tokens
        pub max_tokens: usize = 256,
        /// 0 is greedy
        pub temperature: f32 = 0.0,
        /// the seed of sampling; a reply depends only on it and on the chat
        pub seed: u64 => Seed = 0,
        /// whether the model thinks before it answers, if its template supports that
        pub thinking: bool = false,
        /// the most items that an answer may take: with more than 1 the model may ask that many times to look something up
        pub hops: usize = 1,
    }
}

impl Default for Settings {
    fn default() -> Self {
        defaults()
    }
}

/// The reasoner.
pub struct Local {
    model: Rc<Model>,
    generator: SharedGenerator,
    settings: Settings,
}

impl Local {
    /// A reasoner with a frozen model. `generator` may belong to another model of the same sizes, such as the policy.
    ///
    /// # Errors
    /// A model without a chat template, or without room for a prompt.
    pub fn new(model: Rc<Model>, generator: SharedGenerator, settings: Settings) -> Result<Self> {
        let longest = model.config.max_position_embeddings;
        if settings.max_tokens == 0 || settings.max_tokens >= longest {
            let asked = settings.max_tokens;
            return Err(Error::argument(format!("'max_tokens' is {asked}; it must be positive and leave room in the model's {longest}")));
        }
        super::several(settings.hops)?;
        let local = Self { model, generator, settings };
        local.options().check()?;
        local.render(&[Message::new(Role::User, "?")])?;
        Ok(local)
    }

    fn options(&self) -> Options {
        let Settings { temperature, max_tokens, .. } = self.settings;
        Options { temperature, max_tokens, top_k: 0, top_p: 1.0, min_p: 0.0, stop: Vec::new() }
    }

    fn render(&self, chat: &[Message]) -> Result<String> {
        let guard = self.model.tokenizer.guard();
        // The system message has the memory's items, which are data.
        let message = |message: &Message| json!({ "role": message.role, "content": guard.mark(&message.content, Breaks::All) });
        self.model.prompt(&Chat {
            messages: chat.iter().map(message).collect(),
            add_generation_prompt: true,
            enable_thinking: Some(self.settings.thinking),
            ..Chat::default()
        })
    }
}

impl Reason for Local {
    fn describe(&self) -> String {
        // Whether the question and the memory are two messages or one may matter to its answers.
        let system = self.model.chat_template.carries().is_ok_and(|carries| carries.system);
        format!("a frozen {}{}", self.model, if system { "" } else { ", told its task in the user's message" })
    }

    fn complete(&self, chats: &[Vec<Message>]) -> Result<Vec<Reply>> {
        let texts = chats.iter().map(|chat| self.render(chat)).collect::<Result<Vec<_>>>()?;
        // Rollouts that agree ask the same question; equal prompts become one request.
        let mut places = HashMap::new();
        let mut requests: Vec<Request> = Vec::new();
        let mut of = Vec::with_capacity(texts.len());
        for text in &texts {
            let place = match places.get(text) {
                Some(&place) => place,
                None => {
                    let hash = Sha256::digest(text);
                    let word = |i: usize| u32::from_le_bytes([hash[i], hash[i + 1], hash[i + 2], hash[i + 3]]);
                    let stream = Stream::new(self.settings.seed, 0, [word(0), word(4), word(8)]);
                    requests.push(Request { prompt: self.model.tokenizer.encode(text)?, streams: vec![stream] });
                    places.insert(text, requests.len() - 1);
                    requests.len() - 1
                }
            };
            of.push(place);
        }
        let completions = self.generator.generate(&self.model, &requests, &self.options())?;
        let mut paid = vec![false; requests.len()];
        let reply = |(text, place): (&String, usize)| {
            let completion = &completions[place][0];
            let said = completion.text(&self.model)?;
            let answer = prompt::without_thought(calls::split_thought(text, &said).1).to_owned();
            let cached = std::mem::replace(&mut paid[place], true);
            let usage = Usage {
                prompt_tokens: requests[place].prompt.len() as u64,
                completion_tokens: completion.tokens.len() as u64,
                cut: completion.finish == Finish::Length,
                cached: u64::from(cached),
                ..Usage::default()
            };
            Ok(Reply { text: answer, usage })
        };
        texts.iter().zip(of).map(reply).collect()
    }

    fn hops(&self) -> usize {
        self.settings.hops
    }

    fn count(&self, chat: &[Message]) -> Result<usize> {
        Ok(self.model.tokenizer.encode(&self.render(chat)?)?.len())
    }

    fn room(&self) -> Option<usize> {
        Some(self.model.config.max_position_embeddings - self.settings.max_tokens)
    }
}
