//! Reward primitives: worked examples, the properties that credit must have, and what a batch costs; likelihoods that rewards ask for.

use finemem::device::Device;
use finemem::memory::{Item, Store};
use finemem::reward::{Advantages, Baseline, GroupBy, Grouping, Parts, Place, Rewarder, Update};
use finemem::rollout::Rollout;
use finemem::schema::{Show, read_json};
use finemem::train::learner::{Budget, Learner};
use serde_json::{Value, json};

use crate::common::small::model;
use crate::common::{devices, gpus};

/// A small generator, so that the properties are tried on many rollouts.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) % bound as u64) as usize
    }

    fn number(&mut self) -> f64 {
        self.below(1 << 20) as f64 / f64::from(1 << 20)
    }

    fn asked(&mut self, steps: usize) -> Value {
        let count = if steps == 0 { 0 } else { self.below(6) };
        let evidence = (0..count).map(|_| {
            let mut writes: Vec<usize> = (0..1 + self.below(3)).map(|_| self.below(steps)).collect();
            writes.sort_unstable();
            item(&writes)
        });
        let evidence = evidence.collect();
        asked(self.number(), evidence)
    }

    fn rollout(&mut self, count: usize) -> Rollout {
        let steps = (0..count).map(|_| {
            let calls: Vec<bool> = (0..self.below(5)).map(|_| self.below(2) == 1).collect();
            let chunk_answers = (0..self.below(4)).map(|_| self.asked(count)).collect();
            step(&calls, chunk_answers)
        });
        let steps = steps.collect();
        let answers = (0..self.below(8)).map(|_| self.asked(count)).collect();
        rollout(steps, answers, [self.below(300), self.below(3) * 100])
    }

    /// Rollouts of up to nine steps, some without any.
    fn batch(&mut self, rollouts: usize) -> Vec<Rollout> {
        (0..rollouts)
            .map(|_| {
                let steps = self.below(10);
                self.rollout(steps)
            })
            .collect()
    }
}

/// An item that was written at these steps, from 0.
fn item(writes: &[usize]) -> Value {
    let (last, before) = writes.split_last().unwrap();
    let history: Vec<Value> = before.iter().map(|step| json!({ "step": step + 1 })).collect();
    json!({ "step": last + 1, "created": writes[0] + 1, "history": history })
}

fn asked(score: impl Into<Value>, evidence: Vec<Value>) -> Value {
    json!({ "question": "Where?", "score": score.into(), "evidence": evidence })
}

fn step(calls: &[bool], chunk_answers: Vec<Value>) -> Value {
    let calls: Vec<Value> = calls.iter().map(|valid| json!({ "valid": valid })).collect();
    json!({ "calls": calls, "chunk_answers": chunk_answers })
}

fn rollout(steps: Vec<Value>, answers: Vec<Value>, [memory, input]: [usize; 2]) -> Rollout {
    read_json(&json!({ "steps": steps, "answers": answers, "memory_tokens": memory, "input_tokens": input })).unwrap()
}

/// A rollout of steps that are not looked at.
fn of_steps(count: usize, answers: Vec<Value>) -> Rollout {
    rollout(vec![step(&[], vec![]); count], answers, [0, 0])
}

/// The parts in f64.
fn parts(rollouts: &[Rollout], update: Update) -> Parts {
    Rewarder::new(&Device::cpu_f64()).parts(rollouts, Some(update), None).unwrap()
}

/// The evidence of one rollout in f64.
fn evidence(rollout: &Rollout, beta: f64, update: Update) -> Vec<f64> {
    parts(std::slice::from_ref(rollout), update).evidence(beta).unwrap().remove(0)
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12, "{a} is not {b}");
}

