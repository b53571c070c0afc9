//! Policy losses by name, as their papers state them.
//!
//! A name sets everything in its row; a script's arguments override single settings. `A` is the advantage, `r̄` the mean reward of the
//! compared turns.
//!
//! | name | ratio of | form, bounds | mean over | advantage | KL | paper |
//! |---|---|---|---|---|---|---|
//! | `verl` | token | clip 0.2, 0.2, dual 3 | tokens | `(r − r̄) / deviation` | | none: verl's default loss, with which Mem-α was trained |
//! | `grpo` | token | clip 0.2, 0.2 | turns of token means | `(r − r̄) / deviation` | k3 in the loss, 0.04 | DeepSeekMath, arXiv 2402.03300, eq. 3–4, sections 4.1.2 and 4.2 |
//! | `dr_grpo` | token | clip 0.2, 0.2 | turns of token sums over a constant | `r − r̄` | | arXiv 2503.20783, section 3.2, listing 1 and table 6 |
//! | `dapo` | token | clip 0.2, 0.28 | tokens | `(r − r̄) / deviation` | | arXiv 2503.14476, eq. 8–9, section 4.1 |
//! | `gspo` | turn | clip 3e-4, 4e-4 | turns | `(r − r̄) / deviation` | | arXiv 2507.18071, eq. 5–7, section 5.1 |
//! | `cispo` | token | constant weight, at most 5 | tokens | `(r − r̄) / deviation` | | MiniMax-M1, arXiv 2506.13585, eq. 4–5 |
//! | `rloo` | | log-probability | turns of token sums | `r − mean of the others` | k1 in the reward | arXiv 2402.14740, sections 2.2 and 2.3 |
//! | `reinforce` | | log-probability | turns of token sums | `r − r̄` | k1 in the reward | Williams 1992, REINFORCE with a baseline |
//!
//! Our choices where a paper leaves one open, or where its setting differs from ours:
//!
//! - A paper's output is a turn here: one completion of one memory step; its question is what `grouping` compares.
//! - `grpo`: the clip of 0.2 is PPO's; DeepSeekMath names none. A deviation is the sample's, plus 1e-6, as in verl.
//! - `dr_grpo`: the constant is the longest allowed completion, the generation budget of listing 1, as in TRL.
//! - `dapo`: sampling until no group is uniform, and the penalty on long answers, belong to the script.
//! - `cispo`: the paper drops the lower bound and tunes the upper one without naming it; 5 is what ScaleRL (arXiv 2510.13786) uses.
//! - `rloo`, `reinforce`: no default coefficient of KL, as it depends on the task: 0 unless set. The baseline of `reinforce` is the mean of
//!   what `grouping` compares; on groups of `n` it is `rloo` with advantages `(n − 1) / n` as large.
//! - `rloo`, `reinforce`: without a ratio, the second and later minibatches of an update are not corrected for the step before them.
//! - Means and clips are those of a minibatch, as in TRL and verl; turns that are left out because all compared rewards are equal count in them.

use crate::error::{Error, Result};
use crate::ops::policy_loss::{Estimator, Form, Level, PolicyLoss};
use crate::reward::Baseline;
use crate::{record, words};

/// How the losses of tokens are combined into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// The mean over all tokens.
    Token,
    /// The mean over turns of the mean over a turn's tokens.
    Sequence,
    /// The mean over turns of the sum over a turn's tokens, divided by this.
    Constant(usize),
    /// The mean over turns of the sum over a turn's tokens.
    Sum,
}

impl Aggregation {
    /// The weight of a token whose turn has `length` tokens, in a minibatch of `turns` turns and `tokens` tokens.
    pub fn weight(self, turns: f64, tokens: f64, length: usize) -> f64 {
        let length = length.max(1) as f64;
        1.0 / match self {
            Self::Token => tokens.max(1.0),
            Self::Sequence => turns * length,
            Self::Constant(divisor) => turns * divisor.max(1) as f64,
            Self::Sum => turns,
        }
    }
}

words! {
    /// Where the KL term is applied.
    pub enum KlIn {
        /// A term of every token's loss.
        Loss = "loss",
        /// Subtracted from a turn's reward: the sum of the estimates of its tokens at sampling time.
        Reward = "reward",
    }
}

