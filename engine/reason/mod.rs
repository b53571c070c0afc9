//! The fixed reasoning agent, which answers questions from retrieved memory items, and the metrics of its answers.

mod ask;
pub mod cache;
pub mod extractive;
mod http;
pub mod local;
pub mod prompt;
mod question;
pub mod server;
mod words;

pub use ask::{Asked, Asking, How, Retrieval, ask, fit};
pub use extractive::{Extractive, UNKNOWN};
pub use local::Local;
pub use server::Server;

use serde::{Deserialize, Serialize};

use crate::{Result, record, words};

/// A question and what it may be answered from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// What is asked.
    pub question: &'a str,
    /// What the question's protocol tells a model beside it, such as the form of the answer.
    pub instruction: Option<&'a str>,
    /// The memory items, the most fitting first.
    pub items: Vec<Entry<'a>>,
}

/// A memory item as far as a reasoner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it says.
    pub content: &'a str,
    /// The section of a layered memory that it stands in; empty in a flat one.
    pub section: &'a str,
    /// Where there is no room for all items, those of the highest rank are left out first, all together.
    pub rank: usize,
    /// When it was written last: the step, and what is written later in it has a higher number.
    pub written: (usize, u64),
}

impl<'a> Query<'a> {
    /// A question to the items of a flat memory, the most fitting first, written in this order.
    pub fn new(question: &'a str, contents: impl IntoIterator<Item = &'a str>) -> Self {
        let entry = |(rank, content)| Entry { content, section: "", rank, written: (0, rank as u64) };
        Self { question, instruction: None, items: contents.into_iter().enumerate().map(entry).collect() }
    }

    /// The items as a model is shown them: what was written last comes last, so that of two that contradict one another the newer shows.
    pub fn shown(&self) -> Vec<&Entry<'a>> {
        let mut shown: Vec<&Entry<'_>> = self.items.iter().collect();
        shown.sort_by_key(|entry| entry.written);
        shown
    }
}

/// What a reasoner makes of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer, or [`UNKNOWN`]. Empty where a model's reply has none, as one that was cut off in a thought: that says nothing, not even
    /// that the items hold no answer.
    pub text: String,
    /// Whether the items hold an answer.
    pub known: bool,
    /// Which of the items it was taken from, where the reasoner says so.
    pub used: Option<usize>,
    /// What it cost.
    pub usage: Usage,
}

record! {
    /// What an answer cost. A reasoner without a model costs nothing.
    ///
    /// A reply has the same tokens for everyone who asks for it. `requests` and `seconds` are paid once in a process, by the first to ask; where
    /// the reply is in the cache of an earlier process they are what it took then, so that sums over a resumed or replayed run are those of
    /// the whole run.
    #[derive(Copy, Default)]
    pub struct Usage as "Usage" {
        /// tokens that a model read
        pub prompt_tokens: u64 => IfThere,
        /// tokens that it wrote
        pub completion_tokens: u64 => IfThere,
        /// whether the limit of tokens, or a filter of the server, cut the model's reply off
        pub cut: bool => IfThere,
        /// requests to a server that the reply took, the tries that failed included: in an earlier process, if its cache has the reply; 0 if
        /// this process has asked for it before
        pub requests: u64 => IfThere,
        /// seconds from the first of these requests to the reply; they run side by side, so that a sum is more than the time that passed
        pub seconds: f64 => IfThere,
        /// 1 if the reply was there already, from an earlier process or an equal chat, else 0
        pub cached: u64 => IfThere,
        /// items that were left out because the prompt was too long
        pub left_out: u64 => IfThere,
    }
}

words! {
    /// Who says a message.
    pub enum Role {
        /// The instructions.
        System = "system",
        /// Who asks.
        User = "user",
        /// The model.
        Assistant = "assistant",
    }
}

record! {
    /// A message of a chat.
    #[derive(Eq, Serialize, Deserialize)]
    pub struct Message as "Message", checked {
        /// who says it
        pub role: Role,
        /// what is said
        pub content: String,
    }

    /// What a model says to a chat.
    pub struct Reply as "Reply" {
        /// the text, without a thought before it; empty where that is all there is
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

/// A reasoning agent. It is not trained, and the same seed gives the same answers.
pub trait Reason {
    /// What it is, in a few words.
    fn describe(&self) -> String;

    /// Goes on with every chat, in order. A reasoner without a model cannot, and says so.
    fn complete(&self, chats: &[Vec<Message>]) -> Result<Vec<Reply>>;

    /// What a model is told about a query.
    fn chat(&self, query: &Query<'_>) -> Result<Vec<Message>> {
        Ok(prompt::messages(query))
    }

    /// Answers every query, in order.
    fn answer(&self, queries: &[Query<'_>]) -> Result<Vec<Answer>> {
        let chats = queries.iter().map(|query| self.chat(query)).collect::<Result<Vec<_>>>()?;
        Ok(self.complete(&chats)?.into_iter().map(prompt::answer).collect())
    }

    /// How many tokens the model reads for a chat; an estimate, where only a server knows.
    fn count(&self, chat: &[Message]) -> Result<usize> {
        Ok(prompt::estimate(chat))
    }

    /// The longest prompt in tokens; `None` where nothing is known of a limit.
    fn room(&self) -> Option<usize> {
        None
    }
}