#[test]
fn credit_is_conserved() {
    let mut draw = Draw(1);
    for round in 0..200 {
        let batch = draw.batch(3);
        let beta = if round % 3 == 0 { 1.0 } else { draw.number() };
        for update in Update::ALL {
            let parts = parts(&batch, *update);
            for (credit, outcome) in parts.evidence(beta).unwrap().iter().zip(parts.outcome().unwrap()) {
                close(credit.iter().sum(), outcome.first().copied().unwrap_or(0.0));
            }
        }
    }
}

#[test]
fn without_beta_all_steps_share_alike() {
    let mut draw = Draw(2);
    for _ in 0..100 {
        let batch = draw.batch(2);
        for update in Update::ALL {
            let credits = parts(&batch, *update).evidence(0.0).unwrap();
            assert!(credits.iter().all(|credit| credit.iter().all(|value| *value == credit[0])));
        }
    }
}

#[test]
fn one_question_and_one_item_credit_one_step() {
    let rollout = of_steps(4, vec![asked(0.75, vec![item(&[0, 1, 2])])]);
    assert_eq!(evidence(&rollout, 1.0, Update::Last), [0.0, 0.0, 0.75, 0.0]);
    assert_eq!(evidence(&rollout, 1.0, Update::Origin), [0.75, 0.0, 0.0, 0.0]);
    assert_eq!(evidence(&rollout, 1.0, Update::Split), [0.25, 0.25, 0.25, 0.0]);
    let half = 0.5 * 0.75 / 4.0;
    assert_eq!(evidence(&rollout, 0.5, Update::Last), [half, half, half + 0.375, half]);
}

#[test]
fn the_order_of_the_questions_does_not_matter() {
    let mut draw = Draw(3);
    for _ in 0..100 {
        let rollout = draw.rollout(5);
        let mut other = rollout.clone();
        other.answers.reverse();
        if other.answers.len() > 2 {
            other.answers.swap(0, 1);
        }
        for update in Update::ALL {
            let (a, b) = (evidence(&rollout, 0.5, *update), evidence(&other, 0.5, *update));
            a.iter().zip(&b).for_each(|(a, b)| close(*a, *b));
        }
    }
}

#[test]
fn steps_without_evidence_and_wrong_answers_get_nothing_of_it() {
    // The item of step 1 was deleted before the questions: no evidence can name the step, so only the uniform part is left.
    let of = |steps: &[usize]| steps.iter().map(|step| item(&[*step])).collect();
    let questions = vec![asked(1.0, of(&[0, 0, 2, 2])), asked(0.0, of(&[3])), asked(1.0, vec![])];
    let credit = evidence(&of_steps(4, questions), 1.0, Update::Last);
    let spread = 1.0 / 3.0 / 4.0;
    for (value, own) in credit.iter().zip([1.0 / 6.0, 0.0, 1.0 / 6.0, 0.0]) {
        close(*value, own + spread);
    }
}

#[test]
fn a_deleted_item_is_never_credited() {
    let mut store = Store::new();
    for (step, content) in ["Rufo is a dog.", "Mira Tolen has a dog.", "Bem is small.", "It rained."].into_iter().enumerate() {
        store.set_step(step);
        store.insert(content).unwrap();
    }
    store.delete(2).unwrap();
    let shown = |(item, _): &(&Item, f64)| serde_json::from_str(&item.show().to_string()).unwrap();
    let evidence_of = store.retrieve("Who has a dog?", 10).iter().map(shown).collect();
    let rollout = of_steps(4, vec![asked(1.0, evidence_of)]);
    for update in Update::ALL {
        let credit = evidence(&rollout, 1.0, *update);
        assert_eq!(credit[1], 0.0);
        close(credit.iter().sum(), 1.0);
    }
}

#[test]
fn what_was_written_before_the_rollout_is_nobodys() {
    // A rollout of two steps that goes on from the memory after step 3: half of the evidence is older.
    let mut rollout = of_steps(2, vec![asked(1.0, vec![item(&[1]), item(&[1, 4])])]);
    rollout.first = 3;
    assert_eq!(evidence(&rollout, 1.0, Update::Last), [0.0, 0.5]);
    assert_eq!(evidence(&rollout, 1.0, Update::Origin), [0.0, 0.0]);
    assert_eq!(evidence(&rollout, 1.0, Update::Split), [0.0, 0.25]);
}