words! {
    /// The losses of the table above.
    pub enum LossName {
        /// verl's default loss.
        Verl = "verl",
        /// Group relative policy optimisation.
        Grpo = "grpo",
        /// GRPO done right.
        DrGrpo = "dr_grpo",
        /// Decoupled clip and dynamic sampling policy optimisation.
        Dapo = "dapo",
        /// Group sequence policy optimisation.
        Gspo = "gspo",
        /// Clipped importance sampling policy optimisation.
        Cispo = "cispo",
        /// REINFORCE leave-one-out.
        Rloo = "rloo",
        /// REINFORCE with a baseline.
        Reinforce = "reinforce",
    }
}

words! {
    /// The names of [`Aggregation`].
    pub enum AggregationName {
        /// [`Aggregation::Token`]
        Token = "token",
        /// [`Aggregation::Sequence`]
        Sequence = "sequence",
        /// [`Aggregation::Constant`], of the longest completion.
        Constant = "constant",
        /// [`Aggregation::Sum`]
        Sum = "sum",
    }
}

words! { impl Level { Token = "token", Sequence = "sequence" } }
words! { impl Estimator { K1 = "k1", K2 = "k2", K3 = "k3" } }
words! { impl Baseline { Mean = "mean", LeaveOneOut = "leave_one_out" } }

record! {
    /// A loss by name, and arguments that replace its settings.
    pub struct LossSettings {
        /// the policy loss, as its paper states it; each of the next ten arguments replaces one of its settings
        pub loss: LossName = LossName::Verl,
        /// whether the ratio is per token, or per step as the mean over its tokens
        pub ratio: Option<Level>,
        /// how far the ratio may fall below 1
        pub clip_low: Option<f32>,
        /// how far the ratio may rise above 1
        pub clip_high: Option<f32>,
        /// bound of a clipped loss for negative advantages; 0 for no bound
        pub dual_clip: Option<f32>,
        /// the mean over tokens, or the mean over steps of one of these: the mean over tokens, their sum / max_tokens, their sum
        pub aggregation: Option<AggregationName>,
        /// what a reward is compared with: the group's mean, or that of the others
        pub baseline: Option<Baseline>,
        /// whether advantages are divided by the group's deviation
        pub scale_rewards: Option<bool>,
        /// weight of the KL to the initial policy, or with an adapter to the policy without it; 0 for none
        pub kl_coef: Option<f32>,
        /// how KL is estimated; in the loss, k1 does not restrain the policy
        pub kl_estimator: Option<Estimator>,
        /// where KL is applied: in the loss of each token, or summed in the reward of each step
        pub kl_in: Option<KlIn>,
    }
}

impl LossSettings {
    /// The loss that they describe. `longest` is the most tokens that a completion may have.
    pub fn recipe(&self, longest: usize) -> Recipe {
        let named = Recipe::named(self.loss, longest);
        let policy = named.policy;
        Recipe {
            policy: PolicyLoss {
                form: policy.form,
                level: self.ratio.unwrap_or(policy.level),
                clip_low: self.clip_low.unwrap_or(policy.clip_low),
                clip_high: self.clip_high.unwrap_or(policy.clip_high),
                dual_clip: self.dual_clip.unwrap_or(policy.dual_clip),
                kl_coef: self.kl_coef.unwrap_or(policy.kl_coef),
                estimator: self.kl_estimator.unwrap_or(policy.estimator),
            },
            aggregation: match self.aggregation {
                Some(AggregationName::Token) => Aggregation::Token,
                Some(AggregationName::Sequence) => Aggregation::Sequence,
                Some(AggregationName::Constant) => Aggregation::Constant(longest),
                Some(AggregationName::Sum) => Aggregation::Sum,
                None => named.aggregation,
            },
            baseline: self.baseline.unwrap_or(named.baseline),
            divide_by_deviation: self.scale_rewards.unwrap_or(named.divide_by_deviation),
            kl_in: self.kl_in.unwrap_or(named.kl_in),
        }
    }
}

