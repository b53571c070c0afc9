//! Asking questions of memories: retrieval, then the reasoner, many questions at a time.

use std::collections::BTreeMap;
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
    /// Every item; where there is no room the newest.
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

/// Answers all questions in one batch, in order. Questions to one memory should follow one another: indices of sections are then made once.
pub fn ask<'a>(reasoner: &dyn Reason, retrieval: Retrieval, questions: &[Asking<'a>]) -> Result<Vec<Asked<'a>>> {
    let mut sections: Option<Sections<'a>> = None;
    let mut found: Vec<Vec<Found<'a>>> = questions.iter().map(|asking| choose(asking, retrieval, &mut sections)).collect();
    let mut queries = Vec::with_capacity(questions.len());
    let mut left_out = Vec::with_capacity(questions.len());
    for (asking, found) in questions.iter().zip(&mut found) {
        let entry =
            |&(item, rank, _): &Found<'a>| Entry { content: &item.content, section: &item.section, rank, written: (item.step, item.id) };
        let mut query = Query { question: asking.question, instruction: asking.instruction, items: found.iter().map(entry).collect() };
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

/// The items for a question, the most fitting first.
fn choose<'a>(asking: &Asking<'a>, retrieval: Retrieval, sections: &mut Option<Sections<'a>>) -> Vec<Found<'a>> {
    let store = asking.store;
    let ranked = |(rank, (item, score))| (item, rank, score);
    match retrieval.how {
        How::Bm25 => {
            let found = store.retrieve(asking.question, retrieval.top_k).into_iter();
            found.map(|(item, score)| (item, Some(score))).enumerate().map(ranked).collect()
        }
        How::Whole => store.items().iter().rev().map(|item| (item, None)).enumerate().map(ranked).collect(),
        How::Sections => {
            if sections.as_ref().is_none_or(|known| !std::ptr::eq(known.store, store)) {
                *sections = Some(Sections::new(store));
            }
            let text = match asking.instruction {
                Some(instruction) => format!("{instruction}\n\n{}", asking.question),
                None => asking.question.to_owned(),
            };
            sections.as_ref().map_or_else(Vec::new, |sections| sections.choose(&text, retrieval.top_k))
        }
    }
}

/// An index for each section of a memory, in which its items are ranked among themselves.
struct Sections<'a> {
    store: &'a Store,
    core: Vec<&'a Item>,
    others: Vec<(Vec<&'a Item>, Bm25)>,
}

impl<'a> Sections<'a> {
    fn new(store: &'a Store) -> Self {
        let mut parts: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
        store.items().iter().for_each(|item| parts.entry(&item.section).or_default().push(item));
        let core = parts.remove(CORE).unwrap_or_default();
        let indexed = |items: Vec<&'a Item>| {
            let index = Bm25::new(&items.iter().map(|item| item.content.as_str()).collect::<Vec<_>>());
            (items, index)
        };
        Self { store, core, others: parts.into_values().map(indexed).collect() }
    }

    fn choose(&self, text: &str, top_k: usize) -> Vec<Found<'a>> {
        let mut found: Vec<Found<'a>> = self.core.iter().map(|item| (*item, 0, None)).collect();
        for (items, index) in &self.others {
            found.extend((1..).zip(index.top_k(text, top_k)).map(|(rank, (at, score))| (items[at], rank, Some(score))));
        }
        found.sort_by_key(|(_, rank, _)| *rank);
        found
    }
}
