//! Batched sampling: many prompts, several completions of each, one token of every running sequence a step.
//!
//! Prompts that start alike share the work of their common beginning, and completions of one prompt share all of it. A prompt's
//! results do not depend on what else is in the batch: every row of every kernel has its own fixed order of sums, and each
//! sequence draws from its own stream of random numbers.

use crate::device::Recorder;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::batch::{Buffers, Span};
use crate::model::blocks::{self, Activations, Cache, Keep, Keys};
use crate::ops::attention::TILE;
use crate::ops::sample::{self, STREAM, Sampling};
use crate::ops::{elementwise, matmul};
use crate::random::philox4x32;
use crate::tensor::{DType, Tensor};

/// Sequences that are decoded side by side.
const SLOTS: usize = 128;
/// Prompt tokens that go through the model at a time.
const PREFILL: usize = 2048;

/// The random numbers of one sequence: a Philox key and three words of the counter; the fourth is the number of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
    path: [u32; 3],
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
    /// Longest completion in tokens.
    pub max_tokens: usize,
    /// Texts that end a completion, besides the model's own end tokens.
    pub stop: Vec<String>,
}

/// Why a completion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// An end token or a stop text.
    Stop,
    /// `max_tokens`.
    Length,
}

/// What was sampled.
#[derive(Clone, Debug)]
pub struct Completion {
    /// Tokens, with the end token if there was one.
    pub tokens: Vec<u32>,
    /// Log-probability of each token at the sampling temperature (1 for greedy), before top-k and top-p.
    pub logprobs: Vec<f32>,
    /// Why it ended.
    pub finish: Finish,
}

/// A running sequence.
struct Sequence {
    request: usize,
    /// First row of its keys in the cache.
    start: usize,
    /// Tokens whose keys are in the cache.
    cached: usize,
    stream: Stream,
    out: Completion,
    running: bool,
}

/// Memory for sampling. Kept between calls; it grows with the longest batch.
pub struct Generator {
    acts: Activations,
    buffers: Buffers,
    cache: Option<(Cache, usize)>,
    last: Tensor,
    logits: Tensor,
    streams: Tensor,
    drawn: Tensor,
    spans: Tensor,
    from: Tensor,
    to: Tensor,
}

impl Generator {
    /// A generator for `model`.
    pub fn new(model: &Model) -> Result<Self> {
        let (device, config) = (&model.device, &model.config);
        let moves = PREFILL * SLOTS;
        Ok(Self {
            acts: Activations::new(device, config, PREFILL, Keep::Nothing)?,
            buffers: Buffers::new(device, PREFILL)?,
            cache: None,
            last: device.zeros(DType::F32, &[SLOTS, config.hidden_size])?,
            logits: device.zeros(DType::F32, &[SLOTS, config.vocab_size])?,
            streams: device.zeros(DType::U32, &[SLOTS, STREAM])?,
            drawn: device.zeros(DType::U32, &[SLOTS, 2])?,
            spans: device.zeros(DType::U32, &[SLOTS, 2])?,
            from: device.zeros(DType::U32, &[moves])?,
            to: device.zeros(DType::U32, &[moves])?,
        })
    }

    /// Completions of every request, in order.
    ///
    /// # Errors
    /// An empty prompt, a token outside the vocabulary, or a prompt that leaves no room for `max_tokens` in the model's context.
    pub fn generate(&mut self, model: &Model, requests: &[Request], options: &Options) -> Result<Vec<Vec<Completion>>> {
        for (i, request) in requests.iter().enumerate() {
            model.check(&request.prompt)?;
            let (len, longest) = (request.prompt.len(), model.config.max_position_embeddings);
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
            if request.streams.len() > SLOTS {
                return Err(Error::argument(format!("a prompt can have at most {SLOTS} completions")));
            }
        }
        let mut results = Vec::with_capacity(requests.len());
        let mut first = 0;
        while first < requests.len() {
            let (mut end, mut slots) = (first, 0);
            while end < requests.len() && slots + requests[end].streams.len() <= SLOTS {
                slots += requests[end].streams.len();
                end += 1;
            }
            results.extend(self.wave(model, &requests[first..end], options)?);
            first = end;
        }
        Ok(results)
    }

