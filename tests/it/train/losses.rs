//! Policy losses against PyTorch, from what `tests/losses/make.py` wrote: from rewards to the loss and its gradient, on every executor;
//! and that an update has the loss of its batch.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::case::distance;
use crate::common::devices;
use crate::common::small::model;
use finemem::device::{DType, Device};
use finemem::model::Model;
use finemem::ops::policy_loss::{self, Estimator, Level, PolicyLoss, Sampled, TERMS};
use finemem::random::Rng;
use finemem::reward::{Advantages, Baseline, Grouping, Place};
use finemem::rollout::Turn;
use finemem::train::grpo::{Credit, Grpo, Settings, Stats};
use finemem::train::learner::{Budget, Learner, Sample};
use finemem::train::losses::{Aggregation, KlIn, LossName, Recipe};
use finemem::train::optimizer::Settings as AdamSettings;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Golden {
    episode: Vec<usize>,
    rollout: Vec<usize>,
    step: Vec<usize>,
    rewards: Vec<f32>,
    longest: usize,
    logprob: Vec<Vec<f32>>,
    old: Vec<Vec<f32>>,
    reference: Vec<Vec<f32>>,
    weights: Vec<Vec<f32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    grouping: String,
    weighted: bool,
    changes: BTreeMap<String, Value>,
    loss: f64,
    gradient: Vec<Vec<f64>>,
}

impl Case {
    fn recipe(&self, longest: usize) -> Recipe {
        let mut recipe = Recipe::named(self.name.parse().unwrap(), longest);
        for (key, value) in &self.changes {
            let number = value.as_f64().unwrap_or_default() as f32;
            match (key.as_str(), value.as_str().unwrap_or_default()) {
                ("clip_low", _) => recipe.policy.clip_low = number,
                ("clip_high", _) => recipe.policy.clip_high = number,
                ("dual_clip", _) => recipe.policy.dual_clip = number,
                ("kl_coef", _) => recipe.policy.kl_coef = number,
                ("scale_rewards", _) => recipe.divide_by_deviation = value.as_bool().unwrap(),
                ("kl_estimator", "k1") => recipe.policy.estimator = Estimator::K1,
                ("kl_estimator", "k2") => recipe.policy.estimator = Estimator::K2,
                ("kl_estimator", "k3") => recipe.policy.estimator = Estimator::K3,
                ("kl_in", "loss") => recipe.kl_in = KlIn::Loss,
                ("kl_in", "reward") => recipe.kl_in = KlIn::Reward,
                ("aggregation", "token") => recipe.aggregation = Aggregation::Token,
                ("aggregation", "sum") => recipe.aggregation = Aggregation::Sum,
                ("baseline", "leave_one_out") => recipe.baseline = Baseline::LeaveOneOut,
                other => panic!("golden.json changes {other:?}"),
            }
        }
        recipe.check().unwrap();
        recipe
    }
}

/// Turns with their log-probabilities.
struct Batch<'a> {
    places: &'a [Place],
    rewards: &'a [f32],
    logprob: &'a [Vec<f32>],
    old: &'a [Vec<f32>],
    reference: &'a [Vec<f32>],
    weights: Option<&'a [Vec<f32>]>,
}

impl Batch<'_> {
    /// What the kernels make of it: four terms and the derivative of each token.
    fn run(&self, device: &Device, recipe: &Recipe, grouping: &Grouping) -> (Vec<f64>, Vec<f64>) {
        let turns = self.old.iter().zip(self.reference);
        let penalties = turns.map(|(old, reference)| f64::from(recipe.kl_in_reward()) * recipe.penalty(old, reference));
        let rewards: Vec<f32> = self.rewards.iter().zip(penalties).map(|(reward, penalty)| reward - penalty as f32).collect();
        let mut advantages = Advantages::new(device);
        let advantage = advantages.compute(&rewards, &rewards, self.places, grouping, recipe.baseline, recipe.divide_by_deviation).unwrap();
        let lengths: Vec<usize> = self.logprob.iter().map(Vec::len).collect();
        let (n, rows) = (lengths.len() as f64, lengths.iter().sum::<usize>());
        let (mut weights, mut turn, mut starts) = (Vec::new(), Vec::new(), vec![0]);
        for (i, length) in lengths.iter().enumerate() {
            let weight = recipe.aggregation.weight(n, rows as f64, *length) as f32;
            weights.extend((0..*length).map(|t| weight * self.weights.map_or(1.0, |weights| weights[i][t])));
            turn.extend(vec![advantage.index[i]; *length]);
            starts.push(turn.len() as u32);
        }
        let floats = |values: &[f32]| device.tensor(values, &[values.len()]).unwrap();
        let integers = |values: &[u32]| device.tensor_u32(values, &[values.len()]).unwrap();
        let [logprob, old, reference] = [self.logprob, self.old, self.reference].map(|lists| floats(&lists.concat()));
        let (weights, turn, starts) = (floats(&weights), integers(&turn), integers(&starts));
        let [ratio, coefficient] = [&[rows], &[rows]].map(|shape| device.zeros(DType::F32, shape).unwrap());
        let terms = device.zeros(DType::F32, &[rows, TERMS]).unwrap();
        let mut rec = device.record();
        let old = if recipe.policy.level == Level::Sequence {
            policy_loss::sequence_ratio(&mut rec, &logprob, &old, &starts, &ratio).unwrap();
            &ratio
        } else {
            &old
        };
        let loss = recipe.token_loss();
        let sampled = Sampled { old, reference: &reference, turn: &turn, advantages: &advantage.values, weight: &weights };
        policy_loss::forward(&mut rec, loss, &logprob, &sampled, &coefficient, &terms).unwrap();
        rec.submit().unwrap();
        (terms.read_f64().unwrap(), coefficient.read_f64().unwrap())
    }
}

