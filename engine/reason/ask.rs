//! Asking questions of memories: retrieval, then the reasoner, many questions at a time.

use super::{Answer, Query, Reason};
use crate::Result;
use crate::memory::{Item, Store};

/// How items are chosen for a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retrieval {
    /// How many items BM25 retrieves.
    pub top_k: usize,
}

/// A question to a memory.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The memory.
    pub store: &'a Store,
    /// What is asked.
    pub question: &'a str,
    /// What the protocol tells a model beside it.
    pub instruction: Option<&'a str>,
}

/// An answer with its evidence.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The answer.
    pub answer: Answer,
    /// The items that were retrieved, the most fitting first, with their scores.
    pub evidence: Vec<(&'a Item, f64)>,
}

/// Answers all questions in one batch, in order.
pub fn ask<'a>(reasoner: &dyn Reason, retrieval: Retrieval, questions: &[Asking<'a>]) -> Result<Vec<Asked<'a>>> {
    let found: Vec<Vec<(&Item, f64)>> = questions.iter().map(|asking| asking.store.retrieve(asking.question, retrieval.top_k)).collect();
    let query = |(asking, found): (&Asking<'a>, &Vec<(&'a Item, f64)>)| Query {
        question: asking.question,
        instruction: asking.instruction,
        items: found.iter().map(|(item, _)| item.content.as_str()).collect(),
    };
    let queries: Vec<Query<'_>> = questions.iter().zip(&found).map(query).collect();
    let answers = reasoner.answer(&queries)?;
    Ok(answers.into_iter().zip(found).map(|(answer, evidence)| Asked { answer, evidence }).collect())
}
