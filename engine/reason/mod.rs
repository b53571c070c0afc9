//! The fixed reasoning agent, which answers questions from retrieved memory items, and the metrics of its answers.

mod ask;
pub mod cache;
pub mod completion;
mod cuts;
mod endpoint;
pub mod extractive;
mod frames;
mod hops;
pub mod local;
pub mod prompt;
mod question;
mod related;
pub mod server;
mod statement;
mod wanted;
mod words;

pub use ask::{Asked, Asking, How, Retrieval, ask, fit};
pub use extractive::{Extractive, UNKNOWN};
pub use frames::{Frames, Memory};
pub use local::Local;
pub use server::Server;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, record, words};

/// A question and the items it may be answered from.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// The question.
    pub question: &'a str,
    /// What the question's protocol also tells a model, such as the form of the answer.
    pub instruction: Option<&'a str>,
    /// The memory items, best match first.
    pub items: Vec<Entry<'a>>,
    /// The memory that the items are from, if it is more than these.
    pub memory: Option<&'a Memory<'a>>,
    /// Whether the reasoner may look something up before it answers.
    pub more: bool,
}

/// The part of a memory item that a reasoner sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its content.
    pub content: &'a str,
    /// Its section in a layered memory; empty in a flat one.
    pub section: &'a str,
    /// If not all items fit, those of the highest rank are left out first, all together.
    pub rank: usize,
    /// When it was last written: the step, and a number that increases with every write of that step.
    pub written: (usize, u64),
}

impl<'a> Query<'a> {
    /// A question about the items of a flat memory, which are given best match first and were written in this order.
    pub fn new(question: &'a str, contents: impl IntoIterator<Item = &'a str>) -> Self {
        let entry = |(rank, content)| Entry { content, section: "", rank, written: (0, rank as u64) };
        Self { question, instruction: None, items: contents.into_iter().enumerate().map(entry).collect(), memory: None, more: false }
    }

    /// The items in the order in which a model is shown them: the last written comes last, so that of two contradicting items the newer one
    /// is recognisable.
    pub fn shown(&self) -> Vec<&Entry<'a>> {
        let mut shown: Vec<&Entry<'_>> = self.items.iter().collect();
        shown.sort_by_key(|entry| entry.written);
        shown
    }
}

/// A reasoner's answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer, or [`UNKNOWN`]. Empty if the reply has no answer, for example because it was cut off in a thought: that says nothing,
    /// not even that the items hold no answer.
    pub text: String,
    /// Whether the items hold an answer.
    pub known: bool,
    /// The items that lead to it, in order, if the reasoner says so: the last is the one that it was taken from.
    pub trace: Vec<usize>,
    /// What the reasoner wants to look up in the memory before it answers again. Empty if this is all it can say. If the text is empty,
    /// the reasoner does not answer before it was looked up.
    pub search: Vec<String>,
    /// Its cost.
    pub usage: Usage,
}

record! {
    /// The cost of an answer. A reasoner without a model costs nothing.
    ///
    /// A reply has the same tokens for every caller. `requests` and `seconds` are charged once per process, to the first caller. For a
    /// reply cached by an earlier process they are what it took then, so that sums over a resumed or replayed run are those of the whole
    /// run.
    #[derive(Copy, Default)]
    pub struct Usage as "Usage" {
        /// tokens that the model read
        pub prompt_tokens: u64 => IfThere,
        /// tokens that it wrote
        pub completion_tokens: u64 => IfThere,
        /// whether the limit of tokens, or a filter of the server, cut the model's reply off
        pub cut: bool => IfThere,
        /// requests to a server that the reply took, including failed tries: in an earlier process, if that cached the reply; 0 if this
        /// process has asked for it before
        pub requests: u64 => IfThere,
        /// seconds from the first of these requests to the reply; they run concurrently, so a sum exceeds the time that passed
        pub seconds: f64 => IfThere,
        /// replies that were cached, from an earlier process or an equal chat: 1 or 0, or more if the model looked things up
        pub cached: u64 => IfThere,
        /// items that were left out because the prompt was too long
        pub left_out: u64 => IfThere,
    }
}

impl Usage {
    /// Adds what a further reply to the same question took. Whether it was cut, and what was left out, is that of the last reply.
    fn add(&mut self, next: Self) {
        self.prompt_tokens += next.prompt_tokens;
        self.completion_tokens += next.completion_tokens;
        self.requests += next.requests;
        self.seconds += next.seconds;
        self.cached += next.cached;
        (self.cut, self.left_out) = (next.cut, next.left_out);
    }
}

words! {
    /// The author of a message.
    pub enum Role {
        /// The instructions.
        System = "system",
        /// The one who asks.
        User = "user",
        /// The model.
        Assistant = "assistant",
    }
}

record! {
    /// A message of a chat.
    #[derive(Eq, Serialize, Deserialize)]
    pub struct Message as "Message", checked {
        /// its author
        pub role: Role,
        /// its text
        pub content: String,
    }

    /// A model's reply to a chat.
    pub struct Reply as "Reply" {
        /// the text without the thought before it; empty if there is only a thought
        pub text: String,
        ..pub usage: Usage,
    }
}

impl Message {
    /// A message.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

/// Refuses a number of hops that leaves none.
fn several(hops: usize) -> Result<()> {
    if hops == 0 { Err(Error::argument("'hops' must be at least 1")) } else { Ok(()) }
}

/// A reasoning agent. It is not trained, and the same seed gives the same answers.
pub trait Reason {
    /// A short description.
    fn describe(&self) -> String;

    /// Completes each chat, in order. Fails for reasoners without a model.
    fn complete(&self, chats: &[Vec<Message>]) -> Result<Vec<Reply>>;

    /// The chat that asks a model a query.
    fn chat(&self, query: &Query<'_>) -> Result<Vec<Message>> {
        Ok(prompt::messages(query))
    }

    /// Answers every query, in order.
    fn answer(&self, queries: &[Query<'_>]) -> Result<Vec<Answer>> {
        let chats = queries.iter().map(|query| self.chat(query)).collect::<Result<Vec<_>>>()?;
        Ok(self.complete(&chats)?.into_iter().zip(queries).map(|(reply, query)| prompt::answer(reply, query.more)).collect())
    }

    /// The most items that an answer may take. With more than one, the reasoner may look up that many times what it is missing.
    fn hops(&self) -> usize {
        1
    }

    /// How many tokens the model reads for a chat; an estimate if only a server knows.
    fn count(&self, chat: &[Message]) -> Result<usize> {
        Ok(prompt::estimate(chat))
    }

    /// The longest prompt in tokens; `None` if no limit is known.
    fn room(&self) -> Option<usize> {
        None
    }
}
