//! Asking questions of memories: retrieval, then the reasoner, many questions at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Entry, Memory, Query, Reason, Usage};
use crate::data::Question;
use crate::memory::bm25::Bm25;
use crate::memory::{Item, Store};
use crate::metrics::Metric;
use crate::{Error, Result, record, words};

/// The section of a layered memory that every question sees.
const CORE: &str = "core";

/// How many items are tried first when a prompt has a limit.
const FIRST: usize = 64;

record! {
    /// How items are chosen for a question.
    #[derive(Copy, Eq)]
    pub struct Retrieval {
        /// which items a question is answered from: those that BM25 ranks highest; the whole memory; or, as in Mem-α, those that BM25 ranks
        /// highest in each section, and all of the section core
        pub retrieval: How = How::Bm25,
        /// items that BM25 retrieves for a question, or from each section
        pub top_k: usize = 10,
        /// longest prompt of a question in tokens: the items that fit the question least are left out, or the oldest if the whole memory is
        /// used; by default what the reasoner has room for
        pub max_question: Option<usize>,
    }
}

words! {
    /// A rule that chooses items.
    pub enum How {
        /// The items that BM25 ranks highest for the question.
        Bm25 = "bm25",
        /// Every item; the newest ones if they do not all fit.
        Whole = "whole",
        /// As Mem-α's answering server does: from each section the same number of items, those that BM25 ranks highest there for
        /// instruction and question, and all of the section `core`.
        Sections = "sections",
    }
}

record! {
    /// A question that was answered from a memory, and its score.
    pub struct Asked as "Asked" {
        /// the question
        pub question: String => IfThere,
        /// the accepted answers
        pub gold: Vec<String> => IfThere,
        /// the answer, or `not in memory`; empty if the model's reply has none, for example because it was cut off in a thought
        pub answer: String => IfThere,
        /// its score, from 0 to 1, and 0 for an empty answer; absent if a judge has to score it
        pub score: Option<f64>,
        /// what was scored, if the protocol expects other words than the answer's for saying that nothing is known
        pub scored: Option<String>,
        /// the metric that scored it
        pub metric: Metric => IfThere,
        /// the retrieved items, best match first
        pub evidence: Vec<Item> => IfThere,
        /// which of them the answer was taken from
        pub used: Option<usize> => FromOne,
        /// which of them lead to the answer, in order, if it took several
        pub trace: Vec<usize> => FromOne,
        /// what the model looked up before it answered, in order
        pub searched: Vec<String> => IfThere,
        /// what kind of question it is
        pub kind: Option<String>,
        /// its name in its file
        pub id: Option<String>,
        /// the chunks that hold what proves the gold answer
        pub chunks: Vec<usize> => FromOne,
        ..pub usage: Usage,
    }
}

impl Asked {
    /// The score of an answer to a question by the question's metric.
    ///
    /// # Errors
    /// A question that its metric cannot score, such as a LoCoMo question without a category.
    fn new(question: &Question, answer: Answer, evidence: Vec<Item>) -> Result<Self> {
        let metric = question.metric.unwrap_or_default();
        // A reasoner that finds nothing says so in its own words, but the protocol looks for different ones.
        let scored = metric.unknown().filter(|_| !answer.known && !answer.text.is_empty() && !metric.needs_judge());
        let score = match () {
            // A reply without an answer does not claim that there is none either.
            () if answer.text.is_empty() => Some(0.0),
            () if metric.needs_judge() => None,
            () => Some(metric.score(scored.unwrap_or(&answer.text), &question.answers, question.kind.as_deref())?),
        };
        Ok(Self {
            question: question.question.clone(),
            gold: question.answers.clone(),
            answer: answer.text,
            score,
            scored: scored.map(str::to_owned),
            metric,
            evidence,
            used: answer.trace.last().copied(),
            trace: if answer.trace.len() > 1 { answer.trace } else { Vec::new() },
            searched: Vec::new(),
            kind: question.kind.clone(),
            id: question.id.clone(),
            chunks: question.evidence.clone(),
            usage: answer.usage,
        })
    }
}

/// A question and the memory to answer it from.
pub type Asking<'a> = (&'a Store, &'a Question);

/// A chosen item, with its rank and its score.
type Found<'a> = (&'a Item, usize, Option<f64>);

/// A question on its way to an answer.
struct Pending<'a> {
    /// The items that the reasoner sees; those for the question itself come first.
    found: Vec<Found<'a>>,
    /// How many are for the question itself.
    first: usize,
    looked_up: BTreeSet<String>,
    /// How many times it may still be looked up what is missing.
    left: usize,
    /// What a model looked up, in order.
    searched: Vec<String>,
    answer: Option<Answer>,
    usage: Usage,
}

