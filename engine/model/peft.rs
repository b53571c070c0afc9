//! The settings of an adapter as PEFT reads them from `adapter_config.json`: which layers have an adapter, of which rank, and what its
//! product is multiplied by.

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::keys::{is_off, short};
use crate::error::{Error, Result};

/// What a configuration says of every layer.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The rank of the layers that no pattern is for.
    pub(super) rank: usize,
    /// The alpha of the layers that no pattern is for.
    pub(super) alpha: f64,
    targets: Modules,
    excluded: Option<Modules>,
    /// The blocks that have adapters; `None` for all of them.
    blocks: Option<Vec<usize>>,
    /// What the block's number follows in a name.
    blocks_after: Vec<Regex>,
    ranks: Vec<(Regex, usize)>,
    alphas: Vec<(Regex, f64)>,
    /// Whether alpha is divided by the root of the rank.
    root: bool,
}

/// Which modules are meant.
#[derive(Clone, Debug)]
enum Modules {
    /// All linear layers but the head.
    Linear,
    /// Those of these names, or whose names end so.
    Names(Vec<String>),
    /// Those whose whole name matches.
    Pattern(Regex),
}

/// Keys that have no effect on a trained adapter, or are read below.
const KNOWN: &str = "peft_type task_type base_model_name_or_path inference_mode r lora_alpha target_modules exclude_modules bias \
    layers_to_transform layers_pattern rank_pattern alpha_pattern use_rslora init_lora_weights revision peft_version auto_mapping \
    lora_dropout fan_in_fan_out megatron_core qalora_group_size loftq_config eva_config corda_config lora_ga_config runtime_config";

/// A compiled pattern that takes more bytes means a broken file.
const LARGEST_PATTERN: usize = 1 << 20;

impl Rules {
    /// Reads a configuration. A setting that would change the result and is not supported is an error.
    pub(super) fn read(map: &Map<String, Value>) -> Result<Self> {
        let is = |key: &str, wanted: &str| match map.get(key) {
            Some(value) if !value.is_null() && value != wanted => Err(refused(key, value, &format!("supported: {wanted:?}"))),
            _ => Ok(()),
        };
        if map.get("peft_type").and_then(Value::as_str) != Some("LORA") {
            let found = map.get("peft_type").unwrap_or(&Value::Null);
            return Err(Error::argument(format!("peft_type is {found}; supported: \"LORA\"")));
        }
        is("task_type", "CAUSAL_LM")?;
        is("bias", "none")?;
        match map.get("init_lora_weights") {
            None | Some(Value::Null | Value::Bool(_)) => {}
            Some(Value::String(name)) if name == "gaussian" || name == "orthogonal" => {}
            Some(other) => return Err(refused("init_lora_weights", other, "it may change the base model")),
        }
        for (key, value) in map {
            if !is_off(value) && !KNOWN.split_whitespace().any(|known| known == key) {
                return Err(refused(key, value, "it may change what the adapter does"));
            }
        }
        let targets = match map.get("target_modules") {
            Some(Value::String(all)) if all.to_lowercase() == "all-linear" => Modules::Linear,
            Some(value) => Modules::read("target_modules", value)?,
            None => return Err(Error::argument("target_modules is missing")),
        };
        let blocks = match given(map, "layers_to_transform") {
            None => None,
            Some(Value::Array(list)) => Some(list.iter().map(|block| whole("layers_to_transform", block)).collect::<Result<_>>()?),
            Some(one) => Some(vec![whole("layers_to_transform", one)?]),
        };
        let blocks_after = given(map, "layers_pattern").map_or(Ok(Vec::new()), |value| strings("layers_pattern", value))?;
        if blocks.is_none() && !blocks_after.is_empty() {
            return Err(Error::argument("layers_pattern needs layers_to_transform"));
        }
        if !matches!(targets, Modules::Names(_)) && blocks.is_some() {
            return Err(Error::argument("layers_to_transform needs a list of names as target_modules"));
        }
        let after = |text: &String| regex("layers_pattern", text, &format!(r"^(?:(?:^|.*?\.){text}\.(?P<block>\d+)\.)"));
        let read = Self {
            rank: map.get("r").map_or(Ok(8), |rank| whole("r", rank))?,
            alpha: map.get("lora_alpha").map_or(Ok(8.0), |alpha| number("lora_alpha", alpha))?,
            targets,
            excluded: given(map, "exclude_modules").map(|value| Modules::read("exclude_modules", value)).transpose()?,
            blocks,
            blocks_after: blocks_after.iter().map(after).collect::<Result<_>>()?,
            ranks: patterns(map, "rank_pattern", whole)?,
            alphas: patterns(map, "alpha_pattern", number)?,
            root: match map.get("use_rslora") {
                None | Some(Value::Null) => false,
                Some(value) => value.as_bool().ok_or_else(|| refused("use_rslora", value, "supported: true, false"))?,
            },
        };
        let zero = read.ranks.iter().map(|(_, rank)| *rank).chain([read.rank]).any(|rank| rank == 0);
        if zero || read.alphas.iter().map(|(_, alpha)| *alpha).chain([read.alpha]).any(|alpha| !alpha.is_finite() || alpha <= 0.0) {
            return Err(Error::argument(format!("an adapter has a positive rank and alpha, not {} and {}", read.rank, read.alpha)));
        }
        Ok(read)
    }

