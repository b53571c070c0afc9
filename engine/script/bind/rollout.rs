//! A script as the manager of rollouts: its prompt, view, dialect and tools.

use std::collections::BTreeMap;

use mlua::{AnyUserData, Function, Lua, Table, Value};

use super::dialect::Dialect;
use crate::api::arguments::checked;
use crate::api::lua::{Written, write};
use crate::api::{Any, Callback, Handed, Handle, Kind, message, must_pass};
use finemem::Error;
use finemem::memory::calls::Parsed;
use finemem::memory::{Item, Items, Store};
use finemem::model::plain::{Breaks, Guard};
use finemem::record;
use finemem::rollout::{At, Batch, Carried, Draws, Manager, Name, Outcome, Step, Task};
use finemem::schema::{Described, Show, Shown};

const ITEMS: Kind = <Vec<Item>>::KIND;

/// A function that chooses the items in view.
const CHOOSE: Kind = Kind::Function(&[("memory", Kind::Object("Memory")), ("input", Kind::Table)], &ITEMS);
pub(crate) const VIEW: Kind = Kind::Either(&[Kind::Choice(&["recent", "relevant"]), CHOOSE]);

/// Which items of the memory a prompt shows.
pub(crate) enum View {
    /// The newest.
    Recent,
    /// Those that BM25 finds for the chunk.
    Relevant,
    /// Those that a script's function chooses.
    Chosen(Function),
}

impl View {
    /// The view that a script passed, of the kind [`VIEW`].
    pub(crate) fn of(value: Option<&Any>) -> Self {
        match value.map(|value| &value.0) {
            Some(Value::Function(view)) => Self::Chosen(view.clone()),
            Some(Value::String(name)) if *name == "relevant" => Self::Relevant,
            _ => Self::Recent,
        }
    }
}

/// A script's settings for rollouts.
pub(crate) struct Contract {
    /// The function of each tool, in the order of the tools.
    pub(crate) tools: Vec<Function>,
    pub(crate) dialect: Dialect,
    /// The tools as the script gave them, for its prompt.
    pub(crate) tool_tables: Value,
    pub(crate) prompt: Function,
    pub(crate) view: View,
}

/// A contract during some rollouts.
pub(crate) struct Scripted<'a> {
    lua: &'a Lua,
    contract: &'a Contract,
    /// Marks what a prompt shows, which is data.
    guard: &'a Guard,
    /// For each rollout, the memory that the script's functions get. It holds the store while one of them runs.
    memories: Vec<AnyUserData>,
    /// For each rollout, what the tools of the current step are told about it.
    turns: Vec<Option<(usize, Table)>>,
    tables: Written,
    teacher: Option<Teacher>,
}

/// Who answers in the policy's place.
struct Teacher {
    answer: Function,
    /// Rollouts of each episode.
    group: usize,
    /// The input of the last prompt.
    input: Option<Table>,
}

impl<'a> Scripted<'a> {
    pub(crate) fn new(lua: &'a Lua, contract: &'a Contract, guard: &'a Guard, rollouts: usize) -> mlua::Result<Self> {
        let memories = (0..rollouts).map(|_| lua.create_userdata(Handle(Store::new()))).collect::<mlua::Result<_>>()?;
        Ok(Self { lua, contract, guard, memories, turns: vec![None; rollouts], tables: Written::default(), teacher: None })
    }

    /// A function of the prompt's input answers in the policy's place. There are `group` rollouts of each episode.
    pub(crate) fn taught(self, answer: Option<&Callback>, group: usize) -> Self {
        Self { teacher: answer.map(|answer| Teacher { answer: answer.0.clone(), group, input: None }), ..self }
    }

    /// The table of a finished batch.
    pub(crate) fn table(mut self, batch: &Batch) -> mlua::Result<Table> {
        let table = self.lua.create_table()?;
        table.raw_set("rollouts", self.tables.write(self.lua, batch.rollouts.show())?)?;
        Ok(table)
    }

