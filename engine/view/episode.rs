//! Episodes as a page's reader takes them: each version of an item once, and memories as the changes of each step.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::memory::{Entry, Item, Items, Operation, Store};
use crate::reason::Asked;
use crate::rollout::{Outcome, Step};
use crate::{Result, record};

/// The most text of episodes in a page, in bytes of JSON.
const LARGEST: usize = 16 << 20;
/// Longest single text, in characters.
const LONGEST: usize = 20_000;

record! {
    /// What a page shows of an episode: a rollout, or what an evaluation keeps of one. Everything in it may be missing.
    pub struct Recorded as "PageRollout" {
        /// which of the batch's episodes it is
        pub episode: Option<usize>,
        /// which of the episode's group it is
        pub member: Option<usize>,
        /// the number of its first step; by default 1
        pub first: usize => FromOneOrFirst,
        /// the texts, where steps do not hold them
        pub chunks: Vec<String> => IfThere,
        /// one for each chunk
        pub steps: Vec<Step> => IfThere,
        /// the final questions
        pub answers: Vec<Asked> => IfThere,
        /// the memory at the end
        pub memory: Option<Items>,
        /// all that was done to it; shows the memory of steps that do not hold it
        pub journal: Vec<Entry> => IfThere,
        /// the length of the memory at the end, in tokens
        pub memory_tokens: Option<usize>,
        /// the length of all chunks, in tokens
        pub input_tokens: Option<usize>,
        /// what the steps were rewarded with
        pub rewards: Option<Rewarded>,
    }

    /// The rewards of a rollout's steps.
    pub struct Rewarded as "PageRewards" {
        /// a number for each step
        pub total: Vec<Option<f64>> => IfThere,
        /// its parts by name
        pub terms: BTreeMap<String, Vec<Option<f64>>> => IfThere,
    }
}

/// The reader's episodes, as many as a page has room for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Episodes {
    episodes: Vec<Value>,
    #[serde(skip)]
    size: usize,
}

impl Episodes {
    /// Adds an episode with a title. A `group` is the heading of those that share it. Returns false if the page is full and the episode was
    /// left out.
    ///
    /// # Errors
    /// A journal that cannot be carried out.
    pub fn push(&mut self, title: &str, group: &str, recorded: &Recorded) -> Result<bool> {
        let mut episode = compact(recorded)?;
        episode.insert("title".into(), title.into());
        if !group.is_empty() {
            episode.insert("group".into(), group.into());
        }
        let episode = Value::Object(episode);
        let size = episode.to_string().len();
        if self.size + size > LARGEST && !self.episodes.is_empty() {
            return Ok(false);
        }
        self.size += size;
        self.episodes.push(episode);
        Ok(true)
    }

    /// Reverses the order.
    pub fn reverse(&mut self) {
        self.episodes.reverse();
    }

    /// The number of episodes.
    pub fn len(&self) -> usize {
        self.episodes.len()
    }

    /// Whether there are no episodes.
    pub fn is_empty(&self) -> bool {
        self.episodes.is_empty()
    }
}

/// The versions of items in an episode, each once.
#[derive(Default)]
struct Versions {
    known: HashMap<(u64, usize, Option<usize>, String, String), usize>,
    all: Vec<Value>,
}

impl Versions {
    /// The index of a version. Its score does not matter.
    fn index(&mut self, item: &Item) -> usize {
        let key = (item.id, item.step, item.closed, item.section.clone(), item.content.clone());
        if let Some(index) = self.known.get(&key) {
            return *index;
        }
        let mut writes: Vec<usize> = item.writes().into_iter().map(|step| step + 1).collect();
        writes.dedup();
        let section = Some(&item.section).filter(|section| !section.is_empty());
        self.all.push(object([
            ("id", json!(item.id)),
            ("step", json!(item.step + 1)),
            ("closed", json!(item.closed.map(|step| step + 1))),
            ("replaces", json!(item.replaces)),
            ("section", json!(section)),
            ("content", text(&item.content).into()),
            ("writes", json!(writes)),
        ]));
        self.known.insert(key, self.all.len() - 1);
        self.all.len() - 1
    }

    fn indices(&mut self, items: &Items) -> Vec<usize> {
        items.iter().map(|item| self.index(item)).collect()
    }
}

/// An object of the entries that have a value.
fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Object(entries.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.into(), value)).collect())
}

/// A text, shortened if it is too long to read.
fn text(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} more characters)", &text[..end], text[end..].chars().count()),
        None => text.into(),
    }
}

