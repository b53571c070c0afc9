//! Sampling: a prompt's results do not depend on what else is in the batch, and agree with the log-probabilities of training.

use crate::common::devices;
use crate::common::small::model;
use finemem::generate::{Completion, Generator, Options, Request, SharedGenerator, Stream};
use finemem::model::Model;
use finemem::random::Rng;
use finemem::train::learner::{Budget, Learner, Loss, Sample};
use finemem::train::optimizer::{Optimizer, Settings};

fn options(temperature: f32, max_tokens: usize) -> Options {
    Options { temperature, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens, stop: Vec::new() }
}

/// `count` tokens of a text that every prompt with the same `seed` shares.
fn text(seed: u64, count: usize) -> Vec<u32> {
    let mut rng = Rng::new(&[seed]);
    (0..count).map(|_| rng.next_u32() % 250).collect()
}

/// A prompt of 150 common tokens and `tail` of its own, with two completions.
fn request(id: u32, tail: usize) -> Request {
    let streams = (0..2).map(|rollout| Stream::new(7, 1, [id, rollout, 0])).collect();
    Request { prompt: [text(1, 150), text(100 + u64::from(id), tail)].concat(), streams }
}

/// Everything about completions, bit by bit.
fn bits(completions: &[Completion]) -> Vec<(Vec<u32>, Vec<u32>)> {
    completions.iter().map(|c| (c.tokens.clone(), c.logprobs.iter().map(|lp| lp.to_bits()).collect())).collect()
}

fn generate(model: &Model, requests: &[Request], options: &Options) -> Vec<Vec<(Vec<u32>, Vec<u32>)>> {
    Generator::new(model).unwrap().generate(model, requests, options).unwrap().iter().map(|c| bits(c)).collect()
}