fn total(terms: &[f64]) -> f64 {
    terms.iter().step_by(TERMS).sum()
}

#[test]
fn losses_and_gradients_are_those_of_pytorch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/losses/golden.json");
    let golden: Golden = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let place = |((episode, rollout), step): ((&usize, &usize), &usize)| Place { episode: *episode, rollout: *rollout, step: *step };
    let places: Vec<Place> = golden.episode.iter().zip(&golden.rollout).zip(&golden.step).map(place).collect();
    for name in LossName::NAMES {
        assert!(golden.cases.iter().any(|case| case.name == *name && case.changes.is_empty()), "golden.json has no {name} as it is");
    }
    for device in [&[Device::cpu_f64()], &devices()[..]].concat() {
        // What is left in f64 is that settings are f32.
        let tolerance = if device.describe() == Device::cpu_f64().describe() { 1e-6 } else { 1e-5 };
        for case in &golden.cases {
            let (recipe, grouping) = (case.recipe(golden.longest), Grouping::of(case.grouping.parse().unwrap(), &[], &[]));
            let (logprob, old, reference) = (&golden.logprob, &golden.old, &golden.reference);
            let weights = case.weighted.then_some(golden.weights.as_slice());
            let batch = Batch { places: &places, rewards: &golden.rewards, logprob, old, reference, weights };
            let (terms, gradient) = batch.run(&device, &recipe, &grouping);
            let what = format!("{} with {:?} by {}, {}", case.name, case.changes, case.grouping, device.describe());
            let (loss, error) = (total(&terms), distance(&gradient, &case.gradient.concat()));
            assert!((loss - case.loss).abs() <= tolerance * case.loss.abs().max(1.0), "{what}: loss {loss}, PyTorch {}", case.loss);
            assert!(error <= tolerance, "{what}: the gradient is off by {error:.1e}");
        }
    }
}

pub(super) fn trainer(model: &Model, loss: Recipe) -> Grpo {
    Grpo::new(model, Settings { lr: 0.0, loss, minibatches: 1, seed: 1, adam: AdamSettings::default(), memory: Budget::default() }).unwrap()
}

/// Turns of ragged lengths, sampled by a policy near the model, and what the model says of them.
pub(super) fn turns(model: &Model) -> (Vec<Turn>, Vec<Vec<f32>>) {
    let mut rng = Rng::new(&[31]);
    let mut turns = Vec::new();
    let mut known = Vec::new();
    for i in 0..8usize {
        let prompt = vec![5 + i as u32; 3 + i];
        let completion: Vec<u32> = (0..1 + 7 * i % 5).map(|_| rng.next_u32() % 300).collect();
        let (start, end) = (prompt.len() as u32, (prompt.len() + completion.len()) as u32);
        let tokens = [&prompt[..], &completion[..]].concat();
        let sample = Sample { tokens, targets: (start..end).collect(), weights: vec![0.0; completion.len()], ..Sample::default() };
        let logprob = Learner::new(model, Budget::default(), false).unwrap().score(model, &[sample], 1.0).unwrap().logprob;
        let logprobs = logprob.iter().map(|lp| lp + 1.2 * (rng.number() as f32 - 0.5)).collect();
        turns.push(Turn { rollout: i / 2, episode: i / 4, step: i % 2, prompt, completion, logprobs });
        known.push(logprob);
    }
    (turns, known)
}

fn places(turns: &[Turn]) -> Vec<Place> {
    turns.iter().map(|turn| Place { episode: turn.episode, rollout: turn.rollout, step: turn.step }).collect()
}

