//! The memory store: items, each in a section, changed one atomic operation at a time.
//!
//! Every change is journaled with the step at which it happened, so a store is the replay of its journal, and a saved store is that
//! journal: one operation per line, `{"step":0,"operation":"insert","id":1,"content":"…"}`.
//!
//! An item ends in one of two ways. A deleted item is removed. A closed item was valid until the step that closed it: it is kept
//! separately, and views, searches and counts of the items do not include it. An item may replace another, which closes it, so the versions
//! of a fact form a chain.

use std::borrow::Cow;
use std::path::Path;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::Bm25;
use crate::schema::{Described, Kind, Problem, Read, Show, Shown, Source};
use crate::{Error, Result, record};

record! {
    /// An earlier content of an item.
    pub struct Version as "Version" {
        /// the step that wrote it
        pub step: usize => FromOne,
        /// the item's content from then on
        pub content: String => IfThere,
    }

    /// A remembered piece of text.
    pub struct Item as "Item" {
        /// its id: assigned by the store, increasing, never reused in a store
        pub id: u64 => IfThere,
        /// its content
        pub content: String => IfThere,
        /// the step that wrote it last
        pub step: usize => FromOne,
        /// the step that inserted it
        pub created: usize => FromOne,
        /// its earlier contents, oldest first
        pub history: Vec<Version> => IfThere,
        /// the part of the memory that it belongs to; empty in a flat memory
        pub section: String => IfThere,
        /// the item that it replaced with its insert
        pub replaces: Option<u64>,
        /// the step from which it is no longer valid
        pub closed: Option<usize> => FromOne,
        /// how well it matches the query that found it
        pub score: Option<f64>,
    }
}

/// The items of a memory at some point in time; unchanged items are shared.
pub type Items = Rc<Vec<Rc<Item>>>;

impl Item {
    /// The step of every write, oldest first; the last one is [`Item::step`].
    pub fn writes(&self) -> Vec<usize> {
        self.history.iter().map(|version| version.step).chain([self.step]).collect()
    }
}

/// A change of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "lowercase")]
pub enum Operation {
    /// A new item.
    Insert {
        /// Its id.
        id: u64,
        /// Its content.
        content: String,
        /// The part of the memory that it belongs to; empty in a flat memory.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        section: String,
        /// The item that it replaces, which is closed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<u64>,
    },
    /// A new content for an item.
    Update {
        /// The item.
        id: u64,
        /// Its new content.
        content: String,
    },
    /// The removal of an item.
    Delete {
        /// The item.
        id: u64,
    },
    /// The end of an item that is kept as history.
    Close {
        /// The item.
        id: u64,
    },
}

/// A journal entry: an operation and the step at which it was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The step.
    pub step: usize,
    /// What was done.
    #[serde(flatten)]
    pub operation: Operation,
}

/// A script sees `{ step, operation = "insert", "update", "delete" or "close", id, content, section, replaces }`, with steps from 1.
impl Described for Entry {
    const KIND: Kind = Kind::Table;
}

impl Show for Entry {
    fn show(&self) -> Shown<'_> {
        let entry = Self { step: self.step + 1, operation: self.operation.clone() };
        Shown::Json(Cow::Owned(serde_json::to_value(entry).unwrap_or_default()))
    }
}

impl Read for Entry {
    fn read<S: Source>(source: &S) -> Result<Self, Problem> {
        let wrong = |why: String| Problem::new(format!("is not a journal entry: {why}"));
        let entry: Self = serde_json::from_value(source.json()?).map_err(|error| wrong(error.to_string()))?;
        let step = entry.step.checked_sub(1).ok_or_else(|| wrong("its step is 0; steps count from 1".into()))?;
        Ok(Self { step, ..entry })
    }
}

/// The items of a memory, in order of creation, with the journal that produced them.
#[derive(Debug, Clone)]
pub struct Store {
    items: Vec<Item>,
    /// Over the contents of `items`.
    index: Bm25,
    /// Also in order of creation.
    closed: Vec<Item>,
    journal: Vec<Entry>,
    next_id: u64,
    step: usize,
}

/// An earlier state of a store, for [`Store::rewind`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    entries: usize,
    next_id: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

/// Stores are equal if they hold the same items, have the same journal and would assign the same next id.
impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        self.next_id == other.next_id && self.items == other.items && self.closed == other.closed && self.journal == other.journal
    }
}

impl Store {
    /// An empty store whose ids start at 1.
    pub fn new() -> Self {
        Self::with_first_id(1)
    }

