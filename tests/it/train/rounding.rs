//! Rewards that differ only by rounding give no advantage and change nothing; those that differ really give PyTorch's advantages.

use std::path::Path;

use finemem::device::Device;
use finemem::model::Model;
use finemem::ops::policy_loss::{Estimator, PolicyLoss};
use finemem::reward::{Advantages, Baseline, Grouping, Place, zscores};
use finemem::rollout::Turn;
use finemem::train::grpo::Credit;
use finemem::train::losses::{KlIn, LossName, Recipe};
use finemem_script::{Runtime, RuntimeOptions};
use serde::Deserialize;

use super::losses::{trainer, turns};
use crate::common::devices;
use crate::common::small::model;

/// A group of tests/losses/advantages.py.
#[derive(Deserialize)]
struct Case {
    what: String,
    rewards: Vec<f32>,
    baseline: String,
    divide: bool,
    rounding: bool,
    advantages: Vec<f64>,
}

#[test]
fn advantages_are_those_of_pytorch_at_every_level() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/losses/advantages.json");
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.iter().filter(|case| case.rounding).count() >= 20 && cases.iter().filter(|case| !case.rounding).count() >= 20);
    for device in [&[Device::cpu_f64()], &devices()[..]].concat() {
        let exact = device.describe() == Device::cpu_f64().describe();
        for case in &cases {
            let turns: Vec<Place> = (0..case.rewards.len()).map(|rollout| Place { episode: 0, rollout, step: 0 }).collect();
            let baseline = if case.baseline == "mean" { Baseline::Mean } else { Baseline::LeaveOneOut };
            let mut advantages = Advantages::new(&device);
            let found = advantages.compute(&case.rewards, &case.rewards, &turns, &Grouping::Step, baseline, case.divide).unwrap();
            let what = format!("{}, {}, dividing: {}, {}", case.what, case.baseline, case.divide, device.describe());
            assert!(found.varies.iter().all(|varies| *varies != case.rounding), "{what}");
            let values = found.values.read_f64().unwrap();
            let largest = case.advantages.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
            let level = case.rewards.iter().fold(0.0, |level: f64, value| level.max(f64::from(value.abs())));
            let low = case.rewards.iter().fold(f64::INFINITY, |low, value| low.min(f64::from(*value)));
            let spread = case.rewards.iter().fold(0.0, |spread: f64, value| spread.max(f64::from(*value) - low));
            // What f32 loses: each addition of the group's sum half a unit in the last place of it, unless the level was taken off.
            let lost = if spread < level / 16384.0 { 0.0 } else { 25.0 * f64::from(f32::EPSILON) / 2.0 * level / spread };
            let tolerance = if case.rounding { 0.0 } else { largest * if exact { 1e-6 } else { 1e-5 + lost } };
            for (found, expected) in values.iter().zip(&case.advantages) {
                assert!((found - expected).abs() <= tolerance, "{what}: {values:?}, not {:?}", case.advantages);
            }
            if case.baseline == "mean" && case.divide {
                let of_scripts = zscores(&case.rewards.iter().map(|reward| f64::from(*reward)).collect::<Vec<_>>());
                let close = of_scripts.iter().zip(&case.advantages).all(|(found, expected)| (found - expected).abs() <= 1e-9);
                assert!(close, "{what}: scripts get {of_scripts:?}");
            }
        }
    }
}

fn values(model: &Model) -> Vec<Vec<f32>> {
    model.weights.named().into_iter().map(|(_, tensor)| tensor.read().unwrap()).collect()
}

/// Turns whose log-probabilities are those of the model but for `noise`.
fn sampled(model: &Model, noise: f32) -> Vec<Turn> {
    let (mut turns, known) = turns(model);
    for (turn, known) in turns.iter_mut().zip(known) {
        // What was sampled is up to 0.6 off, so this is up to `noise` off.
        turn.logprobs = turn.logprobs.iter().zip(known).map(|(old, known)| known + (old - known) * noise / 0.6).collect();
    }
    turns
}