#[test]
fn an_update_has_the_loss_of_its_batch() {
    for device in devices() {
        let model = model(&device, true);
        let (turns, known) = turns(&model);
        let old: Vec<Vec<f32>> = turns.iter().map(|turn| turn.logprobs.clone()).collect();
        let places = places(&turns);
        let rewards = [0.0, 1.0, 0.5, 0.25, 1.0, 0.75, 0.125, 0.5];
        for name in LossName::NAMES {
            for (kl_coef, kl_in) in [(0.0, KlIn::Loss), (0.3, KlIn::Loss), (0.3, KlIn::Reward)] {
                let named = Recipe::named(name.parse().unwrap(), 9);
                let recipe = Recipe { policy: PolicyLoss { kl_coef, estimator: Estimator::K2, ..named.policy }, kl_in, ..named };
                for grouping in [Grouping::Step, Grouping::Trajectory] {
                    let weights: Vec<Vec<f32>> = known.iter().enumerate().map(|(i, lp)| vec![(i % 3) as f32; lp.len()]).collect();
                    let credit = Credit { weights: Some(weights.clone()), grouping: grouping.clone(), ..Credit::rewards(&rewards) };
                    let stats = trainer(&model, recipe).update(&model, &turns, &credit, 1.0, 0.0).unwrap();
                    // The reference is the model itself.
                    let (logprob, reference) = (&known, &known);
                    let batch = Batch { places: &places, rewards: &rewards, logprob, old: &old, reference, weights: Some(&weights) };
                    let (terms, _) = batch.run(&Device::cpu_f64(), &recipe, &grouping);
                    let (found, expected) = (stats["loss"], total(&terms));
                    let what = format!("{name} by {grouping:?} with KL {kl_coef} in the {kl_in:?}, {}", device.describe());
                    assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0), "{what}: {found}, not {expected}");
                    if kl_coef > 0.0 && kl_in == KlIn::Reward {
                        let penalty: f64 = old.iter().zip(&known).map(|(old, known)| recipe.penalty(old, known)).sum();
                        let tokens = known.iter().map(Vec::len).sum::<usize>() as f64;
                        assert!((stats["kl"] - penalty / tokens).abs() < 1e-4, "{what}: {stats:?}");
                    }
                }
            }
        }
    }
}

fn share(terms: &[f64], sign: f64) -> f64 {
    let clipped = terms.chunks(TERMS).filter(|term| term[3] == sign).count();
    clipped as f64 / (terms.len() / TERMS) as f64
}

#[test]
fn clip_ratios_are_of_tokens_or_of_turns() {
    let model = model(&Device::cpu(), true);
    let (turns, known) = turns(&model);
    let (places, rewards) = (places(&turns), [0.0, 1.0, 0.5, 0.25, 1.0, 0.75, 0.125, 0.5]);
    let old: Vec<Vec<f32>> = turns.iter().map(|turn| turn.logprobs.clone()).collect();
    let figures = |name: &str| -> (Stats, Vec<f64>) {
        let mut recipe = Recipe::named(name.parse().unwrap(), 9);
        recipe.policy.clip_high = recipe.policy.clip_high.min(0.1);
        let stats = trainer(&model, recipe).update(&model, &turns, &Credit::rewards(&rewards), 1.0, 0.0).unwrap();
        let batch = Batch { places: &places, rewards: &rewards, logprob: &known, old: &old, reference: &known, weights: None };
        (stats, batch.run(&Device::cpu_f64(), &recipe, &Grouping::Step).0)
    };
    for name in ["verl", "cispo", "gspo"] {
        let (stats, terms) = figures(name);
        let mut rest = terms.as_slice();
        let by_turn: Vec<[f64; 2]> = known
            .iter()
            .map(|lp| {
                let (turn, others) = rest.split_at(TERMS * lp.len());
                rest = others;
                [share(turn, -1.0), share(turn, 1.0)]
            })
            .collect();
        let mean = |i: usize| by_turn.iter().map(|turn| turn[i]).sum::<f64>() / by_turn.len() as f64;
        let [low, high] = if name == "gspo" { [mean(0), mean(1)] } else { [share(&terms, -1.0), share(&terms, 1.0)] };
        assert!(high > 0.0 && high < 1.0, "{name}: the batch shows nothing");
        let close = |key: &str, expected: f64| assert!((stats[key] - expected).abs() < 1e-9, "{name}: {key} is {}", stats[key]);
        close("clip_ratio/low_mean", low);
        close("clip_ratio/high_mean", high);
        close("clip_ratio/region_mean", low + high);
        close("clip_ratio/low_min", by_turn.iter().map(|turn| turn[0]).fold(1.0, f64::min));
        close("clip_ratio/high_max", by_turn.iter().map(|turn| turn[1]).fold(0.0, f64::max));
    }
    assert!(!figures("rloo").0.contains_key("clip_ratio/high_mean"), "what has no ratio clips none");
}

