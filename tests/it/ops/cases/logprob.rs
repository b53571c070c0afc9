//! Cases of `ops::logprob`.

use finemem::ops::{elementwise, logprob};

use crate::common::case::{Case, Contract};

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, vocab, temperature, size) in [(1, 1, 1.0, 1.0), (3, 7, 0.7, 8.0), (5, 1031, 1.0, 4.0), (70, 64, 1.3, 60.0)] {
        cases.push(
            Case::new(format!("logprob {rows}x{vocab} at {temperature}"), 2e-5)
                .float_in("logits", &[rows, vocab], -size..size)
                .integers_below("targets", &[rows], vocab)
                .float("logprob", &[rows])
                .float("entropy", &[rows])
                .float("lse", &[rows])
                .float("coefficient", &[rows])
                .float("dlogits", &[rows, vocab])
                .forward(move |rec, t| {
                    logprob::forward(rec, &t["logits"], &t["targets"], temperature, &t["logprob"], &t["entropy"], &t["lse"])
                })
                .backward(move |rec, t| {
                    elementwise::copy(rec, &t["logits"], &t["dlogits"])?;
                    logprob::backward(rec, &t["targets"], &t["lse"], &t["coefficient"], temperature, &t["dlogits"])
                })
                .upstream("logprob", "coefficient")
                .gradient("logits", "dlogits", Contract::Replaces),
        );
    }
    cases
}