    /// A table that tells a function of the script its position.
    fn told(&self, at: &At<'_>) -> mlua::Result<Table> {
        let table = self.lua.create_table()?;
        table.raw_set("chunk", at.chunk)?;
        table.raw_set("step", at.step + 1)?;
        table.raw_set("role", at.role)?;
        Ok(table)
    }

    /// What a tool is told about the step: one table for all calls of an answer, in which those before `index` have their outcomes.
    fn turn(&mut self, at: &At<'_>, calls: &[Outcome], index: usize) -> mlua::Result<Table> {
        let turn = match self.turns[at.rollout].take().filter(|(step, _)| *step == at.step) {
            Some((_, turn)) => turn,
            None => {
                let turn = self.told(at)?;
                turn.raw_set("calls", write(self.lua, &calls.to_vec())?)?;
                turn
            }
        };
        for (i, table) in turn.raw_get::<Vec<Table>>("calls")?.iter().enumerate() {
            table.raw_set("valid", (i < index).then_some(calls[i].valid))?;
            table.raw_set("reason", calls[i].reason.as_deref())?;
        }
        self.turns[at.rollout] = Some((at.step, turn.clone()));
        Ok(turn)
    }

    /// A value with marks in its texts; `None` if it needs none. What has none is shared with the value, not copied.
    fn marked(&self, value: &Value) -> mlua::Result<Option<Value>> {
        match value {
            Value::String(text) => {
                let text = text.to_string_lossy();
                let marked = self.guard.mark(&text, Breaks::All);
                let changed = marked.len() != text.len();
                changed.then(|| self.lua.create_string(marked.as_bytes()).map(Value::String)).transpose()
            }
            Value::Table(table) => {
                let mut copy = None;
                for pair in table.pairs::<Value, Value>() {
                    let (key, value) = pair?;
                    let Some(marked) = self.marked(&value)? else { continue };
                    let copy = match &mut copy {
                        Some(copy) => copy,
                        none => {
                            let entries = self.lua.create_table()?;
                            for pair in table.pairs::<Value, Value>() {
                                let (key, value) = pair?;
                                entries.raw_set(key, value)?;
                            }
                            none.insert(entries)
                        }
                    };
                    copy.raw_set(key, marked)?;
                }
                Ok(copy.map(Value::Table))
            }
            _ => Ok(None),
        }
    }

    /// Calls a function of the script with the memory.
    fn with_memory<R>(&self, at: &At<'_>, store: &mut Store, call: impl FnOnce(&AnyUserData) -> R) -> mlua::Result<R> {
        let memory = &self.memories[at.rollout];
        std::mem::swap(&mut memory.borrow_mut::<Handle<Store>>()?.0, store);
        let result = call(memory);
        std::mem::swap(&mut memory.borrow_mut::<Handle<Store>>()?.0, store);
        Ok(result)
    }
}

