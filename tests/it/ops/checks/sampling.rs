//! Sampling: which tokens come, how often, and that a draw depends on its own row only.

use finemem::device::Device;
use finemem::ops::sample::{self, STREAM, Sampling};

use crate::common::devices;
use crate::common::random::Random;

/// Tokens and log-probabilities of one draw a row.
fn draw(device: &Device, sampling: Sampling, logits: &[f32], vocab: usize, streams: &[[u32; STREAM]]) -> (Vec<u32>, Vec<f32>) {
    let rows = streams.len();
    let logits = device.tensor(logits, &[rows, vocab]).unwrap();
    let streams = device.tensor_u32(streams.as_flattened(), &[rows, STREAM]).unwrap();
    let drawn = device.tensor_u32(&vec![u32::MAX; 2 * rows], &[rows, 2]).unwrap();
    let mut rec = device.record();
    sample::forward(&mut rec, sampling, &logits, &streams, &drawn).unwrap();
    rec.submit().unwrap();
    drawn.read_u32().unwrap().chunks_exact(2).map(|pair| (pair[0], f32::from_bits(pair[1]))).unzip()
}

/// Streams that differ in the number of the token.
fn streams(rows: usize) -> Vec<[u32; STREAM]> {
    (0..rows as u32).map(|i| [7, 11, 1, 2, 3, i]).collect()
}

/// Draws often from one set of logits; the counts must fit `expected`, which need not add up to 1.
fn check_counts(sampling: Sampling, logits: &[f32], expected: &[f64]) {
    let (vocab, total) = (logits.len(), expected.iter().sum::<f64>());
    for device in devices() {
        let rows = if device.caps().is_some() { 400 } else { 20_000 };
        let (tokens, _) = draw(&device, sampling, &logits.repeat(rows), vocab, &streams(rows));
        for (token, weight) in expected.iter().enumerate() {
            let p = weight / total;
            let count = tokens.iter().filter(|t| **t as usize == token).count() as f64;
            let deviation = (rows as f64 * p * (1.0 - p)).sqrt();
            let off = (count - rows as f64 * p).abs();
            assert!(off <= 4.5 * deviation, "{}, {sampling:?}: token {token} came {count} times, p = {p}", device.describe());
        }
    }
}

/// Logits of tokens with these weights.
fn logits(weights: &[f64]) -> Vec<f32> {
    weights.iter().map(|w| w.ln() as f32).collect()
}

#[test]
fn tokens_come_as_often_as_they_should() {
    let weights = [0.4, 0.02, 0.3, 0.08, 0.2];
    check_counts(Sampling::new(1.0, 0, 1.0, 0.0), &logits(&weights), &weights);
    check_counts(Sampling::new(0.5, 0, 1.0, 0.0), &logits(&weights), &weights.map(|w| w * w));
    check_counts(Sampling::new(1.0, 2, 1.0, 0.0), &logits(&weights), &[0.4, 0.0, 0.3, 0.0, 0.0]);
    check_counts(Sampling::new(1.0, 0, 0.75, 0.0), &logits(&weights), &[0.4, 0.0, 0.3, 0.0, 0.2]);
    // Top-p counts the mass of what top-k leaves: 0.4 of 0.9 does not reach 0.5, 0.7 does.
    check_counts(Sampling::new(1.0, 3, 0.5, 0.0), &logits(&weights), &[0.4, 0.0, 0.3, 0.0, 0.0]);
    check_counts(Sampling::new(1.0, 0, 0.01, 0.0), &logits(&weights), &[1.0, 0.0, 0.0, 0.0, 0.0]);
    // A quarter of the likeliest, at the temperature; and together with top-k.
    check_counts(Sampling::new(1.0, 0, 1.0, 0.25), &logits(&weights), &[0.4, 0.0, 0.3, 0.0, 0.2]);
    check_counts(Sampling::new(0.5, 0, 1.0, 0.3), &logits(&weights), &[0.16, 0.0, 0.09, 0.0, 0.0]);
    check_counts(Sampling::new(1.0, 2, 1.0, 0.25), &logits(&weights), &[0.4, 0.0, 0.3, 0.0, 0.0]);
    // Tokens that tie with the threshold stay in.
    check_counts(Sampling::new(1.0, 1, 1.0, 0.0), &logits(&[1.0, 3.0, 3.0, 2.0]), &[0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn devices_agree_on_every_token() {
    for (rows, vocab) in [(1, 1), (7, 5), (12, 257), (3, 1031)] {
        let mut random = Random::new("logits", vocab as u64);
        let logits: Vec<f32> = (0..rows * vocab).map(|_| random.between(-5.0, 5.0) as f32).collect();
        for (temperature, top_k, top_p, min_p) in
            [(0.0, 0, 1.0, 0.0), (1.0, 0, 1.0, 0.0), (0.7, 3, 1.0, 0.0), (1.3, 0, 0.8, 0.0), (1.0, 20, 0.5, 0.0), (0.9, 0, 1.0, 0.05)]
        {
            let sampling = Sampling::new(temperature, top_k, top_p, min_p);
            let streams = streams(rows);
            let (expected, _) = draw(&Device::cpu_f64(), sampling, &logits, vocab, &streams);
            for device in devices() {
                let (tokens, logprobs) = draw(&device, sampling, &logits, vocab, &streams);
                assert_eq!(tokens, expected, "{}, {rows}x{vocab}, {sampling:?}", device.describe());
                for (row, (token, logprob)) in tokens.iter().zip(logprobs).enumerate() {
                    let inverse = if temperature == 0.0 { 1.0 } else { 1.0 / f64::from(temperature) };
                    let row = &logits[row * vocab..][..vocab];
                    let total: f64 = row.iter().map(|l| (f64::from(*l) * inverse).exp()).sum();
                    let exact = f64::from(row[*token as usize]) * inverse - total.ln();
                    assert!((f64::from(logprob) - exact).abs() < 2e-5, "{}: {logprob} instead of {exact}", device.describe());
                }
            }
        }
    }
}

#[test]
fn greedy_takes_the_first_of_the_largest() {
    for device in devices() {
        let (tokens, _) = draw(&device, Sampling::new(0.0, 0, 1.0, 0.0), &[-1.0, 2.0, 0.5, 2.0, 3.0, 3.0, -3.0, 3.0], 4, &streams(2));
        assert_eq!(tokens, [1, 0], "{}", device.describe());
    }
}

#[test]
fn a_draw_depends_on_its_row_only() {
    let (rows, vocab) = (9, 300);
    let mut random = Random::new("logits", 9);
    let logits: Vec<f32> = (0..rows * vocab).map(|_| random.between(-3.0, 3.0) as f32).collect();
    let sampling = Sampling::new(0.9, 50, 0.9, 0.0);
    for device in devices() {
        let all = draw(&device, sampling, &logits, vocab, &streams(rows));
        assert_eq!(all, draw(&device, sampling, &logits, vocab, &streams(rows)), "{}: twice the same", device.describe());
        for row in 0..rows {
            let (tokens, logprobs) = draw(&device, sampling, &logits[row * vocab..][..vocab], vocab, &streams(rows)[row..=row]);
            assert_eq!((tokens[0], logprobs[0].to_bits()), (all.0[row], all.1[row].to_bits()), "{}: row {row}", device.describe());
        }
    }
}
