//! `tokenizer.json`: reading it, and training a byte-level BPE.

use std::path::Path;

use serde::Deserialize;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    AddedToken, DecoderWrapper, Model, NormalizerWrapper, OffsetReferential, OffsetType, PostProcessorWrapper, PreTokenizer,
    SplitDelimiterBehavior, TokenizerBuilder, TokenizerImpl,
};

use super::plain::{Breaks, Guard, MARK};

use crate::error::{Error, Result};
use crate::files;

/// A longer file means a broken one; those of published models have up to about 35 million bytes.
const LARGEST: usize = 128 << 20;

/// A BPE, which is what published models of the supported types have. Reading the file as this type takes half the memory of reading it as
/// any type of model.
type Bpe = TokenizerImpl<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// Converts text to token ids and back.
#[derive(Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    guard: Guard,
}

/// What is checked before the crate reads the file. With a prefix, the crate cuts tokens at its length without checking that they start
/// with it, which panics or worse. Published models have no prefix.
#[derive(Deserialize)]
struct Shape {
    model: Kind,
}

#[derive(Deserialize)]
struct Kind {
    r#type: Option<String>,
    continuing_subword_prefix: Option<String>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    pub fn load(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Err(Error::io(path, "no such file; a model folder needs a tokenizer.json"));
        }
        let text = files::text(files::read_small(path, LARGEST)?).map_err(|why| Error::format(path, format!("it {why}")))?;
        Self::parse(&text).map_err(|why| Error::format(path, why))
    }

    /// Reads the content of a `tokenizer.json`. The error is what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let broken = |e: &dyn std::fmt::Display| e.to_string().chars().take(200).collect::<String>();
        let Shape { model } = serde_json::from_str(text).map_err(|e| broken(&e))?;
        if model.continuing_subword_prefix.is_some_and(|prefix| !prefix.is_empty()) {
            return Err("a BPE with a continuing_subword_prefix is not supported".into());
        }
        let read = match model.r#type.as_deref() {
            None | Some("BPE") => text.parse::<Bpe>().map(Into::into),
            Some(_) => text.parse(),
        };
        read.map(Self::new).map_err(|e| broken(&e))
    }

    fn new(inner: tokenizers::Tokenizer) -> Self {
        let added = inner.get_added_vocabulary().get_added_tokens_decoder();
        let guard = Guard::new(added.iter(), inner.get_normalizer());
        Self { inner, guard }
    }

    /// What marks data, so that none of it is a control token.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Token ids of a text that is data: no control token is recognised.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        self.encode(&self.guard.mark(text, Breaks::All))
    }

    /// Token ids of `text`. Special tokens in it are recognised, except where a [`MARK`] breaks them. None are added, whatever the file's
    /// post-processor says, because a rendered chat already begins as its template wants.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        if text.contains(MARK) {
            return self.encode_marked(text).map_err(|e| Error::argument(format!("the text cannot be tokenised: {e}")));
        }
        let encoding = self.inner.encode_fast(text, false).map_err(|e| Error::argument(format!("the text cannot be tokenised: {e}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The steps of the crate's own encoding, and between the second and the third the marks are removed: the added tokens are found, the
    /// text between them is normalised, cut into words, and each word into tokens.
    fn encode_marked(&self, text: &str) -> tokenizers::Result<Vec<u32>> {
        if let Some(c) = self.guard.unbreakable(text) {
            return Err(format!("it has the control token {c:?} as data, and a token of one character cannot be written otherwise").into());
        }
        let mut pieces = self.inner.get_added_vocabulary().extract_and_normalize(self.inner.get_normalizer(), text);
        let splits = pieces.get_splits(OffsetReferential::Original, OffsetType::None);
        let meant = splits.iter().filter_map(|(_, _, tokens)| tokens.as_ref()).flatten().filter(|token| self.guard.has(token.id)).count();
        pieces.normalize(|piece| piece.replace(MARK, ""))?;
        if let Some(words) = self.inner.get_pre_tokenizer() {
            words.pre_tokenize(&mut pieces)?;
        }
        self.inner.get_model().tokenize_in_pretokenized(&mut pieces, None)?;
        let ids = pieces.into_encoding(None, 0, OffsetType::None)?.get_ids().to_vec();
        match ids.iter().filter(|id| self.guard.has(**id)).count() {
            found if found == meant => Ok(ids),
            _ => Err("the tokenizer makes a control token of plain text, which cannot be prevented".into()),
        }
    }

    /// Text of `ids`, including special tokens. An id that only the model has, because its vocabulary is padded, has no text.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.text(ids, false)
    }

    /// Text of `ids` without special tokens.
    pub fn decode_without_special(&self, ids: &[u32]) -> Result<String> {
        self.text(ids, true)
    }

    fn text(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String> {
        self.inner.decode(ids, skip_special_tokens).map_err(|e| Error::argument(format!("the tokens cannot be decoded: {e}")))
    }

    /// The largest id plus one.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab(true).values().max().map_or(0, |id| *id as usize + 1)
    }

    /// The id of a token by its text.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The content of `tokenizer.json`.
    pub(super) fn to_json(&self) -> Result<serde_json::Value> {
        let failed = |e: &dyn std::fmt::Display| Error::argument(format!("the tokenizer cannot be written: {e}"));
        let text = self.inner.to_string(false).map_err(|e| failed(&e))?;
        serde_json::from_str(&text).map_err(|e| failed(&e))
    }

    /// Writes `tokenizer.json`.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = self.inner.to_string(true).map_err(|e| Error::format(path, e))?;
        files::write(path, text.as_bytes())
    }

    /// Trains a byte-level BPE on `texts`.
    ///
    /// Words keep the space before them; every digit and sign is separate. Each of `added` is one token, matched before anything else.
    /// `end` is the special token that ends a text.
    pub fn train(texts: Vec<String>, vocab_size: usize, added: &[String], end: &str) -> Result<Self> {
        let failed = |e: tokenizers::Error| Error::argument(format!("the tokenizer cannot be trained: {e}"));
        let pattern = SplitPattern::Regex(r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]|\s".into());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(failed)?;
        let bytes = ByteLevel::new(false, true, false);
        let mut tokenizer: Bpe = TokenizerBuilder::new()
            .with_model(BPE::default())
            .with_normalizer(None)
            .with_pre_tokenizer(Some(PreTokenizerWrapper::Sequence(Sequence::new(vec![split.into(), bytes.into()]))))
            .with_post_processor(None)
            .with_decoder(Some(DecoderWrapper::ByteLevel(bytes)))
            .build()
            .map_err(failed)?;
        let reserved = added.len() + 1;
        if vocab_size < 256 + reserved {
            return Err(Error::argument(format!("vocab_size {vocab_size} is too small: 256 bytes and {reserved} added tokens are needed")));
        }
        let mut trainer = BpeTrainer::builder()
            .vocab_size(vocab_size - reserved)
            .min_frequency(2)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        tokenizer.train(&mut trainer, texts.into_iter()).map_err(failed)?;
        let mut tokens = vec![AddedToken::from(end.to_string(), true)];
        tokens.extend(added.iter().map(|text| AddedToken::from(text.clone(), false).normalized(false)));
        tokenizer.add_special_tokens(tokens[..1].to_vec()).map_err(failed)?;
        tokenizer.add_tokens(tokens[1..].to_vec()).map_err(failed)?;
        let json = tokenizer.to_string(false).map_err(failed)?;
        json.parse::<Bpe>().map(|tokenizer| Self::new(tokenizer.into())).map_err(failed)
    }
}
