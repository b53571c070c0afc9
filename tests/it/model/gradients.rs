//! The whole model: gradients by finite differences, recomputation, micro-batches, the optimiser's effect.

use std::collections::HashMap;

use crate::common::devices;
use crate::common::small::{Against, alike, config, gradients, model, samples};
use finemem::device::Device;
use finemem::model::activations::Recompute;
use finemem::model::{Config, Model, Tokenizer};
use finemem::ops::policy_loss::{Estimator, Form, Level, PolicyLoss};
use finemem::random::Rng;
use finemem::train::learner::{Budget, Learner, Loss, Sample};
use finemem::train::optimizer::{Optimizer, Settings};

/// The loss that the gradients belong to.
fn loss_of(model: &Model, samples: &[Sample], loss: Loss<'_>) -> f64 {
    let mut learner = Learner::new(model, Budget::default(), true).unwrap();
    let optimizer = Optimizer::new(model, Settings::default()).unwrap();
    learner.begin(model, samples).unwrap();
    learner.run(model, samples, loss, 1.3, Some(&optimizer.grads)).unwrap();
    // The report is f32: compare sums of the f64 numbers behind it through the coefficients instead.
    learner.loss_f64(loss, samples).unwrap()
}

fn check_by_differences(tied: bool, policy: Option<PolicyLoss>) {
    let device = Device::cpu_f64();
    let model = model(&device, tied);
    let against = Against::new(&model);
    let loss = policy.map_or(Loss::Weighted, |policy| against.loss(policy));
    let mut samples = samples();
    if policy.is_some_and(|policy| policy.level == Level::Sequence) {
        // The derivatives are those of the turn's loss where its tokens weigh alike.
        samples.iter_mut().enumerate().for_each(|(i, s)| s.weights.fill(0.3 + i as f32));
    }
    // Ratios around 1, some of them beyond the bounds.
    let now = Learner::new(&model, Budget::default(), false).unwrap().score(&model, &samples, 1.3).unwrap().logprob;
    for (old, now) in samples.iter_mut().flat_map(|s| &mut s.old).zip(now) {
        *old = now + 8.0 * (*old + 5.65);
    }
    let grads = gradients(&model, &samples, loss, Budget::default());
    for ((name, w), (_, g)) in model.weights.named().into_iter().zip(&grads) {
        let values = w.read_f64().unwrap();
        // The element with the largest gradient and two others.
        let largest = (0..g.len()).max_by(|a, b| g[*a].abs().total_cmp(&g[*b].abs())).unwrap();
        for i in [largest, g.len() / 2, g.len() - 1] {
            let h = 1e-6;
            let at = |delta: f64| {
                let mut moved = values.clone();
                moved[i] += delta;
                w.write_f64(&moved).unwrap();
                let loss = loss_of(&model, &samples, loss);
                w.write_f64(&values).unwrap();
                loss
            };
            let slope = (at(h) - at(-h)) / (2.0 * h);
            assert!((slope - g[i]).abs() <= 1e-6 * slope.abs().max(1e-2), "{name}[{i}]: {} by differences, {} by backward", slope, g[i]);
        }
    }
}

#[test]
fn gradients_of_a_weighted_loss_match_finite_differences() {
    check_by_differences(true, None);
    check_by_differences(false, None);
}

#[test]
fn gradients_of_the_policy_loss_match_finite_differences() {
    let clipped = PolicyLoss { clip_high: 0.3, dual_clip: 3.0, kl_coef: 0.05, ..PolicyLoss::default() };
    check_by_differences(true, Some(clipped));
    check_by_differences(true, Some(PolicyLoss { form: Form::LogProb, estimator: Estimator::K2, ..clipped }));
}

#[test]
fn gradients_of_a_loss_of_turns_match_finite_differences() {
    let turns = PolicyLoss { level: Level::Sequence, clip_low: 0.01, clip_high: 0.01, kl_coef: 0.05, ..PolicyLoss::default() };
    check_by_differences(true, Some(turns));
}

#[test]
fn micro_batches_change_no_gradient() {
    let device = Device::cpu_f64();
    let model = model(&device, true);
    let samples = samples();
    let whole = gradients(&model, &samples, Loss::Weighted, Budget::default());
    let small = gradients(&model, &samples, Loss::Weighted, Budget { micro_tokens: 64, ..Budget::default() });
    for ((name, a), (_, b)) in whole.iter().zip(small) {
        let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-12, "{name}: {worst}");
    }
}

