//! The keys of `config.json`: which there are, and how a value is read.
//!
//! A key is read as transformers reads it. Or it asks for something that this decoder does not do, and is refused by name ([`REFUSED`], or
//! where it is read). Or it does not change a log-probability ([`HARMLESS`]). Every other key is one that transformers does not know for
//! this type of model and ignores; it is ignored here too, with a warning that names it.

use serde_json::{Map, Value};

use super::config::ModelType;
use crate::error::{Error, Result};

/// The keys that are read.
const READ: &str = "model_type vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads \
    head_dim max_position_embeddings rope_theta rope_scaling rope_parameters original_max_position_embeddings partial_rotary_factor \
    rms_norm_eps tie_word_embeddings hidden_act layer_types sliding_window is_causal eos_token_id dtype torch_dtype";

/// Keys that are refused unless they are null, with what they ask for.
const REFUSED: [(&str, &str); 6] = [
    ("attention_chunk_size", "attention within chunks"),
    ("configuration_files", "another configuration file"),
    ("kv_sharing_modes", "keys and values that blocks share"),
    ("per_layer_config", "blocks of different shapes"),
    ("quantization_config", "quantised tensors; save the model dequantised, in bf16 or f32"),
    ("transformers_weights", "another file of tensors; name it model.safetensors"),
];

/// Keys that do not change a log-probability: names and notes, other tasks, settings of sampling (those of `generation_config.json` count),
/// what only matters in training or to tensors that are not in the file, and how transformers computes the same numbers.
const HARMLESS: &str = "_attn_implementation_autoset _commit_hash _name_or_path add_cross_attention architectures \
    assistant_confidence_threshold assistant_lookbehind attention_dropout attn_implementation bad_words_ids begin_suppress_tokens bos_token_id \
    chunk_size_feed_forward cross_attention_hidden_size decoder_start_token_id diversity_penalty do_sample early_stopping \
    encoder_no_repeat_ngram_size encoder_repetition_penalty epsilon_cutoff eta_cutoff experts_implementation \
    exponential_decay_length_penalty finetuning_task forced_bos_token_id forced_eos_token_id gradient_checkpointing id2label \
    initializer_range is_decoder is_encoder_decoder label2id length_penalty max_length max_new_tokens min_length name_or_path \
    no_repeat_ngram_size num_assistant_tokens num_assistant_tokens_schedule num_beam_groups num_beams num_labels num_return_sequences \
    output_attentions output_hidden_states output_scores pad_token_id prefix pretraining_tp problem_type remove_invalid_values \
    repetition_penalty return_dict return_dict_in_generate sep_token_id suppress_tokens target_lookbehind task_specific_params temperature \
    tf_legacy_loss tie_encoder_decoder tie_last_hidden_states tokenizer_class top_k top_p torchscript transformers.js_config \
    transformers_version typical_p unk_token_id unsloth_fixed unsloth_version use_bfloat16 use_cache xla_device";

/// Keys that are read for some types, and that transformers ignores for the others.
fn read_for(model_type: ModelType) -> &'static [&'static str] {
    match model_type {
        ModelType::Llama => &["attention_bias", "mlp_bias"],
        ModelType::Qwen2 => &["use_sliding_window", "max_window_layers"],
        ModelType::Qwen3 => &["attention_bias", "use_sliding_window", "max_window_layers"],
    }
}

/// The keys that are not off and are ignored.
pub(super) fn ignored(map: &Map<String, Value>, model_type: ModelType) -> Vec<&str> {
    let read = |key: &str| has(READ, key) || read_for(model_type).contains(&key);
    let known = |key: &str| read(key) || has(HARMLESS, key) || REFUSED.iter().any(|(refused, _)| *refused == key);
    map.iter().filter(|(key, value)| !is_off(value) && !known(key)).map(|(key, _)| key.as_str()).collect()
}

/// Fails if one of the keys of [`REFUSED`] is used.
pub(super) fn refuse(map: &Map<String, Value>) -> Result<()> {
    match REFUSED.iter().find(|(key, _)| map.get(*key).is_some_and(|value| !value.is_null())) {
        Some((key, what)) => Err(Error::argument(format!("{key} is not supported: it asks for {what}"))),
        None => Ok(()),
    }
}

fn has(words: &str, key: &str) -> bool {
    words.split_whitespace().any(|word| word == key)
}

/// Whether a value is null, false, an empty list or an empty object, so that it asks for nothing.
pub(super) fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

/// A larger size means a broken file; no published model comes near.
const LARGEST: u64 = 1 << 24;

/// A size that must be there.
pub(super) fn size(map: &Map<String, Value>, key: &str) -> Result<usize> {
    match map.get(key).and_then(Value::as_u64) {
        Some(value) if (1..=LARGEST).contains(&value) => Ok(value as usize),
        Some(value) => Err(Error::argument(format!("{key} = {value} is out of range"))),
        None => Err(Error::argument(format!("{key} is missing or not a whole number"))),
    }
}

/// A size with a default.
pub(super) fn size_or(map: &Map<String, Value>, key: &str, default: usize) -> Result<usize> {
    if map.contains_key(key) { size(map, key) } else { Ok(default) }
}

/// True or false, with a default.
pub(super) fn flag_or(map: &Map<String, Value>, key: &str, default: bool) -> Result<bool> {
    match map.get(key) {
        None => Ok(default),
        Some(value) => value.as_bool().ok_or_else(|| Error::argument(format!("{key} = {} is not true or false", short(value)))),
    }
}

/// A positive number that must be there.
pub(super) fn number(map: &Map<String, Value>, key: &str) -> Result<f64> {
    map.get(key)
        .and_then(Value::as_f64)
        .filter(|v| v.is_finite() && *v > 0.0)
        .ok_or_else(|| Error::argument(format!("{key} is missing or not a positive number")))
}

/// A positive number with a default.
pub(super) fn number_or(map: &Map<String, Value>, key: &str, default: f64) -> Result<f64> {
    if map.contains_key(key) { number(map, key) } else { Ok(default) }
}

/// A value for a message, shortened so that the message stays readable.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