impl Manager for Scripted<'_> {
    type View = Value;
    type Error = mlua::Error;

    fn error(error: Error) -> mlua::Error {
        mlua::Error::external(error)
    }

    fn view(&mut self, at: &At<'_>, store: &mut Store, limit: usize) -> mlua::Result<Value> {
        let mut shown: Vec<&Item> = match &self.contract.view {
            View::Recent => store.view_recent(limit).iter().collect(),
            View::Relevant => store.retrieve(at.chunk, limit).into_iter().map(|(item, _)| item).collect(),
            View::Chosen(view) => {
                let input = self.told(at)?;
                input.raw_set("limit", limit)?;
                let shown: Value = self.with_memory(at, store, |memory| view.call((memory, input)))??;
                checked(&ITEMS, &shown).map_err(|why| mlua::Error::runtime(format!("what 'view' returned {why}")))?;
                return Ok(shown);
            }
        };
        shown.sort_by_key(|item| item.id);
        Written::default().write(self.lua, Shown::List(shown.into_iter().map(Show::show).collect()))
    }

    fn prompt(&mut self, at: &At<'_>, store: &Store, view: Value, last: Option<&Step>) -> mlua::Result<String> {
        let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
        store.items().iter().for_each(|item| *totals.entry(&item.section).or_default() += 1);
        let input = self.told(at)?;
        input.raw_set("chunk", self.guard.mark(at.chunk, Breaks::All).as_ref())?;
        input.raw_set("memory", self.marked(&view)?.unwrap_or(view))?;
        input.raw_set("total", store.items().len())?;
        input.raw_set("totals", self.lua.create_table_from(totals)?)?;
        if let Some(last) = last {
            // Its memories are large, and its answers are not the policy's to see.
            let bare = Step { memory_before: Items::default(), memory_after: Items::default(), chunk_answers: Vec::new(), ..last.clone() };
            let last = write(self.lua, &bare)?;
            input.raw_set("last", self.marked(&last)?.unwrap_or(last))?;
        }
        input.raw_set("tools", &self.contract.tool_tables)?;
        if let Some(teacher) = &mut self.teacher {
            teacher.input = Some(input.clone());
        }
        self.contract.prompt.call(input)
    }

    fn teach(&mut self, at: &At<'_>, prompt: &str) -> mlua::Result<Option<String>> {
        let Some(Teacher { answer, group, input: Some(input) }) = &self.teacher else { return Ok(None) };
        input.raw_set("episode", at.rollout / group + 1)?;
        input.raw_set("prompt", prompt)?;
        answer.call(input).map(Some)
    }

    fn parse(&mut self, answer: &str, tools: &[&str]) -> mlua::Result<Parsed> {
        self.contract.dialect.parse(answer, tools)
    }

    fn carry_out(&mut self, at: &At<'_>, store: &mut Store, tool: usize, calls: &[Outcome], index: usize) -> mlua::Result<Carried> {
        let turn = self.turn(at, calls, index)?;
        let call: Table = turn.raw_get::<Table>("calls")?.raw_get(index + 1)?;
        let arguments: Value = call.raw_get("arguments")?;
        let run = &self.contract.tools[tool];
        match self.with_memory(at, store, |memory| run.call::<Option<u64>>((memory, arguments, turn)))? {
            Ok(id) => Ok(Ok(id)),
            Err(error) if must_pass(&error) => Err(error),
            Err(error) => Ok(Err(message(&error).lines().next().unwrap_or_default().to_string())),
        }
    }
}

record! {
    /// An episode to play.
    pub(crate) struct Given as "Played" {
        /// the text, in the order in which it is read
        chunks: Vec<String>,
        /// the questions asked at the end
        questions: Vec<finemem::data::Question>,
        /// the questions asked after each chunk
        chunk_questions: Vec<Vec<finemem::data::Question>> => OrDefault,
        /// the policy's role at each chunk, one text each
        roles: Option<Vec<String>>,
        /// its initial memory; by default an empty one
        memory: Option<Handed<Store>>,
        /// the number of its first step; by default 1
        first: usize => FromOneOrFirst,
        /// a name for the initial memory: rollouts that began with the same memory have the same name
        state: Option<Name>,
        /// the random numbers that it draws if not its own: those of a rollout that was played with the same seed. An episode that begins
        /// with that rollout's memory before the step goes on as the rollout did
        draws: Option<Draws>,
    }
}

impl Given {
    /// The engine's form of the episode.
    pub(crate) fn task(self) -> mlua::Result<Task> {
        let chunks = self.chunks.len();
        let roles = self.roles.unwrap_or_default();
        if !roles.is_empty() && roles.len() != chunks {
            return Err(mlua::Error::runtime(format!("'roles' must be a list of texts, one for each of the {chunks} chunks")));
        }
        let memory = match &self.memory {
            Some(memory) => memory.borrow()?.0.clone(),
            None => Store::new(),
        };
        let Self { chunks, questions, chunk_questions, first, state, draws, .. } = self;
        Ok(Task { chunks, questions, chunk_questions, roles, memory, first, state, draws })
    }
}
