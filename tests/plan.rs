//! The plan of a run against the memory that it takes.

mod common;

use common::small::model;
use finemem_engine::device::Device;
use finemem_engine::generate::{Generator, Options, Request, Stream};
use finemem_engine::model::lora::{Lora, TARGETS};
use finemem_engine::tensor::DType;
use finemem_engine::train::grpo::{Credit, Grpo, Settings, Turn};
use finemem_engine::train::learner::Memory;
use finemem_engine::train::losses::Recipe;
use finemem_engine::train::optimizer::Settings as AdamSettings;
use finemem_engine::train::plan::{self, Workload};

/// The most memory that two rollouts and updates take on a device of their own.
fn actual(work: &Workload) -> u64 {
    let device = Device::cpu();
    let mut model = model(&device, true);
    if let Some(lora) = &work.lora {
        model.add_lora(lora.clone(), 1).unwrap();
    }
    let memory = work.memory;
    let mut trainer = Grpo::new(
        &model,
        Settings { lr: 1e-3, loss: Recipe::named("verl", 256).unwrap(), minibatches: 1, seed: 1, adam: AdamSettings::default(), memory },
    )
    .unwrap();
    let streams = |p: u32| (0..work.group as u32).map(|g| Stream::new(1, 0, [p, g, 0])).collect();
    let requests: Vec<Request> =
        (0..work.prompts as u32).map(|p| Request { prompt: vec![7 + p; work.prompt], streams: streams(p) }).collect();
    let options = Options { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens: work.completion, stop: Vec::new() };
    let mut generator = None;
    for _ in 0..2 {
        let generator_now = generator.get_or_insert_with(|| Generator::new(&model).unwrap());
        let completions = generator_now.generate(&model, &requests, &options).unwrap();
        if plan::alternates(&model) {
            generator = None;
        }
        let turns: Vec<Turn> = completions
            .iter()
            .enumerate()
            .flat_map(|(episode, group)| group.iter().enumerate().map(move |(rollout, c)| (episode, rollout, c)))
            .map(|(episode, rollout, c)| Turn {
                rollout,
                episode,
                step: 0,
                prompt: requests[episode].prompt.clone(),
                completion: c.tokens.clone(),
                logprobs: c.logprobs.clone(),
            })
            .collect();
        let rewards: Vec<f32> = (0..turns.len()).map(|i| i as f32).collect();
        trainer.update(&model, &turns, &Credit::rewards(&rewards), 1.0, 1e-3).unwrap();
    }
    device.counters().peak
}

#[test]
fn a_run_takes_what_is_planned() {
    let lora = || Some(Lora::new(4, 8.0, &TARGETS).unwrap());
    let keep = Memory { micro_tokens: 256, recompute: false };
    let recompute = Memory { micro_tokens: 256, recompute: true };
    for (lora, memory, prompts, completion) in
        [(None, keep, 2, 24), (None, recompute, 2, 24), (lora(), keep, 1, 300), (lora(), recompute, 3, 40)]
    {
        let work = Workload { lora, dtype: DType::F32, prompts, group: 4, prompt: 100, completion, memory };
        let model = model(&Device::cpu(), true);
        let plan = plan::plan_of(model.config.clone(), model.tokenizer.clone(), &work).unwrap();
        let actual = actual(&work);
        let off = (plan.peak as f64 - actual as f64) / actual as f64;
        assert!(off.abs() <= 0.05, "planned {}, took {actual} with {work:?}:\n{plan}", plan.peak);
    }
}

#[test]
fn half_the_bytes_for_matrices_in_16_bits() {
    let model = model(&Device::cpu(), true);
    let work = |dtype| Workload {
        lora: Some(Lora::new(4, 8.0, &["q_proj"]).unwrap()),
        dtype,
        prompts: 1,
        group: 2,
        prompt: 10,
        completion: 10,
        memory: Memory::default(),
    };
    let weights = |dtype| plan::plan_of(model.config.clone(), model.tokenizer.clone(), &work(dtype)).unwrap().parts[0].bytes;
    let (wide, narrow) = (weights(DType::F32), weights(DType::BF16));
    assert_eq!(narrow, weights(DType::F16));
    assert!(2 * narrow < wide * 11 / 10, "{narrow} and {wide}");
    let long = Workload { prompt: 600, ..work(DType::F32) };
    let error = plan::plan_of(model.config.clone(), model.tokenizer.clone(), &long).unwrap_err().to_string();
    assert!(error.contains("610 tokens"), "{error}");
}
