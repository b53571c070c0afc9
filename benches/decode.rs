//! How much of the memory's bandwidth a decoding step's products reach: bytes of weights a second, against reading as many bytes.
//!
//! `cargo bench --bench decode`; on the CPU executor, weights of Qwen3-0.6B.

use std::time::Instant;

use finemem::device::{DType, Device, Quant, Tensor, parallel};
use finemem::ops::matmul::{self, Write};
use rayon::prelude::*;

/// Weights of one shape fill this many bytes, so that none stays in a cache.
const BYTES: usize = 320 << 20;
const RUNS: usize = 5;

fn main() {
    let device = Device::cpu();
    println!("{}", device.describe());
    for (n, k) in [(151_936, 1024), (3072, 1024), (1024, 3072), (1024, 1024)] {
        for dtype in [DType::BF16, DType::F16, DType::F32].into_iter().chain(Quant::ALL.map(DType::Quant)) {
            let size = dtype.bytes(n * k);
            let weights: Vec<Tensor> = (0..(BYTES / size).max(1)).map(|_| filled(&device, dtype, &[n, k])).collect();
            let plain = vec![1u64; weights.len() * size / 8];
            for m in [1, 16, 64] {
                let (x, y) = (filled(&device, DType::F32, &[m, k]), filled(&device, DType::F32, &[m, n]));
                let (mut read, mut product) = (f64::INFINITY, f64::INFINITY);
                // In turn, so that both meet the same machine.
                for _ in 0..RUNS {
                    read = read.min(seconds(|| assert_eq!(sum(&plain), plain.len() as u64)));
                    product = product.min(seconds(|| {
                        let mut rec = device.record();
                        weights.iter().for_each(|w| matmul::rows(&mut rec, &x, w, &y, Write::Replace).expect("a product"));
                        rec.submit().expect("a device");
                    }));
                }
                let total = (weights.len() * size) as f64;
                println!(
                    "{n}x{k} {dtype:?}, {m} rows: {:.1} GB/s, {:.0} % of {:.1} GB/s; {:.0} GFLOP/s",
                    total / product / 1e9,
                    100.0 * read / product,
                    total / read / 1e9,
                    (2 * n * k * m * weights.len()) as f64 / product / 1e9,
                );
            }
        }
    }
}

fn filled(device: &Device, dtype: DType, shape: &[usize]) -> Tensor {
    let tensor = device.zeros(dtype, shape).expect("memory");
    // Blocks of zeros take as long as others.
    if !matches!(dtype, DType::Quant(_)) {
        tensor.write(&vec![1.0; shape.iter().product()]).expect("memory");
    }
    tensor
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// The sum of all words, in blocks on all cores.
fn sum(words: &[u64]) -> u64 {
    words.par_chunks(1 << 16).map(|block| parallel::dispatch::<f32, _>(|| block.iter().sum::<u64>())).sum()
}
