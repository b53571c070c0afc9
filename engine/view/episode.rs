//! Rollouts as a page's reader takes them: every version of an item once, and memories as the changes of each step.
//!
//! Rollouts come from `fm.grpo`'s batches and from `rollouts.jsonl`. Any part may be missing, and unexpected parts are left out, so that a
//! page shows what it can.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The most text of episodes in a page, in bytes of JSON.
const LARGEST: usize = 16 << 20;
/// Longest single text, in characters.
const LONGEST: usize = 20_000;

/// The reader's episodes, as many as a page has room for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Episodes {
    episodes: Vec<Value>,
    #[serde(skip)]
    size: usize,
}

impl Episodes {
    /// Adds a rollout with a title. A `group` is the heading of those that share it. Returns false if the page is full and the rollout was
    /// left out.
    pub fn push(&mut self, title: &str, group: &str, rollout: &Value) -> bool {
        let mut episode = compact(rollout);
        episode.insert("title".into(), title.into());
        if !group.is_empty() {
            episode.insert("group".into(), group.into());
        }
        let episode = Value::Object(episode);
        let size = episode.to_string().len();
        if self.size + size > LARGEST && !self.episodes.is_empty() {
            return false;
        }
        self.size += size;
        self.episodes.push(episode);
        true
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
struct Items {
    known: HashMap<String, usize>,
    all: Vec<Value>,
}

impl Items {
    /// The index of a version. Its score does not matter.
    fn index(&mut self, item: &Value) -> usize {
        let part = |name: &str| item.get(name).filter(|value| !value.is_null());
        let key = ["section", "id", "step", "closed", "content"].map(|name| format!("{:?}", part(name))).join(" ");
        if let Some(index) = self.known.get(&key) {
            return *index;
        }
        let mut out = Map::new();
        copy(item, &mut out, &["id", "step", "closed", "replaces"]);
        let section = part("section").and_then(Value::as_str).filter(|section| !section.is_empty());
        out.extend(section.map(|section| ("section".into(), section.into())));
        out.insert("content".into(), text(part("content").and_then(Value::as_str).unwrap_or_default()).into());
        let mut writes: Vec<Value> = items_of(item, "history").iter().filter_map(|version| version.get("step").cloned()).collect();
        writes.extend(part("step").cloned());
        writes.dedup();
        out.insert("writes".into(), writes.into());
        self.all.push(Value::Object(out));
        self.known.insert(key, self.all.len() - 1);
        self.all.len() - 1
    }

    fn indices(&mut self, of: &Value, name: &str) -> Vec<usize> {
        items_of(of, name).iter().map(|item| self.index(item)).collect()
    }
}

/// The list under a name, or an empty one.
fn items_of<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn copy(from: &Value, to: &mut Map<String, Value>, names: &[&str]) {
    for name in names {
        if let Some(value) = from.get(*name).filter(|value| !value.is_null()) {
            let value = value.as_str().map_or_else(|| value.clone(), |long| text(long).into());
            to.insert((*name).into(), value);
        }
    }
}

/// A text, shortened if it is too long to read.
fn text(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} more characters)", &text[..end], text[end..].chars().count()),
        None => text.into(),
    }
}

fn compact(rollout: &Value) -> Map<String, Value> {
    let mut items = Items::default();
    let mut out = Map::new();
    copy(rollout, &mut out, &["episode", "member", "first", "memory_tokens", "input_tokens"]);
    let (recorded, chunks, journal) = (items_of(rollout, "steps"), items_of(rollout, "chunks"), items_of(rollout, "journal"));
    let start = recorded.first().map_or(Vec::new(), |step| items.indices(step, "memory_before"));
    let mut now = start.clone();
    let first = rollout.get("first").and_then(Value::as_u64).unwrap_or(1);
    let mut replay = Replay { rest: journal, now: BTreeMap::new() };
    let mut steps = Vec::new();
    for t in 0..recorded.len().max(chunks.len()) {
        let mut one = Map::new();
        if let Some(chunk) = chunks.get(t).and_then(Value::as_str) {
            one.insert("chunk".into(), text(chunk).into());
        }
        let step = recorded.get(t).unwrap_or(&Value::Null);
        let (add, gone) = if step.get("memory_after").is_some() {
            let after = items.indices(step, "memory_after");
            let changed = (without(&after, &now), without(&now, &after));
            now = after;
            changed
        } else {
            let changed = replay.step(first + t as u64, &mut items);
            now.retain(|item| !changed.1.contains(item));
            now.extend(&changed.0);
            changed
        };
        copy(step, &mut one, &["chunk", "prompt", "thought", "completion", "tokens", "stray"]);
        one.insert("calls".into(), items_of(step, "calls").iter().map(call).collect());
        one.insert("answers".into(), items_of(step, "chunk_answers").iter().map(|one| answer(one, &mut items)).collect());
        one.extend([("add".into(), json!(add)), ("gone".into(), json!(gone))]);
        steps.push(Value::Object(one));
    }
    if recorded.is_empty() {
        out.insert(if journal.is_empty() { "unrecorded" } else { "uncalled" }.into(), true.into());
    }
    let memory = match rollout.get("memory") {
        Some(Value::Array(_)) => items.indices(rollout, "memory"),
        _ => now,
    };
    let answers: Vec<Value> = items_of(rollout, "answers").iter().map(|one| answer(one, &mut items)).collect();
    if let Some(rewards) = rollout.get("rewards").filter(|rewards| rewards.is_object()) {
        let terms = rewards.get("terms").and_then(Value::as_object).cloned().unwrap_or_default();
        let terms: Map<_, _> = terms.into_iter().filter(|(_, values)| values.is_array()).collect();
        out.insert("rewards".into(), json!({ "total": items_of(rewards, "total"), "terms": terms }));
    }
    let parts = [("start", json!(start)), ("steps", steps.into()), ("memory", json!(memory)), ("answers", answers.into())];
    out.extend(parts.map(|(name, value)| (name.to_string(), value)));
    out.insert("items".into(), items.all.into());
    out
}

