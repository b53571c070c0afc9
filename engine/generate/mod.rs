//! Batched sampling: many prompts with several completions each. A step samples one token of every running sequence. When a sequence ends,
//! the next waiting one takes its place.
//!
//! Prompts with a common beginning compute it once, and completions of a prompt share its keys and values. A prompt's results do not depend
//! on the rest of the batch: every row of every kernel has a fixed order of sums, and each sequence has its own stream of random numbers.

mod request;
pub mod rows;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::{ControlFlow, Range};
use std::rc::Rc;

use crate::device::{DType, Tensor};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::activations::Activations;
use crate::model::batch::{Buffers, Span};
use crate::model::blocks::{self, Cache, Keys};
use crate::ops::attention::TILE;
use crate::ops::matmul;
use crate::ops::sample::{self, STREAM, Sampling};
use crate::progress;
pub use request::{Completion, Finish, OnToken, Options, Request, Room, Stream};
use request::{check, stops};
use rows::Rows;

/// The most sequences decoded together.
pub const SLOTS: usize = 128;
/// The most prompt tokens that go through the model at a time.
const PREFILL: usize = 2048;
/// Memory limit for keys and values, unless one sequence needs more.
const CACHE_BYTES: usize = 2 << 30;

/// A prompt in the cache: all of its tokens except the last, which each completion runs as its own first token.
struct Prompt {
    rows: Range<usize>,
    /// Number of completions that have not ended.
    left: usize,
}

/// A running sequence.
struct Sequence {
    request: usize,
    completion: usize,
    /// Rows of the prompt's keys, and of its own keys.
    prompt: Range<usize>,
    own: Range<usize>,
    stream: Stream,
    out: Completion,
    ended: bool,
}

/// Buffers for sampling. They are kept between calls and grow with the longest batch.
pub struct Generator {
    acts: Activations,
    buffers: Buffers,
    /// Keys and values of prompts and completions, and of the common beginning, each with its number of rows.
    cache: Option<(Cache, usize)>,
    beginning: Option<(Cache, usize)>,
    reserved: bool,
    /// What is kept for later prompts with the same beginning, if it is.
    kept: Option<Kept>,
    logits: Tensor,
    streams: Tensor,
    drawn: Tensor,
    spans: Tensor,
    from: Tensor,
    to: Tensor,
}

/// Tokens whose keys are already in the cache.
#[derive(Default)]
struct Kept {
    /// Those of a single prompt, in the first rows of the cache.
    prompt: Vec<u32>,
    /// Those of the common beginning.
    beginning: Vec<u32>,
}

/// A [`Generator`] that is made when it is first needed, shared by all callers that sample from models of the same sizes on one device.
#[derive(Clone, Default)]
pub struct SharedGenerator(Rc<RefCell<Option<Generator>>>);

impl SharedGenerator {
    /// [`Generator::generate`].
    pub fn generate(&self, model: &Model, requests: &[Request], options: &Options) -> Result<Vec<Vec<Completion>>> {
        self.with(model, |generator| {
            generator.kept = None;
            generator.generate(model, requests, options)
        })
    }

    /// [`Generator::generate`] for one of several turns, counted from 0, between which the weights do not change. A common beginning that
    /// is the same as in the turn before is not computed again. If another caller samples in between, the next turn computes everything.
    pub fn take_turn(&self, turn: usize, model: &Model, requests: &[Request], options: &Options) -> Result<Vec<Vec<Completion>>> {
        self.with(model, |generator| {
            if turn == 0 || generator.kept.is_none() {
                generator.keep_prompts();
            }
            generator.generate(model, requests, options)
        })
    }

    /// [`Generator::reserve`].
    pub fn reserve(&self, model: &Model, room: Room) -> Result<()> {
        self.with(model, |generator| generator.reserve(model, room))
    }

    /// Calls `act` with the generator, making it if necessary.
    fn with<R>(&self, model: &Model, act: impl FnOnce(&mut Generator) -> Result<R>) -> Result<R> {
        let mut generator = self.0.borrow_mut();
        act(match &mut *generator {
            Some(generator) => generator,
            none => none.insert(Generator::new(model)?),
        })
    }

    /// Frees the memory.
    pub fn release(&self) {
        self.0.replace(None);
    }
}

