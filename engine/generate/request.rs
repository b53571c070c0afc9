//! Requests to the generator, and its results.

use std::ops::ControlFlow;

use super::alike;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::random::philox4x32;
use crate::{record, words};

/// The random numbers of a sequence: a Philox key and three words of the counter. The fourth word is the token's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    pub(super) key: [u32; 2],
    pub(super) path: [u32; 3],
}

impl Stream {
    /// The stream of `(seed, step)` at `path`, for example episode, rollout and chunk.
    pub fn new(seed: u64, step: u64, path: [u32; 3]) -> Self {
        let mixed = philox4x32([seed as u32, (seed >> 32) as u32], [step as u32, (step >> 32) as u32, 0, 0x5EED]);
        Self { key: [mixed[0], mixed[1]], path }
    }
}

/// A prompt and the streams of its completions.
#[derive(Clone, Debug)]
pub struct Request {
    /// Token ids, at least one.
    pub prompt: Vec<u32>,
    /// One completion for each.
    pub streams: Vec<Stream>,
}

record! {
    /// How to sample, for a whole batch.
    pub struct Options {
        /// longest completion in tokens
        pub max_tokens: usize,
        /// 0 is greedy
        pub temperature: f32 = 1.0,
        /// keep the likely tokens with this probability
        pub top_p: f32 = 1.0,
        /// keep so many likely tokens; 0 keeps all
        pub top_k: u32 = 0,
        /// keep tokens at least so likely, relative to the likeliest
        pub min_p: f32 = 0.0,
        /// texts that end a completion; they stay in it
        pub stop: Vec<String> => OrDefault,
    }
}

impl Options {
    /// Fails if a number is out of range, and names it.
    pub fn check(&self) -> Result<()> {
        if !(self.temperature >= 0.0
            && self.temperature.is_finite()
            && self.top_p > 0.0
            && self.top_p <= 1.0
            && (0.0..=1.0).contains(&self.min_p))
        {
            return Err(Error::argument(format!(
                "temperature = {}, top_p = {}, min_p = {}: temperature must be at least 0, top_p above 0 and at most 1, min_p at least 0 and at most 1",
                self.temperature, self.top_p, self.min_p
            )));
        }
        Ok(())
    }
}

/// Why a completion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// An end token, a stop text, or the caller.
    Stop,
    /// `max_tokens`.
    Length,
}

words! { impl Finish { Stop = "stop", Length = "length" } }

/// What was sampled.
#[derive(Clone, Debug)]
pub struct Completion {
    /// Tokens, including the end token if there was one.
    pub tokens: Vec<u32>,
    /// Log-probability of each token at the sampling temperature (1 for greedy), before top-k, top-p and
    /// min-p.
    pub logprobs: Vec<f32>,
    /// Why it ended.
    pub finish: Finish,
}

impl Completion {
    /// The text, without its end token.
    pub fn text(&self, model: &Model) -> Result<String> {
        let ended = self.tokens.last().is_some_and(|last| model.config.eos_token_id.contains(last));
        model.tokenizer.decode(&self.tokens[..self.tokens.len() - usize::from(ended)])
    }
}

/// [`Generator::stream`](super::Generator::stream) calls this for each new token, with the request, the number of its completion, and the completion so far.
/// [`ControlFlow::Break`] ends the completion.
pub type OnToken<'a> = dyn FnMut(usize, usize, &Completion) -> ControlFlow<()> + 'a;

/// The room that a batch needs in the caches, in tokens. The last token of a prompt is not counted, because each completion runs it as its
/// own first token.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Tokens of all prompts.
    pub prompts: usize,
    /// Tokens of the longest prompt.
    pub longest: usize,
    /// Number of completions.
    pub sequences: usize,
    /// The longest completion.
    pub max_tokens: usize,
    /// The common beginning of all prompts.
    pub shared: usize,
}

impl Room {
    /// The room that `requests` need.
    pub fn of(requests: &[Request], options: &Options) -> Self {
        let prompts = || requests.iter().map(|r| r.prompt.len().saturating_sub(1));
        Self {
            prompts: prompts().sum(),
            longest: prompts().max().unwrap_or(0),
            sequences: requests.iter().map(|r| r.streams.len()).sum(),
            max_tokens: options.max_tokens,
            shared: shared_beginning(requests),
        }
    }
}

/// Fails if a prompt cannot be continued, and names the first.
pub(super) fn check(model: &Model, requests: &[Request], options: &Options) -> Result<()> {
    options.check()?;
    let longest = model.config.max_position_embeddings;
    for (i, request) in requests.iter().enumerate() {
        model.check(&request.prompt)?;
        let len = request.prompt.len();
        if len == 0 || options.max_tokens == 0 {
            return Err(Error::argument(format!("prompt {} is empty, or max_tokens is 0", i + 1)));
        }
        if len + options.max_tokens > longest {
            let asked = options.max_tokens;
            return Err(Error::argument(format!(
                "prompt {} has {len} tokens; with max_tokens = {asked} that is more than the model's {longest}: shorten the prompt or lower max_tokens",
                i + 1
            )));
        }
    }
    Ok(())
}

/// Whether a completion ends with its last token.
pub(super) fn stops(model: &Model, tokens: &[u32], stop: &[String]) -> Result<bool> {
    if tokens.last().is_some_and(|last| model.config.eos_token_id.contains(last)) {
        return Ok(true);
    }
    let Some(longest) = stop.iter().map(String::len).max() else { return Ok(false) };
    // A token has at least one byte, so these tokens contain any stop text that the last one completes.
    let text = model.tokenizer.decode(&tokens[tokens.len().saturating_sub(longest)..])?;
    Ok(stop.iter().any(|stop| text.contains(stop.as_str())))
}

/// The number of tokens that all prompts start with, in whole tiles, leaving each prompt at least one token of its own.
fn shared_beginning(requests: &[Request]) -> usize {
    if requests.len() < 2 {
        return 0;
    }
    requests.iter().map(|r| alike(&requests[0].prompt, &r.prompt)).min().unwrap_or(0)
}
