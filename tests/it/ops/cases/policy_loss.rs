//! Cases of `ops::policy_loss`.

use finemem::ops::policy_loss::{self, Estimator, Form, Level, PolicyLoss, Sampled, TERMS};

use crate::common::case::{Case, Contract};

/// logprob − old and advantage: each branch, well away from where they meet.
const ROWS: [(f64, f64); 12] = [
    (0.0, 1.25),   // first step
    (0.125, 0.75), // inside
    (-0.125, -2.0),
    (1.0, 0.5),   // clipped above
    (-1.0, -0.5), // clipped below
    (-1.0, 0.5),  // outside, and not clipped
    (0.75, -0.5), // outside, below the dual bound
    (2.0, -0.5),  // beyond the dual bound
    (3.0, 0.0),   // no advantage
    (-3.0, 1.0),
    (0.0625, 3.0),
    (-0.0625, -3.0),
];

/// All cases.
pub fn cases() -> Vec<Case> {
    let clip = |clip_low, clip_high, dual_clip, kl_coef, estimator| PolicyLoss {
        clip_low,
        clip_high,
        dual_clip,
        kl_coef,
        estimator,
        ..PolicyLoss::default()
    };
    let losses = [
        clip(0.2, 0.28, 3.0, 0.05, Estimator::K3),
        clip(0.2, 0.2, 0.0, 0.0, Estimator::K3),
        clip(0.1, 0.3, 4.0, 1.0, Estimator::K3),
        clip(0.2, 0.2, 3.0, 0.5, Estimator::K1),
        clip(0.2, 0.2, 3.0, 0.5, Estimator::K2),
        PolicyLoss { form: Form::LogProb, ..clip(0.0, 0.0, 0.0, 0.5, Estimator::K2) },
    ];
    let mut cases = Vec::new();
    for loss in losses {
        for rows in [1, ROWS.len(), 1 + 8 * ROWS.len()] {
            cases.push(tokens(loss, rows).upstream("terms", "dterms").gradient("logprob", "coefficient", Contract::Replaces));
        }
    }
    // The weight of a log-probability is a constant, which no difference shows: tests/losses.rs has it from PyTorch.
    for rows in [1, 1 + 8 * ROWS.len()] {
        cases.push(tokens(PolicyLoss { form: Form::Weight, ..clip(0.4, 0.5, 0.0, 0.1, Estimator::K3) }, rows));
    }
    let sequence = |form, kl_coef| PolicyLoss { form, level: Level::Sequence, ..clip(0.05, 0.06, 0.0, kl_coef, Estimator::K3) };
    for lengths in [vec![1], vec![3, 1, 5], vec![70, 1, 9, 200, 13]] {
        for (form, kl_coef) in [(Form::Clip, 0.0), (Form::Clip, 0.3)] {
            let case = sequences(sequence(form, kl_coef), &lengths);
            cases.push(case.upstream("terms", "dterms").gradient("logprob", "coefficient", Contract::Replaces));
        }
        cases.push(sequences(sequence(Form::Weight, 0.0), &lengths));
    }
    cases
}

/// The loss is the sum of the first terms.
fn upstream(rows: usize) -> Vec<f64> {
    (0..rows * TERMS).map(|i| if i % TERMS == 0 { 1.0 } else { 0.0 }).collect()
}

/// Turns of one token, in another order than the tokens.
fn tokens(loss: PolicyLoss, rows: usize) -> Case {
    let old: Vec<f64> = (0..rows).map(|i| -0.25 - (i % 7) as f64 / 4.0).collect();
    let logprob = (0..rows).map(|i| old[i] + ROWS[i % ROWS.len()].0).collect();
    let turns = (0..rows).rev().map(|i| i as u32).collect();
    let advantages = (0..rows).rev().map(|i| ROWS[i % ROWS.len()].1).collect();
    Case::new(format!("policy_loss {rows} with {loss:?}"), 2e-6)
        .float_values("logprob", &[rows], logprob)
        .float_values("old", &[rows], old)
        .float_in("reference", &[rows], -2.0..0.0)
        .integers("turn", &[rows], turns)
        .float_values("advantages", &[rows], advantages)
        // The weight of a row is the upstream gradient in the middle of a graph.
        .float_in("weight", &[rows], 0.0..2.0)
        .float("coefficient", &[rows])
        .float("terms", &[rows, TERMS])
        .float_values("dterms", &[rows, TERMS], upstream(rows))
        .forward(move |rec, t| {
            let [logprob, old, reference] = [&t["logprob"], &t["old"], &t["reference"]];
            let [turn, advantages, weight] = [&t["turn"], &t["advantages"], &t["weight"]];
            let sampled = Sampled { old, reference, turn, advantages, weight };
            policy_loss::forward(rec, loss, logprob, &sampled, &t["coefficient"], &t["terms"])
        })
}

/// Turns of these lengths whose tokens weigh alike.
fn sequences(loss: PolicyLoss, lengths: &[usize]) -> Case {
    let rows: usize = lengths.iter().sum();
    let of = |value: fn(usize) -> f64| lengths.iter().enumerate().flat_map(|(s, n)| vec![value(s); *n]).collect::<Vec<f64>>();
    let starts = std::iter::once(0).chain(lengths.iter().scan(0, |at, n| {
        *at += *n as u32;
        Some(*at)
    }));
    let starts: Vec<u32> = starts.collect();
    let turns = of(|s| s as f64).iter().map(|s| *s as u32).collect();
    // Around a mean that is off by up to a tenth, so that some turns are clipped.
    let gap = of(|s| [-0.1, 0.0, 0.1][s % 3]);
    let old: Vec<f64> = (0..rows).map(|i| -0.25 - (i % 7) as f64 / 4.0).collect();
    let logprob = (0..rows).map(|i| old[i] + gap[i] + [-0.25, 0.25][i % 2] / 16.0).collect();
    Case::new(format!("policy_loss of turns of {lengths:?} with {loss:?}"), 3e-6)
        .float_values("logprob", &[rows], logprob)
        .float_values("old", &[rows], old)
        .float_in("reference", &[rows], -2.0..0.0)
        .integers("starts", &[lengths.len() + 1], starts)
        .integers("turn", &[rows], turns)
        .float_values("advantages", &[lengths.len()], (0..lengths.len()).map(|s| [-0.5, 1.5, 0.75, -2.0][s % 4]).collect())
        .float_values("weight", &[rows], of(|s| 0.25 + s as f64 / 4.0))
        .float("ratio", &[rows])
        .float("coefficient", &[rows])
        .float("terms", &[rows, TERMS])
        .float_values("dterms", &[rows, TERMS], upstream(rows))
        .forward(move |rec, t| {
            let [logprob, reference, ratio] = [&t["logprob"], &t["reference"], &t["ratio"]];
            let [turn, advantages, weight] = [&t["turn"], &t["advantages"], &t["weight"]];
            policy_loss::sequence_ratio(rec, logprob, &t["old"], &t["starts"], ratio)?;
            let sampled = Sampled { old: ratio, reference, turn, advantages, weight };
            policy_loss::forward(rec, loss, logprob, &sampled, &t["coefficient"], &t["terms"])
        })
}
