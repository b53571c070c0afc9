//! The plan of a run against the memory that it takes.

use crate::common::small::model;
use finemem::device::{DType, Device};
use finemem::generate::{Generator, Options as Sampling, Request, Stream};
use finemem::model::activations::Recompute;
use finemem::model::lora::{Lora, TARGETS};
use finemem::model::shapes::{Sizes, shapes};
use finemem::model::{Config, Tokenizer, Weights};
use finemem::ops::policy_loss::PolicyLoss;
use finemem::rollout::Turn;
use finemem::train::grpo::{Credit, Grpo, Settings};
use finemem::train::learner::Budget;
use finemem::train::losses::{LossName, Recipe};
use finemem::train::optimizer::Settings as AdamSettings;
use finemem::train::plan::{self, Plan, Workload};
use finemem_script::{Runtime, RuntimeOptions};

/// Rollouts of an episode.
const GROUP: usize = 4;

/// The most memory that two rollouts and updates take on a device of their own.
fn actual(work: &Workload) -> u64 {
    let device = Device::cpu();
    let mut model = model(&device, true);
    if let Some(lora) = &work.lora {
        model.add_lora(lora.clone(), 1).unwrap();
    }
    let loss = Recipe::named(LossName::Verl, 256);
    let mut trainer = Grpo::new(
        &model,
        Settings {
            lr: 1e-3,
            loss: Recipe { policy: PolicyLoss { kl_coef: if work.kl { 0.1 } else { 0.0 }, ..loss.policy }, ..loss },
            minibatches: 1,
            seed: 1,
            adam: AdamSettings::default(),
            memory: work.update(),
        },
    )
    .unwrap();
    let streams = |p: u32| (0..GROUP as u32).map(|g| Stream::new(1, 0, [p, g, 0])).collect();
    let requests = |batch: usize| -> Vec<Request> {
        let prompts = 0..(batch * work.rollouts / GROUP) as u32;
        prompts.map(|p| Request { prompt: vec![7 + p; work.prompt], streams: streams(p) }).collect()
    };
    let options = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens: work.completion, stop: Vec::new() };
    let mut generator = None;
    // The second batch is larger than planned: what has no room waits.
    for batch in [1, 2] {
        let requests = requests(batch);
        if plan::alternates(&model) {
            trainer.release();
        }
        let generator_now = generator.get_or_insert_with(|| Generator::new(&model).unwrap());
        generator_now.reserve(&model, work.room()).unwrap();
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

fn planned(work: &Workload) -> Plan {
    let model = model(&Device::cpu(), true);
    plan::plan(&model.config, &model.tokenizer, work).unwrap()
}

/// The element types of the small model with matrices in `dtype`.
fn types(dtype: DType) -> Weights<DType> {
    Weights::types(&model(&Device::cpu(), true).config, dtype).unwrap()
}

#[test]
fn a_run_takes_what_is_planned() {
    let lora = || Some(Lora::new(4, 8.0, &TARGETS).unwrap());
    for recompute in [Recompute::None, Recompute::Attention, Recompute::All] {
        for (lora, kl, rollouts, completion) in
            [(None, true, 8, 24), (None, false, 8, 300), (lora(), true, 4, 300), (lora(), false, 12, 40)]
        {
            let memory = Budget { micro_tokens: 256, recompute };
            let work = Workload { train: true, lora, types: types(DType::F32), kl, rollouts, prompt: 100, completion, memory };
            let (plan, actual) = (planned(&work), actual(&work));
            let off = (plan.peak as f64 - actual as f64) / actual as f64;
            assert!(off.abs() <= 0.05, "planned {}, took {actual} with {work:?}:\n{plan}", plan.peak);
        }
    }
}

#[test]
fn what_is_computed_again_takes_no_memory() {
    let memory = |recompute| Budget { micro_tokens: 1024, recompute };
    let work = |recompute| Workload {
        train: true,
        lora: None,
        types: types(DType::F32),
        kl: false,
        rollouts: 4,
        prompt: 100,
        completion: 10,
        memory: memory(recompute),
    };
    let update = |recompute| planned(&work(recompute)).parts.iter().find(|part| part.name == "update").unwrap().bytes;
    let [none, attention, all] = [Recompute::None, Recompute::Attention, Recompute::All].map(update);
    // Of the last block everything is kept. The small model has two.
    let parts = |floats: u64| 1024 * 4 * floats;
    assert_eq!(none - attention, parts(24 + 1 + 40 + 20 + 4 + 2 + 40 + 20 + 20 + 40 + 4));
    assert_eq!(attention - all, parts(24 + 24 + 1 + 3 * 40));
}

/// The error of a script on a device with so many megabytes.
fn refusal(script: &str, megabytes: u64) -> String {
    let options = RuntimeOptions { device: "cpu".into(), device_memory: Some(megabytes * 1_000_000), ..RuntimeOptions::default() };
    let policy = "local fm = require 'finemem'; local function policy() return fm.model.load { path = 'models/tiny' } end;";
    let text = format!("{policy} {script}");
    Runtime::new(options).unwrap().evaluate("test.lua", &text).map_or_else(|e| e.to_string(), |value| value.to_string())
}

#[test]
fn a_run_that_does_not_fit_is_refused_before_it_starts() {
    let trainer = |more: &str| {
        format!(
            "local tools = {{ {{ name = 'a', description = 'a', parameters = {{ type = 'object' }}, run = function() end }} }}
             local trainer = fm.grpo.new {{ policy = policy(), tools = tools, prompt = function(input) return input.chunk end,
                reasoner = fm.reasoner.extractive {{}}, max_tokens = 64, {more} }}
             local batch = trainer:rollout {{ episodes = {{ {{ chunks = {{ 'Ada is here.' }}, questions = {{}} }} }}, group = 2 }}
             local used = {{}}
             for i, rollout in ipairs(batch.rollouts) do used[i] = {{ i }} end
             trainer:update {{ batch = batch, rewards = used }}
             return {{ planned = trainer.planned, peak = trainer.peak }}"
        )
    };
    let loading = refusal("policy()", 3);
    assert!(loading.contains("models/tiny: the model needs") && loading.contains(" has 3.0 MB free"), "{loading}");
    let sizes = "max_prompt = 448, episodes = 1, group = 4";
    let refused = refusal(&trainer(sizes), 150);
    for part in [
        "the run needs",
        " MB of memory, but CPU executor",
        "the run takes less with",
        "recompute attention: ",
        "recompute all: ",
        "completions of 32",
    ] {
        assert!(refused.contains(part), "{part} is not in: {refused}");
    }
    let supervised = refusal("fm.sft.new { policy = policy() }", 150);
    assert!(supervised.contains("training needs") && supervised.contains("recompute"), "{supervised}");
    // What the hint says fits, does.
    for recompute in ["none", "attention", "all"] {
        let more = format!("{sizes}, recompute = '{recompute}', micro_tokens = 512");
        let found: serde_json::Value = serde_json::from_str(&refusal(&trainer(&more), 150)).unwrap();
        let (planned, peak) = (found["planned"].as_f64().unwrap(), found["peak"].as_f64().unwrap());
        assert!((planned / peak - 1.0).abs() <= 0.05, "planned {planned}, took {peak} with {recompute}");
    }
    // Rollouts alone take neither gradients nor an optimiser.
    let rolls = trainer(&format!("{sizes}, train = false")).replace("trainer:update", "local _ = pcall(trainer.update, trainer, {})--");
    let found: serde_json::Value = serde_json::from_str(&refusal(&rolls, 150)).unwrap();
    let (planned, peak) = (found["planned"].as_f64().unwrap(), found["peak"].as_f64().unwrap());
    assert!((planned / peak - 1.0).abs() <= 0.05 && planned < 80e6, "planned {planned}, took {peak} without updates");
    let refused = refusal(&trainer(&format!("{sizes}, train = false")), 150);
    assert!(refused.contains("made with train = false"), "{refused}");
    // Without sizes there must be room for what the model allows.
    assert!(refusal(&trainer("group = 4"), 500).contains("the run needs"));
}

#[test]
fn rollouts_that_branch_keep_to_the_plan() {
    // The plan counts the rollouts of `episodes`; these rewards roll out six and twelve times as many at once.
    for (reward, settings) in [("memory_r2", "p = 1, m = 8"), ("treemem", "stages = 3, branching = 3")] {
        let script = format!(
            "local loop, world = require 'lib.loop', require 'worlds.household'
             local trainer = fm.grpo.new {{ policy = policy(), tools = require 'tools.flat', prompt = require 'prompts.flat',
                reasoner = fm.reasoner.extractive {{}}, view = 'relevant', view_items = 6, group = 4, episodes = 1, max_tokens = 96,
                max_prompt = 320, lr = 1e-4, micro_tokens = 1024 }}
             local reward, most, updated = loop.reward '{reward}', 0, false
             for step = 1, 2 do
                local episodes = world.sample {{ count = 1, seed = step, variety = 0.1, made_up = 0 }}
                local option = {{ seed = 1, step = step, {settings} }}
                local batches, batch = loop.rollout(trainer, reward, episodes, option)
                for _, one in ipairs(batches) do most = math.max(most, #one.rollouts) end
                updated = loop.update(trainer, batches, reward.steps(batch, option)).loss ~= nil or updated
             end
             return {{ planned = trainer.planned, peak = trainer.peak, most = most, updated = updated }}"
        );
        let found: serde_json::Value = serde_json::from_str(&refusal(&script, 4000)).unwrap();
        let (planned, peak) = (found["planned"].as_f64().unwrap(), found["peak"].as_f64().unwrap());
        assert!(found["most"].as_u64().unwrap() >= 24 && found["updated"] == true, "{reward}: {found}");
        assert!((planned / peak - 1.0).abs() <= 0.05, "{reward}: planned {planned}, took {peak}");
    }
}

#[test]
fn half_the_bytes_for_matrices_in_16_bits() {
    let work = |dtype| Workload {
        train: true,
        lora: Some(Lora::new(4, 8.0, &["q_proj"]).unwrap()),
        types: types(dtype),
        kl: true,
        rollouts: 2,
        prompt: 10,
        completion: 10,
        memory: Budget::default(),
    };
    let weights = |dtype| planned(&work(dtype)).parts[0].bytes;
    let (wide, narrow) = (weights(DType::F32), weights(DType::BF16));
    assert_eq!(narrow, weights(DType::F16));
    assert!(2 * narrow < wide * 11 / 10, "{narrow} and {wide}");
    let long = Workload { prompt: 600, ..work(DType::F32) };
    let model = model(&Device::cpu(), true);
    let error = plan::plan(&model.config, &model.tokenizer, &long).unwrap_err().to_string();
    assert!(error.contains("610 tokens"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused_with_both_sizes() {
    let device = Device::cpu();
    let tokenizer = Tokenizer::train(vec!["a".into()], 300, &[], "<end>").unwrap();
    let (name, small) = &shapes()[0];
    let config = Config { num_hidden_layers: 1, vocab_size: 1000, ..small.clone() };
    let error = |config: &Config| plan::fits("sampling", &device, config, &tokenizer, DType::BF16, |_| Ok(())).map_err(|e| e.to_string());
    assert_eq!(error(&config), Ok(()), "{name}");
    let huge = Config { vocab_size: 1 << 40, ..config };
    if device.memory().is_some() {
        let said = error(&huge).unwrap_err();
        assert!(said.contains("sampling needs") && said.contains("GB of memory, but "), "{said}");
    }
}

#[test]
fn shapes_have_the_published_numbers_of_parameters() {
    let counts = shapes().map(|(name, config)| (name, Sizes::of(&config).unwrap().all));
    let published = [
        ("qwen3-0.6b", 596_049_920),
        ("qwen3-1.7b", 1_720_574_976),
        ("qwen3-4b", 4_022_468_096),
        ("llama-3.2-3b", 3_212_749_824),
        ("qwen2.5-7b", 7_615_616_512),
    ];
    assert_eq!(counts, published);
}