    /// An empty store whose ids start at `first_id`.
    pub fn with_first_id(first_id: u64) -> Self {
        Self { items: Vec::new(), index: Bm25::default(), closed: Vec::new(), journal: Vec::new(), next_id: first_id, step: 0 }
    }

    /// Sets the step that later operations are recorded with.
    pub fn set_step(&mut self, step: usize) {
        self.step = step;
    }

    /// The items that are not closed, in order of creation, which is also the order of their ids.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The closed items, in order of creation.
    pub fn closed(&self) -> &[Item] {
        &self.closed
    }

    /// The item with this id, closed or not.
    pub fn get(&self, id: u64) -> Option<&Item> {
        [&self.items, &self.closed].into_iter().find_map(|list| find(list, id).ok().map(|at| &list[at]))
    }

    /// Every operation so far, oldest first.
    pub fn journal(&self) -> &[Entry] {
        &self.journal
    }

    /// The `k` items created last, in order of creation.
    pub fn view_recent(&self, k: usize) -> &[Item] {
        &self.items[self.items.len().saturating_sub(k)..]
    }

    /// The `k` items that BM25 ranks highest for `query`, best first, with their scores.
    pub fn retrieve(&self, query: &str, k: usize) -> Vec<(&Item, f64)> {
        self.index.top_k(query, k).into_iter().map(|(at, score)| (&self.items[at], score)).collect()
    }

    /// Like [`Store::retrieve`], among the items of one section, if given, and optionally closed items too.
    pub fn retrieve_among(&self, query: &str, k: usize, section: Option<&str>, closed: bool) -> Vec<(&Item, f64)> {
        let closed = if closed { &self.closed[..] } else { &[] };
        let all = self.items.iter().chain(closed).filter(|item| section.is_none_or(|section| item.section == section));
        let mut among: Vec<&Item> = all.collect();
        among.sort_by_key(|item| item.id);
        let index = Bm25::new(&among.iter().map(|item| item.content.as_str()).collect::<Vec<_>>());
        index.top_k(query, k).into_iter().map(|(at, score)| (among[at], score)).collect()
    }

    /// Adds an item to a flat memory and returns its id. Refuses content that is empty or that an item already has.
    pub fn insert(&mut self, content: &str) -> Result<u64> {
        self.insert_as(content, None, None)
    }

    /// Adds an item to a section, by default that of the item that it replaces, which is closed. Refuses content that is empty or that an
    /// item of the section already has.
    pub fn insert_as(&mut self, content: &str, section: Option<&str>, replaces: Option<u64>) -> Result<u64> {
        let old = replaces.map(|id| self.position(id)).transpose()?;
        let section = section.unwrap_or_else(|| old.map_or("", |at| &self.items[at].section)).to_owned();
        let id = self.next_id;
        let next_id = id.checked_add(1).ok_or_else(|| Error::argument("the memory has used up its ids"))?;
        self.refuse(&section, content)?;
        if let Some(old) = replaces {
            self.end(old)?;
        }
        self.index.push(content);
        self.items.push(Item {
            id,
            content: content.to_owned(),
            step: self.step,
            created: self.step,
            history: Vec::new(),
            section: section.clone(),
            replaces,
            closed: None,
            score: None,
        });
        self.next_id = next_id;
        self.record(Operation::Insert { id, content: content.to_owned(), section, replaces });
        Ok(id)
    }

    /// Replaces an item's content. Refuses an unknown id, and content that is empty or that an item of its section (including this one)
    /// already has: a write that says nothing new earns no provenance.
    pub fn update(&mut self, id: u64, content: &str) -> Result<()> {
        let at = self.position(id)?;
        self.refuse(&self.items[at].section, content)?;
        let item = &mut self.items[at];
        let content_before = std::mem::replace(&mut item.content, content.to_owned());
        self.index.replace(at, &content_before, content);
        let step_before = std::mem::replace(&mut item.step, self.step);
        item.history.push(Version { step: step_before, content: content_before });
        self.record(Operation::Update { id, content: content.to_owned() });
        Ok(())
    }

    /// Removes an item.
    pub fn delete(&mut self, id: u64) -> Result<()> {
        let at = self.position(id)?;
        self.items.remove(at);
        self.index.remove(at);
        self.record(Operation::Delete { id });
        Ok(())
    }

    /// Ends an item and keeps it as one that was valid until now.
    pub fn close(&mut self, id: u64) -> Result<()> {
        self.end(id)?;
        self.record(Operation::Close { id });
        Ok(())
    }

