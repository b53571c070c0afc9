//! Rollouts: the policy reads episodes chunk by chunk, its calls change a memory, a reasoner answers from what retrieval finds.
//!
//! All rollouts take a step together, so that their prompts are one batch.

use std::collections::HashMap;

use mlua::{AnyUserData, Function, Lua, Table, Value};

use super::api::{Handle, message, must_pass, object};
use super::convert::list;
use super::data::questions_from;
use super::dialect::{Dialect, call_table};
use super::memory::{ITEMS, item, journal};
use super::model::{Policy, text_of};
use super::reason::{answers, reasoner};
use crate::data::Question;
use crate::generate::{Completion, Options, Request, Stream};
use crate::memory::calls::{self, Call};
use crate::memory::tools::Tool;
use crate::memory::{Item, Store};
use crate::random::Rng;
use crate::reason::Retrieval;
use crate::train::grpo::Turn;

/// Which items of the memory a prompt shows.
pub(super) enum View {
    /// The newest.
    Recent,
    /// Those that BM25 finds for the chunk.
    Relevant,
    /// Those that a script's function chooses.
    Chosen(Function),
}

/// How rollouts are made.
pub(super) struct Rollouts {
    pub(super) tools: Vec<(Tool, Function)>,
    pub(super) dialect: Dialect,
    pub(super) tool_tables: Value,
    pub(super) prompt: Function,
    pub(super) reasoner: AnyUserData,
    pub(super) temperature: f32,
    pub(super) top_p: f32,
    pub(super) max_tokens: usize,
    /// Longest prompt in tokens.
    pub(super) max_prompt: usize,
    pub(super) view: View,
    pub(super) view_items: usize,
    pub(super) retrieval: Retrieval,
}

/// What is to be rolled out.
pub(super) struct Plan<'a> {
    pub(super) episodes: &'a [Table],
    pub(super) group: usize,
    pub(super) temperature: f32,
    /// The trainer's seed and its number of updates.
    pub(super) seed: (u64, u64),
    pub(super) salt: u32,
    pub(super) question_share: f64,
}

/// An episode as far as a rollout needs it.
struct Episode {
    chunks: Vec<String>,
    questions: Vec<Question>,
    chunk_questions: Vec<Vec<Question>>,
    /// What the policy is in each step; empty where it is always the same.
    roles: Vec<Value>,
    input_tokens: usize,
    /// The memory before the first chunk.
    memory: Store,
    /// The number of its first step, from 0: more where it goes on with what another rollout began.
    first: usize,
    /// What its rollouts are marked with.
    state: Value,
}

/// Where a rollout is: the step that is to be taken.
#[derive(Clone, Copy)]
struct At<'a> {
    /// Its number, from 0.
    number: usize,
    chunk: &'a str,
    role: &'a Value,
}

impl At<'_> {
    /// Tells a script's function where it is.
    fn tell(&self, input: &Table) -> mlua::Result<()> {
        input.raw_set("chunk", self.chunk)?;
        input.raw_set("step", self.number + 1)?;
        input.raw_set("role", self.role)
    }
}

impl Episode {
    /// The step at place `t` of its chunks.
    fn step(&self, t: usize) -> At<'_> {
        At { number: self.first + t, chunk: &self.chunks[t], role: self.roles.get(t).unwrap_or(&Value::Nil) }
    }
}

/// One rollout on its way.
struct Live {
    episode: usize,
    member: usize,
    memory: Value,
    store: AnyUserData,
    /// The items as a table, as of the last step.
    items: Value,
    tables: Tables,
    steps: Vec<Table>,
}

/// The tables of items by their ids, each with how often the item was rewritten: an item that no step changes is one table in all steps.
#[derive(Default)]
struct Tables(HashMap<u64, (usize, Value)>);

impl Tables {
    fn of(&mut self, lua: &Lua, items: &[Item]) -> mlua::Result<Value> {
        let mut before = std::mem::take(&mut self.0);
        for found in items {
            let table = match before.remove(&found.id) {
                Some((rewritten, table)) if rewritten == found.history.len() => table,
                _ => item(lua, found, None)?,
            };
            self.0.insert(found.id, (found.history.len(), table));
        }
        list(lua, items.iter().map(|found| Ok(&self.0[&found.id].1)))
    }
}

/// A prompt of the step at hand.
struct Prompt {
    text: String,
    tokens: Vec<u32>,
}

