//! The fixed reasoning agent, which answers questions from retrieved memory items, and the metrics of its answers.

mod ask;
pub mod extractive;
pub mod metrics;
mod question;
mod words;

pub use ask::{Asked, Asking, Retrieval, ask};
pub use extractive::{Extractive, UNKNOWN};

use crate::Result;

/// A question and what it may be answered from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// What is asked.
    pub question: &'a str,
    /// What the question's protocol tells a model beside it, such as the form of the answer.
    pub instruction: Option<&'a str>,
    /// The contents of memory items, the most fitting first.
    pub items: Vec<&'a str>,
}

/// What a reasoner makes of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The answer, or [`UNKNOWN`].
    pub text: String,
    /// Whether the items hold an answer.
    pub known: bool,
    /// Which of the items it was taken from, where the reasoner says so.
    pub used: Option<usize>,
    /// What it cost.
    pub usage: Usage,
}

/// What answers cost. A reasoner without a model costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens that a model read.
    pub prompt_tokens: u64,
    /// Tokens that it wrote.
    pub completion_tokens: u64,
    /// Requests to a server.
    pub requests: u64,
    /// Answers that a cache gave instead.
    pub cached: u64,
}

/// A message of a chat.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

/// What a model says to a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its text, without a thought that may stand before it.
    pub text: String,
    /// What it cost.
    pub usage: Usage,
}

/// A reasoning agent. It is not trained, and the same seed gives the same answers.
pub trait Reason {
    /// What it is, in a few words.
    fn describe(&self) -> String;

    /// Answers every query, in order.
    fn answer(&self, queries: &[Query<'_>]) -> Result<Vec<Answer>>;

    /// Goes on with every chat, in order. A reasoner without a model cannot, and says so.
    fn complete(&self, chats: &[Vec<Message>]) -> Result<Vec<Reply>>;
}