#[test]
fn a_part_that_cannot_be_made_is_an_error_of_its_own() {
    let with = |item: Value| [of_steps(2, vec![asked(1.0, vec![])]), of_steps(2, vec![asked(1.0, vec![]), asked(1.0, vec![item])])];
    let complaint = |rollouts: &[Rollout], beta, update| parts(rollouts, update).evidence(beta).unwrap_err().to_string();
    let late = complaint(&with(item(&[2])), 0.5, Update::Last);
    assert_eq!(late, "question 2 has evidence that was written at step 3 of a rollout with 2 steps up to 2");
    assert!(complaint(&with(item(&[0, 5, 1])), 0.5, Update::Split).contains("step 6"));
    assert_eq!(evidence(&with(item(&[0, 5, 1]))[1], 0.0, Update::Last), [0.5, 0.5]);
    assert_eq!(complaint(&with(item(&[0])), 1.5, Update::Last), "beta is 1.5; it must be between 0 and 1");
    assert!(complaint(&with(item(&[0])), f64::NAN, Update::Last).contains("beta is NaN"));

    // Without a score there is no outcome and no evidence, but everything else.
    let unscored = || asked(Value::Null, vec![]);
    let found = parts(&[rollout(vec![step(&[true], vec![asked(1.0, vec![])])], vec![unscored()], [1, 2])], Update::Last);
    let missing = "the answer to \"Where?\" has no score; a judge has to give it one";
    assert_eq!(found.outcome().unwrap_err().to_string(), missing);
    assert_eq!(found.evidence(0.5).unwrap_err().to_string(), missing);
    assert_eq!((found.format(), found.chunk_step().unwrap(), found.compression()), (vec![vec![1.0]], vec![vec![1.0]], vec![vec![0.5]]));
    let found = parts(&[rollout(vec![step(&[], vec![unscored()])], vec![asked(1.0, vec![])], [1, 2])], Update::Last);
    assert_eq!(found.chunk_step().unwrap_err().to_string(), missing);
    assert_eq!((found.outcome().unwrap(), found.evidence(0.5).unwrap()), (vec![vec![1.0]], vec![vec![1.0]]));

    let nothing: [Vec<f64>; 0] = [];
    assert_eq!(parts(&[], Update::Last).evidence(0.5).unwrap(), nothing);
    assert_eq!(evidence(&of_steps(0, vec![asked(1.0, vec![])]), 0.5, Update::Last), [0.0; 0]);
    assert_eq!("split".parse::<Update>().unwrap(), Update::Split);
    assert!("both".parse::<Update>().is_err());
}

#[test]
fn the_other_terms_are_what_they_say() {
    let answered = |scores: &[f64]| scores.iter().map(|score| asked(*score, vec![])).collect::<Vec<_>>();
    let steps = vec![step(&[true, false, true, true], answered(&[1.0, 0.0])), step(&[], vec![])];
    let first = rollout(steps.clone(), answered(&[1.0, 0.5]), [150, 100]);
    let batch = [first, of_steps(0, answered(&[1.0])), rollout(steps[1..].to_vec(), vec![], [7, 0])];
    for device in [devices(), vec![Device::cpu_f64()]].concat() {
        let parts = Rewarder::new(&device).parts(&batch, None, None).unwrap();
        assert_eq!(parts.format(), [vec![0.75, 0.0], vec![], vec![0.0]]);
        assert!(parts.format()[0][1].is_sign_positive(), "a step without calls has 0, not -0");
        assert_eq!(parts.chunk_step().unwrap(), [vec![0.5, 0.0], vec![], vec![0.0]]);
        assert_eq!(parts.compression(), [vec![-0.5, -0.5], vec![], vec![0.0]]);
        assert_eq!(parts.outcome().unwrap(), [vec![0.75, 0.75], vec![], vec![0.0]]);
    }
}