impl Rollouts {
    /// Runs all rollouts; returns the batch table and the tokens behind it, in order of rollout and step.
    pub(super) fn run(&self, lua: &Lua, policy: &Policy, plan: &Plan<'_>) -> mlua::Result<(Table, Vec<Turn>)> {
        let read = |(i, table): (usize, &Table)| {
            episode(policy, table, plan, i).map_err(|e| mlua::Error::runtime(format!("'episodes[{}]': {}", i + 1, message(&e))))
        };
        let episodes = plan.episodes.iter().enumerate().map(read).collect::<mlua::Result<Vec<_>>>()?;
        let mut lives = Vec::new();
        for e in 0..episodes.len() {
            for member in 0..plan.group {
                let mut tables = Tables::default();
                let items = tables.of(lua, episodes[e].memory.items())?;
                let memory = object(lua, episodes[e].memory.clone())?;
                let store = memory.as_userdata().cloned().ok_or_else(|| mlua::Error::runtime("a memory is an object"))?;
                lives.push(Live { episode: e, member, memory, store, items, tables, steps: Vec::new() });
            }
        }
        let mut turns: Vec<Vec<Turn>> = lives.iter().map(|_| Vec::new()).collect();
        for t in 0..episodes.iter().map(|e| e.chunks.len()).max().unwrap_or(0) {
            let active: Vec<usize> = (0..lives.len()).filter(|i| t < episodes[lives[*i].episode].chunks.len()).collect();
            let mut prompts = Vec::new();
            for i in &active {
                let live = &lives[*i];
                prompts.push(self.prompt(lua, policy, live, episodes[live.episode].step(t))?);
            }
            let requests: Vec<Request> = active
                .iter()
                .zip(&prompts)
                .map(|(i, prompt)| {
                    let live = &lives[*i];
                    let path = [live.episode as u32 ^ plan.salt.rotate_left(16), live.member as u32, t as u32];
                    Request { prompt: prompt.tokens.clone(), streams: vec![Stream::new(plan.seed.0, plan.seed.1, path)] }
                })
                .collect();
            let options = Options {
                temperature: plan.temperature,
                top_k: 0,
                top_p: self.top_p,
                min_p: 0.0,
                max_tokens: self.max_tokens,
                stop: self.dialect.stop().to_vec(),
            };
            let completions = policy.take_turn(t, &requests, &options)?;
            for ((&i, prompt), completion) in active.iter().zip(prompts).zip(completions.into_iter().flatten()) {
                let live = &mut lives[i];
                let episode = &episodes[live.episode];
                let step = self.step(lua, policy, live, episode.step(t), &prompt.text, &completion)?;
                step.raw_set("prompt_tokens", prompt.tokens.len())?;
                live.steps.push(step);
                let Completion { tokens, logprobs, .. } = completion;
                turns[i].push(Turn { rollout: i, episode: live.episode, step: t, prompt: prompt.tokens, completion: tokens, logprobs });
            }
            let chunk = |live: &Live| episodes[live.episode].chunk_questions.get(t).map_or(&[][..], Vec::as_slice);
            let active: Vec<&Live> = active.iter().map(|i| &lives[*i]).collect();
            for (live, answers) in active.iter().zip(self.answers(lua, &active, chunk)?) {
                live.steps[t].raw_set("chunk_answers", answers)?;
            }
        }
        let all: Vec<&Live> = lives.iter().collect();
        let answers = self.answers(lua, &all, |live| &episodes[live.episode].questions)?;
        let finished = lives.iter().zip(answers);
        let rollouts = list(lua, finished.map(|(live, answers)| self.finish(lua, policy, live, &episodes[live.episode], answers)))?;
        let table = lua.create_table()?;
        table.raw_set("rollouts", rollouts)?;
        Ok((table, turns.into_iter().flatten().collect()))
    }

    /// The prompt of a step, with as many items as fit.
    fn prompt(&self, lua: &Lua, policy: &Policy, live: &Live, at: At<'_>) -> mlua::Result<Prompt> {
        let room = self.max_prompt;
        let mut k = self.view_items;
        loop {
            let shown = self.shown(lua, live, at, k)?;
            let handle = live.store.borrow::<Handle<Store>>()?;
            let totals = lua.create_table()?;
            for item in handle.0.items() {
                totals.raw_set(item.section.as_str(), totals.raw_get::<Option<usize>>(item.section.as_str())?.unwrap_or(0) + 1)?;
            }
            let input = lua.create_table()?;
            input.raw_set("memory", shown)?;
            input.raw_set("total", handle.0.items().len())?;
            input.raw_set("totals", totals)?;
            at.tell(&input)?;
            input.raw_set("last", live.steps.last())?;
            input.raw_set("tools", self.tool_tables.clone())?;
            drop(handle);
            let text: String = self.prompt.call(input)?;
            let tokens = policy.model.tokenizer.encode(&text)?;
            if tokens.len() <= room {
                return Ok(Prompt { text, tokens });
            }
            if k == 0 {
                return Err(mlua::Error::runtime(format!(
                    "a prompt without any memory item has {} tokens, and there is room for {room} (max_prompt, or the model's longest sequence less max_tokens): use shorter chunks",
                    tokens.len()
                )));
            }
            k /= 2;
        }
    }