#[test]
fn sequences_that_begin_alike_share_tokens_and_change_no_result() {
    let samples = alike();
    let device = Device::cpu_f64();
    let exact = model(&device, true);
    let against = Against::new(&exact);
    for loss in [Loss::Weighted, against.policy_loss()] {
        let shared = gradients(&exact, &samples, loss, Budget::default());
        // In micro-batches of one sequence nothing can be shared.
        let mut alone: Vec<(String, Vec<f64>)> = Vec::new();
        for sample in &samples {
            let own = gradients(&exact, std::slice::from_ref(sample), loss, Budget::default());
            match alone.is_empty() {
                true => alone = own,
                false => alone.iter_mut().zip(own).for_each(|((_, sum), (_, own))| sum.iter_mut().zip(own).for_each(|(s, o)| *s += o)),
            }
        }
        for ((name, a), (_, b)) in shared.iter().zip(alone) {
            let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-12, "{name}: {worst}");
        }
    }
    for device in devices() {
        let model = model(&device, true);
        let mut learner = Learner::new(&model, Budget::default(), true).unwrap();
        let optimizer = Optimizer::new(&model, Settings::default()).unwrap();
        let mut logprobs = |samples: &[Sample]| {
            learner.begin(&model, samples).unwrap();
            learner.run(&model, samples, Loss::Weighted, 1.0, Some(&optimizer.grads)).unwrap();
            learner.finish(&model).unwrap()
        };
        let together = logprobs(&samples);
        assert_eq!(together.shared, 128 + 64 + 192, "{}", device.describe());
        let alone: Vec<f32> = samples.iter().flat_map(|sample| logprobs(std::slice::from_ref(sample)).logprob).collect();
        assert_eq!(together.logprob, alone, "{}", device.describe());
    }
}

#[test]
fn recomputation_changes_no_bit_of_a_gradient() {
    let samples = samples();
    for device in devices() {
        for tied in [true, false] {
            let model = model(&device, tied);
            let of = |recompute| gradients(&model, &samples, Loss::Weighted, Budget { recompute, ..Budget::default() });
            let kept = of(Recompute::None);
            for recompute in [Recompute::Attention, Recompute::All] {
                assert!(kept == of(recompute), "{}, {recompute:?}", device.describe());
            }
        }
    }
}

#[test]
fn many_targets_are_read_in_pieces() {
    let device = Device::cpu();
    let model = Model::random(
        Config {
            num_hidden_layers: 1,
            hidden_size: 4,
            intermediate_size: 4,
            num_attention_heads: 1,
            num_key_value_heads: 1,
            head_dim: 2,
            ..config(true)
        },
        Tokenizer::train(vec!["a b".into()], 258, &[], "<|im_end|>").unwrap(),
        &device,
        3,
    )
    .unwrap();
    let sample = |i: usize| {
        let tokens: Vec<u32> = (0..500).map(|t| ((t + i) * (i + 7) % 300) as u32).collect();
        Sample { targets: (1..500).collect(), weights: vec![0.1; 499], tokens, ..Sample::default() }
    };
    let samples: Vec<Sample> = (0..140).map(sample).collect();
    let mut learner = Learner::new(&model, Budget::default(), false).unwrap();
    let before = device.counters().buffers;
    let all = learner.score(&model, &samples, 1.0).unwrap();
    assert_eq!((all.logprob.len(), device.counters().buffers), (140 * 499, before));
    for i in [0, 70, 139] {
        let one = learner.score(&model, &samples[i..=i], 1.0).unwrap();
        assert!(one.logprob == all.logprob[i * 499..][..499] && one.entropy == all.entropy[i * 499..][..499], "sample {i}");
    }
}

#[test]
fn an_optimiser_lowers_the_loss() {
    let device = Device::cpu();
    let model = model(&device, true);
    let mut samples = samples();
    samples.iter_mut().for_each(|s| s.weights.fill(-0.01));
    let mut learner = Learner::new(&model, Budget::default(), true).unwrap();
    let mut optimizer = Optimizer::new(&model, Settings::default()).unwrap();
    let mut means = Vec::new();
    for _ in 0..30 {
        learner.begin(&model, &samples).unwrap();
        learner.run(&model, &samples, Loss::Weighted, 1.0, Some(&optimizer.grads)).unwrap();
        learner.step(&model, &mut optimizer, 3e-3).unwrap();
        let report = learner.finish(&model).unwrap();
        means.push(report.logprob.iter().sum::<f32>() / report.logprob.len() as f32);
    }
    assert!(means[29] > means[0] + 2.0, "{means:?}");
}

#[test]
fn parameters_without_a_gradient_stay_as_they_are() {
    let device = Device::cpu();
    for tied in [true, false] {
        let (model, samples) = (model(&device, tied), samples());
        let all: HashMap<String, Vec<f64>> = gradients(&model, &samples, Loss::Weighted, Budget::default()).into_iter().collect();
        let mut learner = Learner::new(&model, Budget::default(), true).unwrap();
        let mut optimizer = Optimizer::new(&model, Settings::default()).unwrap();
        // Every second parameter, then the others.
        for frozen in [0, 1] {
            let mut index = frozen;
            let fresh = Optimizer::new(&model, Settings::default()).unwrap().grads;
            optimizer.grads = fresh
                .map(|_, gradient| {
                    index += 1;
                    Ok(gradient.clone().filter(|_| index % 2 == 0))
                })
                .unwrap();
            learner.begin(&model, &samples).unwrap();
            learner.run(&model, &samples, Loss::Weighted, 1.3, Some(&optimizer.grads)).unwrap();
            let found = optimizer.grads.trained();
            assert!(found.len().abs_diff(all.len() / 2) <= 1);
            for (name, gradient) in found {
                assert_eq!(gradient.read_f64().unwrap(), all[&name], "{name}");
            }
        }
        let before: Vec<Vec<f32>> = model.weights.named().iter().map(|(_, w)| w.read().unwrap()).collect();
        learner.step(&model, &mut optimizer, 1e-3).unwrap();
        learner.finish(&model).unwrap();
        for (((name, w), before), (_, gradient)) in model.weights.named().iter().zip(before).zip(optimizer.grads.named()) {
            assert_eq!(w.read().unwrap() == before, gradient.is_none(), "{name}");
        }
    }
}

