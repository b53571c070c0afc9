//! Folders as transformers and PEFT read them: what the scripts in `tests/folders` recorded, equal or refused by name.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use finemem::device::Device;
use finemem::model::Model;
use finemem::train::learner::{Budget, Learner};
use finemem::train::sft::{self, Weighted};
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The same as that of the golden models.
const TOLERANCE: f32 = 1e-4;
/// The least number of inputs of a table.
const INPUTS: usize = 20;

#[derive(Deserialize)]
struct Table {
    tokens: Vec<u32>,
    models: BTreeMap<String, Base>,
    /// The usual content of adapter_config.json.
    #[serde(default)]
    settings: Map<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Base {
    config: Map<String, Value>,
    tensors: BTreeMap<String, Vec<usize>>,
    logprobs: Vec<f32>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    model: String,
    /// Keys of config.json that are set and dropped.
    #[serde(default)]
    keys: Map<String, Value>,
    #[serde(default)]
    dropped: Vec<String>,
    tensors: Option<Changed>,
    adapter: Option<Adapter>,
    logprobs: Option<Expected>,
    /// Words of the error.
    refused: Option<Vec<String>>,
    /// Words of the warnings.
    #[serde(default)]
    warned: Vec<String>,
}

/// Tensors of the model that the file has not, and those that it has instead.
#[derive(Deserialize)]
struct Changed {
    without: Vec<String>,
    having: Vec<Stored>,
}

#[derive(Deserialize)]
struct Adapter {
    /// Keys of adapter_config.json that are set and dropped.
    keys: Map<String, Value>,
    dropped: Vec<String>,
    /// Without the prefix of PEFT.
    tensors: BTreeMap<String, Vec<usize>>,
}

/// A tensor of a file: its name and shape, and of which name its numbers are.
#[derive(Clone, Deserialize)]
struct Stored(String, Vec<usize>, String, String);

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    /// Those of the unchanged model.
    Base(String),
    Are(Vec<f32>),
}

/// The numbers that `numbers` in common.py gives a tensor, as the bytes of `dtype`.
fn numbers(name: &str, shape: &[usize], dtype: Dtype) -> Vec<u8> {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325, |seed: u64, byte| (seed ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    let uniform = (1..=shape.iter().product::<usize>() as u64).map(|i| {
        let x = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) >> 40) as f64 / f64::from(1 << 24)
    });
    let value = |u: f64| match shape.len() {
        1 if name.ends_with("bias") => u - 0.5,
        1 => u + 0.5,
        _ => (if name.contains("lora_") { 0.6 } else { 1.4 }) * (u - 0.5),
    };
    let values = uniform.map(|u| value(u) as f32);
    match dtype {
        Dtype::BF16 => values.flat_map(|v| half::bf16::from_f32(v).to_le_bytes()).collect(),
        Dtype::F64 => values.flat_map(|v| f64::from(v).to_le_bytes()).collect(),
        Dtype::F16 => values.flat_map(|v| half::f16::from_f32(v).to_le_bytes()).collect(),
        _ => values.flat_map(f32::to_le_bytes).collect(),
    }
}

fn dtype(name: &str) -> Dtype {
    match name {
        "bf16" => Dtype::BF16,
        "f16" => Dtype::F16,
        "f64" => Dtype::F64,
        _ => Dtype::F32,
    }
}

