//! Reward primitives: worked examples and the properties that credit must have.

use finemem::device::Device;
use finemem::memory::Store;
use finemem::reward::{
    Advantages, Answered, Baseline, Evidence, Grouping, Place, Step, Trajectory, Update, chunk_step, compression, evidence, format, outcome,
};

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

    fn answered(&mut self, steps: usize) -> Answered {
        let evidence = (0..self.below(6)).map(|_| {
            let mut writes: Vec<usize> = (0..1 + self.below(3)).map(|_| self.below(steps)).collect();
            writes.sort_unstable();
            Evidence { step: writes[writes.len() - 1], created: writes[0], writes }
        });
        let evidence = evidence.collect();
        Answered { score: self.number(), evidence }
    }

    fn trajectory(&mut self) -> Trajectory {
        let count = 1 + self.below(9);
        let steps = (0..count).map(|_| Step {
            calls: (0..self.below(5)).map(|_| self.below(2) == 1).collect(),
            chunk_questions: (0..self.below(4)).map(|_| self.answered(count)).collect(),
        });
        let steps = steps.collect();
        let questions = (0..self.below(8)).map(|_| self.answered(count)).collect();
        Trajectory { steps, questions, memory_tokens: self.number() * 90.0, input_tokens: 100.0 }
    }
}

const UPDATES: [Update; 3] = [Update::Last, Update::Origin, Update::Split];

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12, "{a} is not {b}");
}

#[test]
fn credit_is_conserved() {
    let mut draw = Draw(1);
    for round in 0..600 {
        let trajectory = draw.trajectory();
        let beta = if round % 3 == 0 { 1.0 } else { draw.number() };
        let global = outcome(&trajectory)[0];
        for update in UPDATES {
            close(evidence(&trajectory, beta, update).unwrap().iter().sum::<f64>(), global);
        }
    }
}

#[test]
fn without_beta_all_steps_share_alike() {
    let mut draw = Draw(2);
    for _ in 0..200 {
        let trajectory = draw.trajectory();
        for update in UPDATES {
            let credit = evidence(&trajectory, 0.0, update).unwrap();
            assert!(credit.iter().all(|value| *value == credit[0]));
        }
    }
}

#[test]
fn one_question_and_one_item_credit_one_step() {
    let item = Evidence { step: 2, created: 0, writes: vec![0, 1, 2] };
    let trajectory = Trajectory {
        steps: vec![Step::default(); 4],
        questions: vec![Answered { score: 0.75, evidence: vec![item] }],
        ..Default::default()
    };
    assert_eq!(evidence(&trajectory, 1.0, Update::Last).unwrap(), [0.0, 0.0, 0.75, 0.0]);
    assert_eq!(evidence(&trajectory, 1.0, Update::Origin).unwrap(), [0.75, 0.0, 0.0, 0.0]);
    assert_eq!(evidence(&trajectory, 1.0, Update::Split).unwrap(), [0.25, 0.25, 0.25, 0.0]);
    let half = 0.5 * 0.75 / 4.0;
    assert_eq!(evidence(&trajectory, 0.5, Update::Last).unwrap(), [half, half, half + 0.375, half]);
}

#[test]
fn the_order_of_the_questions_does_not_matter() {
    let mut draw = Draw(3);
    for _ in 0..200 {
        let trajectory = draw.trajectory();
        let mut other = trajectory.clone();
        other.questions.reverse();
        if other.questions.len() > 2 {
            other.questions.swap(0, 1);
        }
        for update in UPDATES {
            let (a, b) = (evidence(&trajectory, 0.5, update).unwrap(), evidence(&other, 0.5, update).unwrap());
            a.iter().zip(&b).for_each(|(a, b)| close(*a, *b));
        }
    }
}

