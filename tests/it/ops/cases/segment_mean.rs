//! Cases of `ops::segment_mean`.

use finemem::ops::segment_mean;

use crate::common::case::Case;
use crate::common::random::Random;

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Of one value and of none, of a few, and more than a workgroup has invocations. The longest segment has `longest` values.
    for (segments, longest) in [(1, 1), (1, 0), (3, 5), (7, 1), (131, 13), (1000, 3)] {
        let mut random = Random::new("segments", segments as u64);
        let mut starts = vec![0];
        for _ in 0..segments {
            // Every third segment or so is empty.
            let count = if random.below(3) == 0 { 0 } else { random.below(longest + 1).max(longest.min(1)) };
            starts.push(starts[starts.len() - 1] + count as u32);
        }
        let values = starts[segments] as usize + 1; // a buffer has an element, and may have more than the segments
        cases.push(
            Case::new(format!("segment_mean of {segments} segments of up to {longest} values"), 2e-6)
                .float("x", &[values])
                .integers("starts", &[segments + 1], starts)
                .float("y", &[segments])
                .forward(|rec, t| segment_mean::forward(rec, &t["x"], &t["starts"], &t["y"])),
        );
    }
    cases
}
