//! What is asked of the generator, and what it gives.

use std::ops::ControlFlow;

use super::alike;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::random::philox4x32;

/// The random numbers of one sequence: a Philox key and three words of the counter; the fourth is the number of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    pub(super) key: [u32; 2],
    pub(super) path: [u32; 3],
}

impl Stream {
    /// The stream of `(seed, step)` at `path`, for instance episode, rollout and chunk.
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

/// How to sample, for a whole batch.
#[derive(Clone, Debug)]
pub struct Options {
    /// 0 is greedy.
    pub temperature: f32,
    /// 0 keeps all.
    pub top_k: u32,
    /// 1 keeps all.
    pub top_p: f32,
    /// Keeps the tokens that are at least so likely, relative to the likeliest; 0 keeps all.
    pub min_p: f32,
    /// Longest completion in tokens.
    pub max_tokens: usize,
    /// Texts that end a completion, besides the model's own end tokens. They stay in it.
    pub stop: Vec<String>,
}

impl Options {
    /// An error that names the number that is out of range.
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

/// What was sampled.
#[derive(Clone, Debug)]
pub struct Completion {
    /// Tokens, with the end token if there was one.
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

/// What [`Generator::stream`](super::Generator::stream) calls for each new token: with the request, the number of its completion, and the completion so far.
/// [`ControlFlow::Break`] ends the completion.
pub type OnToken<'a> = dyn FnMut(usize, usize, &Completion) -> ControlFlow<()> + 'a;

/// What a batch needs of the caches, in tokens. The last token of a prompt is not counted: each completion runs it as its own first.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Of all prompts.
    pub prompts: usize,
    /// Of the longest prompt.
    pub longest: usize,
    /// Number of completions.
    pub sequences: usize,
    /// Longest completion.
    pub max_tokens: usize,
    /// What all prompts begin with.
    pub shared: usize,
}

impl Room {
    /// What `requests` need.
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

/// An error that names the first prompt that cannot be continued.
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
    // A token is at least a byte, so these hold any stop text that the last token completes.
    let text = model.tokenizer.decode(&tokens[tokens.len().saturating_sub(longest)..])?;
    Ok(stop.iter().any(|stop| text.contains(stop.as_str())))
}

/// How many tokens all prompts start with, in whole tiles, leaving each at least one token of its own.
fn shared_beginning(requests: &[Request]) -> usize {
    if requests.len() < 2 {
        return 0;
    }
    requests.iter().map(|r| alike(&requests[0].prompt, &r.prompt)).min().unwrap_or(0)
}