/// A policy loss with all its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// The loss of a token. Its `kl_coef` is the weight of the KL term wherever that is applied.
    pub policy: PolicyLoss,
    /// How tokens are weighed.
    pub aggregation: Aggregation,
    /// The baseline of a reward.
    pub baseline: Baseline,
    /// Whether advantages are divided by the deviation of the compared rewards.
    pub divide_by_deviation: bool,
    /// Where the KL term is applied.
    pub kl_in: KlIn,
}

impl Recipe {
    /// The loss of this name. `longest` is the most tokens that a completion may have.
    pub fn named(name: LossName, longest: usize) -> Self {
        let base = Self {
            policy: PolicyLoss::default(),
            aggregation: Aggregation::Token,
            baseline: Baseline::Mean,
            divide_by_deviation: true,
            kl_in: KlIn::Loss,
        };
        let policy = base.policy;
        let log_prob = Self {
            policy: PolicyLoss { form: Form::LogProb, estimator: Estimator::K1, ..policy },
            aggregation: Aggregation::Sum,
            divide_by_deviation: false,
            kl_in: KlIn::Reward,
            ..base
        };
        match name {
            LossName::Verl => Self { policy: PolicyLoss { dual_clip: 3.0, ..policy }, ..base },
            LossName::Grpo => Self { policy: PolicyLoss { kl_coef: 0.04, ..policy }, aggregation: Aggregation::Sequence, ..base },
            LossName::DrGrpo => Self { aggregation: Aggregation::Constant(longest), divide_by_deviation: false, ..base },
            LossName::Dapo => Self { policy: PolicyLoss { clip_high: 0.28, ..policy }, ..base },
            LossName::Gspo => Self {
                policy: PolicyLoss { level: Level::Sequence, clip_low: 3e-4, clip_high: 4e-4, ..policy },
                aggregation: Aggregation::Sequence,
                ..base
            },
            LossName::Cispo => Self { policy: PolicyLoss { form: Form::Weight, clip_low: 1.0, clip_high: 4.0, ..policy }, ..base },
            LossName::Rloo => Self { baseline: Baseline::LeaveOneOut, ..log_prob },
            LossName::Reinforce => log_prob,
        }
    }

    /// Fails if a setting is out of range, or has no effect with this loss.
    pub fn check(&self) -> Result<()> {
        let PolicyLoss { form, level, clip_low, clip_high, dual_clip, kl_coef, .. } = self.policy;
        for (name, value) in [("clip_low", clip_low), ("clip_high", clip_high), ("dual_clip", dual_clip), ("kl_coef", kl_coef)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::argument(format!("'{name}' is {value}; it must be at least 0")));
            }
        }
        if dual_clip > 0.0 && dual_clip <= 1.0 {
            return Err(Error::argument(format!("'dual_clip' is {dual_clip}; it must be more than 1, or 0 for none")));
        }
        if form != Form::Clip && dual_clip > 0.0 {
            return Err(Error::argument("'dual_clip' applies only to clipped losses; remove it"));
        }
        if form == Form::LogProb && level == Level::Sequence {
            return Err(Error::argument("'ratio' has no effect: this loss has no ratio"));
        }
        Ok(())
    }

    /// The weight of the KL term in the loss of a token.
    pub fn kl_in_loss(&self) -> f32 {
        if self.kl_in == KlIn::Loss { self.policy.kl_coef } else { 0.0 }
    }

    /// The weight of the KL term in the reward of a turn.
    pub fn kl_in_reward(&self) -> f32 {
        if self.kl_in == KlIn::Reward { self.policy.kl_coef } else { 0.0 }
    }

    /// What the KL term subtracts from the reward of a turn, before its weight: the sum of the estimates of its tokens, from the
    /// log-probabilities at sampling and those of the reference.
    pub fn penalty(&self, old: &[f32], reference: &[f32]) -> f64 {
        let gaps = old.iter().zip(reference).map(|(old, reference)| f64::from(*old) - f64::from(*reference));
        gaps.map(|gap| self.policy.estimator.value(gap)).sum()
    }

    /// The loss that the token kernel computes: without the KL term if that is in the reward.
    pub fn token_loss(&self) -> PolicyLoss {
        PolicyLoss { kl_coef: self.kl_in_loss(), ..self.policy }
    }
}