#[test]
fn results_do_not_depend_on_the_batch() {
    for device in devices() {
        let (model, options) = (model(&device, true), options(0.8, 6));
        // Tails shorter and longer than a tile; the last prompt is as long as what the others share, and one token more.
        let requests: Vec<Request> = [(0, 3), (1, 64), (2, 90), (3, 1)].map(|(id, tail)| request(id, tail)).into();
        let alone: Vec<_> = requests.iter().map(|r| generate(&model, std::slice::from_ref(r), &options).remove(0)).collect();
        assert!(alone.iter().flatten().all(|(tokens, _)| !tokens.is_empty()));
        let name = device.describe();

        let batch = generate(&model, &requests, &options);
        assert!(batch == alone, "{name}: a batch with a shared beginning");
        let reversed: Vec<Request> = requests.iter().rev().cloned().collect();
        assert!(generate(&model, &reversed, &options).iter().rev().eq(&alone), "{name}: another order");
        let stranger = Request { prompt: text(9, 77), ..request(9, 0) };
        let mixed = generate(&model, &[&[stranger], &requests[..]].concat(), &options);
        assert!(mixed[1..] == alone, "{name}: a batch without a shared beginning");
        let one: Vec<Request> = requests.iter().map(|r| Request { streams: r.streams[1..].to_vec(), ..r.clone() }).collect();
        let one = generate(&model, &one, &options);
        assert!(one.iter().zip(&alone).all(|(one, both)| one[0] == both[1]), "{name}: one completion of two");
        // The same generator, with a cache that other prompts have filled.
        let mut generator = Generator::new(&model).unwrap();
        for (request, alone) in requests.iter().zip(&alone) {
            let again = generator.generate(&model, std::slice::from_ref(request), &options).unwrap();
            assert!(bits(&again[0]) == *alone, "{name}: a used generator");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_prompts() {
    let (model, options) = (model(&finemem::device::Device::cpu(), false), options(1.0, 4));
    // More sequences than run side by side.
    let requests: Vec<Request> = (0..150).map(|id| request(id, 1 + id as usize % 7)).collect();
    let all = generate(&model, &requests, &options);
    for id in [0, 63, 64, 65, 149] {
        assert!(all[id] == generate(&model, &requests[id..=id], &options)[0], "prompt {id}");
    }
}

/// Log-probabilities of completions as an update sees them.
fn scored(model: &Model, request: &Request, completions: &[Completion], temperature: f32, differentiate: bool) -> Vec<f32> {
    let sample = |c: &Completion| Sample {
        tokens: [&request.prompt[..], &c.tokens].concat(),
        targets: (request.prompt.len() as u32..(request.prompt.len() + c.tokens.len()) as u32).collect(),
        weights: vec![0.0; c.tokens.len()],
        ..Sample::default()
    };
    let samples: Vec<Sample> = completions.iter().map(sample).collect();
    let mut learner = Learner::new(model, Budget::default(), differentiate).unwrap();
    if !differentiate {
        return learner.score(model, &samples, temperature).unwrap().logprob;
    }
    let optimizer = Optimizer::new(model, Settings::default()).unwrap();
    learner.begin(model, &samples).unwrap();
    learner.run(model, &samples, Loss::Weighted, temperature, Some(&optimizer.grads)).unwrap();
    learner.finish(model).unwrap().logprob
}

#[test]
fn logprobs_of_a_rollout_are_those_of_its_update() {
    for device in devices() {
        let model = model(&device, true);
        let mut worst = 0.0f32;
        for temperature in [0.7, 1.0] {
            let request = request(4, 20);
            let found =
                Generator::new(&model).unwrap().generate(&model, std::slice::from_ref(&request), &options(temperature, 40)).unwrap();
            let rollout: Vec<f32> = found[0].iter().flat_map(|c| c.logprobs.clone()).collect();
            for differentiate in [false, true] {
                let update = scored(&model, &request, &found[0], temperature, differentiate);
                assert_eq!(rollout.len(), update.len());
                worst = rollout.iter().zip(&update).map(|(a, b)| (a - b).abs()).fold(worst, f32::max);
            }
        }
        eprintln!("{}: log-probabilities of rollout and update differ by at most {worst:.1e}", device.describe());
        assert!(worst <= 1e-4, "{}: they differ by {worst:.1e}", device.describe());
    }
}

#[test]
fn greedy_takes_the_likeliest_token_of_each_step() {
    for device in devices() {
        let model = model(&device, false);
        let request = Request { prompt: text(3, 12), streams: vec![Stream::new(0, 0, [0; 3])] };
        let found = Generator::new(&model).unwrap().generate(&model, std::slice::from_ref(&request), &options(0.0, 4)).unwrap();
        let mut tokens = request.prompt.clone();
        let mut learner = Learner::new(&model, Budget::default(), false).unwrap();
        for (token, logprob) in found[0][0].tokens.iter().zip(&found[0][0].logprobs) {
            // Every token of the vocabulary as the next one.
            let last = tokens.len() as u32;
            let sample = |next: u32| Sample {
                tokens: [&tokens[..], &[next]].concat(),
                targets: vec![last],
                weights: vec![0.0],
                ..Sample::default()
            };
            let samples: Vec<Sample> = (0..model.config.vocab_size as u32).map(sample).collect();
            let scores = learner.score(&model, &samples, 1.0).unwrap().logprob;
            let total: f64 = scores.iter().map(|lp| f64::from(*lp).exp()).sum();
            assert!((total - 1.0).abs() < 1e-4, "{}: probabilities add up to {total}", device.describe());
            let best = scores.iter().copied().fold(f32::MIN, f32::max);
            assert_eq!(scores[*token as usize], best, "{}", device.describe());
            assert!((best - logprob).abs() < 1e-4, "{}: {logprob} instead of {best}", device.describe());
            tokens.push(*token);
        }
    }
}

#[test]
fn prompts_that_cannot_be_continued_are_named() {
    let model = model(&finemem::device::Device::cpu(), true);
    let fails = |prompt: Vec<u32>, max_tokens: usize, said: &str| {
        let requests = [request(0, 2), Request { prompt, streams: vec![Stream::new(0, 0, [0; 3])] }];
        let error = Generator::new(&model).unwrap().generate(&model, &requests, &options(1.0, max_tokens)).err().unwrap().to_string();
        assert!(error.contains(said), "{error}\nsays not {said}");
    };
    fails(vec![], 3, "prompt 2 is empty");
    fails(vec![1], 0, "max_tokens is 0");
    fails(vec![1, 300], 3, "token 300 is outside the vocabulary of 300");
    fails(vec![1; 510], 3, "prompt 2 has 510 tokens");
    fails(vec![1; 600], 3, "600 tokens");
}

#[test]
fn a_conversation_computes_what_is_new() {
    for device in devices() {
        let (model, options, name) = (model(&device, true), options(0.8, 6), device.describe());
        let mut talk = Generator::new(&model).unwrap();
        talk.keep_prompts();
        let turns = |counts: &[usize]| counts.iter().enumerate().flat_map(|(i, count)| text(i as u64, *count)).collect::<Vec<u32>>();
        // It goes on, starts again differently, and with less.
        let prompts = [turns(&[100]), turns(&[100, 130]), turns(&[100, 130, 64, 70]), text(9, 90), text(9, 64), text(9, 65), vec![1]];
        let requests = prompts.map(|prompt| Request { prompt, streams: vec![Stream::new(7, 1, [0; 3])] });
        for (turn, request) in requests.iter().enumerate() {
            let request = std::slice::from_ref(request);
            let said = talk.generate(&model, request, &options).unwrap();
            assert!(bits(&said[0]) == generate(&model, request, &options)[0], "{name}: turn {turn}");
        }
        // Keys that were computed with other weights show that they are not computed again.
        let long = &requests[1..2];
        talk.generate(&model, long, &options).unwrap();
        let k = &model.weights.layers[0].k.weight;
        k.write(&k.read().unwrap().iter().map(|v| -v).collect::<Vec<f32>>()).unwrap();
        let kept = talk.generate(&model, long, &options).unwrap();
        assert!(bits(&kept[0]) != generate(&model, long, &options)[0], "{name}: nothing was kept");
    }
}

#[test]
fn turns_compute_a_common_beginning_once() {
    for device in devices() {
        let (model, options, name) = (model(&device, true), options(0.8, 6), device.describe());
        let shared = SharedGenerator::default();
        let mut plain = Generator::new(&model).unwrap();
        let mut turn = |number: usize, requests: &[Request]| {
            let said: Vec<_> = shared.take_turn(number, &model, requests, &options).unwrap().iter().map(|c| bits(c)).collect();
            let alone: Vec<_> = plain.generate(&model, requests, &options).unwrap().iter().map(|c| bits(c)).collect();
            said == alone
        };
        // Prompts that begin alike, others that share more and less of it, one alone, and others again.
        let longer = |tail: usize| Request { prompt: [text(1, 150), text(2, 70), text(3, tail)].concat(), ..request(5, 0) };
        let turns = [
            vec![request(0, 3), request(1, 64)],
            vec![request(2, 9), request(3, 90)],
            vec![longer(5), longer(9)],
            vec![request(2, 40), longer(4)],
            vec![longer(5)],
            vec![longer(30)],
            vec![request(0, 3), request(1, 64)],
        ];
        for (number, requests) in turns.iter().enumerate() {
            assert!(turn(number, requests), "{name}: turn {number}");
        }
        // Keys that were computed with other weights show that they are not computed again, and those of a first turn are.
        let k = &model.weights.layers[0].k.weight;
        k.write(&k.read().unwrap().iter().map(|v| -v).collect::<Vec<f32>>()).unwrap();
        assert!(!turn(7, &turns[6]), "{name}: nothing was kept");
        assert!(turn(0, &turns[6]), "{name}: a first turn");
        k.write(&k.read().unwrap().iter().map(|v| -v).collect::<Vec<f32>>()).unwrap();
        // Nor is anything kept where somebody else has sampled.
        shared.generate(&model, &turns[0], &options).unwrap();
        assert!(turn(1, &turns[6]), "{name}: after somebody else");
    }
}
