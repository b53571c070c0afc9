//! The input of an update: its batches, and lists with an entry for each step of each rollout.

use mlua::{FromLua, Lua, Table, Value};

use super::reward::BATCH;
use crate::api::lua::read;
use crate::api::{Kind, Tab};
use finemem::record;
use finemem::reward::{GroupBy, Grouping};
use finemem::rollout::{Batch, Name, Turn};
use finemem::train::grpo::Credit;

/// `list[i][t]`: a number for step t of rollout i.
pub(crate) const EACH_STEP: Kind = Kind::List(&Kind::List(&Kind::Number));

/// A number for each step, or one for each of its tokens.
pub(crate) const WEIGHTS: Kind = Kind::List(&Kind::List(&Kind::Either(&[Kind::Number, Kind::List(&Kind::Number)])));

/// A key for each step.
pub(crate) const GROUPS: Kind = Kind::List(&Kind::List(&Kind::Either(&[Kind::Number, Kind::Text])));

const BATCHES: Kind = Kind::List(&BATCH);

record! {
    pub(crate) struct Given {
        /// what `rollout` returned since the last update
        batch: Option<Tab> as BATCH,
        /// several batches instead of one; their rollouts are numbered consecutively
        batches: Option<Vec<Tab>> as BATCHES,
        /// `rewards[i][t]`, from which group advantages are computed; only logged if there are `advantages`
        rewards: Option<Vec<Tab>> as EACH_STEP,
        /// `advantages[i][t]`, used as they are
        advantages: Option<Vec<Tab>> as EACH_STEP,
        /// `weights[i][t]`: how much the step counts in the loss, or a list with a weight for each of its tokens; by default 1
        weights: Option<Vec<Tab>> as WEIGHTS,
        /// which steps are compared; by default the trainer's setting
        grouping: Option<GroupBy>,
        /// `groups[i][t]`, instead of a grouping: steps with equal keys are compared
        groups: Option<Vec<Tab>> as GROUPS,
        /// whether advantages are divided by the group's deviation; by default the trainer's
        scale_rewards: Option<bool>,
        /// learning rate of this update
        pub(crate) lr: Option<f32>,
    }
}

impl Given {
    /// The batches to learn from.
    pub(crate) fn batches(&self) -> mlua::Result<&[Tab]> {
        match (&self.batch, &self.batches) {
            (Some(one), None) => Ok(std::slice::from_ref(one)),
            (None, Some(several)) if !several.is_empty() => Ok(several),
            _ => Err(mlua::Error::runtime("an update needs either 'batch' or 'batches'")),
        }
    }
}

/// What an update needs of a batch; its rollouts are the script's.
struct Kept {
    id: u64,
    turns: Vec<Turn>,
    temperature: f32,
    rollouts: usize,
    episodes: usize,
}

/// The batches that an update can use. The first rollout after an update drops the earlier ones.
#[derive(Default)]
pub(crate) struct Batches {
    kept: Vec<Kept>,
    /// Number of batches so far.
    count: u64,
    /// Whether an update has used the kept batches.
    used: bool,
}

/// The batches chosen for an update.
pub(crate) struct Chosen {
    pub(crate) turns: Vec<Turn>,
    pub(crate) temperature: f32,
    /// The `state` of each rollout.
    states: Vec<Option<Name>>,
}

impl Batches {
    /// Keeps a batch, and writes its id into its table.
    pub(crate) fn keep(&mut self, table: &Table, batch: Batch) -> mlua::Result<()> {
        if std::mem::take(&mut self.used) {
            self.kept.clear();
        }
        self.count += 1;
        table.raw_set("id", self.count)?;
        let Batch { rollouts, turns, temperature } = batch;
        let episodes = rollouts.iter().map(|rollout| rollout.episode + 1).max().unwrap_or(0);
        self.kept.push(Kept { id: self.count, turns, temperature, rollouts: rollouts.len(), episodes });
        Ok(())
    }