#[test]
fn the_script_says_what_a_call_without_tags_is_worth() {
    let mut untagged = step(&[true, false], vec![]);
    untagged["untagged"] = json!(2);
    let batch = [rollout(vec![untagged, step(&[true, true, false, true], vec![])], vec![], [0, 0])];
    for device in [devices(), vec![Device::cpu_f64()]].concat() {
        let mut rewarder = Rewarder::new(&device);
        let mut format = |worth| rewarder.parts(&batch, None, worth).unwrap().format();
        assert_eq!(format(None), [[0.5, 0.75]]);
        assert_eq!(format(Some(0.5)), [[0.25, 0.75]]);
        assert_eq!(format(None), [[0.25, 0.75]], "the worth of the last call is kept");
        assert_eq!(format(Some(-1.0)), [[-0.5, 0.75]]);
    }
}

/// All parts of a batch.
fn all(parts: &Parts) -> Vec<Vec<Vec<f64>>> {
    let fallible = [parts.chunk_step(), parts.outcome(), parts.evidence(0.3), parts.evidence(1.0)];
    [parts.format(), parts.compression()].into_iter().chain(fallible.map(Result::unwrap)).collect()
}

#[test]
fn every_device_makes_the_parts_of_the_f64_twin() {
    let mut draw = Draw(4);
    // Memory is kept from a larger batch to a smaller one and grows again.
    let batches: Vec<Vec<Rollout>> = [3, 90, 1, 0, 31, 200].into_iter().map(|rollouts| draw.batch(rollouts)).collect();
    for device in devices() {
        let (mut rewarder, mut worst) = (Rewarder::new(&device), 0.0f64);
        for (batch, update) in batches.iter().flat_map(|batch| Update::ALL.iter().map(move |update| (batch, *update))) {
            let (found, expected) = (all(&rewarder.parts(batch, Some(update), None).unwrap()), all(&parts(batch, update)));
            let lengths = |all: &[Vec<Vec<f64>>]| -> Vec<usize> { all.iter().flatten().map(Vec::len).collect() };
            assert_eq!(lengths(&found), lengths(&expected));
            for (found, expected) in found.iter().flatten().flatten().zip(expected.iter().flatten().flatten()) {
                let error = (found - expected).abs();
                worst = worst.max(error);
                assert!(error <= 1e-6, "{}: {found} instead of {expected}", device.describe());
            }
        }
        eprintln!("{}: rewards are off by at most {worst:.1e}", device.describe());
    }
}