/// Mean log-probability of a random sequence, told a first and a second time.
fn repeats(model: &Model) -> [f32; 2] {
    let mut rng = Rng::new(&[17]);
    let first: Vec<u32> = (0..60).map(|_| rng.next_u32() % 1000).collect();
    let targets: Vec<u32> = (1..120).collect();
    let sample = Sample { tokens: [&first[..], &first[..]].concat(), weights: vec![0.0; targets.len()], targets, ..Sample::default() };
    let logprob = Learner::new(model, Budget::default(), false).unwrap().score(model, &[sample], 1.0).unwrap().logprob;
    [&logprob[..59], &logprob[60..]].map(|half| half.iter().sum::<f32>() / 59.0)
}

#[test]
fn copying_models_copy_before_training() {
    let config = Config { vocab_size: 1000, hidden_size: 128, num_hidden_layers: 4, head_dim: 64, intermediate_size: 384, ..config(true) };
    let tokenizer = || Tokenizer::train(vec!["a b".into()], 258, &[], "<|im_end|>").unwrap();
    let [new, old] = repeats(&Model::random(config.clone(), tokenizer(), &Device::cpu(), 3).unwrap());
    assert!((new - old).abs() < 0.5, "random: {new} and {old}");
    let [new, old] = repeats(&Model::copying(config, tokenizer(), &Device::cpu(), 3).unwrap());
    assert!(old > new + 4.0, "copying: {new} and {old}");
}

#[test]
fn a_frozen_embedding_stays_as_it_is() {
    let device = Device::cpu();
    for tied in [true, false] {
        let (model, samples) = (model(&device, tied), samples());
        let mut learner = Learner::new(&model, Budget::default(), true).unwrap();
        let mut optimizer = Optimizer::new(&model, Settings { freeze_embedding: true, ..Settings::default() }).unwrap();
        let before: Vec<Vec<f32>> = model.weights.named().iter().map(|(_, w)| w.read().unwrap()).collect();
        learner.begin(&model, &samples).unwrap();
        learner.run(&model, &samples, Loss::Weighted, 1.0, Some(&optimizer.grads)).unwrap();
        learner.step(&model, &mut optimizer, 1e-3).unwrap();
        learner.finish(&model).unwrap();
        for ((name, w), before) in model.weights.named().iter().zip(before) {
            assert_eq!(w.read().unwrap() == before, name == "model.embed_tokens.weight", "tied {tied}: {name}");
        }
    }
}

#[test]
fn short_embeddings_are_drawn_like_the_others() {
    let device = Device::cpu();
    for tied in [true, false] {
        let model = model(&device, tied);
        let width = model.config.hidden_size;
        let tables = || [Some(&model.weights.embed), model.weights.head.as_ref()].into_iter().flatten();
        for table in tables() {
            let mut values = table.read().unwrap();
            // Element 1 is twice element 0, and element 2 is constant. The first hundred rows are short and alike.
            values.chunks_mut(width).for_each(|row| (row[1], row[2]) = (2.0 * row[0], 0.5));
            values[..100 * width].fill(0.01);
            table.write(&values).unwrap();
        }
        let before: Vec<Vec<f32>> = tables().map(|table| table.read().unwrap()).collect();
        assert_eq!(model.redraw(0.3, 1).unwrap(), 100 * before.len());
        for (table, before) in tables().zip(before) {
            let after = table.read().unwrap();
            assert_eq!(after[100 * width..], before[100 * width..]);
            let deviation = |values: &[f32], element: usize| {
                let column: Vec<f32> = values.chunks(width).map(|row| row[element]).collect();
                let mean = column.iter().sum::<f32>() / column.len() as f32;
                (column.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / (column.len() as f32 - 1.0)).sqrt()
            };
            let (new, old) = after.split_at(100 * width);
            for element in [0, 5, width - 1] {
                // The deviation of 100 normal numbers has one of 7 % itself.
                let ratio = deviation(new, element) / deviation(old, element);
                assert!((0.7..1.3).contains(&ratio), "element {element}: {ratio}");
            }
            for row in new.chunks(width) {
                assert!((row[1] - 2.0 * row[0]).abs() < 1e-5 && (row[2] - 0.5).abs() < 1e-5, "{row:?}");
            }
        }
        assert!(model.redraw(100.0, 1).unwrap_err().to_string().contains("give a smaller share"));
    }
}
