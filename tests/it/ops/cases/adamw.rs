//! Cases of `ops::adamw`.

use finemem::ops::adamw::{self, AdamW};

use crate::common::case::Case;

/// Settings of a step after which nothing is trivially 0 or 1.
pub const STEP: AdamW = AdamW {
    elements: 0,
    lr: 0.01,
    beta1: 0.9,
    beta2: 0.95,
    eps: 1e-8,
    weight_decay: 0.1,
    correction1: 1.0 - 0.9 * 0.9 * 0.9,
    correction2: 1.0 - 0.95 * 0.95 * 0.95,
};

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for n in [1, 3, 4, 127, 4099] {
        for scale in [0.75, 0.0] {
            cases.push(
                Case::new(format!("adamw {n} at {scale}"), 2e-6)
                    .float_values("scale", &[2], vec![1.5, scale])
                    .float("w", &[n])
                    .float("g", &[n])
                    .float("m", &[n])
                    .float_in("v", &[n], 0.1..1.0)
                    .forward(|rec, t| adamw::step(rec, STEP, &t["scale"], &t["w"], &t["g"], &t["m"], &t["v"])),
            );
        }
        for max_norm in [0.0, 0.5, 1e3] {
            cases.push(
                Case::new(format!("sum_squares and clip_scale {n} to {max_norm}"), 2e-6)
                    .float("g", &[n])
                    .float("h", &[n, 3])
                    .float_in("partial", &[2], 0.0..1.0)
                    .float("out", &[2])
                    .forward(move |rec, t| {
                        adamw::sum_squares(rec, &t["g"], 1, &t["partial"])?;
                        adamw::sum_squares(rec, &t["h"], 0, &t["partial"])?;
                        adamw::clip_scale(rec, &t["partial"], max_norm, &t["out"])
                    }),
            );
        }
    }
    // A view of the first elements: what follows them does not count.
    cases.push(
        Case::new("sum_squares of a view", 2e-6)
            .float("g", &[11])
            .float("partial", &[1])
            .forward(|rec, t| adamw::sum_squares(rec, &t["g"].view(&[6])?, 0, &t["partial"])),
    );
    cases
}
