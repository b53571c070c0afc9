//! A model whose matrices are stored in 16 bits computes what it would with the same numbers in 32 bits.

use std::collections::HashMap;

use crate::common::case::distance;
use crate::common::small::{gradients, model, samples};
use crate::common::{devices, gpus};
use finemem::device::{DType, Device};
use finemem::generate::{Completion, Generator, Options, Request, Stream};
use finemem::model::{Model, Weights};
use finemem::ops::embedding;
use finemem::train::learner::{Budget, Learner, Loss};
use half::{bf16, f16};

/// The types of 16 bits.
const PACKED: [DType; 2] = [DType::BF16, DType::F16];

/// The small model with its matrices rounded to `packed`, stored so or in 32 bits.
fn rounded(device: &Device, tied: bool, packed: DType, wide: bool) -> Model {
    let mut model = model(device, tied);
    let values: HashMap<String, Vec<f32>> =
        model.weights.named().into_iter().map(|(name, tensor)| (name, tensor.read().unwrap())).collect();
    model.weights = Weights::build(&model.config, |name, shape| {
        let matrix = shape.len() > 1;
        let values = if matrix { packed.widen(&packed.narrow(&values[name])) } else { values[name].clone() };
        let tensor = device.zeros(if matrix && !wide { packed } else { DType::F32 }, shape)?;
        tensor.write(&values)?;
        Ok(tensor)
    })
    .unwrap();
    model
}

fn generate(model: &Model) -> Vec<Completion> {
    let streams = |id: u32| (0..2).map(|rollout| Stream::new(7, 1, [id, rollout, 0])).collect();
    let requests: Vec<Request> =
        [vec![1, 2, 3], vec![9; 40]].into_iter().zip(0..).map(|(prompt, id)| Request { prompt, streams: streams(id) }).collect();
    let options = Options { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens: 12, stop: Vec::new() };
    Generator::new(model).unwrap().generate(model, &requests, &options).unwrap().into_iter().flatten().collect()
}

#[test]
fn log_probabilities_and_gradients_are_those_of_the_widened_weights() {
    for device in devices() {
        for (tied, packed) in [true, false].into_iter().flat_map(|tied| PACKED.map(|packed| (tied, packed))) {
            let [wide, packed] = [true, false].map(|wide| rounded(&device, tied, packed, wide));
            let score = |model: &Model| {
                let scored = Learner::new(model, Budget::default(), false).unwrap().score(model, &samples(), 1.0).unwrap();
                scored.logprob.iter().map(|lp| f64::from(*lp)).collect::<Vec<_>>()
            };
            let error = distance(&score(&packed), &score(&wide));
            assert!(error <= 1e-6, "{}: log-probabilities are off by {error:.1e}", device.describe());
            let [wide, packed] = [&wide, &packed].map(|model| gradients(model, &samples(), Loss::Weighted, Budget::default()));
            for ((name, wide), (_, packed)) in wide.iter().zip(&packed) {
                let error = distance(packed, wide);
                assert!(error <= 1e-6, "{}: the gradient of {name} is off by {error:.1e}", device.describe());
            }
        }
    }
}

#[test]
fn completions_are_those_of_the_widened_weights() {
    for (device, packed) in devices().into_iter().flat_map(|device| PACKED.map(|packed| (device.clone(), packed))) {
        let [wide, packed] = [true, false].map(|wide| generate(&rounded(&device, true, packed, wide)));
        for (wide, packed) in wide.iter().zip(&packed) {
            assert_eq!(wide.tokens, packed.tokens, "{}", device.describe());
            let worst = wide.logprobs.iter().zip(&packed.logprobs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            eprintln!("{}: log-probabilities differ by at most {worst:.1e}", device.describe());
            assert!(worst <= 1e-6, "{}: log-probabilities differ by {worst:.1e}", device.describe());
        }
    }
}

#[test]
fn half_the_memory() {
    for device in gpus() {
        let caps = device.caps().expect("a GPU");
        let bytes = |dtype: DType| {
            let device = Device::open_adjusted(&caps.name, |_| ()).unwrap();
            device.zeros(dtype, &[300, 24]).unwrap();
            device.counters().bytes
        };
        assert_eq!((bytes(DType::F32), PACKED.map(bytes)), (28_800, [14_400; 2]));
    }
}

#[test]
fn numbers_of_16_bits_are_rounded_and_kept() {
    for device in devices() {
        let tensor = device.zeros(DType::BF16, &[3, 2]).unwrap();
        let values = [1.0, -2.5, 1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, 3.0e38, f32::INFINITY];
        tensor.write(&values).unwrap();
        // Ties go to the even neighbour.
        let expected = [1.0, -2.5, 1.0, 1.015625, bf16::from_f32(3.0e38).to_f32(), f32::INFINITY];
        assert_eq!(tensor.read().unwrap(), expected, "{}", device.describe());
        assert_eq!(tensor.slice(1..2).unwrap().read_bits().unwrap(), [1.0, 1.015625].map(|v| bf16::from_f32(v).to_bits()));
        tensor.slice(2..3).unwrap().write_bits(&[bf16::ONE, bf16::ZERO].map(bf16::to_bits)).unwrap();
        assert_eq!(tensor.read().unwrap()[3..], [1.015625, 1.0, 0.0], "{}", device.describe());

        let message = |result: finemem::Result<()>| result.expect_err("this must fail").to_string();
        assert!(message(device.zeros(DType::BF16, &[4, 3]).map(|_| ())).contains("[4, 3]"));
        assert!(message(tensor.view(&[2, 3]).map(|_| ())).contains("[2, 3]"));
        assert!(message(tensor.read_u32().map(|_| ())).contains("U32"));
        assert!(message(tensor.write_bits(&[0])).contains("1 values"));
        let f32s = device.zeros(DType::F32, &[3, 2]).unwrap();
        assert!(message(f32s.write_bits(&[0; 6])).contains("16-bit"));
        let mut rec = device.record();
        assert!(message(finemem::ops::elementwise::add(&mut rec, &tensor, &f32s)).contains("BF16"));
    }
}

#[test]
fn every_number_of_16_bits_is_widened() {
    let bits: Vec<u16> = (0..=u16::MAX).collect();
    for device in [devices(), vec![Device::cpu_f64()]].concat() {
        for dtype in PACKED {
            let table = device.zeros(dtype, &[256, 256]).unwrap();
            table.write_bits(&bits).unwrap();
            let ids = device.tensor_u32(&(0..256).collect::<Vec<_>>(), &[256]).unwrap();
            let x = device.zeros(DType::F32, &[256, 256]).unwrap();
            let mut rec = device.record();
            embedding::forward(&mut rec, &ids, &table, &x).unwrap();
            rec.submit().unwrap();
            // A GPU may take subnormal numbers for 0, and need not know infinity and NaN.
            let on_gpu = device.caps().is_some();
            for (bits, found) in bits.iter().zip(x.read().unwrap()) {
                let (expected, normal) = match dtype {
                    DType::F16 => (f16::from_bits(*bits).to_f32(), f16::from_bits(*bits).is_normal()),
                    _ => (bf16::from_bits(*bits).to_f32(), bf16::from_bits(*bits).is_normal()),
                };
                let same = found == expected || found.is_nan() && expected.is_nan();
                let spared = on_gpu && !normal && (!expected.is_finite() || found == 0.0);
                assert!(same || spared, "{}: {dtype:?} {bits:#06x} became {found}, not {expected}", device.describe());
            }
        }
    }
}