    /// Runs as many requests as there are slots.
    fn wave(&mut self, model: &Model, requests: &[Request], options: &Options) -> Result<Vec<Vec<Completion>>> {
        let mut sequences = Vec::new();
        let mut rows = 0;
        for (i, request) in requests.iter().enumerate() {
            for stream in &request.streams {
                let out = Completion { tokens: Vec::new(), logprobs: Vec::new(), finish: Finish::Length };
                let cached = request.prompt.len();
                sequences.push(Sequence { request: i, start: rows, cached, stream: *stream, out, running: true });
                rows += request.prompt.len() + options.max_tokens;
            }
        }
        if sequences.is_empty() {
            return Ok(requests.iter().map(|_| Vec::new()).collect());
        }
        if self.cache.as_ref().is_none_or(|(_, capacity)| *capacity < rows) {
            let capacity = rows.max(4096).next_power_of_two();
            self.cache = None;
            self.cache = Some((Cache::new(&model.device, &model.config, capacity)?, capacity));
        }
        self.prefill(model, requests, &sequences)?;
        let drawn = {
            let mut rec = model.device.record();
            let hidden = self.last.slice(0..sequences.len())?;
            self.draw(&mut rec, model, &hidden, &sequences, options)?;
            rec.submit_and_read_u32(&self.drawn.slice(0..sequences.len())?)?
        };
        accept(model, &mut sequences, &drawn, options)?;
        while sequences.iter().any(|s| s.running) {
            let drawn = self.decode(model, &sequences, options)?;
            accept(model, &mut sequences, &drawn, options)?;
        }
        let mut results: Vec<Vec<Completion>> = requests.iter().map(|_| Vec::new()).collect();
        for sequence in sequences {
            results[sequence.request].push(sequence.out);
        }
        Ok(results)
    }

    /// Puts the keys and values of all prompts into the cache, and the last hidden state of each sequence into `self.last`.
    fn prefill(&mut self, model: &Model, requests: &[Request], sequences: &[Sequence]) -> Result<()> {
        let shared = shared_prefix(requests);
        let slots_of = |request: usize| sequences.iter().filter(move |s| s.request == request);
        // Pieces of prompts: the request (none for the shared beginning), where it starts, and its tokens.
        let mut pieces: Vec<(Option<usize>, usize, &[u32])> = Vec::new();
        let mut cut = |request: Option<usize>, first: usize, tokens: &'_ [u32]| {
            // Cuts are at multiples of a tile, so that they change no bit of the result.
            let mut at = first;
            while at < tokens.len() {
                let end = ((at / TILE + PREFILL / TILE) * TILE).min(tokens.len());
                pieces.push((request, at, &requests[request.unwrap_or(0)].prompt[at..end]));
                at = end;
            }
        };
        cut(None, 0, &requests[0].prompt[..shared]);
        for (i, request) in requests.iter().enumerate() {
            if !request.streams.is_empty() {
                cut(Some(i), shared, &request.prompt);
            }
        }
        let mut first = 0;
        while first < pieces.len() {
            let (mut end, mut tokens) = (first, 0);
            while end < pieces.len() && (end == first || tokens + pieces[end].2.len() <= PREFILL) {
                // What follows the shared beginning reads its keys from the cache.
                if end > first && pieces[first].0.is_none() != pieces[end].0.is_none() {
                    break;
                }
                tokens += pieces[end].2.len();
                end += 1;
            }
            let (mut spans, mut from, mut to) = (Vec::new(), Vec::new(), Vec::new());
            let (mut last_from, mut last_to) = (Vec::new(), Vec::new());
            let mut offset = 0;
            for (request, at, piece) in &pieces[first..end] {
                let owners: Vec<(usize, &Sequence)> = match request {
                    Some(r) => sequences.iter().enumerate().filter(|(_, s)| s.request == *r).collect(),
                    None => sequences.iter().enumerate().collect(),
                };
                let keys = match request {
                    Some(r) => slots_of(*r).next().map_or(0, |s| s.start),
                    None => sequences[0].start,
                };
                spans.push(Span { tokens: piece, position: *at, keys });
                for (slot, owner) in owners {
                    from.extend((0..piece.len()).map(|i| (offset + i) as u32));
                    to.extend((0..piece.len()).map(|i| (owner.start + at + i) as u32));
                    if at + piece.len() == owner.cached && request.is_some() {
                        last_from.push((offset + piece.len() - 1) as u32);
                        last_to.push(slot as u32);
                    }
                }
                offset += piece.len();
            }
            self.prefill_batch(model, &spans, (&from, &to), (&last_from, &last_to))?;
            first = end;
        }
        Ok(())
    }

    fn prefill_batch(&mut self, model: &Model, spans: &[Span<'_>], moves: (&[u32], &[u32]), last: (&[u32], &[u32])) -> Result<()> {
        let Some((cache, _)) = &self.cache else { return Err(Error::argument("the cache is not there")) };
        let batch = self.buffers.pack_cached(spans)?;
        // The lists of moved rows stand in one buffer each: those of the keys, then, aligned, those of the last hidden states.
        let count = moves.0.len();
        let tail = count.next_multiple_of(64);
        if tail + last.0.len() > self.from.len() {
            self.from = model.device.zeros(DType::U32, &[(tail + last.0.len()).next_power_of_two()])?;
            self.to = model.device.zeros(DType::U32, &[(tail + last.0.len()).next_power_of_two()])?;
        }
        let put = |buffer: &Tensor, at: usize, values: &[u32]| {
            let part = buffer.slice(at..at + values.len())?;
            part.write_u32(values)?;
            Ok::<_, Error>(part)
        };
        let (from, to) = (put(&self.from, 0, moves.0)?, put(&self.to, 0, moves.1)?);
        let (last_from, last_to) = (put(&self.from, tail, last.0)?, put(&self.to, tail, last.1)?);
        let mut rec = model.device.record();
        let keys = Keys::Cached { cache, from: &from, to: &to, spans: None };
        blocks::forward(&mut rec, &model.config, &model.weights, &self.acts, &batch, &keys)?;
        if !last.0.is_empty() {
            elementwise::move_rows(&mut rec, &self.acts.hidden(batch.tokens)?, &last_from, &last_to, &self.last)?;
        }
        rec.submit()
    }

    /// One token of every running sequence.
    fn decode(&mut self, model: &Model, sequences: &[Sequence], options: &Options) -> Result<Vec<u32>> {
        let Some((cache, _)) = &self.cache else { return Err(Error::argument("the cache is not there")) };
        let running = || sequences.iter().filter(|s| s.running);
        let tokens: Vec<[u32; 1]> = running().map(|s| [s.out.tokens.last().copied().unwrap_or(0)]).collect();
        let parts: Vec<Span<'_>> = running().zip(&tokens).map(|(s, tokens)| Span { tokens, position: s.cached, keys: s.start }).collect();
        let batch = self.buffers.pack_cached(&parts)?;
        let n = parts.len();
        let (spans, from, to) = (self.spans.slice(0..n)?, self.from.slice(0..n)?, self.to.slice(0..n)?);
        spans.write_u32(&running().flat_map(|s| [s.start as u32, s.cached as u32 + 1]).collect::<Vec<_>>())?;
        from.write_u32(&(0..n as u32).collect::<Vec<_>>())?;
        to.write_u32(&running().map(|s| (s.start + s.cached) as u32).collect::<Vec<_>>())?;
        let mut rec = model.device.record();
        let keys = Keys::Cached { cache, from: &from, to: &to, spans: Some(&spans) };
        blocks::forward(&mut rec, &model.config, &model.weights, &self.acts, &batch, &keys)?;
        self.draw(&mut rec, model, &self.acts.hidden(n)?, sequences, options)?;
        rec.submit_and_read_u32(&self.drawn.slice(0..n)?)
    }

    /// Samples one token for each running sequence from its hidden state.   hidden: [running, C]
    fn draw(&self, rec: &mut Recorder<'_>, model: &Model, hidden: &Tensor, sequences: &[Sequence], options: &Options) -> Result<()> {
        let n = hidden.shape()[0];
        let (logits, streams, drawn) = (self.logits.slice(0..n)?, self.streams.slice(0..n)?, self.drawn.slice(0..n)?);
        let words = sequences.iter().filter(|s| s.running).flat_map(|s| {
            let (k, p) = (s.stream.key, s.stream.path);
            [k[0], k[1], p[0], p[1], p[2], s.out.tokens.len() as u32]
        });
        streams.write_u32(&words.collect::<Vec<_>>())?;
        matmul::rows(rec, hidden, model.weights.head(), &logits, matmul::Write::Replace)?;
        let sampling = Sampling::new(options.temperature, options.top_k, options.top_p);
        sample::forward(rec, sampling, &logits, &streams, &drawn)
    }
}