    fn end(&mut self, id: u64) -> Result<()> {
        let place = self.position(id)?;
        let mut item = self.items.remove(place);
        self.index.remove(place);
        item.closed = Some(self.step);
        let at = self.closed.partition_point(|other| other.id < id);
        self.closed.insert(at, item);
        Ok(())
    }

    /// The store's current state.
    pub fn mark(&self) -> Mark {
        Mark { entries: self.journal.len(), next_id: self.next_id }
    }

    /// Undoes the operations since `mark`; free if there are none.
    pub fn rewind(&mut self, mark: Mark) -> Result<()> {
        if self.journal.len() > mark.entries {
            *self = Self { next_id: mark.next_id, step: self.step, ..Self::replay(&self.journal[..mark.entries])? };
        }
        Ok(())
    }

    /// The store that results from these journal entries.
    pub fn replay(journal: &[Entry]) -> Result<Self> {
        let first_id = journal.iter().find_map(|entry| match entry.operation {
            Operation::Insert { id, .. } => Some(id),
            _ => None,
        });
        let mut store = Self::with_first_id(first_id.unwrap_or(1));
        store.go_on(journal)?;
        Ok(store)
    }

    /// Carries out the entries of a journal that continues from here.
    pub fn go_on(&mut self, journal: &[Entry]) -> Result<()> {
        let mut numbered = (1..).zip(journal);
        numbered.try_for_each(|(at, entry)| self.apply(entry).map_err(|error| Error::argument(format!("journal entry {at}: {error}"))))
    }

    /// Writes the journal to a file, one JSON object per line. The file appears complete or not at all.
    pub fn export(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut text = Vec::new();
        for entry in &self.journal {
            serde_json::to_writer(&mut text, entry).map_err(|error| Error::io(path, error))?;
            text.push(b'\n');
        }
        crate::files::write(path, &text)
    }

    /// Reads what [`Store::export`] wrote.
    pub fn import(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        let text = crate::files::text(bytes).map_err(|why| Error::format(path, why))?;
        let mut journal = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            journal.push(serde_json::from_str(line).map_err(|error| Error::format(path, format!("line {}: {error}", at + 1)))?);
        }
        Self::replay(&journal).map_err(|error| Error::format(path, error))
    }

    fn apply(&mut self, entry: &Entry) -> Result<()> {
        self.step = entry.step;
        match &entry.operation {
            Operation::Insert { id, .. } if *id != self.next_id => {
                Err(Error::argument(format!("inserts id {id} where {} is next", self.next_id)))
            }
            Operation::Insert { content, section, replaces, .. } => self.insert_as(content, Some(section), *replaces).map(drop),
            Operation::Update { id, content } => self.update(*id, content),
            Operation::Delete { id } => self.delete(*id),
            Operation::Close { id } => self.close(*id),
        }
    }

    fn record(&mut self, operation: Operation) {
        self.journal.push(Entry { step: self.step, operation });
    }

    fn position(&self, id: u64) -> Result<usize> {
        find(&self.items, id).map_err(|_| {
            if find(&self.closed, id).is_ok() {
                return Error::argument(format!("item {id} is closed; what it says does not change"));
            }
            let known = match self.items.len() {
                0 => "the memory is empty".to_owned(),
                count => format!("the memory holds {count} items: {}", self.known_ids()),
            };
            Error::argument(format!("no item has id {id}; {known}"))
        })
    }

    /// The ids as ranges, only the newest few if there are many: `…, 4-7, 9`.
    fn known_ids(&self) -> String {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for item in &self.items {
            match ranges.last_mut() {
                Some((_, end)) if *end + 1 == item.id => *end = item.id,
                _ => ranges.push((item.id, item.id)),
            }
        }
        let shown = ranges.len().saturating_sub(8);
        let text = |(start, end): &(u64, u64)| if start == end { start.to_string() } else { format!("{start}-{end}") };
        let list = ranges[shown..].iter().map(text).collect::<Vec<_>>().join(", ");
        if shown > 0 { format!("…, {list}") } else { list }
    }

    fn refuse(&self, section: &str, content: &str) -> Result<()> {
        if content.trim().is_empty() {
            return Err(Error::argument("the content is empty"));
        }
        match self.items.iter().find(|item| item.content == content && item.section == section) {
            Some(item) => Err(Error::argument(format!("item {} says exactly that already", item.id))),
            None => Ok(()),
        }
    }
}

/// The index of the item with this id, or where it would be.
fn find(items: &[Item], id: u64) -> std::result::Result<usize, usize> {
    items.binary_search_by_key(&id, |item| item.id)
}
