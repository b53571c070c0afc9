//! Cases of `ops::policy_loss`.

use finemem_engine::ops::policy_loss::{self, Clip, TERMS};

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
    let clips = [Clip::new(0.2, 0.28, 3.0, 0.05), Clip::new(0.2, 0.2, 0.0, 0.0), Clip::new(0.1, 0.3, 4.0, 1.0)];
    let mut cases = Vec::new();
    for clip in clips {
        for rows in [1, ROWS.len(), 1 + 8 * ROWS.len()] {
            let old: Vec<f64> = (0..rows).map(|i| -0.25 - (i % 7) as f64 / 4.0).collect();
            let logprob = (0..rows).map(|i| old[i] + ROWS[i % ROWS.len()].0).collect();
            // Turns of one token, in another order than the tokens.
            let turns = (0..rows).rev().map(|i| i as u32).collect();
            let advantages = (0..rows).rev().map(|i| ROWS[i % ROWS.len()].1).collect();
            // The loss is the sum of the first terms; the weight of a row is the upstream gradient in the middle of a graph.
            let upstream = (0..rows * TERMS).map(|i| if i % TERMS == 0 { 1.0 } else { 0.0 }).collect();
            cases.push(
                Case::new(format!("policy_loss {rows} with {clip:?}"), 2e-6)
                    .float_values("logprob", &[rows], logprob)
                    .float_values("old", &[rows], old)
                    .float_in("reference", &[rows], -2.0..0.0)
                    .integers("turn", &[rows], turns)
                    .float_values("advantages", &[rows], advantages)
                    .float_in("weight", &[rows], 0.0..2.0)
                    .float("coefficient", &[rows])
                    .float("terms", &[rows, TERMS])
                    .float_values("dterms", &[rows, TERMS], upstream)
                    .forward(move |rec, t| {
                        let [logprob, old, reference] = [&t["logprob"], &t["old"], &t["reference"]];
                        let [turn, advantages, weight] = [&t["turn"], &t["advantages"], &t["weight"]];
                        policy_loss::forward(rec, clip, logprob, old, reference, turn, advantages, weight, &t["coefficient"], &t["terms"])
                    })
                    .upstream("terms", "dterms")
                    .gradient("logprob", "coefficient", Contract::Replaces),
            );
        }
    }
    cases
}