    /// The turns of batches in order, their rollouts and episodes numbered consecutively.
    pub(crate) fn chosen(&mut self, tables: &[Tab]) -> mlua::Result<Chosen> {
        let wrong = |text: &str| mlua::Error::runtime(text);
        let mut chosen = Chosen { turns: Vec::new(), temperature: 1.0, states: Vec::new() };
        let mut episodes = 0;
        for (i, table) in tables.iter().enumerate() {
            let id: Option<u64> = table.0.raw_get("id")?;
            let batch = self.kept.iter().find(|kept| Some(kept.id) == id);
            let batch = batch.ok_or_else(|| wrong("a batch is not one that this trainer rolled out since its last update"))?;
            let rollouts: Vec<Table> = table.0.raw_get("rollouts")?;
            if rollouts.len() != batch.rollouts {
                return Err(wrong("the 'rollouts' of a batch are not those that were rolled out"));
            }
            // Log-probabilities are computed at one temperature.
            if i > 0 && chosen.temperature != batch.temperature {
                return Err(wrong("the batches of an update were sampled at different temperatures"));
            }
            chosen.temperature = batch.temperature;
            let before = chosen.states.len();
            let counted = |turn: &Turn| Turn { rollout: turn.rollout + before, episode: turn.episode + episodes, ..turn.clone() };
            chosen.turns.extend(batch.turns.iter().map(counted));
            episodes += batch.episodes;
            for rollout in rollouts {
                let state = read(&rollout.raw_get("state")?);
                let place =
                    |problem: finemem::schema::Problem| problem.within(format!("batch.rollouts[{}].state", chosen.states.len() + 1));
                let state = state.map_err(|problem| mlua::Error::runtime(place(problem)))?;
                chosen.states.push(state);
            }
        }
        self.used = true;
        Ok(chosen)
    }
}

impl Chosen {
    /// The credit of the turns from the arguments of an update. `grouping` is the trainer's.
    pub(crate) fn credit(&self, lua: &Lua, given: &Given, grouping: GroupBy) -> mlua::Result<Credit> {
        let weights = self.per_turn::<Value>("weights", &given.weights)?;
        let weights =
            weights.map(|weights| weights.into_iter().zip(&self.turns).map(|(weight, turn)| of_tokens(lua, weight, turn)).collect());
        let grouping = match (self.per_turn::<Value>("groups", &given.groups)?, given.grouping) {
            (Some(_), Some(_)) => return Err(mlua::Error::runtime("'groups' replaces 'grouping': give only one of them")),
            (Some(groups), None) => {
                let names = groups.iter().map(|group| read::<Option<Name>>(group).map_err(mlua::Error::runtime));
                let names = names.collect::<mlua::Result<Vec<_>>>()?;
                Grouping::by_key(names.iter().map(|name| name.as_ref().map(Name::key)))
            }
            (None, chosen) => Grouping::of(chosen.unwrap_or(grouping), &self.turns, &self.states),
        };
        Ok(Credit {
            rewards: self.per_turn("rewards", &given.rewards)?,
            advantages: self.per_turn("advantages", &given.advantages)?,
            weights: weights.transpose()?,
            grouping,
            divide_by_deviation: given.scale_rewards,
        })
    }

    /// The entry of each turn in a list; there must be exactly one for every turn.
    fn per_turn<T: FromLua>(&self, name: &str, lists: &Option<Vec<Tab>>) -> mlua::Result<Option<Vec<T>>> {
        let Some(lists) = lists else { return Ok(None) };
        let mut steps = vec![0; self.states.len()];
        self.turns.iter().for_each(|turn| steps[turn.rollout] += 1);
        each_step(name, lists, &steps).map_err(mlua::Error::runtime)?;
        self.turns.iter().map(|turn| lists[turn.rollout].0.raw_get(turn.step + 1)).collect::<mlua::Result<_>>().map(Some)
    }
}

/// Checks that lists have exactly one entry for each step of each rollout; `steps` is the number of steps of each rollout.
pub(crate) fn each_step(name: &str, lists: &[Tab], steps: &[usize]) -> Result<(), String> {
    if lists.len() != steps.len() {
        return Err(format!("'{name}' has {} rollouts, the batch has {}", lists.len(), steps.len()));
    }
    for (i, (list, steps)) in lists.iter().zip(steps).enumerate() {
        let found = list.0.raw_len();
        if found != *steps {
            return Err(format!("'{name}[{}]' has {found} steps, the rollout has {steps}", i + 1));
        }
    }
    Ok(())
}

/// The weight of each token of a turn: one for all, or a list.
fn of_tokens(lua: &Lua, weight: Value, turn: &Turn) -> mlua::Result<Vec<f32>> {
    match weight {
        Value::Table(list) => list.sequence_values().collect(),
        one => Ok(vec![f32::from_lua(one, lua)?; turn.completion.len()]),
    }
}
