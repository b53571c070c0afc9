//! Cases of `ops::compression`.

use finemem::ops::compression;

use crate::common::case::Case;
use crate::common::random::Random;

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for memories in [1, 2, 7, 131] {
        let mut random = Random::new("compression", memories as u64);
        // Counts of tokens; every fourth memory or so has no input.
        let mut tokens = |most: usize| -> f64 { random.below(most) as f64 };
        let memory = (0..memories).map(|_| tokens(3000)).collect();
        let input = (0..memories).map(|_| if tokens(4) == 0.0 { 0.0 } else { 1.0 + tokens(5000) }).collect();
        cases.push(
            Case::new(format!("compression of {memories} memories"), 2e-6)
                .float_values("memory", &[memories], memory)
                .float_values("input", &[memories], input)
                .float("y", &[memories])
                .forward(|rec, t| compression::forward(rec, &t["memory"], &t["input"], &t["y"])),
        );
    }
    cases
}
