//! Group advantages: how much better a reward is than its group's mean, in units of the group's spread. Computed by [`zscore`].

use std::collections::BTreeMap;

use crate::device::Device;
use crate::device::{DType, Tensor};
use crate::ops::zscore;
pub use crate::ops::zscore::Baseline;
use crate::rollout::{Name, Turn};
use crate::{Error, Result, words};

/// Which rewards are compared with one another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Grouping {
    /// The same step of all rollouts of an episode, as in Fine-Mem.
    #[default]
    Step,
    /// All steps of all rollouts of an episode, as in Mem-α.
    Instance,
    /// Rollouts of an episode: the reward of each is the mean over its steps, and all its steps get its advantage, as in MemAgent. So an
    /// episode has the same weight however many steps it has.
    Trajectory,
    /// Turns with equal keys, one key per turn, whatever their episodes and steps.
    Keys(Vec<usize>),
}

words! {
    /// The groupings within an episode, by name.
    #[derive(Default)]
    pub enum GroupBy {
        /// [`Grouping::Step`]
        #[default]
        Step = "step",
        /// [`Grouping::Instance`]
        Instance = "instance",
        /// [`Grouping::Trajectory`]
        Trajectory = "trajectory",
        /// The same step of the rollouts of an episode that began with the same memory: [`Grouping::of`].
        State = "state",
    }
}

impl Grouping {
    /// The grouping of that name, for turns whose rollouts began with these states. A rollout without a state began with an empty memory.
    pub fn of(name: GroupBy, turns: &[Turn], states: &[Option<Name>]) -> Self {
        match name {
            GroupBy::Step => Self::Step,
            GroupBy::Instance => Self::Instance,
            GroupBy::Trajectory => Self::Trajectory,
            GroupBy::State => {
                let state = |turn: &Turn| states.get(turn.rollout).and_then(Option::as_ref);
                Self::by_key(turns.iter().map(|turn| (state(turn).map(Name::key), turn.episode, turn.step)))
            }
        }
    }

    /// Turns with equal keys.
    pub fn by_key<K: Ord>(keys: impl IntoIterator<Item = K>) -> Self {
        let mut known = BTreeMap::new();
        let number = |key| {
            let next = known.len();
            *known.entry(key).or_insert(next)
        };
        Self::Keys(keys.into_iter().map(number).collect())
    }
}

/// A turn's place in its batch; all numbers count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The episode.
    pub episode: usize,
    /// The rollout.
    pub rollout: usize,
    /// The step of the rollout.
    pub step: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "step {} of rollout {}", self.step + 1, self.rollout + 1)
    }
}

/// Added to the deviation of a group, as verl does.
const EPSILON: f32 = 1e-6;

/// Computes advantages on a device. Its memory is reused from call to call.
pub struct Advantages {
    device: Device,
    /// Rewards and advantages: `[N]`. Member indices: `[N]`. Starts: `[N + 1]`.
    tensors: Option<[Tensor; 4]>,
}

/// The advantages of some turns. They stay on the device.
pub struct Advantage {
    /// Advantages: `[V]`, one per turn or one per rollout. The next call overwrites them.
    pub values: Tensor,
    /// The index of each turn's advantage: `[N]`.
    pub index: Vec<u32>,
    /// Whether the rewards of a turn's group differ; if not, its advantage is 0.
    pub varies: Vec<bool>,
}

impl Advantages {
    /// Starts without memory.
    pub fn new(device: &Device) -> Self {
        Self { device: device.clone(), tensors: None }
    }