impl Generator {
    /// A generator for `model`.
    pub fn new(model: &Model) -> Result<Self> {
        let (device, config) = (&model.device, &model.config);
        Ok(Self {
            acts: Activations::new(device, config, PREFILL, None, false)?,
            buffers: Buffers::new(device, PREFILL, false)?,
            cache: None,
            beginning: None,
            reserved: false,
            kept: None,
            logits: device.zeros(DType::F32, &[SLOTS, config.vocab_size])?,
            streams: device.zeros(DType::U32, &[SLOTS, STREAM])?,
            drawn: device.zeros(DType::U32, &[SLOTS, 2])?,
            spans: device.zeros(DType::U32, &[SLOTS, 4])?,
            from: device.zeros(DType::U32, &[PREFILL])?,
            to: device.zeros(DType::U32, &[PREFILL])?,
        })
    }

    /// Completions of every request, in order.
    ///
    /// # Errors
    /// An empty prompt, a token outside the vocabulary, or a prompt that leaves no room for `max_tokens` in the model's context.
    pub fn generate(&mut self, model: &Model, requests: &[Request], options: &Options) -> Result<Vec<Vec<Completion>>> {
        self.stream(model, requests, options, &mut |_, _, _| ControlFlow::Continue(()))
    }

    /// [`Generator::generate`], but calls `show` with every new token.
    pub fn stream(
        &mut self,
        model: &Model,
        requests: &[Request],
        options: &Options,
        on_token: &mut OnToken<'_>,
    ) -> Result<Vec<Vec<Completion>>> {
        check(model, requests, options)?;
        let room = Room::of(requests, options);
        let shared = if self.reserved { room.shared.min(rows_of(&self.beginning) / TILE * TILE) } else { room.shared };
        self.make_room(model, Room { shared, ..room })?;
        let mut rows = Rows::new(rows_of(&self.cache));
        // Until this batch is done, the cache's content is unknown.
        let kept = self.kept.as_mut().map(std::mem::take).unwrap_or_default();
        let done = if let [request] = requests { alike(&kept.prompt, &request.prompt) } else { shared };
        if shared > 0 {
            let beginning = &requests[0].prompt[..shared];
            let known = if kept.beginning == beginning { shared } else { alike(&kept.beginning, beginning) };
            self.prefill(model, true, &[(0, 0..shared)], requests, known)?;
        }
        let mut waiting: VecDeque<(usize, usize)> =
            requests.iter().enumerate().flat_map(|(r, request)| (0..request.streams.len()).map(move |i| (r, i))).collect();
        let mut results: Vec<Vec<Option<Completion>>> = requests.iter().map(|r| vec![None; r.streams.len()]).collect();
        let (mut prompts, mut running) = (BTreeMap::new(), Vec::new());
        let _work = progress::begin("sampling", "answers");
        let all = waiting.len();
        while !(waiting.is_empty() && running.is_empty()) {
            let fresh = admit(requests, options, &mut rows, &mut waiting, &mut prompts, &mut running);
            if shared > 0 {
                self.copy_beginning(model, &fresh, shared)?;
            }
            self.prefill(model, false, &fresh, requests, done)?;
            let drawn = self.decode(model, requests, &running, options)?;
            let sampled = running.len();
            for (sequence, drawn) in running.iter_mut().zip(drawn.chunks_exact(2)) {
                let out = &mut sequence.out;
                out.tokens.push(drawn[0]);
                out.logprobs.push(f32::from_bits(drawn[1]));
                let broken = on_token(sequence.request, sequence.completion, out).is_break();
                if broken || stops(model, &out.tokens, &options.stop)? {
                    out.finish = Finish::Stop;
                }
                sequence.ended = out.finish == Finish::Stop || out.tokens.len() == options.max_tokens;
            }
            for ended in running.extract_if(.., |sequence| sequence.ended) {
                rows.give(ended.own);
                if let Some(prompt) = prompts.get_mut(&ended.request) {
                    prompt.left -= 1;
                    if prompt.left == 0 {
                        rows.give(ended.prompt);
                        prompts.remove(&ended.request);
                    }
                }
                results[ended.request][ended.completion] = Some(ended.out);
            }
            progress::parts(all - waiting.len() - running.len(), all, sampled);
        }
        if let (Some(kept), Some(first)) = (&mut self.kept, requests.first()) {
            kept.beginning.extend(&first.prompt[..shared]);
            if requests.len() == 1 {
                kept.prompt.extend(&first.prompt[..first.prompt.len() - 1]);
            }
        }
        Ok(results.into_iter().map(|completions| completions.into_iter().flatten().collect()).collect())
    }

    /// From now on, keeps the keys of a single prompt, or of the common beginning of several, so that the next batch does not compute the
    /// same beginning again: for the turns of a conversation. The weights must not change.
    pub fn keep_prompts(&mut self) {
        self.kept = Some(Kept::default());
    }

    /// Makes the caches large enough for `room` and fixes their size. Sequences beyond it wait, or share less of a beginning.
    pub fn reserve(&mut self, model: &Model, room: Room) -> Result<()> {
        self.reserved = false;
        self.make_room(model, room)?;
        self.reserved = true;
        Ok(())
    }