#[test]
fn a_batch_is_computed_once() {
    let mut draw = Draw(5);
    let batches: Vec<Vec<Rollout>> = (0..3).map(|_| (0..8).map(|_| draw.rollout(4)).collect()).collect();
    // Other tests use the shared devices at the same time.
    let own = |device: &Device| device.caps().map(|caps| Device::open_family(&caps.name, caps.software).unwrap());
    for device in gpus().iter().filter_map(own).chain([Device::cpu()]) {
        let gpu = u64::from(device.caps().is_some());
        let mut rewarder = Rewarder::new(&device);
        for (round, batch) in batches.iter().enumerate() {
            let before = device.counters();
            // As a reward that asks for one part after the other.
            rewarder.parts(batch, None, None).unwrap().format();
            rewarder.parts(batch, None, None).unwrap().chunk_step().unwrap();
            let origin = rewarder.parts(batch, Some(Update::Origin), None).unwrap().evidence(0.5).unwrap();
            rewarder.parts(batch, None, None).unwrap().compression();
            rewarder.parts(batch, None, None).unwrap().outcome().unwrap();
            let after = device.counters();
            // The first time nobody knows yet that the rule will be another than the default.
            let times = if round == 0 { 2 } else { 1 };
            let cost = [after.dispatches - before.dispatches, after.submits - before.submits, after.readbacks - before.readbacks];
            assert_eq!(cost, [3 * times, gpu * times, gpu * times], "{}: dispatches, submits, readbacks", device.describe());
            assert!(round == 0 || after.buffers == before.buffers, "{}", device.describe());
            assert_eq!(rewarder.parts(batch, Some(Update::Origin), None).unwrap().evidence(0.5).unwrap(), origin);
        }
        // A judge's score is another batch.
        let mut judged = batches[2].clone();
        let asked = judged.iter_mut().flat_map(|rollout| &mut rollout.answers).next().unwrap();
        asked.score = Some(1.0 - asked.score.unwrap());
        let before = (device.counters().dispatches, rewarder.parts(&batches[2], None, None).unwrap().outcome().unwrap());
        assert_ne!(rewarder.parts(&judged, None, None).unwrap().outcome().unwrap(), before.1, "{}", device.describe());
        assert_eq!(device.counters().dispatches - before.0, 3, "{}", device.describe());
    }
}

/// Where the turns of `rewards[rollout][step]` stand, rollout i being of `episodes[i]`.
fn places(rewards: &[Vec<f32>], episodes: &[usize]) -> Vec<Place> {
    let of_rollout = |(rollout, (r, e)): (usize, (&Vec<f32>, &usize))| {
        let episode = *e;
        (0..r.len()).map(move |step| Place { episode, rollout, step })
    };
    rewards.iter().zip(episodes).enumerate().flat_map(of_rollout).collect()
}

/// Advantages of `rewards[rollout][step]`, as nested lists.
fn scaled(rewards: &[Vec<f32>], episodes: &[usize], grouping: &Grouping, baseline: Baseline, divide: bool) -> Vec<Vec<f32>> {
    let turns = places(rewards, episodes);
    let flat = Advantages::new(&Device::cpu()).compute(&rewards.concat(), &rewards.concat(), &turns, grouping, baseline, divide).unwrap();
    let values = flat.values.read().unwrap();
    let values: Vec<f32> = flat.index.iter().map(|i| values[*i as usize]).collect();
    assert!(flat.varies.iter().zip(&values).all(|(varies, value)| *varies || *value == 0.0));
    let mut flat = values.into_iter();
    rewards.iter().map(|r| flat.by_ref().take(r.len()).collect()).collect()
}

fn advantages(rewards: &[Vec<f32>], episodes: &[usize], grouping: &Grouping) -> Vec<Vec<f32>> {
    scaled(rewards, episodes, grouping, Baseline::Mean, true)
}

/// Every grouping, for `rollouts` rollouts of `steps` steps.
fn groupings(rollouts: usize, steps: usize) -> [Grouping; 4] {
    let keys = (0..rollouts * steps).map(|i| i % steps / 2).collect();
    [Grouping::Step, Grouping::Instance, Grouping::Trajectory, Grouping::Keys(keys)]
}

#[test]
fn identical_rollouts_have_no_advantage() {
    let rewards = vec![vec![0.1, 0.7, 0.3]; 8];
    for grouping in groupings(8, 3) {
        for (baseline, divide) in [(Baseline::Mean, true), (Baseline::Mean, false), (Baseline::LeaveOneOut, false)] {
            let advantages = scaled(&rewards, &[4; 8], &grouping, baseline, divide);
            if matches!(grouping, Grouping::Step | Grouping::Trajectory) {
                assert!(advantages.iter().flatten().all(|value| *value == 0.0), "{grouping:?}");
            }
            // Where steps are compared with one another, what differs is the steps, alike in all rollouts.
            assert!(advantages.iter().all(|of_rollout| *of_rollout == advantages[0]), "{grouping:?}");
        }
    }
}

