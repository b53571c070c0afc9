//! What a script gives an update: lists with an entry for each step of each rollout, checked against the batch.

use std::collections::BTreeMap;

use mlua::{ExternalResult, FromLua, Lua, Table, Value};

use super::api::{Args, Kind};
use finemem::reward::Grouping;
use finemem::train::grpo::{Credit, Turn};

/// `list[i][t]`: a number for step t of rollout i.
pub(super) const EACH_STEP: Kind = Kind::List(&Kind::List(&Kind::Number));

/// A number for each step, or one for each of its tokens.
pub(super) const WEIGHTS: Kind = Kind::List(&Kind::List(&Kind::Either(&[Kind::Number, Kind::List(&Kind::Number)])));

/// A key for each step.
pub(super) const GROUPS: Kind = Kind::List(&Kind::List(&Kind::Either(&[Kind::Number, Kind::Text])));

/// What the arguments of an update say of the turns of its batch. `grouping` is the trainer's.
pub(super) fn credit(lua: &Lua, args: &Args, turns: &[Turn], rollouts: &[Table], grouping: &str) -> mlua::Result<Credit> {
    let weights = per_turn::<Value>(lua, args, "weights", turns)?;
    let weights = weights.map(|weights| weights.into_iter().zip(turns).map(|(weight, turn)| of_tokens(lua, weight, turn)).collect());
    let groups = per_turn::<Value>(lua, args, "groups", turns)?;
    let chosen = args.get::<Option<String>>(lua, "grouping")?;
    let grouping = match (groups, chosen.as_deref().unwrap_or(grouping)) {
        (Some(_), _) if chosen.is_some() => return Err(mlua::Error::runtime("'groups' stands in place of 'grouping': give one of them")),
        (Some(groups), _) => Grouping::Keys(numbered(groups.iter().map(Key::of))),
        (None, "state") => by_state(rollouts, turns)?,
        (None, word) => word.parse().into_lua_err()?,
    };
    Ok(Credit {
        rewards: per_turn(lua, args, "rewards", turns)?,
        advantages: per_turn(lua, args, "advantages", turns)?,
        weights: weights.transpose()?,
        grouping,
        divide_by_deviation: args.get(lua, "scale_rewards")?,
    })
}

/// The entry of each turn in the list under a key; every turn must have one, and nothing else.
fn per_turn<T: FromLua>(lua: &Lua, args: &Args, name: &str, turns: &[Turn]) -> mlua::Result<Option<Vec<T>>> {
    let Some(lists) = args.get::<Option<Vec<Table>>>(lua, name)? else { return Ok(None) };
    let rollouts = turns.iter().map(|t| t.rollout + 1).max().unwrap_or(0);
    if lists.len() != rollouts {
        return Err(mlua::Error::runtime(format!("'{name}' has {} rollouts, the batch has {rollouts}", lists.len())));
    }
    for (i, list) in lists.iter().enumerate() {
        let (found, steps) = (list.raw_len(), turns.iter().filter(|t| t.rollout == i).count());
        if found != steps {
            return Err(mlua::Error::runtime(format!("'{name}[{}]' has {found} steps, the rollout has {steps}", i + 1)));
        }
    }
    turns.iter().map(|turn| lists[turn.rollout].raw_get(turn.step + 1)).collect::<mlua::Result<_>>().map(Some)
}

/// The weight of each token of a turn: one for all, or a list.
fn of_tokens(lua: &Lua, weight: Value, turn: &Turn) -> mlua::Result<Vec<f32>> {
    match weight {
        Value::Table(list) => list.sequence_values().collect(),
        one => Ok(vec![f32::from_lua(one, lua)?; turn.completion.len()]),
    }
}

/// The same step of the rollouts of an episode whose tables have the same `state`: those that began with the same memory. Without one a
/// rollout began with an empty memory.
fn by_state(rollouts: &[Table], turns: &[Turn]) -> mlua::Result<Grouping> {
    let mut states = Vec::new();
    for (i, rollout) in rollouts.iter().enumerate() {
        let state: Value = rollout.raw_get("state")?;
        if !matches!(state, Value::Nil | Value::Integer(_) | Value::Number(_) | Value::String(_)) {
            return Err(mlua::Error::runtime(format!("'batch.rollouts[{}].state' must be a number or a text", i + 1)));
        }
        states.push(Key::of(&state));
    }
    let missing = |i: usize| mlua::Error::runtime(format!("'batch.rollouts[{}]' is missing", i + 1));
    let key = |turn: &Turn| Ok((states.get(turn.rollout).cloned().ok_or_else(|| missing(turn.rollout))?, turn.episode, turn.step));
    Ok(Grouping::Keys(numbered(turns.iter().map(key).collect::<mlua::Result<Vec<_>>>()?)))
}

/// A key that Lua gave: equal ones are one group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    None,
    Number(u64),
    Text(Vec<u8>),
}

impl Key {
    fn of(value: &Value) -> Self {
        match value {
            Value::Integer(n) => Self::Number((*n as f64).to_bits()),
            // 0 and -0 are equal in Lua.
            Value::Number(n) => Self::Number((*n + 0.0).to_bits()),
            Value::String(text) => Self::Text(text.as_bytes().to_vec()),
            _ => Self::None,
        }
    }
}

/// A number for each key, the same for equal ones, in the order in which they come.
fn numbered<K: Ord>(keys: impl IntoIterator<Item = K>) -> Vec<usize> {
    let mut known = BTreeMap::new();
    keys.into_iter()
        .map(|key| {
            let next = known.len();
            *known.entry(key).or_insert(next)
        })
        .collect()
}
