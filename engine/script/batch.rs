//! The tokens behind batch tables: what an update needs of the rollouts that a script has as tables.

use mlua::{ExternalResult, Lua, Table};

use super::api::{Args, Kind, Record, optional, required};
use super::memory::ITEMS;
use super::reason::ASKED;
use finemem::train::grpo::Turn;
use finemem::{Error, Result};

/// What `trainer:rollout` returns.
pub(super) static BATCH: Record = Record {
    name: "Batch",
    doc: "The rollouts of a batch. Scripts may give the tables in it more.",
    fields: &[
        required("rollouts", Kind::List(&Kind::Record(&ROLLOUT)), "all rollouts, those of an episode one after the other"),
        optional("id", Kind::Integer, "what an update knows it by; none where a script put it together"),
    ],
    checked: false,
};

pub(super) static ROLLOUT: Record = Record {
    name: "Rollout",
    doc: "An episode as the policy read it.",
    fields: &[
        required("episode", Kind::Integer, "which of the batch's episodes it is"),
        required("member", Kind::Integer, "which of the episode's group it is"),
        optional("first", Kind::Integer, "the number of its first step; by default 1"),
        optional("state", Kind::Either(&[Kind::Number, Kind::Text]), "the memory that it began with, as the episode names it"),
        required("steps", Kind::List(&Kind::Record(&STEP)), "one for each chunk"),
        required("answers", Kind::List(&Kind::Record(&ASKED)), "the final questions"),
        required("memory", ITEMS, "the memory at the end"),
        required("journal", Kind::List(&Kind::Table), "all that was done to it, for `fm.memory.replay`"),
        required("memory_tokens", Kind::Integer, "the length of the memory at the end"),
        required("input_tokens", Kind::Integer, "the length of all chunks"),
    ],
    checked: false,
};

pub(super) static STEP: Record = Record {
    name: "RolloutStep",
    doc: "What the policy did with a chunk.",
    fields: &[
        required("chunk", Kind::Text, "the chunk"),
        required("prompt", Kind::Text, "what the policy read"),
        required("prompt_tokens", Kind::Integer, "its length"),
        optional("thought", Kind::Text, "what it thought before its answer"),
        required("completion", Kind::Text, "what it wrote, with its thought"),
        required("tokens", Kind::Integer, "its length"),
        required("calls", Kind::List(&Kind::Record(&CALL)), "the calls in it"),
        required("stray", Kind::Integer, "pieces of text outside of calls"),
        required("written", Kind::List(&Kind::Integer), "ids of the items that it wrote"),
        required("memory_before", ITEMS, "the memory before the step"),
        required("memory_after", ITEMS, "the memory after it"),
        required("chunk_answers", Kind::List(&Kind::Record(&ASKED)), "the chunk's own questions, asked right after it"),
    ],
    checked: false,
};

pub(super) static CALL: Record = Record {
    name: "RolloutCall",
    doc: "A call and what came of it.",
    fields: &[
        optional("tool", Kind::Text, "the tool, if one was named"),
        optional("arguments", Kind::Table, "its arguments"),
        required("raw", Kind::Text, "the text it was read from"),
        required("parsed", Kind::Boolean, "whether it could be read"),
        required("valid", Kind::Boolean, "whether it was carried out"),
        optional("reason", Kind::Text, "why it was not"),
    ],
    checked: false,
};

/// The tokens behind one batch table.
pub(super) struct Batch {
    id: u64,
    turns: Vec<Turn>,
    temperature: f32,
}

/// The batches that an update can still be made of: those rolled out since the first rollout behind the last update.
#[derive(Default)]
pub(super) struct Batches {
    kept: Vec<Batch>,
    /// Number of batches so far.
    count: u64,
    /// Whether an update has used what is kept.
    used: bool,
}

impl Batches {
    /// Keeps what is behind a batch table, and gives the table its id.
    pub(super) fn keep(&mut self, table: &Table, turns: Vec<Turn>, temperature: f32) -> mlua::Result<()> {
        if std::mem::take(&mut self.used) {
            self.kept.clear();
        }
        self.count += 1;
        table.raw_set("id", self.count)?;
        self.kept.push(Batch { id: self.count, turns, temperature });
        Ok(())
    }

    /// What an update is made of: the turns of `batch`, or of `batches` one after the other, their rollouts and episodes counted on; the
    /// temperature; and the tables of the rollouts.
    pub(super) fn chosen(&mut self, lua: &Lua, args: &Args) -> mlua::Result<(Vec<Turn>, f32, Vec<Table>)> {
        let (one, several): (Option<Table>, Option<Vec<Table>>) = (args.get(lua, "batch")?, args.get(lua, "batches")?);
        let tables = match (one, several) {
            (Some(one), None) => vec![one],
            (None, Some(several)) if !several.is_empty() => several,
            _ => return Err(mlua::Error::runtime("one of 'batch' and 'batches' says what the update is made of")),
        };
        let (mut turns, mut temperature, mut tables_of) = (Vec::new(), None, Vec::new());
        let mut episodes = 0;
        for table in &tables {
            let id: Option<u64> = table.raw_get("id")?;
            let batch = self.kept.iter().find(|batch| Some(batch.id) == id);
            let batch =
                batch.ok_or_else(|| mlua::Error::runtime("a batch is not one that this trainer rolled out since its last update"))?;
            let rollouts = tables_of.len();
            tables_of.extend(table.raw_get::<Vec<Table>>("rollouts")?);
            let count = |of: fn(&Turn) -> usize| batch.turns.iter().map(|turn| of(turn) + 1).max().unwrap_or(0);
            if tables_of.len() - rollouts != count(|turn| turn.rollout) {
                return Err(mlua::Error::runtime("the 'rollouts' of a batch are not those that were rolled out"));
            }
            let counted = |turn: &Turn| Turn { rollout: turn.rollout + rollouts, episode: turn.episode + episodes, ..turn.clone() };
            turns.extend(batch.turns.iter().map(counted));
            episodes += count(|turn| turn.episode);
            same_temperature(&mut temperature, batch.temperature).into_lua_err()?;
        }
        self.used = true;
        Ok((turns, temperature.unwrap_or(1.0), tables_of))
    }
}

/// Batches of one update must have been sampled at one temperature, by which log-probabilities are taken.
fn same_temperature(all: &mut Option<f32>, one: f32) -> Result<()> {
    match *all.get_or_insert(one) == one {
        true => Ok(()),
        false => Err(Error::argument("the batches of an update were sampled at different temperatures")),
    }
}
