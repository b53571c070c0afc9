//! Cases of `ops::sample`. The second number of a row is the bits of a float, so tokens are compared exactly in `checks::sampling`.

use finemem::ops::sample::{self, STREAM, Sampling};

use crate::common::case::Case;
use crate::common::random::Random;

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, vocab) in [(1, 1), (7, 5), (12, 257), (3, 1031)] {
        for (temperature, top_k, top_p, min_p) in [
            (0.0, 0, 1.0, 0.0),
            (1.0, 0, 1.0, 0.0),
            (0.7, 3, 1.0, 0.0),
            (1.3, 0, 0.8, 0.0),
            (1.0, 20, 0.5, 0.0),
            (1.0, 5000, 0.999, 0.0),
            (0.8, 0, 1.0, 0.1),
            (1.1, 40, 0.9, 0.03),
        ] {
            let sampling = Sampling::new(temperature, top_k, top_p, min_p);
            let mut random = Random::new("streams", rows as u64);
            let streams = (0..rows * STREAM).map(|_| random.bits() as u32).collect();
            cases.push(
                Case::new(format!("sample {rows}x{vocab} at {temperature}, top-k {top_k}, top-p {top_p}, min-p {min_p}"), 1e-5)
                    .float_in("logits", &[rows, vocab], -5.0..5.0)
                    .integers("streams", &[rows, STREAM], streams)
                    .integers("drawn", &[rows, 2], vec![u32::MAX; 2 * rows])
                    .forward(move |rec, t| sample::forward(rec, sampling, &t["logits"], &t["streams"], &t["drawn"])),
            );
        }
    }
    cases
}
