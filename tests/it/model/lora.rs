//! Adapters: gradients by finite differences, what is trained and saved, broken folders, export.

use std::path::{Path, PathBuf};

use crate::common::small::{gradients, model, samples};
use crate::common::{case::distance, devices};
use finemem::Error;
use finemem::device::{DType, Device};
use finemem::model::activations::Recompute;
use finemem::model::{Lora, Model, lora};
use finemem::ops::policy_loss::PolicyLoss;
use finemem::random::Rng;
use finemem::rollout::Turn;
use finemem::train::export::{Format, export};
use finemem::train::grpo::{Credit, Grpo, Settings, Trained};
use finemem::train::learner::{Budget, Learner, Loss, Sample};
use finemem::train::log::Checkpoint;
use finemem::train::losses::{LossName, Recipe};
use finemem::train::optimizer::{Optimizer, Settings as AdamSettings};
use finemem_script::{Runtime, RuntimeOptions};
use half::{bf16, f16};
use serde_json::{Map, Value, json};

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";

/// The small model with an adapter that matters.
fn adapted(device: &Device, tied: bool, targets: &[&str]) -> Model {
    let mut model = model(device, tied);
    model.add_lora(Lora::new(3, 5.0, targets).unwrap(), 1).unwrap();
    let mut rng = Rng::new(&[9]);
    for (_, tensor) in model.weights.named().into_iter().filter(|(name, _)| name.contains("lora_B")) {
        let values: Vec<f64> = (0..tensor.len()).map(|_| 0.3 * (rng.number() - 0.5)).collect();
        tensor.write_f64(&values).unwrap();
    }
    model
}

fn score(model: &Model, samples: &[Sample]) -> Vec<f32> {
    Learner::new(model, Budget::default(), false).unwrap().score(model, samples, 1.3).unwrap().logprob
}

/// Every parameter and whether it belongs to an adapter.
fn values(model: &Model) -> Vec<(String, bool, Vec<f32>)> {
    model.weights.named().into_iter().map(|(name, t)| (name.clone(), lora::is_adapter(&name), t.read().unwrap())).collect()
}

fn loss_of(model: &Model, samples: &[Sample], loss: Loss<'_>) -> f64 {
    let mut learner = Learner::new(model, Budget::default(), true).unwrap();
    let optimizer = Optimizer::new(model, AdamSettings::default()).unwrap();
    learner.begin(model, samples).unwrap();
    learner.run(model, samples, loss, 1.3, Some(&optimizer.grads)).unwrap();
    learner.loss_f64(loss, samples).unwrap()
}

#[test]
fn gradients_match_finite_differences() {
    let device = Device::cpu_f64();
    for (tied, targets) in [(true, &lora::TARGETS[..]), (false, &lora::TARGETS[..]), (false, &["v_proj", "up_proj"][..])] {
        let model = adapted(&device, tied, targets);
        let reference = model.weights.without_adapters();
        let advantages = device.tensor(&[0.5, 1.0, -0.75, 0.25], &[4]).unwrap();
        let clipped = PolicyLoss { clip_high: 0.3, dual_clip: 3.0, kl_coef: 0.05, ..PolicyLoss::default() };
        let policy = Loss::Policy { policy: clipped, advantages: &advantages, reference: Some(&reference) };
        let mut samples = samples();
        let now = score(&model, &samples);
        for (old, now) in samples.iter_mut().flat_map(|s| &mut s.old).zip(now) {
            *old = now + 8.0 * (*old + 5.65);
        }
        for loss in [Loss::Weighted, policy] {
            let found = gradients(&model, &samples, loss, Budget::default());
            assert_eq!(found.len(), 2 * 2 * targets.len());
            let adapters = model.weights.named().into_iter().filter(|(name, _)| lora::is_adapter(name));
            for ((name, w), (same, g)) in adapters.zip(&found) {
                assert_eq!(name, *same);
                let values = w.read_f64().unwrap();
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
                    let error = (slope - g[i]).abs();
                    assert!(error <= 1e-6 * slope.abs().max(1e-2), "{name}[{i}]: {slope} by differences, {} by backward", g[i]);
                }
            }
            for recompute in [Recompute::Attention, Recompute::All] {
                assert_eq!(found, gradients(&model, &samples, loss, Budget { recompute, ..Budget::default() }), "{recompute:?}");
            }
        }
    }
}