    /// At most `k` items for a prompt; how many they are is up to a script's function.
    fn shown(&self, lua: &Lua, live: &Live, at: At<'_>, k: usize) -> mlua::Result<Value> {
        let handle = live.store.borrow::<Handle<Store>>()?;
        let mut shown: Vec<&Item> = match &self.view {
            View::Recent => handle.0.view_recent(k).iter().collect(),
            View::Relevant => handle.0.retrieve(at.chunk, k).into_iter().map(|(item, _)| item).collect(),
            View::Chosen(view) => {
                drop(handle);
                let input = lua.create_table()?;
                at.tell(&input)?;
                input.raw_set("limit", k)?;
                let shown: Value = view.call((live.memory.clone(), input))?;
                ITEMS.checked(&shown).map_err(|why| mlua::Error::runtime(format!("what 'view' returned {why}")))?;
                return Ok(shown);
            }
        };
        shown.sort_by_key(|item| item.id);
        list(lua, shown.iter().map(|shown| item(lua, shown, None)))
    }

    /// Carries out the calls of a completion.
    fn step(&self, lua: &Lua, policy: &Policy, live: &mut Live, at: At<'_>, prompt: &str, completion: &Completion) -> mlua::Result<Table> {
        let text = text_of(&policy.model, completion)?;
        let (thought, answer) = calls::split_thought(prompt, &text);
        let parsed = self.dialect.parse(answer)?;
        live.store.borrow_mut::<Handle<Store>>()?.0.set_step(at.number);
        let tables = parsed.calls.iter().map(|call| call_table(lua, call)).collect::<mlua::Result<Vec<_>>>()?;
        let turn = lua.create_table()?;
        at.tell(&turn)?;
        turn.raw_set("calls", list(lua, tables.iter().map(Ok))?)?;
        let mut written = Vec::new();
        for (call, table) in parsed.calls.iter().zip(&tables) {
            match self.carry_out(live, call, table, &turn)? {
                Ok(id) => {
                    table.raw_set("valid", true)?;
                    written.extend(id);
                }
                Err(reason) => {
                    table.raw_set("valid", false)?;
                    table.raw_set("reason", reason)?;
                }
            }
        }
        let handle = live.store.borrow::<Handle<Store>>()?;
        let after = live.tables.of(lua, handle.0.items())?;
        let step = lua.create_table()?;
        step.raw_set("chunk", at.chunk)?;
        step.raw_set("role", at.role)?;
        step.raw_set("prompt", prompt)?;
        step.raw_set("thought", thought)?;
        step.raw_set("completion", text.as_str())?;
        step.raw_set("tokens", completion.tokens.len())?;
        step.raw_set("calls", list(lua, tables.into_iter().map(Ok))?)?;
        step.raw_set("stray", parsed.stray)?;
        step.raw_set("written", list(lua, written.into_iter().map(Ok))?)?;
        step.raw_set("memory_before", std::mem::replace(&mut live.items, after.clone()))?;
        step.raw_set("memory_after", after)?;
        Ok(step)
    }

    /// Carries out one call: the id it wrote, or why it is not valid. A call that fails leaves the memory as it was.
    fn carry_out(&self, live: &Live, call: &Call, table: &Table, turn: &Table) -> mlua::Result<Result<Option<u64>, String>> {
        if let Some(error) = &call.error {
            return Ok(Err(error.clone()));
        }
        let name = call.name.as_deref().unwrap_or_default();
        let Some((tool, run)) = self.tools.iter().find(|(tool, _)| tool.name() == name) else {
            let known: Vec<&str> = self.tools.iter().map(|(tool, _)| tool.name()).collect();
            return Ok(Err(format!("there is no tool '{name}'; there are {}", known.join(", "))));
        };
        if let Err(error) = tool.check(&call.arguments) {
            return Ok(Err(error.to_string()));
        }
        let before = live.store.borrow::<Handle<Store>>()?.0.mark();
        let arguments: Value = table.raw_get("arguments")?;
        match run.call::<Option<u64>>((live.memory.clone(), arguments, turn.clone())) {
            Ok(id) => Ok(Ok(id)),
            Err(error @ mlua::Error::MemoryError(_)) => Err(error),
            Err(error) if must_pass(&error) => Err(error),
            Err(error) => {
                live.store.borrow_mut::<Handle<Store>>()?.0.rewind(before)?;
                let text = message(&error);
                Ok(Err(text.lines().next().unwrap_or_default().to_string()))
            }
        }
    }

