//! Group advantages: how much better a step's reward is than its group's mean, in units of the group's spread.

use std::collections::BTreeMap;

use crate::{Error, Result};

/// Which rewards are compared with one another. The rollouts of one episode always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grouping {
    /// The same step of all rollouts.
    #[default]
    Step,
    /// All steps of all rollouts.
    Instance,
}

impl std::str::FromStr for Grouping {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "step" => Ok(Self::Step),
            "instance" => Ok(Self::Instance),
            other => Err(Error::argument(format!("grouping is {other:?}; it must be \"step\" or \"instance\""))),
        }
    }
}

/// The z-scores of `values` in the groups that `groups` numbers them with: `(x - mean) / (std + 1e-6)` with the sample standard
/// deviation. A group whose values are all equal, such as a group of one, gets zeros.
pub fn grouped_zscore(values: &[f64], groups: &[u32]) -> Vec<f64> {
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    groups.iter().enumerate().for_each(|(at, group)| members.entry(*group).or_default().push(at));
    let mut scores = vec![0.0; values.len()];
    for members in members.values() {
        if members.iter().all(|&at| values[at] == values[members[0]]) {
            continue;
        }
        let count = members.len() as f64;
        let mean = members.iter().map(|&at| values[at]).sum::<f64>() / count;
        let variance = members.iter().map(|&at| (values[at] - mean).powi(2)).sum::<f64>() / (count - 1.0);
        members.iter().for_each(|&at| scores[at] = (values[at] - mean) / (variance.sqrt() + 1e-6));
    }
    scores
}

/// The advantages of `rewards[rollout][t]`; `episodes[rollout]` says which rollouts belong together.
pub fn advantages(rewards: &[Vec<f64>], episodes: &[usize], grouping: Grouping) -> Result<Vec<Vec<f64>>> {
    if rewards.len() != episodes.len() {
        return Err(Error::argument(format!("rewards for {} rollouts, but there are {}", rewards.len(), episodes.len())));
    }
    let mut numbers: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    let (mut values, mut groups) = (Vec::new(), Vec::new());
    for (rollout, (rewards, &episode)) in rewards.iter().zip(episodes).enumerate() {
        for (t, &reward) in rewards.iter().enumerate() {
            if !reward.is_finite() {
                return Err(Error::argument(format!("the reward of rollout {rollout} at step {t} is {reward}")));
            }
            let key = (episode, if grouping == Grouping::Step { t } else { 0 });
            let next = numbers.len() as u32;
            groups.push(*numbers.entry(key).or_insert(next));
            values.push(reward);
        }
    }
    let mut scores = grouped_zscore(&values, &groups).into_iter();
    Ok(rewards.iter().map(|rewards| scores.by_ref().take(rewards.len()).collect()).collect())
}
