//! The tokenizer and the chat template of a model from the keys of its GGUF file.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use super::Keys;
use super::read::Value;
use crate::error::{Error, Result};
use crate::model::template::ChatTemplate;
use crate::model::tokenizer::Tokenizer;

/// GPT-2's way to cut text into words.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Llama 3's.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2's.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Every digit is a word.
const DIGITS: &str = r"\p{N}";

/// Names of `tokenizer.ggml.pre`, the patterns that cut text into words one after the other, and whether a word that is a token is not
/// merged from its parts.
const WORDS: [(&[&str], &[&str], bool); 4] = [
    (&["llama-bpe", "llama3", "llama-v3"], &[LLAMA3], true),
    (&["qwen2", "deepseek-r1-qwen"], &[QWEN2], false),
    (&["smollm", "starcoder", "refact", "command-r"], &[DIGITS, GPT2], false),
    (&["gpt-2", "phi-2", "olmo"], &[GPT2], false),
];

/// Types of tokens that are found before the text is cut: control tokens, and those that a user added.
const CONTROL: i64 = 3;
const ADDED: i64 = 4;

/// The tokenizer.
pub(super) fn read(keys: &Keys<'_>) -> Result<Tokenizer> {
    let fail = |reason: String| Err(Error::format(keys.path, reason));
    let model = keys.text("tokenizer.ggml.model")?;
    if model != "gpt2" {
        return fail(format!(
            "the tokenizer {model} is not supported, only byte-level BPE (gpt2): put the model's tokenizer.json beside the file"
        ));
    }
    let pre = keys.text("tokenizer.ggml.pre")?;
    let Some((_, patterns, ignore_merges)) = WORDS.iter().find(|(names, ..)| names.contains(&pre)) else {
        let known = WORDS.iter().flat_map(|(names, ..)| *names).copied().collect::<Vec<_>>().join(", ");
        return fail(format!(
            "how the tokenizer {pre} cuts text into words is not known; known: {known}. Put the model's tokenizer.json beside the file"
        ));
    };
    let tokens = keys.texts("tokenizer.ggml.tokens")?;
    let kinds = match keys.get("tokenizer.ggml.token_type") {
        None => &[][..],
        Some(Value::Wholes(kinds)) if kinds.len() == tokens.len() => kinds,
        Some(_) => return fail(format!("tokenizer.ggml.token_type is not a list of {} numbers, one for each token", tokens.len())),
    };
    let mut seen = HashSet::new();
    if let Some(token) = tokens.iter().find(|token| !seen.insert(token.as_str())) {
        return fail(format!("tokenizer.ggml.tokens has the token {token:?} twice"));
    }
    let merges = keys.texts("tokenizer.ggml.merges")?;
    let vocabulary: Map<String, Json> = tokens.iter().enumerate().map(|(id, token)| (token.clone(), id.into())).collect();
    let is_added = |(_, kind): &(usize, &i64)| [CONTROL, ADDED].contains(kind);
    let added = kinds.iter().enumerate().filter(is_added).map(|(id, kind)| {
        json!({
            "id": id, "content": tokens[id], "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": *kind == CONTROL,
        })
    });
    let bytes = |use_regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex });
    let mut cuts: Vec<Json> = patterns
        .iter()
        .map(|pattern| json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false }))
        .collect();
    cuts.push(bytes(false));
    let whole = json!({
        "version": "1.0",
        "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": null,
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": cuts },
        "post_processor": null,
        "decoder": bytes(true),
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": ignore_merges, "vocab": vocabulary, "merges": merges },
    });
    Tokenizer::parse(&whole.to_string()).map_err(|why| Error::format(keys.path, format!("its tokenizer: {why}")))
}

