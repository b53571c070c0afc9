//! Cases of `ops::elementwise`.

use finemem::ops::elementwise;

use crate::common::case::Case;

/// Lengths with 1, primes, whole vectors, and more than one workgroup.
const LENGTHS: [usize; 6] = [1, 3, 4, 127, 1024, 70_001];

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for n in LENGTHS {
        cases.push(Case::new(format!("fill {n}"), 0.0).float("y", &[n]).forward(|rec, t| elementwise::fill(rec, &t["y"], 0.75)));
        cases.push(
            Case::new(format!("add {n}"), 1e-6).float("x", &[n]).float("y", &[n]).forward(|rec, t| elementwise::add(rec, &t["x"], &t["y"])),
        );
    }
    // A view of the first elements: what follows them must stay as it is.
    cases.push(Case::new("fill a view", 0.0).float("y", &[11]).forward(|rec, t| elementwise::fill(rec, &t["y"].view(&[5])?, 0.75)));
    cases.push(
        Case::new("add to a view", 1e-6)
            .float("x", &[6])
            .float("y", &[11])
            .forward(|rec, t| elementwise::add(rec, &t["x"], &t["y"].view(&[6])?)),
    );
    for (rows, cols) in [(1, 1), (3, 7), (64, 129), (5, 1024)] {
        cases.push(
            Case::new(format!("add_rows {rows}x{cols}"), 2e-6)
                .float("x", &[rows, cols])
                .float("y", &[cols])
                .forward(|rec, t| elementwise::add_rows(rec, &t["x"], &t["y"])),
        );
    }
    for (n, rows, cols) in [(1, 1, 1), (5, 11, 7), (70, 211, 65)] {
        let step = 3; // coprime to the number of rows: no row is written twice
        let to = (0..n).map(|i| (i * step % rows) as u32).collect();
        cases.push(
            Case::new(format!("move_rows {n} of {rows}x{cols}"), 0.0)
                .float_in("x", &[rows, cols], 0.0..1.0)
                .integers_below("from", &[n], rows)
                .integers("to", &[n], to)
                .float("y", &[rows, cols])
                .forward(|rec, t| elementwise::move_rows(rec, &t["x"], &t["from"], &t["to"], &t["y"])),
        );
    }
    cases
}
