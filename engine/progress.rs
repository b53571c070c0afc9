//! What a long piece of work is at, for the person who waits for it.
//!
//! The engine tells, often; whoever runs it [`listen`]s on the same thread and shows some of it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::{Duration, Instant};

/// How far a piece of work is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is done: "rollout", "update", "scoring".
    pub work: &'static str,
    /// The text that is read, from 1, and how many there are; in a rollout.
    pub text: Option<(usize, usize)>,
    /// Parts that are done, and all of them; in a rollout those of the text.
    pub parts: (usize, usize),
    /// What the parts are.
    pub unit: &'static str,
    /// Tokens that were sampled or went through the model.
    pub tokens: usize,
    /// Since the work began.
    pub time: Duration,
}

impl Progress {
    /// The share that is done, if every text takes as long.
    fn share(&self) -> f64 {
        let (done, all) = self.parts;
        let (text, texts) = self.text.unwrap_or((1, 1));
        (text as f64 - 1.0 + done as f64 / all.max(1) as f64) / texts.max(1) as f64
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { work, parts: (done, all), unit, tokens, .. } = self;
        let (seconds, share) = (self.time.as_secs_f64(), self.share());
        write!(f, "{work}")?;
        if let Some((text, texts)) = self.text {
            write!(f, ", text {text} of {texts}")?;
        }
        write!(f, ": {done} of {all} {unit}, {:.0} tokens/s", *tokens as f64 / seconds.max(1e-9))?;
        // Too early, the rest is a guess.
        if share > 0.05 { write!(f, ", {:.0} s left", seconds / share - seconds) } else { Ok(()) }
    }
}

type Listener = Box<dyn FnMut(&Progress)>;

thread_local! {
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
    static WORK: Cell<Option<(Progress, Instant)>> = const { Cell::new(None) };
}

/// Has `listener` told of all work on this thread from now on.
pub fn listen(listener: impl FnMut(&Progress) + 'static) {
    LISTENER.set(Some(Box::new(listener)));
}

/// A piece of work. It ends when this is dropped.
pub struct Work {
    /// Whether there is none around it.
    outer: bool,
}

/// Begins a piece of work whose parts are `unit`. Work within other work is a part of that.
pub fn begin(work: &'static str, unit: &'static str) -> Work {
    let outer = WORK.get().is_none();
    if outer {
        WORK.set(Some((Progress { work, text: None, parts: (0, 0), unit, tokens: 0, time: Duration::ZERO }, Instant::now())));
    }
    Work { outer }
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.outer {
            WORK.set(None);
        }
    }
}

/// Says that the work is at its `text`-th text of `texts`.
pub fn text(text: usize, texts: usize) {
    change(|progress| (progress.text, progress.parts) = (Some((text, texts)), (0, 0)));
}

/// Says that `done` of `all` parts are done, and that this took `tokens` more tokens.
pub fn parts(done: usize, all: usize, tokens: usize) {
    let progress = change(|progress| {
        progress.parts = (done, all);
        progress.tokens += tokens;
    });
    if let Some(progress) = progress {
        LISTENER.with_borrow_mut(|listener| listener.as_mut().map_or((), |listener| listener(&progress)));
    }
}

fn change(change: impl FnOnce(&mut Progress)) -> Option<Progress> {
    let (mut progress, began) = WORK.get()?;
    change(&mut progress);
    progress.time = began.elapsed();
    WORK.set(Some((progress, began)));
    Some(progress)
}
