//! Cases of `ops::matmul`.

use finemem::device::DType;
use finemem::ops::matmul::{self, Write};

use crate::common::case::{Case, Contract};

/// m, n, k with 1, primes, sizes that divide by 4 and by tiles, and more than one tile.
const SHAPES: [(usize, usize, usize); 9] =
    [(1, 1, 1), (3, 5, 7), (1, 32, 8), (4, 8, 4), (17, 33, 65), (64, 64, 64), (65, 132, 36), (100, 36, 12), (131, 68, 100)];

/// The same for weights of 16 bits, whose rows have even length; the last is widened in more than one block.
const PACKED_SHAPES: [(usize, usize, usize); 8] =
    [(1, 1, 2), (3, 5, 6), (1, 32, 8), (4, 9, 4), (17, 33, 66), (65, 132, 36), (131, 67, 100), (5, 530, 512)];

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (m, n, k) in SHAPES {
        // A linear layer uses NT forward, NN for the gradient of its input and TN for that of its weight.
        cases.push(
            Case::new(format!("matmul {m}x{n}x{k}"), 1e-5)
                .float("x", &[m, k])
                .float("w", &[n, k])
                .float("y", &[m, n])
                .float("dy", &[m, n])
                .float("dx", &[m, k])
                .float("dw", &[n, k])
                .forward(|rec, t| matmul::nt(rec, &t["x"], &t["w"], &t["y"], Write::Replace))
                .backward(|rec, t| {
                    matmul::nn(rec, &t["dy"], &t["w"], &t["dx"], Write::Replace)?;
                    matmul::tn(rec, &t["dy"], &t["x"], &t["dw"], Write::Add)
                })
                .upstream("y", "dy")
                .gradient("x", "dx", Contract::Replaces)
                .gradient("w", "dw", Contract::Adds),
        );
        cases.push(
            Case::new(format!("matmul adding {m}x{n}x{k}"), 1e-5)
                .float("x", &[m, k])
                .float("w", &[n, k])
                .float("y", &[m, n])
                .float("dx", &[m, k])
                .float("dw", &[n, k])
                .forward(|rec, t| {
                    matmul::nt(rec, &t["x"], &t["w"], &t["y"], Write::Add)?;
                    matmul::nn(rec, &t["y"], &t["w"], &t["dx"], Write::Add)?;
                    matmul::tn(rec, &t["y"], &t["x"], &t["dw"], Write::Replace)
                }),
        );
        cases.push(
            Case::new(format!("matmul scaled {m}x{n}x{k}"), 1e-5)
                .float("x", &[m, k])
                .float("w", &[n, k])
                .float("y", &[m, n])
                .float("dy", &[m, n])
                .float("dx", &[m, k])
                .float("dw", &[n, k])
                .forward(|rec, t| matmul::nt(rec, &t["x"], &t["w"], &t["y"], Write::AddScaled(0.3)))
                .backward(|rec, t| {
                    matmul::nn(rec, &t["dy"], &t["w"], &t["dx"], Write::ReplaceScaled(0.3))?;
                    matmul::tn(rec, &t["dy"], &t["x"], &t["dw"], Write::AddScaled(0.3))
                })
                .upstream("y", "dy")
                .gradient("x", "dx", Contract::Replaces)
                .gradient("w", "dw", Contract::Adds),
        );
        cases.push(
            Case::new(format!("matmul_rows {m}x{n}x{k}"), 1e-5)
                .float("x", &[m, k])
                .float("w", &[n, k])
                .float("y", &[m, n])
                .float("z", &[m, n])
                .forward(|rec, t| {
                    matmul::rows(rec, &t["x"], &t["w"], &t["y"], Write::Replace)?;
                    matmul::rows(rec, &t["x"], &t["w"], &t["z"], Write::AddScaled(0.3))
                }),
        );
    }
    for (dtype, (m, n, k)) in [DType::BF16, DType::F16].into_iter().flat_map(|dtype| PACKED_SHAPES.map(|shape| (dtype, shape))) {
        let name = dtype.name();
        cases.push(
            Case::new(format!("matmul of {name} {m}x{n}x{k}"), 1e-5)
                .float("x", &[m, k])
                .packed("w", dtype, &[n, k])
                .float("y", &[m, n])
                .float("dy", &[m, n])
                .float("dx", &[m, k])
                .forward(|rec, t| matmul::nt(rec, &t["x"], &t["w"], &t["y"], Write::Replace))
                .backward(|rec, t| matmul::nn(rec, &t["dy"], &t["w"], &t["dx"], Write::Replace))
                .upstream("y", "dy")
                .gradient("x", "dx", Contract::Replaces),
        );
        cases.push(
            Case::new(format!("matmul of {name} adding {m}x{n}x{k}"), 1e-5)
                .float("x", &[m, k])
                .packed("w", dtype, &[n, k])
                .float("y", &[m, n])
                .float("z", &[m, n])
                .float("u", &[m, n])
                .float("dx", &[m, k])
                .forward(|rec, t| {
                    matmul::nt(rec, &t["x"], &t["w"], &t["y"], Write::AddScaled(0.3))?;
                    matmul::rows(rec, &t["x"], &t["w"], &t["z"], Write::Replace)?;
                    matmul::rows(rec, &t["x"], &t["w"], &t["u"], Write::Add)?;
                    matmul::nn(rec, &t["u"], &t["w"], &t["dx"], Write::Add)
                }),
        );
    }
    cases
}
