//! Cases of `ops::zscore`.

use finemem::ops::zscore::{self, Baseline};

use crate::common::case::Case;

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for sizes in [vec![1], vec![2, 1, 5], (1..40).collect::<Vec<u32>>()] {
        let n = sizes.iter().sum::<u32>() as usize;
        let starts: Vec<u32> = sizes.iter().scan(0, |at, size| Some(std::mem::replace(at, *at + size))).chain([n as u32]).collect();
        // A group of one does not vary, and of the larger ones every third is said not to.
        let varies: Vec<u32> = sizes.iter().enumerate().map(|(g, size)| (*size > 1 && g % 3 != 2).into()).collect();
        let members: Vec<u32> = (0..n as u32).rev().collect();
        for (baseline, divide) in [(Baseline::Mean, true), (Baseline::Mean, false), (Baseline::LeaveOneOut, false)] {
            cases.push(
                Case::new(format!("zscore of {} groups, {baseline:?}, dividing: {divide}", sizes.len()), 1e-5)
                    .float("x", &[n])
                    .integers("members", &[n], members.clone())
                    .integers("starts", &[sizes.len() + 1], starts.clone())
                    .integers("varies", &[sizes.len()], varies.clone())
                    .float("y", &[n])
                    .forward(move |rec, t| {
                        zscore::forward(rec, &t["x"], &t["members"], &t["starts"], &t["varies"], baseline, 1e-4, divide, &t["y"])
                    }),
            );
        }
    }
    cases
}