    /// Whether the module of this name has an adapter. `linear` says whether it is a linear layer of a block.
    pub(super) fn target(&self, name: &str, linear: bool) -> bool {
        if self.excluded.as_ref().is_some_and(|excluded| excluded.has(name, false)) || !self.targets.has(name, linear) {
            return false;
        }
        match (&self.targets, &self.blocks) {
            // A whole name counts in any block.
            (Modules::Names(names), Some(blocks)) if !names.iter().any(|whole| whole == name) => {
                self.block(name).is_some_and(|block| blocks.contains(&block))
            }
            _ => true,
        }
    }

    /// The number of the block in a module's name.
    fn block(&self, name: &str) -> Option<usize> {
        if self.blocks_after.is_empty() {
            return name.split('.').skip(2).find_map(|part| part.parse().ok());
        }
        self.blocks_after.iter().find_map(|after| after.captures(name))?.name("block")?.as_str().parse().ok()
    }

    /// The rank of a layer's adapter, and what its product is multiplied by.
    pub(super) fn of(&self, name: &str) -> (usize, f32) {
        let rank = self.ranks.iter().find(|(pattern, _)| pattern.is_match(name)).map_or(self.rank, |(_, rank)| *rank);
        let alpha = self.alphas.iter().find(|(pattern, _)| pattern.is_match(name)).map_or(self.alpha, |(_, alpha)| *alpha);
        let by = if self.root { (rank as f64).sqrt() } else { rank as f64 };
        (rank, (alpha / by) as f32)
    }
}

impl Modules {
    fn read(key: &str, value: &Value) -> Result<Self> {
        match value {
            Value::String(text) => regex(key, text, &format!("^(?:{text})$")).map(Self::Pattern),
            _ => strings(key, value).map(Self::Names),
        }
    }

    fn has(&self, name: &str, linear: bool) -> bool {
        match self {
            Self::Linear => linear,
            Self::Names(names) => {
                names.iter().any(|end| name.strip_suffix(end.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
            }
            Self::Pattern(pattern) => pattern.is_match(name),
        }
    }
}

/// The value of a key, unless it is null or empty.
fn given<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| **value == false || !(is_off(value) || **value == ""))
}

/// The values of an object whose keys are patterns, in the order of the file: the first that matches the end of a name counts.
fn patterns<T>(map: &Map<String, Value>, key: &str, read: impl Fn(&str, &Value) -> Result<T>) -> Result<Vec<(Regex, T)>> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(object)) => {
            object.iter().map(|(text, value)| Ok((regex(key, text, &format!(r"^(?:(?:.*\.)?(?:{text}))$"))?, read(key, value)?))).collect()
        }
        Some(other) => Err(refused(key, other, "it is not an object")),
    }
}

/// The compiled form of `text`, of which `whole` was made. Python's expressions are the same but for those that look around, refer back, or
/// are possessive, which do not compile here.
fn regex(key: &str, text: &str, whole: &str) -> Result<Regex> {
    RegexBuilder::new(whole)
        .size_limit(LARGEST_PATTERN)
        .build()
        .map_err(|_| Error::argument(format!("{key}: {} is not a regular expression that is supported", short(&text.into()))))
}

fn strings(key: &str, value: &Value) -> Result<Vec<String>> {
    let list = match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(list) => list.iter().map(|name| name.as_str().map(str::to_string)).collect(),
        _ => None,
    };
    list.ok_or_else(|| refused(key, value, "it is not a list of names"))
}

fn whole(key: &str, value: &Value) -> Result<usize> {
    value.as_u64().and_then(|number| usize::try_from(number).ok()).ok_or_else(|| refused(key, value, "it is not a whole number"))
}

fn number(key: &str, value: &Value) -> Result<f64> {
    value.as_f64().ok_or_else(|| refused(key, value, "it is not a number"))
}

fn refused(key: &str, value: &Value, why: &str) -> Error {
    Error::argument(format!("{key} = {} is not supported: {why}", short(value)))
}
