//! Group advantages: how much better a reward is than its group's mean, in units of the group's spread. Computed by [`zscore`].

use std::collections::{BTreeMap, BTreeSet};

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
const EPSILON: f64 = 1e-6;

/// Differences below this share of the largest value are taken without the values' common part. Larger ones keep three digits beside the
/// rounding of the sum of a group of eight.
const SMALL: f64 = 1.0 / 16384.0;

/// Computes advantages on a device. Its memory is reused from call to call.
pub struct Advantages {
    device: Device,
    /// Rewards and advantages: `[N]`. Member indices: `[N]`. Starts: `[N + 1]`. Which groups vary: `[N]`.
    tensors: Option<[Tensor; 5]>,
}

/// The advantages of some turns. They stay on the device.
pub struct Advantage {
    /// Advantages: `[V]`, one per turn or one per rollout. The next call overwrites them.
    pub values: Tensor,
    /// The index of each turn's advantage: `[N]`.
    pub index: Vec<u32>,
    /// Whether the rewards of a turn's group differ by more than rounding; if not, its advantage is 0.
    pub varies: Vec<bool>,
}

impl Advantages {
    /// Starts without memory.
    pub fn new(device: &Device) -> Self {
        Self { device: device.clone(), tensors: None }
    }

    /// Computes the advantage of each turn from its reward. With `divide`, advantages are divided by the group's sample deviation.
    ///
    /// `certain` are the rewards without what is known to be only rounding in them. A group in which these do not differ, such as a group
    /// of one, gets zeros.
    ///
    /// # Errors
    /// No rewards, a reward that is not finite, or a wrong number of keys.
    pub fn compute(
        &mut self,
        rewards: &[f32],
        certain: &[f32],
        turns: &[Place],
        grouping: &Grouping,
        baseline: Baseline,
        divide: bool,
    ) -> Result<Advantage> {
        check(rewards, turns, "reward")?;
        // The compared values, what is certain of them, and the group of each.
        let (mut values, mut certain) = (rewards.to_vec(), certain.to_vec());
        let (index, keys): (Vec<u32>, Vec<(usize, usize)>) = match grouping {
            Grouping::Trajectory => {
                (values, certain) = (by_rollout(&values, turns), by_rollout(&certain, turns));
                of_rollouts(turns)
            }
            Grouping::Keys(keys) if keys.len() != turns.len() => {
                return Err(Error::argument(format!("{} group keys for {} turns", keys.len(), turns.len())));
            }
            _ => {
                let key = |(i, turn): (usize, &Place)| match grouping {
                    Grouping::Keys(keys) => (keys[i], 0),
                    Grouping::Step => (turn.episode, turn.step),
                    _ => (turn.episode, 0),
                };
                ((0..turns.len() as u32).collect(), turns.iter().enumerate().map(key).collect())
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
        let varies: Vec<u32> = groups.values().map(|group| zscore::differ(of(&certain, group)).into()).collect();
        let mut differ = vec![false; values.len()];
        for (group, varies) in groups.values().zip(&varies) {
            group.iter().for_each(|i| differ[*i as usize] = *varies == 1);
            lower(&mut values, group);
        }
        let [x, y, members, starts, flags] = self.tensors(values.len())?;
        let (starts, flags) = (starts.view(&[ends.len()])?, flags.view(&[varies.len()])?);
        x.write(&values)?;
        members.write_u32(&order)?;
        starts.write_u32(&ends)?;
        flags.write_u32(&varies)?;
        let mut rec = self.device.record();
        zscore::forward(&mut rec, &x, &members, &starts, &flags, baseline, EPSILON as f32, divide, &y)?;
        rec.submit()?;
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

    /// Memory for `n` values, for `n + 1` starts, and for as many groups.
    fn tensors(&mut self, n: usize) -> Result<[Tensor; 5]> {
        if self.tensors.as_ref().is_none_or(|[x, ..]| x.len() < n) {
            let size = n.next_power_of_two().max(1024);
            let make = |dtype, size| self.device.zeros(dtype, &[size]);
            let (floats, integers) = (|| make(DType::F32, size), |size| make(DType::U32, size));
            self.tensors = Some([floats()?, floats()?, integers(size)?, integers(size + 1)?, integers(size)?]);
        }
        let [x, y, members, starts, varies] = self.tensors.as_ref().expect("made above");
        Ok([x.view(&[n])?, y.view(&[n])?, members.view(&[n])?, starts.clone(), varies.clone()])
    }
}

/// How far each number is from the mean, in units of the sample deviation; zeros if the numbers differ only by rounding.
pub fn zscores(values: &[f64]) -> Vec<f64> {
    if !zscore::differ(values.iter().copied()) {
        return vec![0.0; values.len()];
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let deviation = (squares / (values.len() - 1) as f64).sqrt();
    values.iter().map(|value| (value - mean) / (deviation + EPSILON)).collect()
}

fn of<'a>(values: &'a [f32], group: &'a [u32]) -> impl Iterator<Item = f64> + 'a {
    group.iter().map(|i| f64::from(values[*i as usize]))
}

/// Where the differences within a group are small beside its values, f32 would lose them in the sum of the values. Such a group is moved to
/// its smallest value, which changes no advantage.
fn lower(values: &mut [f32], group: &[u32]) {
    let (low, high) = (of(values, group).fold(f64::INFINITY, f64::min), of(values, group).fold(f64::NEG_INFINITY, f64::max));
    if high - low < SMALL * low.abs().max(high.abs()) {
        group.iter().for_each(|i| values[*i as usize] -= low as f32);
    }
}

/// The mean reward of each rollout.
fn by_rollout(rewards: &[f32], turns: &[Place]) -> Vec<f32> {
    let mut rollouts: BTreeMap<(usize, usize), (f64, usize)> = BTreeMap::new();
    for (reward, turn) in rewards.iter().zip(turns) {
        let (sum, count) = rollouts.entry((turn.episode, turn.rollout)).or_default();
        *sum += f64::from(*reward);
        *count += 1;
    }
    rollouts.values().map(|(sum, count)| (sum / *count as f64) as f32).collect()
}

/// The place of each turn's rollout among all rollouts, and the group of each rollout.
fn of_rollouts(turns: &[Place]) -> (Vec<u32>, Vec<(usize, usize)>) {
    let rollouts: BTreeSet<(usize, usize)> = turns.iter().map(|turn| (turn.episode, turn.rollout)).collect();
    let index: BTreeMap<(usize, usize), u32> = rollouts.iter().copied().zip(0..).collect();
    let keys = rollouts.iter().map(|(episode, _)| (*episode, 0)).collect();
    (turns.iter().map(|turn| index[&(turn.episode, turn.rollout)]).collect(), keys)
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