/// Answers all questions in one batch, in order, and scores the answers. Put questions about the same memory next to each other: the
/// indices of its sections, and what its statements have in common, are then found only once.
pub fn ask(reasoner: &dyn Reason, retrieval: Retrieval, questions: &[Asking<'_>]) -> Result<Vec<Asked>> {
    let mut sections = None;
    // A reasoner that sees the whole memory has nothing to look up.
    let left = if reasoner.hops() > 1 && retrieval.retrieval != How::Whole { reasoner.hops() } else { 0 };
    let pending = |asking| {
        let found = choose(asking, retrieval, &mut sections);
        let (looked_up, searched, usage) = Default::default();
        Pending { first: found.len(), found, looked_up, left, searched, answer: None, usage }
    };
    let mut all: Vec<Pending<'_>> = questions.iter().map(pending).collect();
    let mut memories: Vec<Memory<'_>> = Vec::new();
    let mut memory_of = Vec::with_capacity(questions.len());
    for (store, _) in questions {
        if !memories.last().is_some_and(|memory| memory.is_of(store)) {
            memories.push(Memory::new(store));
        }
        memory_of.push(memories.len() - 1);
    }
    let mut open: Vec<usize> = (0..all.len()).collect();
    while !open.is_empty() {
        let mut queries = Vec::with_capacity(open.len());
        let mut left_out = Vec::with_capacity(open.len());
        for &at in &open {
            let (question, pending) = (questions[at].1, &mut all[at]);
            let (instruction, more) = (question.instruction.as_deref(), pending.left > 0);
            let mut query =
                Query { question: &question.question, instruction, items: Vec::new(), memory: Some(&memories[memory_of[at]]), more };
            query.items.extend(pending.found.iter().map(|(item, rank, _)| Entry {
                content: &item.content,
                section: &item.section,
                rank: *rank,
                written: (item.step, item.id),
            }));
            left_out.push(fit(reasoner, &mut query, retrieval.max_question)? as u64);
            pending.found.truncate(query.items.len());
            pending.first = pending.first.min(pending.found.len());
            queries.push(query);
        }
        let answers = reasoner.answer(&queries)?;
        let mut again = Vec::new();
        for ((at, answer), left_out) in open.into_iter().zip(answers).zip(left_out) {
            let pending = &mut all[at];
            pending.usage.add(Usage { left_out, ..answer.usage });
            if pending.left > 0 && !answer.search.is_empty() {
                let (found, waits) = (pending.look_up(questions[at].0, &answer.search, retrieval), answer.text.is_empty());
                pending.left = if found { pending.left - 1 } else { 0 };
                pending.searched.extend(answer.search.iter().filter(|_| waits).cloned());
                if found || waits {
                    again.push(at);
                }
            }
            pending.answer = Some(answer);
        }
        open = again;
    }
    questions.iter().zip(all).map(|((_, question), pending)| pending.asked(question)).collect()
}

impl<'a> Pending<'a> {
    /// Adds the items for texts that were not looked up before. False if there are none.
    fn look_up(&mut self, store: &'a Store, texts: &[String], retrieval: Retrieval) -> bool {
        let before = self.found.len();
        for text in texts {
            if !self.looked_up.insert(text.clone()) {
                continue;
            }
            for (item, score) in store.retrieve(text, retrieval.top_k) {
                if self.found.iter().all(|(known, ..)| known.id != item.id) {
                    self.found.push((item, self.found.len(), Some(score)));
                }
            }
        }
        self.found.len() > before
    }

    /// The scored answer. Its evidence are the items for the question itself, those that a model asked for, and those that lead to the
    /// answer.
    fn asked(self, question: &Question) -> Result<Asked> {
        let mut answer = self.answer.unwrap_or_else(|| unreachable!("every question was asked"));
        answer.usage = self.usage;
        let first = if self.searched.is_empty() { self.first } else { self.found.len() };
        let mut kept: Vec<usize> = (0..first).collect();
        kept.extend(answer.trace.iter().filter(|at| **at >= first));
        for at in &mut answer.trace {
            *at = kept.iter().position(|kept| kept == at).unwrap_or(0);
        }
        let evidence = kept.iter().map(|at| self.found[*at]).map(|(item, _, score)| Item { score, ..item.clone() }).collect();
        Ok(Asked { searched: self.searched, ..Asked::new(question, answer, evidence)? })
    }
}

/// Leaves out the items of the highest ranks until the prompt fits both `limit` and the reasoner's room. Returns how many were left out.
///
/// # Errors
/// A question that is too long by itself.
pub fn fit(reasoner: &dyn Reason, query: &mut Query<'_>, limit: Option<usize>) -> Result<usize> {
    let Some(limit) = limit.into_iter().chain(reasoner.room()).min() else { return Ok(0) };
    let all = std::mem::take(&mut query.items);
    // Where the items of each rank end. The first end has no items before it.
    let mut ends: Vec<usize> = (1..all.len()).filter(|&at| all[at].rank != all[at - 1].rank).collect();
    ends.insert(0, 0);
    ends.extend((!all.is_empty()).then_some(all.len()));
    // How many of the ends fit. The search starts by doubling, because a memory may be many times longer than what fits.
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

/// The items for a question, best match first.
fn choose<'a>(&(store, question): &Asking<'a>, retrieval: Retrieval, sections: &mut Option<Sections<'a>>) -> Vec<Found<'a>> {
    let ranked = |(rank, (item, score))| (item, rank, score);
    match retrieval.retrieval {
        How::Bm25 => {
            let found = store.retrieve(&question.question, retrieval.top_k).into_iter();
            found.map(|(item, score)| (item, Some(score))).enumerate().map(ranked).collect()
        }
        How::Whole => store.items().iter().rev().map(|item| (item, None)).enumerate().map(ranked).collect(),
        How::Sections => {
            if sections.as_ref().is_none_or(|known| !std::ptr::eq(known.store, store)) {
                *sections = Some(Sections::new(store));
            }
            let text = match &question.instruction {
                Some(instruction) => format!("{instruction}\n\n{}", question.question),
                None => question.question.clone(),
            };
            sections.as_ref().map_or_else(Vec::new, |sections| sections.choose(&text, retrieval.top_k))
        }
    }
}

/// An index for each section of a memory; it ranks the section's items among themselves.
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
