//! Asking questions of memories: retrieval, then the reasoner, many questions at a time.

use std::str::FromStr;

use super::{Answer, Entry, Query, Reason};
use crate::memory::bm25::Bm25;
use crate::memory::{Item, Store};
use crate::{Error, Result};

/// The section of a layered memory that every question sees.
const CORE: &str = "core";

/// How many items are tried first where a prompt has a limit.
const FIRST: usize = 64;

/// How items are chosen for a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retrieval {
    /// By which rule.
    pub how: How,
    /// How many items BM25 retrieves; of each section with [`How::Sections`].
    pub top_k: usize,
    /// Longest prompt in tokens: the items that fit least are left out. `None` leaves it to the reasoner.
    pub max_prompt: Option<usize>,
}

/// A rule that chooses items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The items that BM25 ranks highest for the question.
    Bm25,
    /// Every item, in order of creation; where there is no room the newest.
    Whole,
    /// As Mem-α's answering server: of each section the items that BM25 ranks highest there for instruction and question, alike many of
    /// each, and the section `core` whole.
    Sections,
}

impl How {
    /// The names of the rules.
    pub const NAMES: [&'static str; 3] = ["bm25", "whole", "sections"];
}

impl FromStr for How {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "bm25" => Ok(Self::Bm25),
            "whole" => Ok(Self::Whole),
            "sections" => Ok(Self::Sections),
            other => Err(Error::argument(format!("no retrieval is called {other:?}; there are {}", Self::NAMES.join(", ")))),
        }
    }
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
    /// The items that the reasoner was given, the most fitting first, with their scores where they have one.
    pub evidence: Vec<(&'a Item, Option<f64>)>,
}

/// An item that was chosen, with its rank and its score.
type Found<'a> = (&'a Item, usize, Option<f64>);

/// Answers all questions in one batch, in order. Questions to one memory should follow one another, because its index is then made once.
pub fn ask<'a>(reasoner: &dyn Reason, retrieval: Retrieval, questions: &[Asking<'a>]) -> Result<Vec<Asked<'a>>> {
    let mut found: Vec<Vec<Found<'a>>> = Vec::with_capacity(questions.len());
    let mut index: Option<Index<'a>> = None;
    for asking in questions {
        if index.as_ref().is_none_or(|index| !std::ptr::eq(index.store, asking.store)) {
            index = Some(Index::new(asking.store, retrieval.how));
        }
        found.push(index.as_ref().map_or_else(Vec::new, |index| index.choose(asking, retrieval)));
    }
    let mut queries = Vec::with_capacity(questions.len());
    let mut left_out = Vec::with_capacity(questions.len());
    for (asking, found) in questions.iter().zip(&mut found) {
        let entry = |&(item, rank, _): &Found<'a>| Entry { content: &item.content, section: &item.section, rank };
        let mut query = Query {
            question: asking.question,
            instruction: asking.instruction,
            items: found.iter().map(entry).collect(),
            oldest_first: retrieval.how == How::Whole,
        };
        left_out.push(fit(reasoner, &mut query, retrieval.max_prompt)? as u64);
        found.truncate(query.items.len());
        queries.push(query);
    }
    let answers = reasoner.answer(&queries)?;
    let asked = answers.into_iter().zip(found).zip(left_out).map(|((mut answer, found), left_out)| {
        answer.usage.left_out = left_out;
        Asked { answer, evidence: found.into_iter().map(|(item, _, score)| (item, score)).collect() }
    });
    Ok(asked.collect())
}

/// Leaves out the items of the highest ranks until the prompt is no longer than `limit` and than the reasoner has room for. Gives how
/// many were left out.
///
/// # Errors
/// A question that is too long by itself.
pub fn fit(reasoner: &dyn Reason, query: &mut Query<'_>, limit: Option<usize>) -> Result<usize> {
    let Some(limit) = limit.into_iter().chain(reasoner.room()).min() else { return Ok(0) };
    let all = std::mem::take(&mut query.items);
    // Where the items of each rank end; before the first there is none.
    let mut ends: Vec<usize> = (1..all.len()).filter(|&at| all[at].rank != all[at - 1].rank).collect();
    ends.insert(0, 0);
    ends.extend((!all.is_empty()).then_some(all.len()));
    // How many of the ends fit. The search doubles first, because a memory may be many times longer than what fits.
    let (mut low, mut high) = (0, ends.len());
    let mut next = FIRST.min(high - 1);
    let mut length = 0;
    while low < high {
        query.items = all[..ends[next]].to_vec();
        length = reasoner.count(&reasoner.chat(query)?)?;
        if length <= limit {
            low = next + 1;
        } else {
            high = next;
        }
        next = if high == ends.len() { (2 * next + 1).min(high - 1) } else { (low + high) / 2 };
    }
    let Some(fits) = low.checked_sub(1) else {
        return Err(Error::argument(format!(
            "the prompt of a question has {length} tokens without any item, and there is room for {limit}: allow a longer prompt, or fewer \
             tokens in an answer"
        )));
    };
    query.items = all[..ends[fits]].to_vec();
    Ok(all.len() - query.items.len())
}

/// What is needed to choose from one memory.
struct Index<'a> {
    store: &'a Store,
    /// Items that BM25 ranks among themselves, by their place in the store.
    parts: Vec<(Vec<usize>, Bm25)>,
    /// Items that are always chosen.
    always: Vec<usize>,
}

impl<'a> Index<'a> {
    fn new(store: &'a Store, how: How) -> Self {
        let items = store.items();
        let mut sections: Vec<(&str, Vec<usize>)> = Vec::new();
        let mut always = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let name = if how == How::Sections { item.section.as_str() } else { "" };
            match sections.iter_mut().find(|(known, _)| *known == name) {
                _ if how == How::Whole || name == CORE => always.push(at),
                Some((_, places)) => places.push(at),
                None => sections.push((name, vec![at])),
            }
        }
        sections.sort_by_key(|(name, _)| *name);
        let index = |places: &[usize]| Bm25::new(&places.iter().map(|&at| items[at].content.as_str()).collect::<Vec<_>>());
        let parts = sections.into_iter().map(|(_, places)| (index(&places), places)).map(|(index, places)| (places, index)).collect();
        Self { store, parts, always }
    }

    /// The items for a question, the most fitting first.
    fn choose(&self, asking: &Asking<'_>, retrieval: Retrieval) -> Vec<Found<'a>> {
        let items = self.store.items();
        if retrieval.how == How::Whole {
            return self.always.iter().rev().enumerate().map(|(rank, &at)| (&items[at], rank, None)).collect();
        }
        let text = match (retrieval.how, asking.instruction) {
            (How::Sections, Some(instruction)) => format!("{instruction}\n\n{}", asking.question),
            _ => asking.question.to_owned(),
        };
        let mut found: Vec<Found<'a>> = self.always.iter().map(|&at| (&items[at], 0, None)).collect();
        for (places, index) in &self.parts {
            let ranked = index.top_k(&text, retrieval.top_k).into_iter().enumerate();
            found.extend(ranked.map(|(rank, (at, score))| (&items[places[at]], rank + 1, Some(score))));
        }
        found.sort_by_key(|(_, rank, _)| *rank);
        found
    }
}