fn compact(recorded: &Recorded) -> Result<Map<String, Value>> {
    let mut versions = Versions::default();
    let Recorded { steps, chunks, journal, .. } = recorded;
    // Steps of an evaluation do not hold the memory.
    let held = steps.iter().any(|step| !(step.memory_before.is_empty() && step.memory_after.is_empty()));
    let start = steps.first().map_or(Vec::new(), |step| versions.indices(&step.memory_before));
    let mut now = start.clone();
    let mut replay = Replay::new(journal);
    let mut shown = Vec::new();
    for t in 0..steps.len().max(chunks.len()) {
        let step = steps.get(t);
        let (add, gone) = match step.filter(|_| held) {
            Some(step) => {
                let after = versions.indices(&step.memory_after);
                let changed = (without(&after, &now), without(&now, &after));
                now = after;
                changed
            }
            None => {
                let changed = replay.step(recorded.first + t, &mut versions)?;
                now.retain(|version| !changed.1.contains(version));
                now.extend(&changed.0);
                changed
            }
        };
        let chunk = step.map(|step| &step.chunk).filter(|chunk| !chunk.is_empty()).or(chunks.get(t));
        let said = |what: fn(&Step) -> Option<&String>| json!(step.and_then(what).filter(|said| !said.is_empty()).map(|said| text(said)));
        let count = |what: fn(&Step) -> usize| json!(step.map(what));
        shown.push(object([
            ("chunk", json!(chunk.map(|chunk| text(chunk)))),
            ("prompt", said(|step| Some(&step.prompt))),
            ("thought", said(|step| step.thought.as_ref())),
            ("completion", said(|step| Some(&step.completion))),
            ("tokens", count(|step| step.tokens)),
            ("stray", count(|step| step.stray)),
            ("untagged", count(|step| step.untagged)),
            ("calls", step.map_or(Vec::new(), |step| step.calls.iter().map(call).collect()).into()),
            ("answers", step.map_or(Vec::new(), |step| step.chunk_answers.iter().map(|one| answer(one, &mut versions)).collect()).into()),
            ("add", json!(add)),
            ("gone", json!(gone)),
        ]));
    }
    let memory = recorded.memory.as_ref().map_or(now, |memory| versions.indices(memory));
    let answers: Vec<Value> = recorded.answers.iter().map(|one| answer(one, &mut versions)).collect();
    let rewards = recorded.rewards.as_ref().map(|rewards| json!({ "total": rewards.total, "terms": rewards.terms }));
    let Value::Object(mut out) = object([
        ("episode", json!(recorded.episode)),
        ("member", json!(recorded.member)),
        ("first", json!(recorded.first + 1)),
        ("memory_tokens", json!(recorded.memory_tokens)),
        ("input_tokens", json!(recorded.input_tokens)),
        ("rewards", json!(rewards)),
        ("start", json!(start)),
        ("steps", shown.into()),
        ("memory", json!(memory)),
        ("answers", answers.into()),
    ]) else {
        return Ok(Map::new());
    };
    if steps.is_empty() {
        out.insert(if journal.is_empty() { "unrecorded" } else { "uncalled" }.into(), true.into());
    }
    out.insert("items".into(), versions.all.into());
    Ok(out)
}

/// A memory rebuilt from a journal, for steps that do not hold the memory.
struct Replay<'a> {
    rest: &'a [Entry],
    store: Store,
    /// The version of each item that the memory holds.
    now: HashMap<u64, usize>,
}

impl<'a> Replay<'a> {
    fn new(journal: &'a [Entry]) -> Self {
        let inserted = journal.iter().find_map(|entry| match entry.operation {
            Operation::Insert { id, .. } => Some(id),
            _ => None,
        });
        Self { rest: journal, store: Store::with_first_id(inserted.unwrap_or(1)), now: HashMap::new() }
    }

    /// Carries out the entries up to a step, from 0: the versions of items that are new after it, and those that are gone.
    fn step(&mut self, number: usize, versions: &mut Versions) -> Result<(Vec<usize>, Vec<usize>)> {
        let (entries, rest) = self.rest.split_at(self.rest.partition_point(|entry| entry.step <= number));
        self.rest = rest;
        self.store.go_on(entries)?;
        let mut changed: Vec<u64> = Vec::new();
        for entry in entries {
            match &entry.operation {
                Operation::Insert { id, replaces, .. } => changed.extend([Some(*id), *replaces].into_iter().flatten()),
                Operation::Update { id, .. } | Operation::Delete { id } | Operation::Close { id } => changed.push(*id),
            }
        }
        changed.sort_unstable();
        changed.dedup();
        let (mut add, mut gone) = (Vec::new(), Vec::new());
        for id in changed {
            let after = self.store.get(id).filter(|item| item.closed.is_none()).map(|item| versions.index(item));
            let before = match after {
                Some(version) => self.now.insert(id, version),
                None => self.now.remove(&id),
            };
            if before != after {
                gone.extend(before);
                add.extend(after);
            }
        }
        Ok((add, gone))
    }
}

/// The entries of the first list that the second does not have, in order.
fn without(these: &[usize], those: &[usize]) -> Vec<usize> {
    let those: HashSet<_> = those.iter().collect();
    these.iter().filter(|one| !those.contains(one)).copied().collect()
}

/// A call. If it could not be read, its text is kept.
fn call(call: &Outcome) -> Value {
    object([
        ("tool", json!(call.tool.as_deref().map(text))),
        ("arguments", call.arguments.0.clone()),
        ("valid", json!(call.valid)),
        ("reason", json!(call.reason.as_deref().map(text))),
        ("raw", if call.parsed { Value::Null } else { text(&call.raw).into() }),
    ])
}

fn answer(answer: &Asked, versions: &mut Versions) -> Value {
    let evidence: Vec<Value> = answer.evidence.iter().map(|item| json!([versions.index(item), item.score])).collect();
    object([
        ("id", json!(answer.id)),
        ("question", text(&answer.question).into()),
        ("answer", text(&answer.answer).into()),
        ("score", json!(answer.score)),
        ("kind", json!(answer.kind)),
        ("metric", json!(answer.metric)),
        ("used", json!(answer.used.map(|used| used + 1))),
        ("trace", json!(answer.trace.iter().map(|at| at + 1).collect::<Vec<_>>())),
        ("searched", answer.searched.iter().map(|words| text(words)).collect::<Vec<_>>().into()),
        ("gold", answer.gold.iter().map(|gold| text(gold)).collect::<Vec<_>>().into()),
        ("evidence", evidence.into()),
        ("chunks", json!(answer.chunks.iter().map(|chunk| chunk + 1).collect::<Vec<_>>())),
    ])
}
