//! Group advantages: how much better a reward is than its group's mean, in units of the group's spread. Computed by [`zscore`].

use std::collections::BTreeMap;

use crate::device::Device;
use crate::ops::zscore;
use crate::tensor::{DType, Tensor};
use crate::{Error, Result};

/// Which rewards are compared with one another. The rollouts of one episode always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grouping {
    /// The same step of all rollouts, as in Fine-Mem.
    #[default]
    Step,
    /// All steps of all rollouts, as in Mem-α.
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

/// Added to the deviation of a group, as verl does.
const EPSILON: f32 = 1e-6;

/// Computes advantages on a device. Its memory is kept from call to call.
pub struct Advantages {
    device: Device,
    /// Rewards and advantages: [N]. Member indices: [N]. Starts: [N + 1].
    tensors: Option<[Tensor; 4]>,
}

/// The advantages of some rewards. They stay on the device.
pub struct Advantage {
    /// The advantage of each reward: [N]. The next call overwrites it.
    pub values: Tensor,
    /// Whether the rewards of its group differ: where they do not, the advantage is 0.
    pub varies: Vec<bool>,
}

impl Advantages {
    /// Without memory yet.
    pub fn new(device: &Device) -> Self {
        Self { device: device.clone(), tensors: None }
    }

    /// The advantage of each reward. `turns[i]` is the episode and the step of `rewards[i]`. `divide` says whether advantages are
    /// divided by the group's sample deviation; a group whose rewards are all equal, such as a group of one, gets zeros.
    ///
    /// # Errors
    /// No reward, or one that is not finite.
    pub fn compute(&mut self, rewards: &[f32], turns: &[(usize, usize)], grouping: Grouping, divide: bool) -> Result<Advantage> {
        let n = rewards.len();
        if n == 0 || n != turns.len() {
            return Err(Error::argument(format!("{n} rewards for {} turns", turns.len())));
        }
        if let Some(i) = rewards.iter().position(|reward| !reward.is_finite()) {
            return Err(Error::argument(format!("the reward of step {} of episode {} is {}", turns[i].1 + 1, turns[i].0 + 1, rewards[i])));
        }
        let mut groups: BTreeMap<(usize, usize), Vec<u32>> = BTreeMap::new();
        for (i, (episode, step)) in turns.iter().enumerate() {
            let step = if grouping == Grouping::Step { *step } else { 0 };
            groups.entry((*episode, step)).or_default().push(i as u32);
        }
        let order: Vec<u32> = groups.values().flatten().copied().collect();
        let mut ends = vec![0u32];
        for group in groups.values() {
            ends.push(ends[ends.len() - 1] + group.len() as u32);
        }
        if self.tensors.as_ref().is_none_or(|[x, ..]| x.len() < n) {
            let size = n.next_power_of_two().max(1024);
            let make = |dtype, size| self.device.zeros(dtype, &[size]);
            self.tensors = Some([make(DType::F32, size)?, make(DType::F32, size)?, make(DType::U32, size)?, make(DType::U32, size + 1)?]);
        }
        let Some([x, y, members, starts]) = &self.tensors else { return Err(Error::argument("the advantages have no memory")) };
        let (x, y, members, starts) = (x.view(&[n])?, y.view(&[n])?, members.view(&[n])?, starts.view(&[ends.len()])?);
        x.write(rewards)?;
        members.write_u32(&order)?;
        starts.write_u32(&ends)?;
        let mut rec = self.device.record();
        zscore::forward(&mut rec, &x, &members, &starts, EPSILON, divide, &y)?;
        rec.submit()?;
        let mut varies = vec![false; n];
        for group in groups.values() {
            let differ = group.iter().any(|i| rewards[*i as usize] != rewards[group[0] as usize]);
            group.iter().for_each(|i| varies[*i as usize] = differ);
        }
        Ok(Advantage { values: y, varies })
    }
}
