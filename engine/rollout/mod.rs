//! Rollouts: a policy reads an episode chunk by chunk, its calls change a memory, and a reasoner answers from the items that retrieval
//! finds.
//!
//! [`play()`] plays episodes for any caller: a trainer, an evaluation, a test. The policy's contract (prompts, how calls are read and carried
//! out) is a [`Manager`], which scripts implement. The result is a [`Rollout`]: rewards read it, `rollouts.jsonl` is its JSON, and scripts
//! see it as a table.

mod play;
mod step;

use std::borrow::Cow;

pub use play::{At, Carried, Manager, Request, Sample, play};
pub use step::{Arguments, Outcome, Step};

use crate::data::Question;
use crate::memory::{Entry, Items, Store};
use crate::reason::Asked;
use crate::record;
use crate::schema::{Described, Kind, Problem, Read, Show, Shown, Source};

record! {
    /// An episode as the policy read it.
    pub struct Rollout as "Rollout" {
        /// which of the batch's episodes it is
        pub episode: usize => FromOneIfThere,
        /// which of the episode's group it is
        pub member: usize => FromOneIfThere,
        /// the number of its first step; by default 1
        pub first: usize => FromOneOrFirst,
        /// the name of the memory that it began with, from the episode
        pub state: Option<Name>,
        /// one for each chunk
        pub steps: Vec<Step>,
        /// the final questions
        pub answers: Vec<Asked> => IfThere,
        /// the memory at the end
        pub memory: Items => Bulk,
        /// every operation on it, for `fm.memory.replay`
        pub journal: Vec<Entry> => Bulk,
        /// the length of the memory at the end, in tokens
        pub memory_tokens: usize,
        /// the length of all chunks, in tokens
        pub input_tokens: usize,
    }
}

record! {
    /// The random numbers of another rollout, from one of its steps on.
    #[derive(Copy)]
    pub struct Draws as "Draws" {
        /// which of its batch's episodes that rollout read
        pub episode: usize => FromOne,
        /// which of the episode's group it is
        pub member: usize => FromOne,
        /// the place of the step in that rollout, from 1
        pub step: usize => FromOne,
    }
}

/// A number or a text that a script uses as a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Name {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

impl Name {
    /// A key that is equal for equal names, as in Lua.
    pub fn key(&self) -> (u64, &str) {
        match self {
            // 0 and -0 are equal.
            Self::Number(number) => ((number + 0.0).to_bits(), ""),
            Self::Text(text) => (u64::MAX, text),
        }
    }
}

impl Described for Name {
    const KIND: Kind = Kind::Either(&[Kind::Number, Kind::Text]);
}

impl Show for Name {
    fn show(&self) -> Shown<'_> {
        match self {
            Self::Number(number) => Shown::Number(*number),
            Self::Text(text) => Shown::Text(Cow::Borrowed(text)),
        }
    }
}

impl Read for Name {
    fn read<S: Source>(source: &S) -> Result<Self, Problem> {
        let text = source.text().map(Self::Text);
        text.or_else(|_| source.number().map(Self::Number)).map_err(|_| Problem::new("must be a number or a string"))
    }
}

/// An episode to play.
#[derive(Debug, Clone, Default)]
pub struct Task {
    /// The text, in the order in which it is read.
    pub chunks: Vec<String>,
    /// The questions asked at the end.
    pub questions: Vec<Question>,
    /// The questions asked after each chunk; chunks beyond the last list have none.
    pub chunk_questions: Vec<Vec<Question>>,
    /// The policy's role at each chunk; empty if it is always the same.
    pub roles: Vec<String>,
    /// The memory before the first chunk.
    pub memory: Store,
    /// The number of the first step, from 0; greater if the episode continues another rollout.
    pub first: usize,
    /// A name for the initial memory: rollouts that began with the same memory have the same name.
    pub state: Option<Name>,
    /// The random numbers that it draws if not its own. The first rollout of its group has exactly these, the next those of the next member.
    pub draws: Option<Draws>,
}

/// One memory step of one rollout, in tokens. Updates learn from these.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Index of the rollout in its batch.
    pub rollout: usize,
    /// Index of the episode in its batch.
    pub episode: usize,
    /// The place of the step in its rollout, from 0.
    pub step: usize,
    /// Prompt tokens.
    pub prompt: Vec<u32>,
    /// Sampled tokens.
    pub completion: Vec<u32>,
    /// Their log-probabilities when sampled.
    pub logprobs: Vec<f32>,
}

/// Rollouts that were played together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// All rollouts; those of an episode are consecutive.
    pub rollouts: Vec<Rollout>,
    /// The tokens of their steps, ordered by rollout and step.
    pub turns: Vec<Turn>,
    /// The temperature at which they were sampled.
    pub temperature: f32,
}