    fn make_room(&mut self, model: &Model, room: Room) -> Result<()> {
        let config = &model.config;
        let (side_by_side, least) = (room.sequences.min(SLOTS), room.longest + room.max_tokens);
        let wanted = room.prompts.min(side_by_side * room.longest) + side_by_side * room.max_tokens;
        let row = 4 * config.num_key_value_heads * config.head_dim;
        let bindable = model.device.caps().map_or(usize::MAX, |caps| caps.max_binding as usize / row);
        let affordable = (CACHE_BYTES / (2 * config.num_hidden_layers * row)).min(bindable);
        let needed = if self.reserved { least } else { wanted.min(affordable).max(least) };
        let grow = |cache: &mut Option<(Cache, usize)>, rows: usize| {
            if rows_of(cache) < rows {
                // Drops the old ones first, because there may not be memory for both.
                *cache = None;
                let capacity = rows.next_multiple_of(1024).min(bindable.max(rows));
                *cache = Some((Cache::new(&model.device, config, capacity)?, capacity));
            }
            Ok::<_, Error>(())
        };
        let before = [rows_of(&self.beginning), rows_of(&self.cache)];
        grow(&mut self.beginning, room.shared)?;
        grow(&mut self.cache, needed)?;
        // A cache that has grown is empty.
        if let Some(kept) = self.kept.as_mut().filter(|_| rows_of(&self.beginning) != before[0]) {
            kept.beginning.clear();
        }
        if let Some(kept) = self.kept.as_mut().filter(|_| rows_of(&self.cache) != before[1]) {
            kept.prompt.clear();
        }
        Ok(())
    }

    /// Copies the keys and values of the common beginning to the rows of prompts.
    fn copy_beginning(&mut self, model: &Model, prompts: &[(usize, Range<usize>)], shared: usize) -> Result<()> {
        if prompts.is_empty() {
            return Ok(());
        }
        let from: Vec<u32> = prompts.iter().flat_map(|_| 0..shared as u32).collect();
        let to: Vec<u32> = prompts.iter().flat_map(|(_, rows)| rows.start as u32..(rows.start + shared) as u32).collect();
        let (from, to) = self.moves(model, &from, &to)?;
        let mut rec = model.device.record();
        if let (Some((beginning, _)), Some((cache, _))) = (&self.beginning, &self.cache) {
            beginning.copy_rows(&mut rec, &from, cache, &to)?;
        }
        rec.submit()
    }

    /// Computes the keys and values of prompts into their rows of the cache, or those of the common beginning into its cache. The first
    /// `done` tokens of each are already there.
    fn prefill(
        &mut self,
        model: &Model,
        beginning: bool,
        prompts: &[(usize, Range<usize>)],
        requests: &[Request],
        done: usize,
    ) -> Result<()> {
        // Prompts are split at multiples of a tile, so that no bit of the result changes.
        let mut pieces: Vec<Span<'_>> = Vec::new();
        for (request, rows) in prompts {
            let mut at = done;
            while at < rows.len() {
                let end = ((at / TILE + PREFILL / TILE) * TILE).min(rows.len());
                pieces.push(Span { tokens: &requests[*request].prompt[at..end], position: at, keys: rows.start });
                at = end;
            }
        }
        let mut first = 0;
        while first < pieces.len() {
            let (mut end, mut tokens) = (first, 0);
            while end < pieces.len() && tokens + pieces[end].tokens.len() <= PREFILL {
                tokens += pieces[end].tokens.len();
                end += 1;
            }
            let spans = &pieces[first..end];
            let to: Vec<u32> = spans.iter().flat_map(|s| (s.keys + s.position..).take(s.tokens.len()).map(|row| row as u32)).collect();
            let (from, to) = self.moves(model, &(0..tokens as u32).collect::<Vec<_>>(), &to)?;
            let batch = self.buffers.pack_cached(spans)?;
            let cache = if beginning { &self.beginning } else { &self.cache };
            let Some((cache, _)) = cache else { return Err(Error::argument("the cache is not there")) };
            let mut rec = model.device.record();
            let keys = Keys::Cached { cache, from: &from, to: &to, spans: None };
            blocks::forward(&mut rec, &model.config, &model.weights, &self.acts, &batch, &keys)?;
            rec.submit()?;
            first = end;
        }
        Ok(())
    }

