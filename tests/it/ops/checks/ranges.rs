//! Weights, gradients and moments that are larger than a binding may be are taken in ranges of their rows.

use finemem::device::{DType, Device, Recorder, Tensor};
use finemem::ops::embedding::{self, Groups};
use finemem::ops::matmul::{self, Write};
use finemem::ops::{adamw, elementwise};

use crate::common::case::distance;
use crate::common::gpus;
use crate::common::random::Random;
use crate::ops::cases::adamw::STEP;

/// Rows and columns of the weight, and rows of the other matrices.
const WEIGHT: (usize, usize) = (700, 12);
const ROWS: usize = 5;
/// In bytes: 256 rows of f32 fit, 512 of 16 bits, and every other matrix.
const LIMIT: u64 = 16 << 10;

fn random(device: &Device, name: &str, dtype: DType, shape: &[usize]) -> Tensor {
    let mut random = Random::new(name, 0);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.between(-1.0, 1.0) as f32).collect();
    let tensor = device.zeros(dtype, shape).unwrap();
    tensor.write(&values).unwrap();
    tensor
}

/// Everything that reads or writes a weight, and the number of dispatches it took.
fn results(device: &Device, dtype: DType) -> (Vec<Vec<f64>>, u64) {
    let (n, k) = WEIGHT;
    let x = random(device, "x", DType::F32, &[ROWS, k]);
    let dy = random(device, "dy", DType::F32, &[ROWS, n]);
    let w = random(device, "w", dtype, &[n, k]);
    let [y, z] = ["y", "z"].map(|name| random(device, name, DType::F32, &[ROWS, n]));
    let [dx, e] = ["dx", "e"].map(|name| random(device, name, DType::F32, &[ROWS, k]));
    let [dw, de] = ["dw", "de"].map(|name| random(device, name, DType::F32, &[n, k]));
    let ids = [0, 255, 256, 699, 511];
    let groups = Groups::new(&ids);
    let integers = |values: &[u32]| device.tensor_u32(values, &[values.len()]).unwrap();
    let (order, tokens, starts) = (integers(&groups.order), integers(&groups.tokens), integers(&groups.starts));
    let [weight, gradient, moment, filled] =
        ["weight", "gradient", "moment", "filled"].map(|name| random(device, name, DType::F32, &[n, k]));
    let squared = random(device, "squared", DType::F32, &[n, k]);
    squared.write(&squared.read().unwrap().iter().map(|v| v.abs()).collect::<Vec<_>>()).unwrap();
    let [scale, partial] = ["scale", "partial"].map(|name| random(device, name, DType::F32, &[2]));
    let before = device.counters().dispatches;
    let mut rec: Recorder<'_> = device.record();
    matmul::nt(&mut rec, &x, &w, &y, Write::Replace).unwrap();
    matmul::rows(&mut rec, &x, &w, &z, Write::AddScaled(0.3)).unwrap();
    matmul::nn(&mut rec, &dy, &w, &dx, Write::ReplaceScaled(0.3)).unwrap();
    matmul::tn(&mut rec, &dy, &x, &dw, Write::Add).unwrap();
    embedding::forward(&mut rec, &integers(&ids), &w, &e).unwrap();
    embedding::backward(&mut rec, &e, &order, &tokens, &starts, &de).unwrap();
    adamw::sum_squares(&mut rec, &gradient, 1, &partial).unwrap();
    adamw::step(&mut rec, STEP, &scale, &weight, &gradient, &moment, &squared).unwrap();
    elementwise::fill(&mut rec, &filled, 0.5).unwrap();
    rec.submit().unwrap();
    let dispatches = device.counters().dispatches - before;
    ([y, z, dx, dw, e, de, partial, weight, gradient, moment, squared, filled].iter().map(|t| t.read_f64().unwrap()).collect(), dispatches)
}

#[test]
fn weights_beyond_the_binding_limit() {
    for device in gpus() {
        let caps = device.caps().expect("a GPU");
        let limited = Device::open_adjusted(&caps.name, |limited| {
            limited.software = caps.software;
            limited.max_binding = LIMIT;
        });
        let limited = limited.unwrap();
        for (dtype, pieces) in [(DType::F32, 3), (DType::BF16, 2), (DType::F16, 2)] {
            let (expected, _) = results(&Device::cpu_f64(), dtype);
            let (found, dispatches) = results(&limited, dtype);
            // What is written is always f32.
            assert_eq!(dispatches, 4 * pieces + 5 * 3, "{}, {dtype:?}", limited.describe());
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let error = distance(found, expected);
                assert!(error <= 1e-5, "{}, {dtype:?}: result {i} is off by {error:.1e}", limited.describe());
            }
        }
    }
}
