//! A step of a rollout: the record of it, and how an answer becomes one.

use std::borrow::Cow;
use std::rc::Rc;

use serde_json::Value as Json;

use super::{At, Manager};
use crate::generate::Completion;
use crate::memory::calls::{self, Call};
use crate::memory::tools::Tool;
use crate::memory::{Items, Store};
use crate::reason::Asked;
use crate::record;
use crate::schema::{Described, Kind, Problem, Read, Show, Shown, Source};

record! {
    /// What the policy did with a chunk.
    pub struct Step as "RolloutStep" {
        /// the chunk
        pub chunk: String => IfThere,
        /// the policy's role at this chunk, in episodes with roles
        pub role: Option<String>,
        /// what the policy read
        pub prompt: String => IfThere,
        /// its length in tokens
        pub prompt_tokens: usize => IfThere,
        /// what it thought before its answer
        pub thought: Option<String>,
        /// what it wrote, with its thought
        pub completion: String => IfThere,
        /// its length in tokens
        pub tokens: usize => IfThere,
        /// the calls in it
        pub calls: Vec<Outcome>,
        /// pieces of text outside calls
        pub stray: usize => IfThere,
        /// how many of the calls were read although the dialect's tags are missing
        pub untagged: usize => IfThere,
        /// ids of the items that it wrote
        pub written: Vec<u64> => IfThere,
        /// the memory before the step
        pub memory_before: Items => Bulk,
        /// the memory after it
        pub memory_after: Items => Bulk,
        /// the chunk's own questions, asked right after it
        pub chunk_answers: Vec<Asked> => IfThere,
    }

    /// A call and its outcome.
    pub struct Outcome as "RolloutCall" {
        /// the tool, if one was named
        pub tool: Option<String>,
        /// its arguments
        pub arguments: Arguments => OrDefault,
        /// the text it was read from
        pub raw: String => IfThere,
        /// whether it could be parsed
        pub parsed: bool => IfThere,
        /// whether it was carried out
        pub valid: bool,
        /// why it was not
        pub reason: Option<String>,
    }
}

impl Outcome {
    /// A call that has not been carried out yet.
    pub fn of(call: &Call) -> Self {
        let arguments = Arguments(call.arguments.clone());
        Self {
            tool: call.name.clone(),
            arguments,
            raw: call.raw.clone(),
            parsed: call.error.is_none(),
            valid: false,
            reason: call.error.clone(),
        }
    }
}

/// The arguments of a call: an object, or nothing if they could not be parsed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arguments(pub Json);

impl Described for Arguments {
    const KIND: Kind = Kind::Table;
}

impl Show for Arguments {
    fn show(&self) -> Shown<'_> {
        if self.0.is_null() { Shown::Nil } else { Shown::Json(Cow::Borrowed(&self.0)) }
    }
}

impl Read for Arguments {
    fn read<S: Source>(source: &S) -> Result<Self, Problem> {
        source.json().map(Self)
    }
}

/// What a policy answered to a prompt.
pub(super) struct Answer<'a> {
    pub prompt: String,
    pub prompt_tokens: &'a [u32],
    pub completion: &'a Completion,
    /// The completion's text.
    pub text: String,
}

/// Reads the calls in an answer and carries them out. The chunk's questions are asked later.
pub(super) fn step<M: Manager>(
    manager: &mut M,
    tools: &[Tool],
    at: &At<'_>,
    memory: &mut Memory,
    answer: Answer<'_>,
) -> Result<Step, M::Error> {
    let (thought, said) = calls::split_thought(&answer.prompt, &answer.text);
    let names: Vec<&str> = tools.iter().map(Tool::name).collect();
    let parsed = manager.parse(said, &names)?;
    memory.store.set_step(at.step);
    let mut calls: Vec<Outcome> = parsed.calls.iter().map(Outcome::of).collect();
    let mut written = Vec::new();
    for (index, call) in parsed.calls.iter().enumerate() {
        let carried = match usable(tools, call) {
            Ok(tool) => {
                let mark = memory.store.mark();
                let carried = manager.carry_out(at, &mut memory.store, tool, &calls, index)?;
                if carried.is_err() {
                    memory.store.rewind(mark).map_err(M::error)?;
                }
                carried
            }
            Err(reason) => Err(reason),
        };
        calls[index].valid = carried.is_ok();
        match carried {
            Ok(id) => written.extend(id),
            Err(reason) => calls[index].reason = Some(reason),
        }
    }
    Ok(Step {
        chunk: at.chunk.to_owned(),
        role: at.role.map(str::to_owned),
        prompt_tokens: answer.prompt_tokens.len(),
        thought: thought.map(str::to_owned),
        tokens: answer.completion.tokens.len(),
        calls,
        stray: parsed.stray,
        untagged: parsed.untagged,
        written,
        memory_before: memory.items.clone(),
        memory_after: memory.look(),
        chunk_answers: Vec::new(),
        prompt: answer.prompt,
        completion: answer.text,
    })
}

/// The tool that a call names, if its arguments fit it; else why it cannot be carried out.
fn usable(tools: &[Tool], call: &Call) -> Result<usize, String> {
    if let Some(error) = &call.error {
        return Err(error.clone());
    }
    let name = call.name.as_deref().unwrap_or_default();
    let Some(tool) = tools.iter().position(|tool| tool.name() == name) else {
        let known: Vec<&str> = tools.iter().map(Tool::name).collect();
        return Err(format!("there is no tool '{name}'; there are {}", known.join(", ")));
    };
    tools[tool].check(&call.arguments).map(|()| tool).map_err(|error| error.to_string())
}

/// A rollout's memory: the store, and its items when last looked at.
pub(super) struct Memory {
    pub store: Store,
    pub items: Items,
}

impl Memory {
    pub(super) fn new(store: Store) -> Self {
        let mut memory = Self { store, items: Items::default() };
        memory.look();
        memory
    }

    /// The items at this moment. An item that was not written since the last look is shared with it.
    fn look(&mut self) -> Items {
        // Both lists are in order of id.
        let mut before = self.items.iter().peekable();
        let shared = self.store.items().iter().map(|item| {
            while before.next_if(|known| known.id < item.id).is_some() {}
            let known = before.next_if(|known| known.id == item.id && known.history.len() == item.history.len());
            known.map_or_else(|| Rc::new(item.clone()), Rc::clone)
        });
        self.items = Rc::new(shared.collect());
        self.items.clone()
    }
}