    /// Row numbers on the device.
    fn moves(&mut self, model: &Model, from: &[u32], to: &[u32]) -> Result<(Tensor, Tensor)> {
        let put = |buffer: &mut Tensor, values: &[u32]| {
            if values.len() > buffer.len() {
                *buffer = model.device.zeros(DType::U32, &[values.len().next_power_of_two()])?;
            }
            let part = buffer.slice(0..values.len())?;
            part.write_u32(values)?;
            Ok::<_, Error>(part)
        };
        Ok((put(&mut self.from, from)?, put(&mut self.to, to)?))
    }

    /// Samples one token of every running sequence.
    fn decode(&mut self, model: &Model, requests: &[Request], running: &[Sequence], options: &Options) -> Result<Vec<u32>> {
        let n = running.len();
        let input = |s: &Sequence| [*s.out.tokens.last().or(requests[s.request].prompt.last()).unwrap_or(&0)];
        let tokens: Vec<[u32; 1]> = running.iter().map(input).collect();
        let position = |s: &Sequence| s.prompt.len() + s.out.tokens.len();
        let parts: Vec<Span<'_>> = running.iter().zip(&tokens).map(|(s, tokens)| Span { tokens, position: position(s), keys: 0 }).collect();
        let to: Vec<u32> = running.iter().map(|s| (s.own.start + s.out.tokens.len()) as u32).collect();
        let (from, to) = self.moves(model, &(0..n as u32).collect::<Vec<_>>(), &to)?;
        let batch = self.buffers.pack_cached(&parts)?;
        let (spans, streams) = (self.spans.slice(0..n)?, self.streams.slice(0..n)?);
        let read = |s: &Sequence| [s.prompt.start, s.prompt.len(), s.own.start, s.out.tokens.len() + 1].map(|v| v as u32);
        spans.write_u32(&running.iter().flat_map(read).collect::<Vec<_>>())?;
        let words = |s: &Sequence| {
            let (k, p) = (s.stream.key, s.stream.path);
            [k[0], k[1], p[0], p[1], p[2], s.out.tokens.len() as u32]
        };
        streams.write_u32(&running.iter().flat_map(words).collect::<Vec<_>>())?;
        let Some((cache, _)) = &self.cache else { return Err(Error::argument("the cache is not there")) };
        let (logits, drawn) = (self.logits.slice(0..n)?, self.drawn.slice(0..n)?);
        let mut rec = model.device.record();
        let keys = Keys::Cached { cache, from: &from, to: &to, spans: Some(&spans) };
        blocks::forward(&mut rec, &model.config, &model.weights, &self.acts, &batch, &keys)?;
        matmul::rows(&mut rec, &self.acts.hidden(n)?, model.weights.head(), &logits, matmul::Write::Replace)?;
        let sampling = Sampling::new(options.temperature, options.top_k, options.top_p, options.min_p);
        sample::forward(&mut rec, sampling, &logits, &streams, &drawn)?;
        rec.submit_and_read_u32(&drawn)
    }
}

fn rows_of(cache: &Option<(Cache, usize)>) -> usize {
    cache.as_ref().map_or(0, |(_, rows)| *rows)
}

/// Starts as many waiting completions as there are slots and rows. Returns the prompts that are not in the cache yet.
fn admit(
    requests: &[Request],
    options: &Options,
    rows: &mut Rows,
    waiting: &mut VecDeque<(usize, usize)>,
    prompts: &mut BTreeMap<usize, Prompt>,
    running: &mut Vec<Sequence>,
) -> Vec<(usize, Range<usize>)> {
    let mut fresh = Vec::new();
    while let Some(&(request, completion)) = waiting.front()
        && running.len() < SLOTS
    {
        let wanted = &requests[request];
        // A single prompt begins at the first row.
        let known = prompts.get(&request).map(|prompt: &Prompt| prompt.rows.clone());
        let Some(prompt) = known.clone().or_else(|| rows.take(wanted.prompt.len() - 1)) else { break };
        let Some(own) = rows.take(options.max_tokens) else {
            if known.is_none() {
                rows.give(prompt);
            }
            break;
        };
        if known.is_none() {
            fresh.push((request, prompt.clone()));
            prompts.insert(request, Prompt { rows: prompt.clone(), left: wanted.streams.len() });
        }
        waiting.pop_front();
        let out = Completion { tokens: Vec::new(), logprobs: Vec::new(), finish: Finish::Length };
        running.push(Sequence { request, completion, prompt, own, stream: wanted.streams[completion], out, ended: false });
    }
    fresh
}

/// The number of tokens that `prompt` and `other` have in common at the beginning, in whole tiles, without the last token of `prompt`.
fn alike(other: &[u32], prompt: &[u32]) -> usize {
    other.iter().zip(prompt).take_while(|(a, b)| a == b).count().min(prompt.len().saturating_sub(1)) / TILE * TILE
}
