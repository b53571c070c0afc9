//! Cases of `ops::swiglu`.

use finemem::ops::swiglu;

use crate::common::case::{Case, Contract};

/// All cases.
pub fn cases() -> Vec<Case> {
    let case = |n: usize, range: std::ops::Range<f64>| {
        Case::new(format!("swiglu {n} in {range:?}"), 1e-5)
            .float_in("gate", &[n], range)
            .float("up", &[n])
            .float("y", &[n])
            .float("dy", &[n])
            .float("dgate", &[n])
            .float("dup", &[n])
            .forward(|rec, t| swiglu::forward(rec, &t["gate"], &t["up"], &t["y"]))
            .backward(|rec, t| swiglu::backward(rec, &t["dy"], &t["gate"], &t["up"], &t["dgate"], &t["dup"]))
            .upstream("y", "dy")
            .gradient("gate", "dgate", Contract::Replaces)
            .gradient("up", "dup", Contract::Replaces)
    };
    let mut cases: Vec<Case> = [1, 3, 128, 4099].map(|n| case(n, -4.0..4.0)).into();
    cases.push(case(257, -200.0..200.0));
    cases
}
