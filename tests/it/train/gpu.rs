//! The whole model on every GPU: gradients, training, sampling, and what they cost.

use crate::common::case::distance;
use crate::common::small::{Against, alike, config, gradients, model, samples};
use crate::common::{devices, gpus};
use finemem::device::{Caps, Counters, DType, Device};
use finemem::generate::{Completion, Generator, Options, Request, Stream};
use finemem::model::activations::Recompute;
use finemem::model::{Model, Weights};
use finemem::ops::policy_loss::{Level, PolicyLoss};
use finemem::rollout::Turn;
use finemem::train::grpo::{Credit, Grpo, Settings as GrpoSettings};
use finemem::train::learner::{Budget, Learner, Loss, Sample};
use finemem::train::losses::{KlIn, Recipe};
use finemem::train::optimizer::{Optimizer, Settings};
use finemem::train::sft::Supervised;

/// How far f32 gradients of the whole model may be from f64, relative to the size of a tensor's elements. The CPU executor
/// in f32 is off by up to 1e-4 itself.
const GRADIENT_TOLERANCE: f64 = 5e-4;

#[test]
fn gradients_match_f64() {
    let samples = [samples(), alike()].concat();
    for (tied, policy) in [(true, 0), (false, 1), (true, 2)] {
        let of = |device: &Device, memory: Budget| {
            let model = model(device, tied);
            let against = Against::new(&model);
            let of_turns = PolicyLoss { level: Level::Sequence, kl_coef: 0.05, ..PolicyLoss::default() };
            let loss = [Loss::Weighted, against.policy_loss(), against.loss(of_turns)][policy];
            gradients(&model, &samples, loss, memory)
        };
        let expected = of(&Device::cpu_f64(), Budget::default());
        for device in &devices() {
            // Small micro-batches with recomputation go through every kernel of training.
            let mut worst = 0.0f64;
            for (micro_tokens, recompute) in [(4096, Recompute::None), (64, Recompute::Attention), (64, Recompute::All)] {
                let memory = Budget { micro_tokens, recompute };
                let found = of(device, memory);
                for ((name, expected), (_, found)) in expected.iter().zip(&found) {
                    let error = distance(found, expected);
                    worst = worst.max(error);
                    assert!(error <= GRADIENT_TOLERANCE, "{}: {name} with {memory:?} is off by {error:.1e}", device.describe());
                }
            }
            eprintln!("{}: gradients are off by at most {worst:.1e}", device.describe());
        }
    }
}

/// Log-probabilities, weights and counters after some steps.
fn train(device: &Device, steps: usize) -> (Vec<Vec<f32>>, Vec<Vec<f32>>, Vec<Counters>) {
    let model = model(device, true);
    let mut samples = samples();
    samples.iter_mut().for_each(|s| s.weights.fill(-0.01));
    let mut learner = Learner::new(&model, Budget::default(), true).unwrap();
    let mut optimizer = Optimizer::new(&model, Settings::default()).unwrap();
    let (mut logprobs, mut counters) = (Vec::new(), vec![device.counters()]);
    for _ in 0..steps {
        learner.begin(&model, &samples).unwrap();
        learner.run(&model, &samples, Loss::Weighted, 1.0, Some(&optimizer.grads)).unwrap();
        learner.step(&model, &mut optimizer, 3e-3).unwrap();
        logprobs.push(learner.finish(&model).unwrap().logprob);
        counters.push(device.counters());
    }
    (logprobs, model.weights.named().iter().map(|(_, w)| w.read().unwrap()).collect(), counters)
}

#[test]
fn training_follows_the_cpu_and_repeats_itself() {
    let (expected, ..) = train(&Device::cpu(), 4);
    for device in gpus() {
        let (found, weights, _) = train(device, 4);
        for (step, (expected, found)) in expected.iter().zip(&found).enumerate() {
            let worst = expected.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-2, "{}: log-probabilities of step {step} differ by {worst}", device.describe());
        }
        let (again, weights_again, _) = train(device, 4);
        assert!(found == again && weights == weights_again, "{}: two runs differ", device.describe());
    }
}

