//! A model on a server with OpenAI's chat completions API, such as vLLM, SGLang, llama.cpp, Ollama and transformers.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cache::{self, Cache, Kept, locked};
use super::completion::Completion;
use super::endpoint::Endpoint;
use super::{Message, Reason, Reply, Usage, prompt};
use crate::http::Patience;
use crate::model::Tokenizer;
use crate::schema::read_json;
use crate::{Error, Result, record, stop};

/// The pause before the second try of a request.
const PAUSE: Duration = Duration::from_millis(500);

record! {
    /// What to ask of a server, and how.
    pub struct Settings {
        /// the base address, such as `http://127.0.0.1:8000/v1`; the environment variables `http_proxy`, `https_proxy`, `all_proxy` and
        /// `no_proxy` mean what they mean to curl
        pub url: String,
        /// the model's name at the server
        pub model: String,
        /// the environment variable that holds the key, such as OPENAI_API_KEY; the key is never written anywhere
        pub key_env: Option<String>,
        /// longest reply in tokens
        pub max_tokens: usize = 1024,
        /// tokens that a prompt and its reply may have together at the server, counted by `tokenizer`; if they exceed it, the items that
        /// fit the question least are left out
        pub context: Option<usize>,
        /// 0 is greedy
        pub temperature: f64 = 0.0,
        /// the seed of sampling, for servers that support one
        pub seed: Option<u64>,
        /// additional fields of a request, such as `{ chat_template_kwargs = { enable_thinking = false } }` for Qwen3 on vLLM;
        /// `fm.json.null` removes a field
        pub extra: BTreeMap<String, Value> => OrDefault,
        /// seconds that one request may take
        pub timeout: Duration => Seconds = Duration::from_secs(120),
        /// how often a request is retried after 429, 5xx, a timeout or a broken connection; the server may ask for a pause of up to 10
        /// minutes
        pub retries: usize = 5,
        /// requests at a time
        pub concurrency: usize = 8,
        /// the file that keeps replies; by default replies.jsonl in the folder of the run that is open at the first question, or memory
        /// without a run
        pub cache: Option<PathBuf>,
        /// whether to answer from the cache alone; a missing reply is an error
        pub offline: bool = false,
        /// a tokenizer.json for counting the tokens of prompts; by default four bytes count as a token
        pub tokenizer: Option<PathBuf>,
        /// the most items that an answer may take: with more than 1 the model may ask that many times to look something up
        pub hops: usize = 1,
    }
}

impl Settings {
    /// A model at an address, with defaults for everything else.
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        let named = json!({ "url": url.into(), "model": model.into() });
        read_json(&named).expect("all else has a default")
    }
}

/// The reasoner.
pub struct Server {
    endpoint: Endpoint,
    /// Set when first needed.
    cache: OnceCell<Arc<Cache>>,
    /// Counts the tokens of prompts.
    tokenizer: Option<Tokenizer>,
    settings: Settings,
}

/// A request to send.
struct Request {
    key: String,
    body: String,
}

impl Server {
    /// A reasoner; it sends nothing yet.
    ///
    /// # Errors
    /// An invalid address, an unset environment variable, an unusable cache or tokenizer.
    pub fn new(settings: Settings) -> Result<Self> {
        Self::with_pause(settings, PAUSE)
    }

    /// [`Server::new`] with another pause before the second try of a request; it doubles with every further try.
    pub fn with_pause(settings: Settings, pause: Duration) -> Result<Self> {
        let Settings { timeout, retries, concurrency, offline, .. } = settings;
        if timeout.is_zero() || concurrency == 0 || settings.max_tokens == 0 {
            return Err(Error::argument("'timeout', 'concurrency' and 'max_tokens' must be positive"));
        }
        if let Some(context) = settings.context.filter(|context| *context <= settings.max_tokens) {
            return Err(Error::argument(format!(
                "'context' is {context}, which leaves no room for a prompt and a reply of {} tokens",
                settings.max_tokens
            )));
        }
        if !(0.0..).contains(&settings.temperature) {
            return Err(Error::argument(format!("'temperature' is {}; it must be at least 0 (0 is greedy)", settings.temperature)));
        }
        if let Some(name) = ["model", "messages", "n", "stream"].iter().find(|name| settings.extra.contains_key(**name)) {
            return Err(Error::argument(format!("'extra' may not change {name:?}")));
        }
        super::several(settings.hops)?;
        let key = settings.key_env.as_deref().filter(|_| !offline).map(key).transpose()?;
        let endpoint = Endpoint::new(&settings.url, key, timeout, Patience { retries, pause }, concurrency)?;
        if offline && settings.cache.is_none() {
            return Err(Error::argument("'offline' needs a 'cache' to answer from"));
        }
        let opened = settings.cache.as_deref().map(|path| Cache::open(path, offline)).transpose()?;
        let cache = opened.map_or_else(OnceCell::new, OnceCell::from);
        let tokenizer = settings.tokenizer.as_deref().map(Tokenizer::load).transpose()?;
        Ok(Self { endpoint, cache, tokenizer, settings })
    }

    /// Keeps replies in a file, starting with those already in it; does nothing once there is a cache, for example after the first
    /// question.
    pub fn keep_in(&self, path: &Path) -> Result<()> {
        if self.cache.get().is_none() {
            let _ = self.cache.set(Cache::open(path, false)?);
        }
        Ok(())
    }

    fn cache(&self) -> &Arc<Cache> {
        self.cache.get_or_init(Arc::default)
    }

