//! Cases of `ops::bias`.

use finemem::ops::bias;
use finemem::ops::rmsnorm::PARTIAL_ROWS;

use crate::common::case::{Case, Contract};

/// Rows and columns with 1, primes, more columns than a workgroup, more rows than a partial sum and than one axis of a dispatch.
const SHAPES: [(usize, usize); 6] = [(1, 1), (3, 7), (7, 129), (131, 32), (2, 2560), (70_000, 3)];

/// All cases.
pub fn cases() -> Vec<Case> {
    SHAPES
        .iter()
        .map(|(rows, cols)| {
            let parts = rows.div_ceil(PARTIAL_ROWS);
            Case::new(format!("bias {rows}x{cols}"), 1e-5)
                .float("b", &[*cols])
                .float("y", &[*rows, *cols])
                .float("dy", &[*rows, *cols])
                .float("partial", &[parts, *cols])
                .float("db", &[*cols])
                .forward(|rec, t| bias::forward(rec, &t["b"], &t["y"]))
                .backward(|rec, t| bias::backward(rec, &t["dy"], &t["partial"], &t["db"]))
                .upstream("y", "dy")
                .gradient("b", "db", Contract::Adds)
        })
        .collect()
}