#[test]
fn steps_without_evidence_and_wrong_answers_get_nothing_of_it() {
    // The item of step 1 was deleted before the questions: no evidence can name the step, so only the uniform part is left.
    let item = |step| Evidence { step, created: step, writes: vec![step] };
    let questions = vec![
        Answered { score: 1.0, evidence: vec![item(0), item(0), item(2), item(2)] },
        Answered { score: 0.0, evidence: vec![item(3)] },
        Answered { score: 1.0, evidence: vec![] },
    ];
    let trajectory = Trajectory { steps: vec![Step::default(); 4], questions, ..Default::default() };
    let credit = evidence(&trajectory, 1.0, Update::Last).unwrap();
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
    let retrieved = store.retrieve("Who has a dog?", 10);
    let evidence_of =
        |(item, _): &(&finemem::memory::Item, f64)| Evidence { step: item.step, created: item.created, writes: item.writes() };
    let questions = vec![Answered { score: 1.0, evidence: retrieved.iter().map(evidence_of).collect() }];
    let trajectory = Trajectory { steps: vec![Step::default(); 4], questions, ..Default::default() };
    for update in UPDATES {
        let credit = evidence(&trajectory, 1.0, update).unwrap();
        assert_eq!(credit[1], 0.0);
        close(credit.iter().sum(), 1.0);
    }
}

#[test]
fn credit_of_unknown_steps_is_an_error() {
    let item = |step, writes| Evidence { step, created: 0, writes };
    let with = |evidence| Trajectory {
        steps: vec![Step::default(); 2],
        questions: vec![Answered { score: 1.0, evidence: vec![evidence] }],
        ..Default::default()
    };
    assert!(evidence(&with(item(2, vec![0])), 0.5, Update::Last).unwrap_err().to_string().contains("step 2"));
    assert!(evidence(&with(item(0, vec![0, 5])), 0.5, Update::Split).is_err());
    assert!(evidence(&with(item(0, vec![])), 0.5, Update::Split).is_err());
    assert!(evidence(&with(item(0, vec![0])), 1.5, Update::Last).is_err());
    assert!(evidence(&with(item(0, vec![0])), f64::NAN, Update::Last).is_err());
    assert_eq!(evidence(&Trajectory::default(), 0.5, Update::Last).unwrap(), [0.0; 0]);
    assert_eq!("split".parse::<Update>().unwrap(), Update::Split);
    assert!("both".parse::<Update>().is_err());
}

#[test]
fn the_other_terms_are_what_they_say() {
    let answered = |score| Answered { score, evidence: vec![] };
    let trajectory = Trajectory {
        steps: vec![
            Step { calls: vec![true, false, true, true], chunk_questions: vec![answered(1.0), answered(0.0)] },
            Step { calls: vec![], chunk_questions: vec![] },
        ],
        questions: vec![answered(1.0), answered(0.5)],
        memory_tokens: 150.0,
        input_tokens: 100.0,
    };
    assert_eq!(format(&trajectory), [0.75, 0.0]);
    assert_eq!(chunk_step(&trajectory), [0.5, 0.0]);
    assert_eq!(compression(&trajectory), [-0.5, -0.5]);
    assert_eq!(outcome(&trajectory), [0.75, 0.75]);
    assert_eq!(compression(&Trajectory { input_tokens: 0.0, ..trajectory }), [0.0, 0.0]);
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
    let flat = Advantages::new(&Device::cpu()).compute(&rewards.concat(), &turns, grouping, baseline, divide).unwrap();
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
        scorer.compute(rewards, turns, &grouping, Baseline::Mean, true).err().expect("refused").to_string()
    };
    assert!(fails(&[1.0, 2.0], &[turn], Grouping::Step).contains("2 rewards for 1 turns"));
    assert!(fails(&[f32::NAN], &[turn], Grouping::Step).contains("step 2 of rollout 4 is NaN"));
    assert!(fails(&[], &[], Grouping::Step).contains("0 rewards"));
    assert!(fails(&[1.0], &[turn], Grouping::Keys(vec![])).contains("0 group keys for 1 turns"));
    assert!(scorer.given(&[f32::INFINITY], &[turn]).err().expect("refused").to_string().contains("step 2 of rollout 4 is inf"));
    assert_eq!("trajectory".parse::<Grouping>().unwrap(), Grouping::Trajectory);
    assert!("group".parse::<Grouping>().is_err());
}