#[test]
fn the_order_of_rollouts_changes_no_advantage() {
    let mut draw = Draw(9);
    for _ in 0..50 {
        let rewards: Vec<Vec<f32>> = (0..6).map(|_| (0..4).map(|_| draw.number() as f32).collect()).collect();
        let reversed: Vec<Vec<f32>> = rewards.iter().rev().cloned().collect();
        for grouping in groupings(6, 4) {
            for baseline in [Baseline::Mean, Baseline::LeaveOneOut] {
                let found = scaled(&rewards, &[0, 0, 0, 1, 1, 1], &grouping, baseline, true);
                let other = scaled(&reversed, &[1, 1, 1, 0, 0, 0], &grouping, baseline, true);
                for (a, b) in found.iter().flatten().zip(other.iter().rev().flatten()) {
                    assert!((a - b).abs() < 1e-5, "{grouping:?} {baseline:?}: {a} and {b}");
                }
            }
        }
    }
}

#[test]
fn advantages_follow_scale_and_offset_as_they_should() {
    let mut draw = Draw(11);
    let rewards: Vec<Vec<f32>> = (0..6).map(|_| (0..4).map(|_| draw.number() as f32).collect()).collect();
    let moved: Vec<Vec<f32>> = rewards.iter().map(|r| r.iter().map(|value| 4.0 * value + 8.0).collect()).collect();
    for grouping in groupings(6, 4) {
        let of = |rewards: &[Vec<f32>], baseline, divide| scaled(rewards, &[0; 6], &grouping, baseline, divide);
        let pairs = |a: &[Vec<f32>], b: &[Vec<f32>], factor: f32| {
            for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
                assert!((factor * a - b).abs() < 1e-4, "{grouping:?}: {a} and {b}");
            }
        };
        // Divided by the deviation they have no unit; else they grow with the rewards.
        pairs(&of(&rewards, Baseline::Mean, true), &of(&moved, Baseline::Mean, true), 1.0);
        pairs(&of(&rewards, Baseline::Mean, false), &of(&moved, Baseline::Mean, false), 4.0);
        pairs(&of(&rewards, Baseline::LeaveOneOut, false), &of(&moved, Baseline::LeaveOneOut, false), 4.0);
        let sum: f32 = of(&rewards, Baseline::Mean, false).iter().flatten().sum();
        assert!(sum.abs() < 1e-4, "{grouping:?}: {sum}");
    }
    // By hand: 6 is 5 above the mean of 0 and 2, 0 is 4 below that of 2 and 6, 2 is 1 below that of 0 and 6.
    let by_hand = scaled(&[vec![0.0], vec![2.0], vec![6.0]], &[0; 3], &Grouping::Step, Baseline::LeaveOneOut, false);
    for (found, expected) in by_hand.iter().flatten().zip([-4.0, -1.0, 5.0]) {
        assert!((found - expected).abs() < 1e-6, "{by_hand:?}");
    }
}

#[test]
fn a_trajectory_counts_once_however_long_it_is() {
    // Means 1, 3 and 5: deviation 2; an episode of one rollout has no advantage.
    let rewards = vec![vec![1.0], vec![2.0, 4.0], vec![9.0, 3.0, 3.0], vec![7.0, 8.0]];
    let found = advantages(&rewards, &[0, 0, 0, 1], &Grouping::Trajectory);
    for (found, expected) in found.iter().zip([-1.0, 0.0, 1.0, 0.0]) {
        assert!(found.iter().all(|value: &f32| (value - expected).abs() < 1e-5), "{found:?}");
    }
}

#[test]
fn equal_keys_are_one_group() {
    let rewards = vec![vec![1.0, 5.0], vec![3.0, 5.0], vec![5.0]];
    // The first steps of two rollouts of one episode with the step of another; the second steps apart.
    let found = scaled(&rewards, &[0, 0, 1], &Grouping::Keys(vec![7, 2, 7, 3, 7]), Baseline::Mean, false);
    assert_eq!(found, [vec![-2.0, 0.0], vec![0.0, 0.0], vec![2.0]]);
}