    fn body(&self, chat: &[Message]) -> Value {
        let settings = &self.settings;
        let mut body = json!({
            "model": settings.model, "messages": chat, "temperature": settings.temperature, "max_tokens": settings.max_tokens,
        });
        let fields = body.as_object_mut().expect("made as one");
        fields.extend(settings.seed.map(|seed| ("seed".into(), seed.into())));
        fields.extend(settings.extra.clone());
        fields.retain(|_, value| !value.is_null());
        body
    }

    /// Sends requests until all are answered, many at a time. Replies that arrived are in the cache even if another request failed or the
    /// user stops. Then nothing new is sent, and requests in flight are waited for, because they may have been paid for.
    fn send(&self, requests: &[Request]) -> Result<()> {
        let (endpoint, cache, next) = (&self.endpoint, self.cache(), AtomicUsize::new(0));
        let failed: Mutex<Option<(usize, Error)>> = Mutex::default();
        let cancelled = || stop::pending() || locked(&failed).is_some();
        let work = || {
            while !cancelled() {
                let at = next.fetch_add(1, Ordering::SeqCst);
                let Some(request) = requests.get(at) else { return };
                if let Err(error) = ask(endpoint, cache, request, &cancelled) {
                    let mut failed = locked(&failed);
                    if failed.as_ref().is_none_or(|(first, _)| at < *first) {
                        *failed = Some((at, error));
                    }
                }
            }
        };
        let more = self.settings.concurrency.min(requests.len()) - 1;
        stop::watched(|| {
            std::thread::scope(|scope| {
                // Where no more threads can be started, those that there are ask one after the other.
                let started = |_: &usize| std::thread::Builder::new().spawn_scoped(scope, work).is_ok();
                (0..more).take_while(started).count();
                work();
            });
        });
        if stop::pending() {
            let path = cache.path();
            return Err(Error::Stopped((!path.as_os_str().is_empty()).then(|| path.to_path_buf())));
        }
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }
}

/// Sends one request and keeps its reply, unless it is cancelled before the reply arrives.
fn ask(endpoint: &Endpoint, cache: &Cache, request: &Request, cancelled: &dyn Fn() -> bool) -> Result<()> {
    let began = Instant::now();
    let Some((completion, tries)) = endpoint.post(&request.body, cancelled)? else { return Ok(()) };
    let seconds = began.elapsed().as_secs_f64();
    let Completion { text, prompt_tokens, completion_tokens, cut } = completion;
    cache.put(&request.key, &Kept { text: endpoint.without_key(&text), prompt_tokens, completion_tokens, cut, tries, seconds })
}

/// The key in an environment variable.
fn key(variable: &str) -> Result<String> {
    let wrong = |why: &str| Error::argument(format!("'key_env': the environment variable {variable} {why}"));
    let key = std::env::var(variable).map_err(|_| wrong("is not set, or is not text"))?;
    let key = key.trim();
    match key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        true => Err(wrong("is empty, or does not hold a key")),
        false => Ok(key.to_owned()),
    }
}

impl Reason for Server {
    fn describe(&self) -> String {
        let Settings { model, url, offline, .. } = &self.settings;
        match offline {
            true => format!("the replies of the model {model} in {}", self.cache().path().display()),
            false => format!("the model {model} at {url}"),
        }
    }

    fn complete(&self, chats: &[Vec<Message>]) -> Result<Vec<Reply>> {
        let bodies: Vec<Value> = chats.iter().map(|chat| self.body(chat)).collect();
        let keys: Vec<String> = bodies.iter().map(cache::key).collect();
        // Equal requests are sent once.
        let mut seen = HashSet::new();
        let missing = |at: &usize| !self.cache().has(&keys[*at]);
        let missing: Vec<usize> = (0..chats.len()).filter(missing).filter(|at| seen.insert(&keys[*at])).collect();
        if let (true, Some(&first)) = (self.settings.offline, missing.first()) {
            let asked: String = chats[first].last().map_or("", |message| message.content.as_str()).chars().take(200).collect();
            return Err(Error::Server(format!(
                "{} has no reply to {} of {} requests, and 'offline' forbids asking; the first is {} with the message {asked:?}",
                self.cache().path().display(),
                missing.len(),
                chats.len(),
                keys[first],
            )));
        }
        let request = |&at: &usize| Request { key: keys[at].clone(), body: bodies[at].to_string() };
        let requests: Vec<Request> = missing.iter().map(request).collect();
        if !requests.is_empty() {
            self.send(&requests)?;
        }
        let reply = |key: &String| {
            let (kept, cached) = self.cache().take(key).ok_or_else(|| Error::Server(format!("the reply {key} is gone")))?;
            let usage = Usage {
                prompt_tokens: kept.prompt_tokens,
                completion_tokens: kept.completion_tokens,
                cut: kept.cut,
                requests: kept.tries,
                seconds: kept.seconds,
                cached: u64::from(cached),
                left_out: 0,
            };
            Ok(Reply { text: prompt::without_thought(&kept.text).to_owned(), usage })
        };
        keys.iter().map(reply).collect()
    }

    fn hops(&self) -> usize {
        self.settings.hops
    }

    fn count(&self, chat: &[Message]) -> Result<usize> {
        match &self.tokenizer {
            Some(tokenizer) => chat.iter().map(|message| Ok(tokenizer.encode(&message.content)?.len())).sum(),
            None => Ok(prompt::estimate(chat)),
        }
    }

    fn room(&self) -> Option<usize> {
        self.settings.context.map(|context| context - self.settings.max_tokens)
    }
}