fn write_tensors(path: &Path, tensors: &[Stored]) {
    let bytes: Vec<_> = tensors.iter().map(|Stored(_, shape, of, kind)| numbers(of, shape, dtype(kind))).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(Stored(name, shape, _, kind), bytes)| (name.clone(), TensorView::new(dtype(kind), shape.clone(), bytes).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Tensors in f32 that have the numbers of their own names.
fn own(tensors: &BTreeMap<String, Vec<usize>>, prefix: &str) -> Vec<Stored> {
    let named = |name: &String| format!("{prefix}{name}");
    tensors.iter().map(|(name, shape)| Stored(named(name), shape.clone(), named(name), "f32".into())).collect()
}

fn changed(object: &Map<String, Value>, keys: &Map<String, Value>, dropped: &[String]) -> String {
    let mut object = object.clone();
    object.extend(keys.clone());
    object.retain(|key, _| !dropped.contains(key));
    serde_json::to_string(&object).unwrap()
}

/// Loads the folder of a case, with its adapter if it has one.
fn load(case: &Case, table: &Table) -> finemem::Result<Model> {
    let (folder, base) = (tempfile::tempdir().unwrap(), &table.models[&case.model]);
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("config.json"), changed(&base.config, &case.keys, &case.dropped)).unwrap();
    let mut tensors = own(&base.tensors, "");
    if let Some(Changed { without, having }) = &case.tensors {
        tensors.retain(|tensor| !without.contains(&tensor.0));
        tensors.extend(having.iter().cloned());
    }
    write_tensors(&path("model.safetensors"), &tensors);
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/llama/tokenizer.json");
    std::fs::copy(tokenizer, path("tokenizer.json")).unwrap();
    let mut model = Model::load(folder.path(), &Device::cpu())?;
    if let Some(Adapter { keys, dropped, tensors }) = &case.adapter {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("adapter_config.json"), changed(&table.settings, keys, dropped)).unwrap();
        write_tensors(&folder.path().join("adapter_model.safetensors"), &own(tensors, "base_model.model."));
        model.load_lora(folder.path())?;
    }
    Ok(model)
}

/// Checks every case of a table: equal to the reference, or refused by name.
fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/folders").join(name);
    let table: Table = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut equal, mut refused, mut wrong) = (0, 0, Vec::new());
    for case in &table.cases {
        match (load(case, &table), &case.logprobs, &case.refused) {
            (Err(error), None, Some(words)) => {
                refused += 1;
                let text = error.to_string();
                if !words.iter().all(|word| text.contains(word)) || text.lines().count() != 1 {
                    wrong.push(format!("{}: the error says not {words:?}: {text}", case.name));
                }
            }
            (Ok(model), Some(expected), None) => {
                equal += 1;
                let expected = match expected {
                    Expected::Base(name) => {
                        assert_eq!(name, "base");
                        &table.models[&case.model].logprobs
                    }
                    Expected::Are(logprobs) => logprobs,
                };
                let all = Weighted { tokens: table.tokens.clone(), weights: vec![1.0; table.tokens.len() - 1] };
                let samples = sft::samples(&[all]).unwrap();
                let found = Learner::new(&model, Budget::default(), false).unwrap().score(&model, &samples, 1.0).unwrap().logprob;
                // A number that is none is far from everything.
                let far = found.iter().zip(expected).position(|(a, b)| (a - b).abs().partial_cmp(&TOLERANCE).is_none_or(Ordering::is_gt));
                if let Some(i) = far.or((found.len() != expected.len()).then_some(0)) {
                    wrong.push(format!("{}: log-probability {i} is {} instead of {}", case.name, found[i], expected[i]));
                }
                let said = model.folder.warnings.join("\n");
                if !case.warned.iter().all(|word| said.contains(word)) || (case.warned.is_empty() && !said.is_empty()) {
                    wrong.push(format!("{}: the warnings say not {:?}: {said}", case.name, case.warned));
                }
            }
            (Ok(_), ..) => wrong.push(format!("{}: it was loaded", case.name)),
            (Err(error), ..) => wrong.push(format!("{}: {error}", case.name)),
        }
    }
    eprintln!("{name}: {equal} equal, {refused} refused by name");
    assert!(equal + refused >= INPUTS);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn keys_of_configurations() {
    check("configurations.json");
}

#[test]
fn tensors_against_configurations() {
    check("tensors.json");
}

#[test]
fn adapters() {
    check("adapters.json");
}
