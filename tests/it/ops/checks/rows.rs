//! A row of a product has the same bits whatever other rows stand beside it: rollouts and training see equal numbers.

use finemem::device::{DType, Device};
use finemem::ops::attention::{self, Heads};
use finemem::ops::matmul::{self, Write};

use crate::common::random::Random;
use crate::common::{devices, gpus};

fn numbers(name: &str, n: usize) -> Vec<f32> {
    let mut random = Random::new(name, n as u64);
    (0..n).map(|_| random.between(-1.0, 1.0) as f32).collect()
}

/// `a · bᵀ` for the first `m` rows of `a`, with `b` in `dtype`.
fn product(device: &Device, decoding: bool, dtype: DType, (m, n, k): (usize, usize, usize), a: &[f32], b: &[f32]) -> Vec<f32> {
    let a = device.tensor(&a[..m * k], &[m, k]).unwrap();
    let weight = device.zeros(dtype, &[n, k]).unwrap();
    weight.write(b).unwrap();
    let b = weight;
    let y = device.zeros(DType::F32, &[m, n]).unwrap();
    let mut rec = device.record();
    if decoding {
        matmul::rows(&mut rec, &a, &b, &y, Write::Replace).unwrap();
    } else {
        matmul::nt(&mut rec, &a, &b, &y, Write::Replace).unwrap();
    }
    rec.submit().unwrap();
    y.read().unwrap()
}

fn same_bits(device: &Device, decoding: bool, rows: &[usize], n: usize, k: usize) {
    let most = *rows.iter().max().unwrap();
    let (a, b) = (numbers("a", most * k), numbers("b", n * k));
    for dtype in [DType::F32, DType::BF16, DType::F16] {
        if dtype.packed() && k % 2 == 1 {
            continue;
        }
        let all = product(device, decoding, dtype, (most, n, k), &a, &b);
        for m in rows {
            let part = product(device, decoding, dtype, (*m, n, k), &a, &b);
            let differs = part.iter().zip(&all).position(|(part, all)| part.to_bits() != all.to_bits());
            let device = device.describe();
            assert_eq!(differs, None, "{device}: {m} of {most} rows, n = {n}, k = {k}, {dtype:?}, decoding {decoding}");
        }
    }
}

#[test]
fn products_on_the_cpu() {
    for n in [1, 8, 33, 96, 257, 1024] {
        for k in [1, 7, 64, 160, 257, 1024] {
            same_bits(&Device::cpu(), false, &[1, 2, 3, 5, 8, 17, 64, 97, 300], n, k);
            same_bits(&Device::cpu(), true, &[1, 2, 3, 7, 8, 64], n, k);
        }
    }
}

#[test]
fn products_on_gpus() {
    for device in gpus() {
        for (n, k) in [(1, 1), (33, 40), (96, 63), (40, 66)] {
            same_bits(device, false, &[1, 3, 16, 65], n, k);
            same_bits(device, true, &[1, 3, 8, 17], n, k);
        }
    }
}

#[test]
fn decoding_attention() {
    let heads = Heads { q: 4, kv: 2, dim: 32 };
    // The last is so long that it is shared out by heads.
    let spans = [[0, 0, 3, 5], [5, 70, 2, 9], [3, 100, 0, 0], [75, 1, 80, 33], [100, 700, 850, 340]];
    for device in devices() {
        let [k, v] = ["k", "v"].map(|name| device.tensor(&numbers(name, 1200 * 64), &[1200, 64]).unwrap());
        let q = numbers("q", 5 * 128);
        let run = |rows: std::ops::Range<usize>| {
            let m = rows.len();
            let queries = device.tensor(&q[rows.start * 128..rows.end * 128], &[m, 128]).unwrap();
            let spans = device.tensor_u32(spans[rows].as_flattened(), &[m, 4]).unwrap();
            let o = device.zeros(DType::F32, &[m, 128]).unwrap();
            let mut rec = device.record();
            attention::decode(&mut rec, heads, &queries, [&k, &v], &spans, &o).unwrap();
            rec.submit().unwrap();
            o.read().unwrap()
        };
        let all = run(0..5);
        for row in 0..5 {
            assert_eq!(run(row..row + 1), all[row * 128..][..128], "{}: row {row}", device.describe());
        }
    }
}