#[test]
fn matrices_that_are_larger_than_a_binding_are_trained() {
    // 256 rows of the embedding and of the head, which have 300, and everything else of a short sequence.
    let limit = 256 * 24 * 4;
    let tokens = samples()[2].tokens[..21].to_vec();
    let samples = [Sample { tokens, targets: (1..21).collect(), weights: vec![-0.05; 20], ..Sample::default() }];
    let train = |device: &Device| -> (Vec<Vec<f64>>, u64) {
        let model = model(device, false);
        let before = device.counters().dispatches;
        let mut learner = Learner::new(&model, Budget { micro_tokens: 64, recompute: Recompute::None }, true).unwrap();
        // With the usual eps the first step is the sign of each gradient, and where that is near 0 rounding decides.
        let mut optimizer = Optimizer::new(&model, Settings { eps: 1e-2, ..Settings::default() }).unwrap();
        learner.begin(&model, &samples).unwrap();
        learner.run(&model, &samples, Loss::Weighted, 1.0, Some(&optimizer.grads)).unwrap();
        learner.step(&model, &mut optimizer, 3e-3).unwrap();
        let dispatches = device.counters().dispatches - before;
        for (name, g) in optimizer.grads.trained() {
            assert!(g.read().unwrap().iter().all(|g| *g == 0.0), "{}: the gradient of {name} is not cleared", device.describe());
        }
        (model.weights.named().iter().map(|(_, w)| w.read_f64().unwrap()).collect(), dispatches)
    };
    for device in gpus() {
        let caps = device.caps().expect("a GPU");
        let open = |max_binding| {
            let adjust = |adjusted: &mut Caps| (adjusted.software, adjusted.max_binding) = (caps.software, max_binding);
            Device::open_adjusted(&caps.name, adjust).unwrap()
        };
        let ((expected, whole), (found, pieces)) = (train(&open(caps.max_binding)), train(&open(limit)));
        // For each of the two matrices one more sum of squares and update, for the head three more products, for the embedding one
        // more look-up and gradient.
        assert_eq!(pieces, whole + 2 * 2 + 3 + 2, "{}", device.describe());
        for (expected, found) in expected.iter().zip(&found) {
            let error = distance(found, expected);
            assert!(error <= 1e-5, "{}: a weight of {} elements is off by {error:.1e}", device.describe(), found.len());
        }
    }
}

#[test]
fn a_training_step_creates_no_buffers() {
    for device in gpus() {
        // Other tests use the shared device at the same time.
        let caps = device.caps().expect("a GPU");
        let device = Device::open_family(&caps.name, caps.software).unwrap();
        let (_, _, counters) = train(&device, 4);
        let steps: Vec<[u64; 4]> = counters
            .windows(2)
            .map(|w| {
                let (a, b) = (w[0], w[1]);
                [b.buffers - a.buffers, b.dispatches - a.dispatches, b.submits - a.submits, b.readbacks - a.readbacks]
            })
            .collect();
        eprintln!("{}: buffers, dispatches, submits, readbacks of a step: {:?}", device.describe(), steps[1]);
        for step in &steps[1..] {
            assert_eq!((step[0], step), (0, &steps[1]), "{}", device.describe());
        }
        assert_eq!(steps[1][3], 1, "results are read once a step");
    }
}

fn generate(device: &Device, temperature: f32) -> (Vec<Vec<Completion>>, Counters, Counters) {
    let model = model(device, true);
    let mut generator = Generator::new(&model).unwrap();
    let requests: Vec<Request> = [vec![1, 2, 3], vec![1, 2, 3, 4, 5, 6, 7], vec![9; 40]]
        .into_iter()
        .enumerate()
        .map(|(i, prompt)| Request { prompt, streams: (0..3).map(|rollout| Stream::new(7, 1, [i as u32, rollout, 0])).collect() })
        .collect();
    let options = Options { temperature, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens: 12, stop: Vec::new() };
    let before = device.counters();
    (generator.generate(&model, &requests, &options).unwrap(), before, device.counters())
}

#[test]
fn sampling_draws_the_tokens_of_the_cpu() {
    for temperature in [0.0, 1.0] {
        let (expected, ..) = generate(&Device::cpu(), temperature);
        for device in gpus() {
            let (found, ..) = generate(device, temperature);
            for (expected, found) in expected.iter().flatten().zip(found.iter().flatten()) {
                assert_eq!(expected.tokens, found.tokens, "{} at temperature {temperature}", device.describe());
                let worst = expected.logprobs.iter().zip(&found.logprobs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst < 1e-3, "{}: log-probabilities differ by {worst}", device.describe());
            }
        }
    }
}

