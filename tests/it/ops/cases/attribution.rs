//! Cases of `ops::attribution`.

use finemem::ops::attribution::{self, Evidence};

use crate::common::case::Case;
use crate::common::random::Random;

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rollouts, columns) in [(1, 1), (3, 5), (41, 7)] {
        let mut random = Random::new("evidence", rollouts as u64);
        let lengths: Vec<u32> = (0..rollouts).map(|_| 1 + random.below(columns) as u32).collect();
        let (mut questions, mut entries, mut steps, mut shares) = (vec![0], vec![0], Vec::new(), Vec::new());
        for length in &lengths {
            // Rollouts without questions and questions without evidence happen.
            for _ in 0..random.below(4) {
                let count = random.below(4);
                steps.extend((0..count).map(|_| random.below(*length as usize) as u32));
                shares.extend((0..count).map(|_| 1.0 / count as f64));
                entries.push(steps.len() as u32);
            }
            questions.push(entries.len() as u32 - 1);
        }
        steps.push(0); // a buffer has an element
        shares.push(0.0);
        cases.push(
            Case::new(format!("attribution {rollouts}x{columns}"), 2e-6)
                .float_in("scores", &[entries.len()], 0.0..1.0)
                .integers("questions", &[questions.len()], questions)
                .integers("entries", &[entries.len()], entries)
                .integers("steps", &[steps.len()], steps)
                .float_values("shares", &[shares.len()], shares)
                .integers("lengths", &[lengths.len()], lengths)
                .float("credit", &[rollouts, columns])
                .forward(|rec, t| {
                    let [scores, questions, entries] = [&t["scores"], &t["questions"], &t["entries"]];
                    let [steps, shares, lengths] = [&t["steps"], &t["shares"], &t["lengths"]];
                    attribution::forward(rec, &Evidence { scores, questions, entries, steps, shares, lengths }, &t["credit"])
                }),
        );
    }
    cases
}
