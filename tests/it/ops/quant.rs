//! Quantised weights: their numbers are those of llama.cpp's `gguf` package, and products with them have the bits of those with the numbers.

use std::path::Path;

use finemem::device::{DType, Device, Quant};
use finemem::ops::embedding;
use finemem::ops::matmul::{self, Write};

use crate::common::case::distance;
use crate::common::gpus;
use crate::common::random::Random;

fn bytes(hex: &serde_json::Value) -> Vec<u8> {
    let hex = hex.as_str().expect("a text");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("a byte")).collect()
}

/// What tests/golden/blocks.py has written.
fn golden() -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/blocks.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("readable")).expect("JSON")
}

/// Any bytes are blocks, but for their 16-bit floats, which are small and finite here.
fn blocks(quant: Quant, count: usize) -> Vec<u8> {
    let mut random = Random::new(quant.name(), count as u64);
    let floats: &[usize] = match quant {
        Quant::Q4_0 | Quant::Q5_0 | Quant::Q8_0 => &[0],
        Quant::Q4_1 | Quant::Q5_1 | Quant::Q4K | Quant::Q5K => &[0, 2],
        Quant::Q6K => &[208],
    };
    let mut bytes: Vec<u8> = (0..count * quant.bytes()).map(|_| random.bits() as u8).collect();
    for block in bytes.chunks_mut(quant.bytes()) {
        for at in floats {
            block[*at..][..2].copy_from_slice(&half::f16::from_f64(random.between(-0.01, 0.01)).to_le_bytes());
        }
    }
    bytes
}

#[test]
fn numbers_are_those_of_the_gguf_package() {
    let golden = golden();
    for quant in Quant::ALL {
        let case = &golden[quant.name()];
        let found: Vec<u8> = quant.numbers(&bytes(&case["blocks"])).iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(found, bytes(&case["numbers"]), "{}", quant.name());
    }
}

/// Products of both kinds of rows, the backward product and the embedding, with a quantised weight and with its numbers: in pairs.
fn pairs(device: &Device, quant: Quant, (m, n, k): (usize, usize, usize)) -> Vec<(&'static str, [Vec<f32>; 2])> {
    let blocks = blocks(quant, n * k / quant.block());
    let quantised = device.zeros(DType::Quant(quant), &[n, k]).unwrap();
    quantised.write_bits(bytemuck::cast_slice(&blocks)).unwrap();
    let wide = device.tensor(&quant.numbers(&blocks), &[n, k]).unwrap();
    assert_eq!(quantised.read().unwrap(), wide.read().unwrap());
    let mut random = Random::new("rows", m as u64);
    let mut rows = |count: usize| (0..m * count).map(|_| random.between(-1.0, 1.0) as f32).collect::<Vec<_>>();
    let (x, dy) = (device.tensor(&rows(k), &[m, k]).unwrap(), device.tensor(&rows(n), &[m, n]).unwrap());
    let ids = device.tensor_u32(&[0, n as u32 - 1, n as u32 / 2], &[3]).unwrap();
    let shapes = [("nt", m, n), ("rows", m, n), ("nn", m, k), ("embedding", 3, k)];
    let of = |weight| {
        let out = shapes.map(|(_, rows, cols)| device.zeros(DType::F32, &[rows, cols]).unwrap());
        let mut rec = device.record();
        matmul::nt(&mut rec, &x, weight, &out[0], Write::Replace).unwrap();
        matmul::rows(&mut rec, &x, weight, &out[1], Write::Replace).unwrap();
        matmul::nn(&mut rec, &dy, weight, &out[2], Write::Replace).unwrap();
        embedding::forward(&mut rec, &ids, weight, &out[3]).unwrap();
        rec.submit().unwrap();
        out.map(|tensor| tensor.read().unwrap())
    };
    let ([a, b, c, d], [e, f, g, h]) = (of(&quantised), of(&wide));
    shapes.map(|(what, ..)| what).into_iter().zip([[a, e], [b, f], [c, g], [d, h]]).collect()
}

#[test]
fn products_have_the_bits_of_those_with_the_numbers() {
    for quant in Quant::ALL {
        for (n, blocks) in [(1, 1), (33, 2), (70, 5)] {
            for m in [1, 2, 3, 4, 7, 40] {
                for (what, [quantised, wide]) in pairs(&Device::cpu(), quant, (m, n, blocks * quant.block())) {
                    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&quantised), bits(&wide), "{} {what} m {m}, n {n}, {blocks} blocks", quant.name());
                }
            }
        }
    }
}

#[test]
fn products_on_gpus_are_those_with_the_numbers() {
    for (device, quant) in gpus().iter().flat_map(|device| Quant::ALL.map(|quant| (device, quant))) {
        for (m, n) in [(1, 8), (5, 33), (40, 68)] {
            for (what, [quantised, wide]) in pairs(device, quant, (m, n, 2 * quant.block())) {
                let [quantised, wide] = [quantised, wide].map(|values| values.into_iter().map(f64::from).collect::<Vec<_>>());
                let error = distance(&quantised, &wide);
                assert!(error <= 1e-6, "{}: {} {what} m {m}, n {n} is off by {error:.1e}", device.describe(), quant.name());
            }
        }
    }
}

#[test]
fn rows_have_whole_blocks() {
    let device = Device::cpu();
    let why = |shape: &[usize]| device.zeros(DType::Quant(Quant::Q4K), shape).map(|_| ()).unwrap_err().to_string();
    assert!(why(&[3, 128]).contains("q4_k numbers come in blocks of 256"), "{}", why(&[3, 128]));
    let tensor = device.zeros(DType::Quant(Quant::Q8_0), &[4, 64]).unwrap();
    assert!(tensor.write(&[0.0; 255]).is_err() && tensor.write_bits(&[0; 3]).is_err());
    assert_eq!(tensor.slice(1..3).unwrap().read().unwrap(), vec![0.0; 128]);
}

#[test]
fn blocks_are_made_as_llama_cpp_makes_them() {
    let golden = golden();
    let numbers =
        |case: &str| -> Vec<f32> { bytes(&golden[case]["numbers"]).as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect() };
    assert_eq!(Quant::Q8_0.quantise(&numbers("write q8_0")).unwrap(), bytes(&golden["write q8_0"]["blocks"]));
    // 4 bits: each number is within half a step of its unit, but for what the rounding of scales adds.
    let mut random = Random::new("normal", 4);
    let values: Vec<f32> =
        (0..2048).map(|i| (random.between(-1.0, 1.0) + random.between(-1.0, 1.0)) as f32 * (1.0 + (i / 256) as f32)).collect();
    let found = Quant::Q4K.numbers(&Quant::Q4K.quantise(&values).unwrap());
    for (values, found) in values.chunks(32).zip(found.chunks(32)) {
        let span = values.iter().fold(0.0f32, |most, v| most.max(*v)) - values.iter().fold(0.0f32, |least, v| least.min(*v));
        let worst = values.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 0.6 * span / 15.0 + 0.02 * span, "{worst} of {span}");
    }
    assert_eq!(Quant::Q4K.numbers(&Quant::Q4K.quantise(&[0.0; 256]).unwrap()), vec![0.0; 256]);
    assert!(Quant::Q8_0.quantise(&values[1..]).is_err() && Quant::Q5_0.quantise(&values).is_err());
}