#[test]
fn a_new_adapter_changes_nothing_and_one_switched_off_is_the_base() {
    for device in devices() {
        let (base, mut fresh) = (model(&device, true), model(&device, true));
        fresh.add_lora(Lora::new(4, 8.0, &lora::TARGETS).unwrap(), 0).unwrap();
        assert_eq!(score(&base, &samples()), score(&fresh, &samples()), "{}", device.describe());
        for (name, _, values) in values(&fresh).into_iter().filter(|(_, adapter, _)| *adapter) {
            let inputs = if name.contains("down_proj") || name.contains("o_proj") { 40.0 } else { 24.0f32 };
            let (bound, most) = (1.0 / inputs.sqrt(), values.iter().fold(0.0f32, |most, v| most.max(v.abs())));
            assert!(if name.contains("lora_A") { most <= bound && most > 0.9 * bound } else { most == 0.0 }, "{name}: {most}");
        }
        let mut off = adapted(&device, true, &lora::TARGETS);
        assert_ne!(score(&base, &samples()), score(&off, &samples()));
        off.weights = off.weights.without_adapters();
        assert_eq!(score(&base, &samples()), score(&off, &samples()), "{}", device.describe());
    }
}

#[test]
fn a_base_in_16_bits_gives_what_its_numbers_give_in_32() {
    for (device, packed) in devices().into_iter().flat_map(|device| [DType::BF16, DType::F16].map(|packed| (device.clone(), packed))) {
        let [wide, packed] = [DType::F32, packed].map(|dtype| {
            let mut model = adapted(&device, true, &lora::TARGETS);
            let tensors = model.weights.map(|name, tensor| {
                if lora::is_adapter(name) || tensor.shape().len() == 1 {
                    return Ok(tensor.clone());
                }
                let [packed, wide] = [device.zeros(packed, tensor.shape())?, device.zeros(DType::F32, tensor.shape())?];
                packed.write(&tensor.read()?)?;
                wide.write(&packed.read()?)?;
                Ok(if dtype.packed() { packed } else { wide })
            });
            model.weights = tensors.unwrap();
            model
        });
        let [a, b] = [&wide, &packed].map(|model| score(model, &samples()).into_iter().map(f64::from).collect::<Vec<_>>());
        assert!(distance(&b, &a) <= 1e-6, "{}", device.describe());
        let [a, b] = [&wide, &packed].map(|model| gradients(model, &samples(), Loss::Weighted, Budget::default()));
        for ((name, a), (_, b)) in a.iter().zip(&b) {
            assert!(distance(b, a) <= 1e-6, "{}: {name}", device.describe());
        }
        assert_eq!(a.len(), 28);
    }
}

fn grpo_settings() -> Settings {
    let verl = Recipe::named(LossName::Verl, 256);
    Settings {
        lr: 1e-2,
        loss: Recipe { policy: PolicyLoss { kl_coef: 0.1, ..verl.policy }, ..verl },
        minibatches: 1,
        seed: 0,
        adam: AdamSettings::default(),
        memory: Budget::default(),
    }
}

/// Two rollouts of one step, as the model samples them.
fn turns(model: &Model) -> Vec<Turn> {
    let mut turns: Vec<Turn> = (0..2)
        .map(|rollout| {
            let completion = vec![7 + rollout as u32, 20, 31, 256];
            Turn { rollout, episode: 0, step: 0, prompt: vec![5; 9], completion, logprobs: Vec::new() }
        })
        .collect();
    for turn in &mut turns {
        let tokens = [&turn.prompt[..], &turn.completion[..]].concat();
        let sample = Sample { tokens, targets: (9..13).collect(), weights: vec![1.0; 4], ..Sample::default() };
        turn.logprobs = Learner::new(model, Budget::default(), false).unwrap().score(model, &[sample], 1.0).unwrap().logprob;
    }
    turns
}