#[test]
fn equal_rollouts_change_nothing() {
    let model = model(&Device::cpu(), true);
    let (turns, _) = turns(&model);
    let values = |model: &Model| model.weights.named().into_iter().map(|(_, w)| w.read().unwrap()).collect::<Vec<_>>();
    let before = values(&model);
    for name in LossName::NAMES {
        let named = Recipe::named(name.parse().unwrap(), 9);
        let recipe = Recipe { policy: PolicyLoss { kl_coef: 0.0, ..named.policy }, ..named };
        for grouping in [Grouping::Step, Grouping::Trajectory] {
            let credit = Credit { grouping, ..Credit::rewards(&[0.3, 0.7, 0.3, 0.7, 0.9, 0.2, 0.9, 0.2]) };
            let stats = trainer(&model, recipe).update(&model, &turns, &credit, 1.0, 1e-2).unwrap();
            assert_eq!((stats["frac_reward_zero_std"], stats.get("loss")), (1.0, None), "{name}");
        }
        let credit = Credit { advantages: Some(vec![0.0; 8]), ..Credit::default() };
        trainer(&model, recipe).update(&model, &turns, &credit, 1.0, 1e-2).unwrap();
    }
    assert!(values(&model) == before);
}

#[test]
fn credit_that_does_not_fit_is_refused() {
    let model = model(&Device::cpu(), true);
    let (turns, known) = turns(&model);
    let ones = vec![1.0; 8];
    let weights = |change: fn(&mut Vec<Vec<f32>>)| {
        let mut weights: Vec<Vec<f32>> = known.iter().map(|lp| vec![1.0; lp.len()]).collect();
        change(&mut weights);
        Credit { weights: Some(weights), ..Credit::rewards(&[1.0; 8]) }
    };
    let mut spoilt = ones.clone();
    spoilt[5] = f32::NAN;
    for (credit, said) in [
        (Credit::default(), "needs rewards or advantages"),
        (Credit::rewards(&[1.0; 7]), "7 rewards for 8 turns"),
        (Credit::rewards(&spoilt), "the reward of step 2 of rollout 3 is NaN"),
        (Credit { advantages: Some(spoilt), ..Credit::default() }, "the advantage of step 2 of rollout 3 is NaN"),
        (Credit { grouping: Grouping::Keys(vec![0; 3]), ..Credit::rewards(&ones) }, "3 group keys for 8 turns"),
        (weights(|w| w.truncate(2)), "2 lists of weights for 8 turns"),
        (weights(|w| w[3].push(1.0)), "step 2 of rollout 2 has 2 tokens and 3 weights"),
        (weights(|w| w[2][0] = -1.0), "a weight of step 1 of rollout 2 is -1"),
    ] {
        let mut trainer = trainer(&model, Recipe::named(LossName::Verl, 9));
        let error = trainer.update(&model, &turns, &credit, 1.0, 1.0).unwrap_err().to_string();
        assert!(error.contains(said), "said {error}\nnot {said}");
        assert_eq!(trainer.updates(), 0, "nothing has changed");
    }
    let rloo = Recipe::named(LossName::Rloo, 9);
    let kl = Recipe { policy: PolicyLoss { kl_coef: 0.1, ..rloo.policy }, ..rloo };
    let given = Credit { advantages: Some(ones), ..Credit::default() };
    let error = trainer(&model, kl).update(&model, &turns, &given, 1.0, 1.0).unwrap_err().to_string();
    assert!(error.contains("put it in the loss"), "{error}");
}

#[test]
fn settings_that_do_nothing_are_refused() {
    let changed = |name: &str, change: fn(&mut PolicyLoss)| {
        let mut recipe = Recipe::named(name.parse().unwrap(), 9);
        recipe.check().unwrap();
        change(&mut recipe.policy);
        recipe.check().unwrap_err().to_string()
    };
    assert!(changed("cispo", |loss| loss.dual_clip = 3.0).contains("'dual_clip' applies only to clipped losses"));
    assert!(changed("rloo", |loss| loss.level = Level::Sequence).contains("'ratio' has no effect"));
    assert!(changed("verl", |loss| loss.dual_clip = 0.5).contains("more than 1"));
    assert!(changed("grpo", |loss| loss.clip_low = -0.1).contains("'clip_low' is -0.1"));
    assert!(changed("grpo", |loss| loss.kl_coef = f32::INFINITY).contains("'kl_coef' is inf"));
    let error = "ppo".parse::<LossName>().unwrap_err().to_string();
    assert!(error.contains("'ppo' is not one of verl, grpo, dr_grpo, dapo, gspo, cispo, rloo, reinforce"), "{error}");
}
