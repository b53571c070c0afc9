//! Every op: the CPU twin in f32 and every GPU against the twin in f64, gradients against finite differences.

pub(crate) mod cases;
pub(crate) mod checks;
mod device;
mod preprocess;
mod quant;
mod random;
mod reflect;
mod shaders;

use finemem::device::DType;
use finemem::ops::matmul::{self, Write};
use finemem::random::Rng;

macro_rules! ops {
    ($($op:ident)*) => {$(
        #[test]
        fn $op() {
            for case in cases::$op::cases() {
                case.check(crate::common::gpus());
            }
        }
    )*};
}

ops! {
    adamw
    attention
    attribution
    bias
    compression
    elementwise
    embedding
    logprob
    matmul
    policy_loss
    rmsnorm
    rope
    sample
    segment_mean
    swiglu
    zscore
}

#[test]
fn rows_of_a_decoding_product_do_not_depend_on_how_many_there_are() {
    const ROWS: usize = 130;
    let mut rng = Rng::new(&[5]);
    let mut numbers = |n: usize| (0..n).map(|_| rng.next_u32() as f32 / u32::MAX as f32 - 0.5).collect::<Vec<f32>>();
    // Of one tile and less, of many, and too large for a cache; with and without a rest of the sum.
    for (n, k) in [(2, 6), (13, 8), (384, 128), (2048, 130), (2051, 258)] {
        let (x, w) = (numbers(ROWS * k), numbers(n * k));
        for (device, dtype) in crate::common::devices().iter().flat_map(|d| [DType::F32, DType::BF16, DType::F16].map(|dtype| (d, dtype))) {
            let weight = device.zeros(dtype, &[n, k]).unwrap();
            weight.write(&w).unwrap();
            let product = |first: usize, m: usize| -> Vec<u32> {
                let x = device.tensor(&x[first * k..(first + m) * k], &[m, k]).unwrap();
                let y = device.tensor(&vec![0.25; m * n], &[m, n]).unwrap();
                let mut rec = device.record();
                matmul::rows(&mut rec, &x, &weight, &y, Write::AddScaled(0.3)).unwrap();
                rec.submit_and_read(&y).unwrap().iter().map(|v| v.to_bits()).collect()
            };
            let all = product(0, ROWS);
            for m in [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 64, 128] {
                let first = ROWS - m;
                assert!(product(first, m) == all[first * n..], "{}: {m} rows, {} {n}x{k}", device.describe(), dtype.name());
            }
        }
    }
}
