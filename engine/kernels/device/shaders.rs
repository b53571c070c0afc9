//! The shader files, which are part of the program, and their variants as `shaders/variants.txt` lists them.

use std::sync::OnceLock;

use super::preprocess::{self, Source};
use crate::device::{DType, Launch, Quant};
use crate::error::{Error, Result};

macro_rules! files {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../../../shaders/", $name, ".wgsl")))),*] };
}

/// Every file under `shaders/`, without `.wgsl`.
static FILES: &[(&str, &str)] = files! {
    "adamw"
    "add"
    "add_rows"
    "attention"
    "attention_bwd_delta"
    "attention_bwd_kv"
    "attention_bwd_q"
    "attention_decode"
    "attribution"
    "bias"
    "bias_bwd"
    "clip_scale"
    "compression"
    "copy"
    "embedding"
    "embedding_bwd"
    "fill"
    "logprob"
    "logprob_bwd"
    "matmul_lanes"
    "matmul_registers"
    "matmul_rows"
    "matmul_tiled"
    "move_rows"
    "policy_loss"
    "residual_rmsnorm"
    "rmsnorm"
    "rmsnorm_bwd"
    "rmsnorm_bwd_w"
    "rope"
    "rope_table"
    "sample"
    "segment_mean"
    "sequence_ratio"
    "shared/attention"
    "shared/attention_tile"
    "shared/grid"
    "shared/matmul"
    "shared/philox"
    "shared/quant"
    "shared/reduce"
    "shared/widen"
    "sum_squares"
    "swiglu"
    "swiglu_bwd"
    "zscore"
};

const VARIANTS: &str = include_str!("../../../shaders/variants.txt");

/// Constants of the variants for 16-bit and for quantised weights: the functions that widen two and four numbers.
const WIDEN: &str = "WIDEN";
const QUANT: &str = "QUANT";
/// The ending of variants for software adapters. They replace the variant without it.
const SOFTWARE: &str = ".software";

/// One way to compile a shader file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The name that launches use: the kernel's stem, possibly with an ending after a dot.
    pub name: &'static str,
    /// The shader file, without `.wgsl`.
    pub file: &'static str,
    /// Constants and flags (a flag has an empty value).
    pub defines: Vec<(&'static str, &'static str)>,
}

impl Variant {
    /// The stem of the kernel that this variant runs.
    pub fn kernel(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// Whether its weight has 16 bits, or is quantised.
    pub fn packed(&self) -> bool {
        self.defines.iter().any(|(name, _)| [WIDEN, QUANT].contains(name))
    }

    /// The WGSL of this variant.
    pub fn source(&self) -> Result<Source> {
        let file = format!("shaders/{}.wgsl", self.file);
        let text =
            file_text(self.file).ok_or_else(|| Error::format(&file, format!("no such file, but variant '{}' needs it", self.name)))?;
        preprocess::expand(&file, text, &self.defines, &|name| file_text(&format!("shared/{name}")))
    }
}

/// The names of all shader files, without `.wgsl`. Imports start with `shared/`.
pub fn files() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The text of a shader file before preprocessing.
pub fn file_text(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Every variant, in the order of `shaders/variants.txt`.
pub fn variants() -> Result<&'static [Variant]> {
    static PARSED: OnceLock<Result<Vec<Variant>>> = OnceLock::new();
    PARSED.get_or_init(|| parse(VARIANTS)).as_deref().map_err(Clone::clone)
}

/// The variant that runs a launch: `stem.ending`, for a weight that is not in f32 with its type added, and on a software adapter with
/// `.software` added, if that exists.
pub fn find(launch: &Launch, weight: DType, software: bool) -> Result<&'static Variant> {
    let all = variants()?;
    let weight = if weight.narrow_weight() { weight.name() } else { "" };
    let parts = [launch.kernel.stem, launch.ending, weight];
    let name = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
    let preferred = all.iter().find(|v| software && v.name.strip_suffix(SOFTWARE) == Some(&name));
    preferred
        .or_else(|| all.iter().find(|v| v.name == name))
        .ok_or_else(|| Error::Device(format!("shaders/variants.txt has no variant '{name}'")))
}

/// Reads lines `name DEFINE=VALUE FLAG …` (for the file of that name) and `name = file DEFINE=VALUE FLAG …`. A line with `*` stands for one
/// of each quantised type. `#` starts a comment.
pub fn parse(text: &'static str) -> Result<Vec<Variant>> {
    let mut variants: Vec<Variant> = Vec::new();
    let each = |(number, line): (usize, &'static str)| {
        let line = line.split('#').next().unwrap_or("");
        match line.contains('*') {
            // Variants are parsed once, so these few lines stay for as long as the program runs.
            true => Quant::ALL.map(|quant| (number, &*line.replace('*', quant.name()).leak())).to_vec(),
            false => vec![(number, line)],
        }
    };
    for (number, line) in text.lines().enumerate().flat_map(each) {
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let fail = |reason: String| Error::format(format!("shaders/variants.txt:{}", number + 1), reason);
        let mut words = words.peekable();
        let file = match words.next_if_eq(&"=") {
            Some(_) => words.next().ok_or_else(|| fail(format!("'{name} =' must be followed by the name of a shader file")))?,
            None => name,
        };
        if variants.iter().any(|v| v.name == name) {
            return Err(fail(format!("variant '{name}' is listed twice")));
        }
        let defines = words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect();
        variants.push(Variant { name, file, defines });
    }
    Ok(variants)
}
