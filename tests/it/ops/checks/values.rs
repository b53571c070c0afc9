//! Ops against numbers worked out by hand or by a plain loop.

use finemem::device::{DType, Device};
use finemem::ops::adamw;
use finemem::ops::attribution::{self, Evidence};
use finemem::ops::zscore;

use crate::common::devices;
use crate::common::random::Random;
use crate::ops::cases::adamw::STEP;

fn close(device: &Device, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*found) - expected).abs() < 1e-5, "{}: {found} at {i} instead of {expected}", device.describe());
    }
}

#[test]
fn adamw_is_the_published_algorithm() {
    let n = 37;
    let mut random = Random::new("adamw", 0);
    let mut start = || (0..n).map(|_| random.between(-1.0, 1.0) as f32).collect::<Vec<_>>();
    let (w0, gradients) = (start(), [start(), start(), start()]);
    for device in devices() {
        let scale = device.tensor(&[0.0, 0.5], &[2]).unwrap();
        let w = device.tensor(&w0, &[n]).unwrap();
        let [g, m, v] = [(); 3].map(|()| device.zeros(DType::F32, &[n]).unwrap());
        let mut expected: Vec<f64> = w0.iter().map(|w| f64::from(*w)).collect();
        let (mut em, mut ev) = (vec![0.0; n], vec![0.0; n]);
        for (t, gradient) in (1..).zip(&gradients) {
            let step = adamw::AdamW { correction1: 1.0 - STEP.beta1.powi(t), correction2: 1.0 - STEP.beta2.powi(t), ..STEP };
            g.write(gradient).unwrap();
            let mut rec = device.record();
            adamw::step(&mut rec, step, &scale, &w, &g, &m, &v).unwrap();
            rec.submit().unwrap();
            let [lr, b1, b2, eps, decay] = [STEP.lr, STEP.beta1, STEP.beta2, STEP.eps, STEP.weight_decay].map(f64::from);
            for i in 0..n {
                let gradient = 0.5 * f64::from(gradient[i]);
                em[i] = b1 * em[i] + (1.0 - b1) * gradient;
                ev[i] = b2 * ev[i] + (1.0 - b2) * gradient * gradient;
                let (mean, variance): (f64, f64) = (em[i] / (1.0 - b1.powi(t)), ev[i] / (1.0 - b2.powi(t)));
                expected[i] -= lr * (mean / (variance.sqrt() + eps) + decay * expected[i]);
            }
            assert!(g.read().unwrap().iter().all(|g| *g == 0.0), "{}: the gradient is cleared", device.describe());
        }
        close(&device, &w.read().unwrap(), &expected);
    }
}

#[test]
fn a_gradient_that_is_not_finite_switches_the_step_off() {
    for device in devices() {
        for bad in [f32::INFINITY, f32::NAN, 1e30] {
            let g = device.tensor(&[0.5, bad, -0.5], &[3]).unwrap();
            let partial = device.zeros(DType::F32, &[1]).unwrap();
            let out = device.zeros(DType::F32, &[2]).unwrap();
            let mut rec = device.record();
            adamw::sum_squares(&mut rec, &g, 0, &partial).unwrap();
            adamw::clip_scale(&mut rec, &partial, 1.0, &out).unwrap();
            rec.submit().unwrap();
            assert_eq!(out.read().unwrap()[1], 0.0, "{}: {bad}", device.describe());
        }
    }
}

#[test]
fn attribution_follows_the_evidence() {
    for device in devices() {
        let integers = |values: &[u32]| device.tensor_u32(values, &[values.len()]).unwrap();
        let floats = |values: &[f32]| device.tensor(values, &[values.len()]).unwrap();
        // Rollout 0 has 2 steps and 2 questions: the first (score 1) rests on step 0 (twice) and step 1, the second (score 0.5) on
        // nothing. Rollout 1 has 3 steps and no question. Rollout 2 has 1 step and a question (score 0.8) that rests on it.
        let (scores, questions, entries) = (floats(&[1.0, 0.5, 0.8]), integers(&[0, 2, 2, 3]), integers(&[0, 3, 3, 4]));
        let third = 1.0 / 3.0;
        let (steps, shares) = (integers(&[0, 1, 0, 0]), floats(&[third, third, third, 1.0]));
        let lengths = integers(&[2, 3, 1]);
        let credit = device.tensor(&[9.0; 9], &[3, 3]).unwrap();
        let evidence =
            Evidence { scores: &scores, questions: &questions, entries: &entries, steps: &steps, shares: &shares, lengths: &lengths };
        let mut rec = device.record();
        attribution::forward(&mut rec, &evidence, &credit).unwrap();
        rec.submit().unwrap();
        // Step 0 gets (2/3 + 0.5/2) / 2 of the mean score 0.75, step 1 (1/3 + 0.5/2) / 2.
        let [first, second] = [2.0 / 3.0, 1.0 / 3.0].map(|share| (share + 0.25) / 2.0);
        close(&device, &credit.read().unwrap(), &[first, second, 0.0, 0.0, 0.0, 0.0, 0.8, 0.0, 0.0]);
    }
}

#[test]
fn zscore_of_small_groups() {
    for device in devices() {
        let x = device.tensor(&[1.0, 0.1, 2.0, 0.1, 3.0, 5.0, 0.1], &[7]).unwrap();
        // {1, 2, 3}, {0.1, 0.1, 0.1}, {5}
        let members = device.tensor_u32(&[0, 2, 4, 1, 3, 6, 5], &[7]).unwrap();
        let starts = device.tensor_u32(&[0, 3, 6, 7], &[4]).unwrap();
        let varies = device.tensor_u32(&[1, 0, 0], &[3]).unwrap();
        let y = device.tensor(&[9.0; 7], &[7]).unwrap();
        for (divide, expected) in [(true, 1.0 / 1.5), (false, 1.0)] {
            let mut rec = device.record();
            zscore::forward(&mut rec, &x, &members, &starts, &varies, zscore::Baseline::Mean, 0.5, divide, &y).unwrap();
            rec.submit().unwrap();
            close(&device, &y.read().unwrap(), &[-expected, 0.0, 0.0, 0.0, expected, 0.0, 0.0]);
        }
    }
}