/// A memory rebuilt from a journal, for steps that do not hold the memory.
struct Replay<'a> {
    rest: &'a [Value],
    /// The items by their ids.
    now: BTreeMap<u64, Value>,
}

impl Replay<'_> {
    /// Carries out the entries up to a step. Returns the versions of items that are new after it, and those that are gone.
    fn step(&mut self, number: u64, items: &mut Items) -> (Vec<usize>, Vec<usize>) {
        let own = self.rest.partition_point(|entry| entry.get("step").and_then(Value::as_u64).is_none_or(|step| step <= number));
        let (entries, rest) = self.rest.split_at(own);
        self.rest = rest;
        // The items that the step changes, as they were before it.
        let mut found: BTreeMap<u64, Option<Value>> = BTreeMap::new();
        for entry in entries {
            let Some(id) = entry.get("id").and_then(Value::as_u64) else { continue };
            let before = self.now.remove(&id);
            found.entry(id).or_insert_with(|| before.clone());
            let ended = entry.get("replaces").and_then(Value::as_u64);
            if let Some(ended) = ended {
                let old = self.now.remove(&ended);
                found.entry(ended).or_insert(old);
            }
            let part = |name: &str| entry.get(name).cloned().unwrap_or_else(|| "".into());
            match entry.get("operation").and_then(Value::as_str) {
                Some("insert") => {
                    let version = json!({ "id": id, "section": part("section"), "step": part("step"), "content": part("content"), "replaces": ended });
                    self.now.insert(id, version);
                }
                Some("update") => {
                    let mut version = before.unwrap_or_else(|| json!({ "id": id, "section": "" }));
                    let mut history = items_of(&version, "history").to_vec();
                    history.push(json!({ "step": version.get("step") }));
                    for (name, value) in [("step", part("step")), ("content", part("content")), ("history", history.into())] {
                        version[name] = value;
                    }
                    self.now.insert(id, version);
                }
                // Deleted, or closed.
                _ => {}
            }
        }
        let (mut add, mut gone) = (Vec::new(), Vec::new());
        for (id, before) in found {
            let (before, after) = (before.map(|item| items.index(&item)), self.now.get(&id).map(|item| items.index(item)));
            if before != after {
                gone.extend(before);
                add.extend(after);
            }
        }
        (add, gone)
    }
}

/// The entries of the first list that the second does not have, in order.
fn without(these: &[usize], those: &[usize]) -> Vec<usize> {
    let those: std::collections::HashSet<_> = those.iter().collect();
    these.iter().filter(|one| !those.contains(one)).copied().collect()
}

/// A call. If it could not be read, its text is kept.
fn call(call: &Value) -> Value {
    let mut out = Map::new();
    copy(call, &mut out, &["tool", "arguments", "valid", "reason"]);
    if call.get("parsed") == Some(&Value::Bool(false)) {
        copy(call, &mut out, &["raw"]);
    }
    Value::Object(out)
}

fn answer(answer: &Value, items: &mut Items) -> Value {
    let mut out = Map::new();
    copy(answer, &mut out, &["id", "question", "answer", "score", "kind", "metric", "used"]);
    let gold = answer.get("gold").or(answer.get("answers"));
    let gold: Vec<Value> =
        gold.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(|gold| text(gold).into()).collect();
    out.insert("gold".into(), gold.into());
    let evidence = items_of(answer, "evidence").iter().filter(|item| item.is_object());
    out.insert("evidence".into(), evidence.map(|item| json!([items.index(item), item.get("score")])).collect());
    out.insert("chunks".into(), items_of(answer, "chunks").iter().filter(|chunk| chunk.is_u64()).cloned().collect());
    Value::Object(out)
}
