//! Cases of `ops::rope`.

use finemem::ops::{elementwise, rope};

use crate::common::case::{Case, Contract};

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (tokens, heads, half, last, factor) in [(1, 1, 1, 1, 1.0), (5, 3, 7, 100, 1.25), (33, 2, 16, 1000, 1.0), (70, 1, 64, 40_000, 1.0)] {
        let frequencies = (0..half).map(|i| f64::from(1e4f32.powf(-(i as f32) / half as f32))).collect();
        let shape = [tokens, heads * 2 * half];
        // One rounding of the product position · frequency is as much as position · 6e-8.
        let tolerance = 1e-6 + 1e-7 * last as f64;
        cases.push(
            Case::new(format!("rope {tokens}x{heads}x{half} up to {last}, times {factor}"), tolerance)
                .integers_below("positions", &[tokens], last)
                .float_values("frequencies", &[half], frequencies)
                .float("table", &[tokens, 2 * half])
                .float("x", &shape)
                .float("y", &shape)
                .float("dy", &shape)
                .float("dx", &shape)
                .forward(move |rec, t| {
                    rope::table(rec, &t["positions"], &t["frequencies"], factor, &t["table"])?;
                    elementwise::copy(rec, &t["x"], &t["y"])?;
                    rope::apply(rec, &t["table"], &t["y"], false)
                })
                .backward(|rec, t| {
                    elementwise::copy(rec, &t["dy"], &t["dx"])?;
                    rope::apply(rec, &t["table"], &t["dx"], true)
                })
                .upstream("y", "dy")
                .gradient("x", "dx", Contract::Replaces),
        );
    }
    cases
}