#[test]
fn advantages_compare_within_an_episode() {
    let rewards = vec![vec![1.0, 5.0], vec![3.0, 5.0], vec![9.0], vec![9.0], vec![2.0, 0.0]];
    let steps = advantages(&rewards, &[0, 0, 1, 1, 2], &Grouping::Step);
    let half = 0.5f32.sqrt();
    assert!((steps[0][0] + half).abs() < 1e-6 && (steps[1][0] - half).abs() < 1e-6, "{steps:?}");
    assert_eq!((steps[0][1], steps[1][1]), (0.0, 0.0));
    assert_eq!(steps[2..], [vec![0.0], vec![0.0], vec![0.0, 0.0]]);
    let pooled = advantages(&rewards, &[0, 0, 1, 1, 2], &Grouping::Instance);
    assert!(pooled[0].iter().chain(&pooled[1]).sum::<f32>().abs() < 1e-6);
    assert!(pooled[0][0] < pooled[1][0] && pooled[1][0] < pooled[0][1] && pooled[4][0] > 0.0);
    let mut scorer = Advantages::new(&Device::cpu());
    let turn = Place { episode: 0, rollout: 3, step: 1 };
    let mut fails = |rewards: &[f32], turns: &[Place], grouping: Grouping| {
        scorer.compute(rewards, rewards, turns, &grouping, Baseline::Mean, true).err().expect("refused").to_string()
    };
    assert!(fails(&[1.0, 2.0], &[turn], Grouping::Step).contains("2 rewards for 1 turns"));
    assert!(fails(&[f32::NAN], &[turn], Grouping::Step).contains("step 2 of rollout 4 is NaN"));
    assert!(fails(&[], &[], Grouping::Step).contains("0 rewards"));
    assert!(fails(&[1.0], &[turn], Grouping::Keys(vec![])).contains("0 group keys for 1 turns"));
    assert!(scorer.given(&[f32::INFINITY], &[turn]).err().expect("refused").to_string().contains("step 2 of rollout 4 is inf"));
    assert_eq!("trajectory".parse::<GroupBy>().unwrap(), GroupBy::Trajectory);
    assert!("group".parse::<GroupBy>().is_err());
}

#[test]
fn likelihoods_of_a_batch_are_those_of_each_sequence() {
    let mut draw = Draw(6);
    // Some that share a micro-batch, and one that is longer than the smaller micro-batches.
    let lengths = [2, 3, 7, 31, 5, 90, 2, 64, 17, 40, 11];
    let mut sequences: Vec<Vec<u32>> = lengths.iter().map(|length| (0..*length).map(|_| draw.below(300) as u32).collect()).collect();
    // And some that begin like the longest.
    sequences.extend([20, 64, 65, 90].map(|same| [&sequences[5][..same], &sequences[3]].concat()));
    for (device, tied) in devices().iter().flat_map(|device| [(device, true), (device, false)]) {
        let model = model(device, tied);
        let bits = |logprobs: &[f32]| logprobs.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let mut alone = Learner::new(&model, Budget::default(), false).unwrap();
        let expected: Vec<_> =
            sequences.iter().map(|tokens| bits(&alone.logprobs(&model, std::slice::from_ref(tokens)).unwrap()[0])).collect();
        for micro_tokens in [64, 128, 4096] {
            let mut learner = Learner::new(&model, Budget { micro_tokens, ..Budget::default() }, false).unwrap();
            let found = learner.logprobs(&model, &sequences).unwrap();
            assert!(found.iter().map(|found| bits(found)).eq(expected.iter().cloned()), "{}: {micro_tokens}", device.describe());
        }
        assert!(alone.logprobs(&model, &[]).unwrap().is_empty());
    }
}