/// The chat templates, with the special tokens that they may name. A file may have none.
pub(super) fn chat_template(keys: &Keys<'_>) -> Result<ChatTemplate> {
    let mut templates = Vec::new();
    if keys.get("tokenizer.chat_template").is_some() {
        templates.push(("default".to_string(), keys.text("tokenizer.chat_template")?.to_string()));
    }
    for (key, value) in keys.all {
        if let (Some(name), Value::Text(text)) = (key.strip_prefix("tokenizer.chat_template."), value) {
            templates.push((name.to_string(), text.clone()));
        }
    }
    let tokens = keys.texts("tokenizer.ggml.tokens")?;
    let mut special = Map::new();
    for (key, name) in
        [("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("padding", "pad_token"), ("seperator", "sep_token")]
    {
        let id = format!("tokenizer.ggml.{key}_token_id");
        if keys.get(&id).is_some() {
            let token = keys.whole(&id)?;
            let text = tokens
                .get(token)
                .ok_or_else(|| Error::format(keys.path, format!("{id} is {token}, but there are {} tokens", tokens.len())))?;
            special.insert(name.into(), text.clone().into());
        }
    }
    Ok(ChatTemplate::of(templates, special))
}

/// A tokenizer as GGUF files have it.
pub(super) struct Words {
    /// The name of the way it cuts text into words.
    pub(super) pre: &'static str,
    /// All tokens by id, as many as the embedding has rows.
    pub(super) tokens: Vec<String>,
    pub(super) kinds: Vec<i32>,
    pub(super) merges: Vec<String>,
    /// Whether texts begin with a token of their own.
    pub(super) begins: bool,
}

/// Types of ordinary tokens, and of ids that no token has.
const NORMAL: i64 = 1;
const UNUSED: i64 = 5;

impl Words {
    /// Those of a tokenizer.
    ///
    /// # Errors A tokenizer that llama.cpp does not have.
    pub(super) fn of(tokenizer: &Tokenizer, vocabulary: usize) -> Result<Self> {
        let json = tokenizer.to_json()?;
        let model = &json["model"];
        let ignore_merges = model["ignore_merges"].as_bool().unwrap_or(false);
        let known = patterns(&json["pre_tokenizer"]).and_then(|found| {
            WORDS.iter().find(|(_, patterns, ignore)| **patterns == found[..] && *ignore == ignore_merges).map(|(names, ..)| names[0])
        });
        let pre = known.ok_or_else(|| {
            Error::argument("llama.cpp does not cut text into words as this model's tokenizer does, so it cannot be written as GGUF")
        })?;
        let mut words = Self {
            pre,
            tokens: (0..vocabulary).map(|id| format!("[PAD{id}]")).collect(),
            kinds: vec![UNUSED as i32; vocabulary],
            merges: Vec::new(),
            begins: json["post_processor"]["single"][0].get("SpecialToken").is_some(),
        };
        let mut put = |id: Option<u64>, text: &str, kind: i64| {
            if let Some(at) = id.and_then(|id| usize::try_from(id).ok()).filter(|at| *at < vocabulary) {
                words.tokens[at] = text.to_string();
                words.kinds[at] = kind as i32;
            }
        };
        for (text, id) in model["vocab"].as_object().into_iter().flatten() {
            put(id.as_u64(), text, NORMAL);
        }
        for token in json["added_tokens"].as_array().into_iter().flatten() {
            let kind = if token["special"] == true { CONTROL } else { ADDED };
            put(token["id"].as_u64(), token["content"].as_str().unwrap_or_default(), kind);
        }
        words.merges = model["merges"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|merge| match merge {
                Json::Array(pair) => pair.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" "),
                other => other.as_str().unwrap_or_default().to_string(),
            })
            .collect();
        Ok(words)
    }
}

/// The patterns by which a pre-tokenizer cuts text into words, if it does nothing else.
fn patterns(pre_tokenizer: &Json) -> Option<Vec<&str>> {
    let steps = match pre_tokenizer["type"].as_str()? {
        "Sequence" => pre_tokenizer["pretokenizers"].as_array()?.iter().collect(),
        _ => vec![pre_tokenizer],
    };
    let (last, steps) = steps.split_last()?;
    let mut patterns = Vec::new();
    for step in steps {
        patterns.push(match step["type"].as_str()? {
            "Split" if step["behavior"] == "Isolated" && step["invert"] != true => step["pattern"]["Regex"].as_str()?,
            "Digits" if step["individual_digits"] == true => DIGITS,
            _ => return None,
        });
    }
    if last["type"] != "ByteLevel" || last["add_prefix_space"] == true {
        return None;
    }
    patterns.extend((last["use_regex"] != false).then_some(GPT2));
    Some(patterns)
}