#[test]
fn a_policy_that_is_its_own_reference_is_not_changed() {
    let model = model(&Device::cpu(), true);
    let before = values(&model);
    let turns = sampled(&model, 1e-4);
    let mut tried = 0;
    for name in LossName::NAMES {
        let named = Recipe::named(name.parse().unwrap(), 9);
        for estimator in [Estimator::K1, Estimator::K2, Estimator::K3] {
            for kl_coef in [1e-3, 0.1, 1e3] {
                let recipe = Recipe { policy: PolicyLoss { kl_coef, estimator, ..named.policy }, kl_in: KlIn::Reward, ..named };
                for level in [0.0, 1e-8, 1e-6, 1.0, -1e6, 1e8] {
                    let stats = trainer(&model, recipe).update(&model, &turns, &Credit::rewards(&[level; 8]), 1.0, 1e-2).unwrap();
                    let what = format!("{name}, {estimator:?}, coefficient {kl_coef}, rewards of {level}: {stats:?}");
                    assert_eq!((stats["frac_reward_zero_std"], stats.get("grad_norm")), (1.0, None), "{what}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried >= 400 && values(&model) == before, "the weights have changed");
}

#[test]
fn a_penalty_beyond_rounding_counts() {
    let model = model(&Device::cpu(), true);
    let before = values(&model);
    let recipe = Recipe::named(LossName::Verl, 9);
    let recipe = Recipe { policy: PolicyLoss { kl_coef: 0.1, estimator: Estimator::K1, ..recipe.policy }, kl_in: KlIn::Reward, ..recipe };
    let stats = trainer(&model, recipe).update(&model, &sampled(&model, 0.05), &Credit::rewards(&[1.0; 8]), 1.0, 1e-2).unwrap();
    assert_eq!(stats["frac_reward_zero_std"], 0.0, "{stats:?}");
    assert!(stats["grad_norm"] > 0.0 && values(&model) != before, "{stats:?}");
    // Rewards that differ count whatever the penalty is.
    let rewards = [0.0, 0.5, 1e-3, 0.5, 1.0, 0.0, 0.0, 1e-6];
    let turns = sampled(&model, 1e-4);
    let stats = trainer(&model, recipe).update(&model, &turns, &Credit::rewards(&rewards), 1.0, 0.0).unwrap();
    assert_eq!(stats["frac_reward_zero_std"], 0.25, "{stats:?}");
}

#[test]
fn rollouts_of_the_reference_itself_change_nothing() {
    let text = "
        local fm = require 'finemem'
        local world = require 'worlds.household'
        local episodes = world.sample { count = 2, seed = 3, chunks = 2, variety = 0.1, made_up = 0 }
        local found = {}
        for n, case in ipairs { { 'k1', 0.1, 0 }, { 'k2', 1000, 1e6 }, { 'k3', 1, 1e-6 } } do
            local policy, tokens = fm.model.load { path = 'models/tiny' }, { 5, 90, 400, 1200, 33, 8 }
            local before = policy:logprobs { tokens = tokens }
            local trainer = fm.grpo.new {
                policy = policy, tools = require 'tools.flat', prompt = require 'prompts.flat', reasoner = fm.reasoner.extractive {},
                group = 4, lr = 1e-3, seed = 7, max_tokens = 48, kl_coef = case[2], kl_in = 'reward', kl_estimator = case[1],
            }
            local batch, rewards = trainer:rollout { episodes = episodes }, {}
            for i, rollout in ipairs(batch.rollouts) do
                rewards[i] = table.create(#rollout.steps, case[3])
            end
            local stats, change = trainer:update { batch = batch, rewards = rewards }, 0
            for i, after in ipairs(policy:logprobs { tokens = tokens }) do
                change = math.max(change, math.abs(after - before[i]))
            end
            found[n] = { stats.frac_reward_zero_std, change }
        end
        for k, value in ipairs { 0 / 0, math.huge } do
            local _, refused = pcall(fm.reward.zscores, { values = { 1, value } })
            found[3 + k] = tostring(refused)
        end
        return { found, fm.reward.zscores { values = { 1, 2, 3 } }, fm.reward.zscores { values = { 1e6, 1e6 + 1e-9 } } }
    ";
    let runtime = Runtime::new(RuntimeOptions { device: "cpu".into(), ..RuntimeOptions::default() }).unwrap();
    let found = runtime.evaluate("test.lua", text).unwrap();
    assert_eq!(found[0].as_array().unwrap()[..3], [[1, 0], [1, 0], [1, 0]].map(|pair| serde_json::json!(pair)));
    let third = found[1][2].as_f64().unwrap();
    assert!((third - 1.0).abs() < 1e-5 && found[2] == serde_json::json!([0, 0]), "{found}");
    for refused in &found[0].as_array().unwrap()[3..] {
        assert!(refused.as_str().unwrap().contains("'values[2]' must be a number"), "{refused}");
    }
}
