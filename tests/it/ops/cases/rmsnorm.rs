//! Cases of `ops::rmsnorm`.

use finemem::ops::rmsnorm::{self, PARTIAL_ROWS};

use crate::common::case::{Case, Contract};

const EPS: f32 = 1e-6;

/// Rows and columns with 1, primes, more columns than a workgroup, more rows than a partial sum.
const SHAPES: [(usize, usize); 6] = [(1, 1), (1, 64), (3, 4), (7, 129), (131, 32), (2, 2560)];

fn shape(name: &str, rows: usize, cols: usize) -> Case {
    let full = [rows, cols];
    Case::new(format!("{name} {rows}x{cols}"), 1e-5)
        .float("x", &full)
        .float_in("w", &[cols], 0.5..1.5)
        .float("y", &full)
        .float("rstd", &[rows])
        .float("dy", &full)
        .float("dx", &full)
        .float("dw", &[cols])
        .float("partial", &[rows.div_ceil(PARTIAL_ROWS), cols])
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, cols) in SHAPES {
        for (accumulate, contract) in [(true, Contract::Adds), (false, Contract::Replaces)] {
            cases.push(
                shape("rmsnorm", rows, cols)
                    .forward(|rec, t| rmsnorm::forward(rec, &t["x"], &t["w"], &t["y"], &t["rstd"], EPS))
                    .backward(move |rec, t| {
                        rmsnorm::backward(rec, &t["dy"], &t["x"], &t["w"], &t["rstd"], &t["dx"], accumulate)?;
                        rmsnorm::backward_weight(rec, &t["dy"], &t["x"], &t["rstd"], &t["partial"], &t["dw"])
                    })
                    .upstream("y", "dy")
                    .gradient("x", "dx", contract)
                    .gradient("w", "dw", Contract::Adds),
            );
        }
        cases.push(
            shape("residual_rmsnorm", rows, cols)
                .float("delta", &[rows, cols])
                .float("sum", &[rows, cols])
                .forward(|rec, t| rmsnorm::residual_forward(rec, &t["x"], &t["delta"], &t["w"], &t["sum"], &t["y"], &t["rstd"], EPS))
                .backward(|rec, t| rmsnorm::backward(rec, &t["dy"], &t["sum"], &t["w"], &t["rstd"], &t["dx"], true))
                .upstream("y", "dy")
                .gradient("delta", "dx", Contract::Adds),
        );
    }
    // More rows than one axis of a dispatch has workgroups.
    cases.push(
        Case::new("rmsnorm 70000x4", 1e-5)
            .float("x", &[70_000, 4])
            .float("w", &[4])
            .float("y", &[70_000, 4])
            .float("rstd", &[70_000])
            .forward(|rec, t| rmsnorm::forward(rec, &t["x"], &t["w"], &t["y"], &t["rstd"], EPS)),
    );
    cases
}