/// Appends what was drawn and ends sequences.
fn accept(model: &Model, sequences: &mut [Sequence], drawn: &[u32], options: &Options) -> Result<()> {
    for (sequence, drawn) in sequences.iter_mut().filter(|s| s.running).zip(drawn.chunks_exact(2)) {
        let out = &mut sequence.out;
        if !out.tokens.is_empty() {
            sequence.cached += 1;
        }
        out.tokens.push(drawn[0]);
        out.logprobs.push(f32::from_bits(drawn[1]));
        let ended = model.config.eos_token_id.contains(&drawn[0]) || {
            let text = if options.stop.is_empty() { String::new() } else { model.tokenizer.decode(&out.tokens)? };
            options.stop.iter().any(|stop| text.contains(stop.as_str()))
        };
        if ended {
            out.finish = Finish::Stop;
        }
        sequence.running = !ended && out.tokens.len() < options.max_tokens;
    }
    Ok(())
}

/// How many tokens all prompts start with, in whole tiles, leaving each at least one token of its own.
fn shared_prefix(requests: &[Request]) -> usize {
    if requests.len() < 2 {
        return 0;
    }
    let first = &requests[0].prompt;
    let alike = |r: &Request| first.iter().zip(&r.prompt).take_while(|(a, b)| a == b).count().min(r.prompt.len() - 1);
    requests.iter().map(alike).min().unwrap_or(0) / TILE * TILE
}