    /// The table of a finished rollout.
    fn finish(&self, lua: &Lua, policy: &Policy, live: &Live, episode: &Episode, answers: Value) -> mlua::Result<Table> {
        let handle = live.store.borrow::<Handle<Store>>()?;
        let mut memory_tokens = 0;
        for item in handle.0.items() {
            memory_tokens += policy.model.tokenizer.encode(&item.content)?.len();
        }
        let table = lua.create_table()?;
        table.raw_set("episode", live.episode + 1)?;
        table.raw_set("first", episode.first + 1)?;
        table.raw_set("state", &episode.state)?;
        table.raw_set("member", live.member + 1)?;
        table.raw_set("steps", list(lua, live.steps.iter().map(Ok))?)?;
        table.raw_set("answers", answers)?;
        table.raw_set("memory", live.items.clone())?;
        table.raw_set("journal", journal(lua, &handle.0)?)?;
        table.raw_set("memory_tokens", memory_tokens)?;
        table.raw_set("input_tokens", episode.input_tokens)?;
        Ok(table)
    }

    /// The answers of rollouts to their questions, all from one batch: a list for each.
    fn answers<'a>(&self, lua: &Lua, lives: &[&Live], questions: impl Fn(&Live) -> &'a [Question]) -> mlua::Result<Vec<Value>> {
        let stores = lives.iter().map(|live| live.store.borrow::<Handle<Store>>()).collect::<mlua::Result<Vec<_>>>()?;
        let asked = lives.iter().zip(&stores).flat_map(|(live, store)| questions(live).iter().map(move |q| (&store.0, q)));
        let reasoner = reasoner(lua, &self.reasoner)?;
        let mut answered = answers(lua, &*reasoner, self.retrieval, &asked.collect::<Vec<_>>())?.into_iter();
        lives.iter().map(|live| list(lua, answered.by_ref().take(questions(live).len()).map(Ok))).collect()
    }
}

/// Reads the parts of an episode that a rollout needs. The drawn questions are the same for all rollouts of the episode.
fn episode(policy: &Policy, table: &Table, plan: &Plan<'_>, index: usize) -> mlua::Result<Episode> {
    let chunks: Vec<String> = table.raw_get("chunks").map_err(|_| mlua::Error::runtime("'chunks' must be a list of texts"))?;
    let mut questions =
        questions_from(&table.raw_get::<Vec<Table>>("questions").map_err(|_| mlua::Error::runtime("'questions' must be a list"))?)?;
    if plan.question_share < 1.0 {
        let mut order: Vec<usize> = (0..questions.len()).collect();
        Rng::new(&[plan.seed.0, plan.seed.1, u64::from(plan.salt), index as u64]).shuffle(&mut order);
        order.truncate(((questions.len() as f64 * plan.question_share).ceil() as usize).max(1));
        order.sort_unstable();
        let mut position = 0;
        questions.retain(|_| {
            position += 1;
            order.binary_search(&(position - 1)).is_ok()
        });
    }
    let asked: Option<Vec<Vec<Table>>> = table.raw_get("chunk_questions")?;
    let chunk_questions = asked.unwrap_or_default().iter().map(|asked| questions_from(asked)).collect::<mlua::Result<_>>()?;
    let roles: Option<Vec<Value>> = table.raw_get("roles").unwrap_or_else(|_| Some(Vec::new()));
    if roles.as_ref().is_some_and(|roles| roles.len() != chunks.len() || !roles.iter().all(Value::is_string)) {
        return Err(mlua::Error::runtime(format!("'roles' must be a list of texts, one for each of the {} chunks", chunks.len())));
    }
    let roles = roles.unwrap_or_default();
    let memory: Option<AnyUserData> = table.raw_get("memory").map_err(|_| mlua::Error::runtime("'memory' must be a memory"))?;
    let memory = match memory {
        Some(memory) => memory.borrow::<Handle<Store>>().map_err(|_| mlua::Error::runtime("'memory' must be a memory"))?.0.clone(),
        None => Store::new(),
    };
    let first: usize = table
        .raw_get::<Option<usize>>("first")
        .ok()
        .map(|first| first.unwrap_or(1))
        .filter(|first| *first > 0)
        .ok_or_else(|| mlua::Error::runtime("'first' must be the number of a step, from 1"))?;
    let state: Value = table.raw_get("state")?;
    let mut input_tokens = 0;
    for chunk in &chunks {
        input_tokens += policy.model.tokenizer.encode(chunk)?.len();
    }
    Ok(Episode { chunks, questions, chunk_questions, roles, input_tokens, memory, first: first - 1, state })
}