#[test]
fn a_token_costs_one_submit() {
    for device in gpus() {
        let caps = device.caps().expect("a GPU");
        let device = Device::open_family(&caps.name, caps.software).unwrap();
        let (found, before, after) = generate(&device, 1.0);
        let tokens = found.iter().flatten().map(|c| c.tokens.len() as u64).max().unwrap_or(0);
        eprintln!("{tokens} tokens: {} submits, {} dispatches", after.submits - before.submits, after.dispatches - before.dispatches);
        assert_eq!(after.readbacks - before.readbacks, tokens, "{}", device.describe());
        // One more or two for the prompts.
        assert!(after.submits - before.submits <= tokens + 2, "{}", device.describe());
    }
}

#[test]
fn a_grpo_update_reads_once() {
    for device in gpus() {
        let caps = device.caps().expect("a GPU");
        let device = Device::open_family(&caps.name, caps.software).unwrap();
        let model = model(&device, true);
        // Two episodes of two steps, two rollouts of each; the last step of the second has no spread.
        let turns: Vec<Turn> = (0..8)
            .map(|i| Turn {
                rollout: i / 2,
                episode: i / 4,
                step: i % 2,
                prompt: vec![1, 2, 3 + i as u32],
                completion: vec![7, 8, 9 + i as u32],
                logprobs: vec![-5.7; 3],
            })
            .collect();
        let rewards = [0.0, 1.0, 0.5, 0.25, 1.0, 1.0, 0.0, 1.0];
        let (loss, reward) = (KlIn::Loss, KlIn::Reward);
        for (name, kl_coef, kl_in, minibatches) in
            [("verl", 0.0, loss, 1), ("verl", 0.1, loss, 2), ("gspo", 0.0, loss, 1), ("gspo", 0.1, loss, 2), ("rloo", 0.1, reward, 2)]
        {
            let named = Recipe::named(name.parse().unwrap(), 256);
            let settings = GrpoSettings {
                lr: 1e-3,
                loss: Recipe { policy: PolicyLoss { kl_coef, ..named.policy }, kl_in, ..named },
                minibatches,
                seed: 1,
                adam: Settings::default(),
                memory: Budget::default(),
            };
            let mut trainer = Grpo::new(&model, settings).unwrap();
            let mut update = || {
                let before = device.counters();
                let stats = trainer.update(&model, &turns, &Credit::rewards(&rewards), 1.0, 1e-3).unwrap();
                let after = device.counters();
                ([after.readbacks - before.readbacks, after.buffers - before.buffers], stats)
            };
            update();
            let (cost, stats) = update();
            // Rewards less their KL need the log-probabilities of the reference first.
            let readbacks = if kl_in == reward { 2 } else { 1 };
            assert_eq!(cost, [readbacks, 0], "{}: readbacks and buffers of an update with {name}", device.describe());
            assert_eq!(stats["frac_reward_zero_std"], if kl_in == reward { 0.0 } else { 0.25 });
            // The reference is what the policy was before the first update.
            assert_eq!(stats.contains_key("kl"), kl_coef > 0.0);
            assert!(kl_coef == 0.0 || stats["kl"].abs() > 1e-6, "{stats:?}");
        }
    }
}

#[test]
fn a_matrix_that_no_buffer_can_hold_is_named() {
    for device in gpus() {
        let caps = device.caps().expect("a GPU");
        let limited = |max_buffer| Device::open_adjusted(&caps.name, |adjusted| adjusted.max_buffer = max_buffer).unwrap();
        let tokenizer = || model(&Device::cpu(), true).tokenizer;
        // The embedding of 300 rows of 24 takes 28,800 bytes in f32.
        let types = |dtype| Weights::types(&config(true), dtype).unwrap();
        let error =
            Model::zeros(config(true), tokenizer(), &limited(28_799), &types(DType::F32)).err().expect("it is too large").to_string();
        for word in ["model.embed_tokens.weight", "[300, 24]", "f32", "28800 bytes", "28799", &caps.name, "bf16", "another device"] {
            assert!(error.contains(word), "no '{word}' in '{error}'");
        }
        // In 16 bits it fits, and is not trained.
        let narrow = Model::zeros(config(true), tokenizer(), &limited(28_799), &types(DType::F16)).unwrap();
        let error = Supervised::new(&narrow, Budget::default(), Settings::default()).err().expect("16 bits are not trained").to_string();
        for word in ["model.embed_tokens.weight", "f16", "dtype = \"f32\"", "adapter"] {
            assert!(error.contains(word), "no '{word}' in '{error}'");
        }
    }
}