    /// Computes the advantage of each turn from its reward. With `divide`, advantages are divided by the group's sample deviation; a group
    /// whose rewards are all equal, such as a group of one, gets zeros.
    ///
    /// # Errors
    /// No rewards, a reward that is not finite, or a wrong number of keys.
    pub fn compute(
        &mut self,
        rewards: &[f32],
        turns: &[Place],
        grouping: &Grouping,
        baseline: Baseline,
        divide: bool,
    ) -> Result<Advantage> {
        check(rewards, turns, "reward")?;
        // The compared values, and the group of each.
        let (values, index, keys): (Vec<f32>, Vec<u32>, Vec<(usize, usize)>) = match grouping {
            Grouping::Trajectory => by_rollout(rewards, turns),
            Grouping::Keys(keys) if keys.len() != turns.len() => {
                return Err(Error::argument(format!("{} group keys for {} turns", keys.len(), turns.len())));
            }
            _ => {
                let key = |(i, turn): (usize, &Place)| match grouping {
                    Grouping::Keys(keys) => (keys[i], 0),
                    Grouping::Step => (turn.episode, turn.step),
                    _ => (turn.episode, 0),
                };
                (rewards.to_vec(), (0..turns.len() as u32).collect(), turns.iter().enumerate().map(key).collect())
            }
        };
        let mut groups: BTreeMap<(usize, usize), Vec<u32>> = BTreeMap::new();
        for (i, key) in keys.into_iter().enumerate() {
            groups.entry(key).or_default().push(i as u32);
        }
        let order: Vec<u32> = groups.values().flatten().copied().collect();
        let mut ends = vec![0u32];
        for group in groups.values() {
            ends.push(ends[ends.len() - 1] + group.len() as u32);
        }
        let [x, y, members, starts] = self.tensors(values.len())?;
        let starts = starts.view(&[ends.len()])?;
        x.write(&values)?;
        members.write_u32(&order)?;
        starts.write_u32(&ends)?;
        let mut rec = self.device.record();
        zscore::forward(&mut rec, &x, &members, &starts, baseline, EPSILON, divide, &y)?;
        rec.submit()?;
        let mut differ = vec![false; values.len()];
        for group in groups.values() {
            let varies = group.iter().any(|i| values[*i as usize] != values[group[0] as usize]);
            group.iter().for_each(|i| differ[*i as usize] = varies);
        }
        let varies = index.iter().map(|i| differ[*i as usize]).collect();
        Ok(Advantage { values: y, index, varies })
    }

    /// Uses given advantages, one per turn.
    ///
    /// # Errors
    /// No advantages, or an advantage that is not finite.
    pub fn given(&mut self, advantages: &[f32], turns: &[Place]) -> Result<Advantage> {
        check(advantages, turns, "advantage")?;
        let [_, y, ..] = self.tensors(advantages.len())?;
        y.write(advantages)?;
        let varies = advantages.iter().map(|value| *value != 0.0).collect();
        Ok(Advantage { values: y, index: (0..advantages.len() as u32).collect(), varies })
    }

    /// Memory for `n` values, and for `n + 1` starts.
    fn tensors(&mut self, n: usize) -> Result<[Tensor; 4]> {
        if self.tensors.as_ref().is_none_or(|[x, ..]| x.len() < n) {
            let size = n.next_power_of_two().max(1024);
            let make = |dtype, size| self.device.zeros(dtype, &[size]);
            self.tensors = Some([make(DType::F32, size)?, make(DType::F32, size)?, make(DType::U32, size)?, make(DType::U32, size + 1)?]);
        }
        let [x, y, members, starts] = self.tensors.as_ref().expect("made above");
        Ok([x.view(&[n])?, y.view(&[n])?, members.view(&[n])?, starts.clone()])
    }
}

/// The mean reward of each rollout; the index of each turn's mean; the group of each rollout.
fn by_rollout(rewards: &[f32], turns: &[Place]) -> (Vec<f32>, Vec<u32>, Vec<(usize, usize)>) {
    let mut rollouts: BTreeMap<(usize, usize), (f64, usize)> = BTreeMap::new();
    for (reward, turn) in rewards.iter().zip(turns) {
        let (sum, count) = rollouts.entry((turn.episode, turn.rollout)).or_default();
        *sum += f64::from(*reward);
        *count += 1;
    }
    let index: BTreeMap<(usize, usize), u32> = rollouts.keys().copied().zip(0..).collect();
    let values = rollouts.values().map(|(sum, count)| (sum / *count as f64) as f32).collect();
    let keys = rollouts.keys().map(|(episode, _)| (*episode, 0)).collect();
    (values, turns.iter().map(|turn| index[&(turn.episode, turn.rollout)]).collect(), keys)
}

fn check(values: &[f32], turns: &[Place], what: &str) -> Result<()> {
    let n = values.len();
    if n == 0 || n != turns.len() {
        return Err(Error::argument(format!("{n} {what}s for {} turns", turns.len())));
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(i) => Err(Error::argument(format!("the {what} of {} is {}", turns[i], values[i]))),
        None => Ok(()),
    }
}