#[test]
fn policy_optimisation_changes_adapters_only_and_goes_on_from_a_checkpoint() {
    for device in devices() {
        let fresh = || {
            let mut model = model(&device, true);
            model.add_lora(Lora::new(4, 8.0, &lora::TARGETS).unwrap(), 0).unwrap();
            model
        };
        let (policy, credit) = (fresh(), Credit::rewards(&[1.0, 0.0]));
        let mut trainer = Grpo::new(&policy, grpo_settings()).unwrap();
        let before = values(&policy);
        let stats = trainer.update(&policy, &turns(&policy), &credit, 1.0, 1e-2).unwrap();
        assert_eq!(stats["kl"], 0.0, "{}", device.describe());
        let folder = tempfile::tempdir().unwrap();
        Trained { trainer: &mut trainer, policy: &policy }.save(folder.path()).unwrap();
        let mut files: Vec<String> = std::fs::read_dir(folder.path().join("policy"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(files, [CONFIG, TENSORS], "a checkpoint holds what is trained");
        let stats = trainer.update(&policy, &turns(&policy), &credit, 1.0, 1e-2).unwrap();
        assert!(stats["kl"] > 0.0, "{stats:?}");
        let after = values(&policy);
        for ((name, adapter, before), (_, _, after)) in before.iter().zip(&after) {
            assert_eq!(before != after, *adapter, "{name} on {}", device.describe());
        }

        let policy = fresh();
        let mut trainer = Grpo::new(&policy, grpo_settings()).unwrap();
        Trained { trainer: &mut trainer, policy: &policy }.load(folder.path()).unwrap();
        trainer.update(&policy, &turns(&policy), &credit, 1.0, 1e-2).unwrap();
        assert!(values(&policy) == after, "a resumed run on {}", device.describe());
    }
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn config_of(folder: &Path) -> Map<String, Value> {
    serde_json::from_str(&std::fs::read_to_string(folder.join(CONFIG)).unwrap()).unwrap()
}

/// Loads a spoiled copy of the adapter of `untied`, and expects an error about `file` with these words.
fn fails(spoil: impl Fn(&Path), file: &str, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    copy(&golden("lora/untied"), folder.path());
    spoil(folder.path());
    let mut model = Model::load(&golden("untied"), &Device::cpu()).unwrap();
    let count = model.weights.count();
    let error = model.load_lora(folder.path()).err().unwrap_or_else(|| panic!("{words:?}: the adapter was loaded"));
    assert!(matches!(error, Error::Io { .. } | Error::Format { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with(folder.path().join(file).to_str().unwrap()), "{text}\ndoes not name {file}");
    assert!(words.iter().all(|word| text.contains(word)), "{text}\nsays not {words:?}");
    assert_eq!(count, model.weights.count(), "half an adapter is left");
}

fn fails_with(key: &str, value: Value, file: &str, words: &[&str]) {
    let spoil = |folder: &Path| {
        let mut map = config_of(folder);
        map.insert(key.into(), value.clone());
        std::fs::write(folder.join(CONFIG), Value::Object(map).to_string()).unwrap();
    };
    fails(spoil, file, words);
}

#[test]
fn broken_adapters_are_refused() {
    for (key, value) in [
        ("peft_type", json!("IA3")),
        ("task_type", json!("SEQ_CLS")),
        ("bias", json!("lora_only")),
        ("use_dora", json!(true)),
        ("lora_bias", json!(true)),
        ("modules_to_save", json!(["lm_head"])),
        ("init_lora_weights", json!("pissa")),
        ("something_new", json!(7)),
        ("r", json!("8")),
        ("r", json!(-1)),
        ("lora_alpha", Value::Null),
        ("target_modules", json!("q_.*")),
    ] {
        fails_with(key, value, CONFIG, &[key]);
    }
    fails_with("r", json!(0), CONFIG, &["rank"]);
    fails_with("lora_alpha", json!(0), CONFIG, &["alpha"]);
    fails_with("target_modules", json!(["lm_head"]), CONFIG, &["lm_head", "q_proj"]);
    fails_with("target_modules", json!([]), CONFIG, &["targets"]);
    let (q, down) = ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", "mlp.down_proj.lora_A.weight");
    fails_with("r", json!(2), TENSORS, &[q, "[3, 12]", "[2, 12]"]);
    fails_with("target_modules", json!(["q_proj", "v_proj"]), TENSORS, &[down, "does not belong"]);
    let b = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";
    fails(|folder| copy(&golden("lora/qwen2"), folder), TENSORS, &[b, "[36, 4]", "[48, 4]"]);
    fails(|folder| std::fs::remove_file(folder.join(CONFIG)).unwrap(), CONFIG, &[]);
    fails(|folder| std::fs::remove_file(folder.join(TENSORS)).unwrap(), TENSORS, &[]);
    fails(|folder| std::fs::rename(folder.join(TENSORS), folder.join("adapter_model.bin")).unwrap(), TENSORS, &["pickle", "save_file"]);
    fails(|folder| std::fs::write(folder.join(CONFIG), "[]").unwrap(), CONFIG, &["JSON object"]);
    fails(|folder| std::fs::write(folder.join(TENSORS), [0; 9]).unwrap(), TENSORS, &["not a whole safetensors file"]);

    let mut model = Model::load(&golden("untied"), &Device::cpu()).unwrap();
    let large = model.add_lora(Lora::new(13, 1.0, &["q_proj"]).unwrap(), 0).unwrap_err().to_string();
    assert!(large.contains("rank 13") && large.contains("12"), "{large}");
    model.load_lora(&golden("lora/untied")).unwrap();
    let twice = model.load_lora(&golden("lora/untied")).unwrap_err().to_string();
    assert!(twice.contains("already"), "{twice}");
}

#[test]
fn what_is_saved_is_the_same_adapter() {
    for name in ["untied", "qwen2", "llama"] {
        let load = |folder: &Path| {
            let mut model = Model::load(&golden(name), &Device::cpu()).unwrap();
            model.load_lora(folder).unwrap();
            model
        };
        let (model, target) = (load(&golden(&format!("lora/{name}"))), tempfile::tempdir().unwrap());
        model.save(target.path(), "f32").unwrap();
        let again = load(target.path());
        assert_eq!((&again.lora, values(&again)), (&model.lora, values(&model)));
        let (ours, theirs) = (config_of(target.path()), config_of(&golden(&format!("lora/{name}"))));
        for key in ["peft_type", "task_type", "base_model_name_or_path", "r", "lora_alpha", "lora_dropout", "bias"] {
            assert_eq!(ours[key], theirs[key], "{key}");
        }
    }
}

#[test]
fn merging_adds_the_product_of_the_adapter() {
    let device = Device::cpu_f64();
    let (adapted, base) = (adapted(&device, true, &["k_proj"]), model(&device, true));
    let layer = &adapted.weights.layers[1].k;
    let adapter = layer.lora.as_ref().unwrap();
    let (a, b) = (adapter.a.read_f64().unwrap(), adapter.b.read_f64().unwrap());
    let merged = adapted.merge_lora().unwrap();
    let (before, after) = (base.weights.layers[1].k.weight.read_f64().unwrap(), merged.weights.layers[1].k.weight.read_f64().unwrap());
    for (i, (before, after)) in before.iter().zip(&after).enumerate() {
        let (row, column) = (i / 24, i % 24);
        let product: f64 = (0..3).map(|r| b[row * 3 + r] * a[r * 24 + column]).sum();
        assert!((before + 5.0 / 3.0 * product - after).abs() < 1e-6, "[{row}, {column}]");
    }
    assert!(merged.weights.named().len() == base.weights.named().len());
}

#[test]
fn merged_models_are_checked_before_they_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("merged");
    for name in ["untied", "qwen2", "llama"] {
        let (base, adapter) = (golden(name), golden(&format!("lora/{name}")));
        for device in devices() {
            let mut expected = Model::load(&base, &Device::cpu()).unwrap();
            expected.load_lora(&adapter).unwrap();
            let expected = expected.merge_lora().unwrap();
            // From the type with the most bits to that with the fewest: the effect of rounding grows.
            let mut effect = 0.0;
            for (dtype, round) in [
                (None, (|v| v) as fn(f32) -> f32),
                (Some("f16"), |v| f16::from_f32(v).to_f32()),
                (Some("bf16"), |v| bf16::from_f32(v).to_f32()),
            ] {
                let found = export(&base, Some(&adapter), &out, Format::Folder, dtype, &device).unwrap();
                assert!(found.compared == 64 && found.merged <= 1e-4, "{name}: {found:?}");
                assert!(if dtype.is_none() { found.rounded <= 1e-4 } else { found.rounded > 2.0 * effect }, "{name}: {found:?}");
                effect = found.rounded;
                assert_eq!(found.dtype, dtype.unwrap_or("f32"));
                let merged = Model::load(&out, &Device::cpu()).unwrap();
                assert!(merged.lora.is_none());
                for ((name, _, found), (_, _, expected)) in values(&merged).iter().zip(values(&expected)) {
                    // Another device may add in another order, which may change what a number is rounded to.
                    let near = |(a, b): (&f32, f32)| (a - round(b)).abs() <= 1e-6 + if dtype.is_none() { 0.0 } else { b.abs() / 128.0 };
                    assert!(found.iter().zip(expected).all(near), "{name} in {dtype:?}");
                }
                let again = export(&base, Some(&adapter), &out, Format::Folder, dtype, &device).unwrap_err().to_string();
                assert!(again.starts_with(out.to_str().unwrap()) && again.contains("exists already"), "{again}");
                std::fs::remove_dir_all(&out).unwrap();
            }
        }
    }
    // Numbers that f16 has not.
    let mut model = Model::load(&golden("untied"), &Device::cpu()).unwrap();
    model.load_lora(&golden("lora/untied")).unwrap();
    let (name, b) = model.weights.named().into_iter().find(|(name, _)| name.contains("v_proj.lora_B")).unwrap();
    b.write(&vec![1e6; b.len()]).unwrap();
    let adapter = folder.path().join("adapter");
    model.save(&adapter, "f32").unwrap();
    let error = export(&golden("untied"), Some(&adapter), &out, Format::Folder, Some("f16"), &Device::cpu()).unwrap_err().to_string();
    assert!(error.contains("nothing is exported"), "{name}: {error}");
    // A base for which the adapter was not made.
    assert!(export(&golden("tied"), Some(&golden("lora/untied")), &out, Format::Folder, None, &Device::cpu()).is_err());
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["adapter"], "a failed export leaves nothing");
    std::fs::create_dir(&out).unwrap();
    export(&golden("untied"), Some(&golden("lora/untied")), &out, Format::Folder, None, &Device::cpu()).unwrap();
}

#[test]
fn scripts_make_train_save_and_load_adapters() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        r#"
        local fm = require "finemem"
        local base, adapter = [[{}]], [[{}]]
        local policy = fm.model.load {{ path = base, lora = {{ rank = 2, alpha = 4, targets = {{ "q_proj", "down_proj" }}, seed = 5 }} }}
        local sequences = {{ {{ tokens = {{ 1, 2, 3, 4 }}, weights = {{ 1, 1, 1 }} }} }}
        local names = {{}}
        for name in policy:gradients {{ sequences = sequences }}.grads do table.insert(names, name) end
        table.sort(names)
        local trainer = fm.sft.new {{ policy = policy, lr = 0.01 }}
        local first = trainer:step {{ sequences = sequences }}.loss
        local last
        for _ = 1, 10 do last = trainer:step {{ sequences = sequences }}.loss end
        policy:save {{ path = adapter }}
        local again = fm.model.load {{ path = base, lora = adapter }}
        local function first_of(model) return model:logprobs {{ tokens = {{ 1, 2, 3, 4 }} }} end
        return {{ names = names, first = first, last = last, text = tostring(again),
            saved = first_of(again), trained = first_of(policy) }}"#,
        golden("untied").display(),
        folder.path().join("adapter").display()
    );
    let options = || RuntimeOptions { device: "cpu".into(), ..RuntimeOptions::default() };
    let found = Runtime::new(options()).unwrap().evaluate("test.lua", &script).unwrap();
    let names: Vec<&str> = found["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names.len(), 8);
    assert_eq!(names[0], "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight");
    let (first, last) = (found["first"].as_f64().unwrap(), found["last"].as_f64().unwrap());
    assert!(last < first - 0.1, "{first} {last}");
    let text = found["text"].as_str().unwrap();
    assert!(text.contains("with an adapter of rank 2 and alpha 4 on q_proj, down_proj"), "{text}");
    assert_eq!(found["saved"], found["trained"]);
    for (key, said) in [
        ("{ rnak = 3 }", "did you mean 'rank'"),
        ("{ rank = -3 }", "'lora.rank' is -3"),
        ("{}", "an adapter of rank 16 is larger"),
        ("{ targets = { 'lm_head' } }", "q_proj"),
        ("3", "must be"),
        ("'absent'", "adapter_config.json"),
    ] {
        let script = format!("require 'finemem'.model.load {{ path = [[{}]], lora = {key} }}", golden("untied").display());
        let error = Runtime::new(options()).unwrap().evaluate("test.lua", &script).unwrap_err().to_string();
        assert!(error.contains(said), "{key}: {error}");
    }
}
