//! The tokens behind batch tables: what an update needs of the rollouts that a script has as tables.

use mlua::{Lua, Table};

use super::api::Args;
use crate::train::grpo::Turn;
use crate::{Error, Result};

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
            same_temperature(&mut temperature, batch.temperature)?;
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
