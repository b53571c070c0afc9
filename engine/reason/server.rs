//! A model behind a server that speaks OpenAI's chat completions, as vLLM, SGLang, llama.cpp, Ollama and transformers do.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::cache::{self, Cache, Kept};
use super::http::Endpoint;
use super::{Message, Reason, Reply, Usage, prompt};
use crate::model::Tokenizer;
use crate::{Error, Result, stop};

/// What a server is asked for, and how.
#[derive(Clone)]
pub struct Settings {
    /// The base address, such as `http://127.0.0.1:8000/v1`.
    pub url: String,
    /// The model's name at the server.
    pub model: String,
    /// The environment variable that holds the key. The key is written nowhere.
    pub key_env: Option<String>,
    /// 0 is greedy.
    pub temperature: f64,
    /// Longest reply in tokens.
    pub max_tokens: usize,
    /// The seed of sampling, for servers that know of one.
    pub seed: Option<u64>,
    /// More fields of the request, such as `chat_template_kwargs`. One that is null takes a field out.
    pub extra: Map<String, Value>,
    /// How long one request may take, its reply included.
    pub timeout: Duration,
    /// How many more times a request is tried.
    pub retries: usize,
    /// The pause before the second try; it doubles with every further one.
    pub pause: Duration,
    /// Requests at a time.
    pub concurrency: usize,
    /// The file that keeps replies; `None` keeps them in memory.
    pub cache: Option<PathBuf>,
    /// Whether to answer from the cache alone.
    pub offline: bool,
    /// Counts the tokens of prompts; without it four bytes make a token.
    pub tokenizer: Option<Tokenizer>,
}

impl Settings {
    /// Greedy answers of at most 1,024 tokens from a model at an address.
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            model: model.into(),
            key_env: None,
            temperature: 0.0,
            max_tokens: 1024,
            seed: None,
            extra: Map::new(),
            timeout: Duration::from_secs(120),
            retries: 5,
            pause: Duration::from_millis(500),
            concurrency: 8,
            cache: None,
            offline: false,
            tokenizer: None,
        }
    }
}

/// The reasoner.
pub struct Server {
    endpoint: Arc<Endpoint>,
    /// Set when it is first needed.
    cache: OnceCell<Arc<Cache>>,
    settings: Settings,
}

/// A request that is to be sent.
struct Request {
    key: String,
    body: String,
}

/// What is needed of a reply.
#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
}

#[derive(Deserialize)]
struct Said {
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

#[derive(Deserialize, Default)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl Server {
    /// A reasoner that asks nothing yet.
    ///
    /// # Errors
    /// An address that is none, an environment variable that is not set, a cache that cannot be used.
    pub fn new(settings: Settings) -> Result<Self> {
        let Settings { timeout, retries, pause, concurrency, offline, .. } = settings;
        if timeout.is_zero() || concurrency == 0 || settings.max_tokens == 0 {
            return Err(Error::argument("'timeout', 'concurrency' and 'max_tokens' must be positive"));
        }
        if !(0.0..).contains(&settings.temperature) {
            return Err(Error::argument(format!("'temperature' is {}; it is at least 0, which is greedy", settings.temperature)));
        }
        if let Some(name) = ["model", "messages", "n", "stream"].iter().find(|name| settings.extra.contains_key(**name)) {
            return Err(Error::argument(format!("'extra' may not change {name:?}")));
        }
        let key = settings.key_env.as_deref().filter(|_| !offline).map(key).transpose()?;
        let endpoint = Endpoint::new(&settings.url, key, timeout, retries, pause, concurrency)?;
        if offline && settings.cache.is_none() {
            return Err(Error::argument("'offline' needs the 'cache' that it answers from"));
        }
        let opened = settings.cache.as_deref().map(|path| Cache::open(path, offline)).transpose()?;
        let cache = opened.map_or_else(OnceCell::new, OnceCell::from);
        Ok(Self { endpoint: Arc::new(endpoint), cache, settings })
    }

    /// Keeps replies in a file, beginning with what it holds; does nothing once there is a cache, as after the first question.
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

    /// Sends requests until all are answered, many at a time. What arrived is in the cache, also when another failed.
    fn send(&self, requests: Vec<Request>, answered: &mut HashMap<String, u64>) -> Result<()> {
        let total = requests.len();
        let (requests, next, cancelled) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (sender, receiver) = mpsc::channel();
        for _ in 0..self.settings.concurrency.min(total) {
            let (endpoint, cache, sender) = (self.endpoint.clone(), self.cache().clone(), sender.clone());
            let (requests, next, cancelled) = (requests.clone(), next.clone(), cancelled.clone());
            // Not scoped: a stop does not wait for replies.
            std::thread::spawn(move || {
                while !cancelled.load(Ordering::SeqCst) {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let Some(request) = requests.get(at) else { return };
                    let outcome = ask(&endpoint, &cache, request, &cancelled);
                    if outcome.is_err() {
                        cancelled.store(true, Ordering::SeqCst);
                    }
                    if sender.send((at, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut failed: Option<(usize, Error)> = None;
        loop {
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok((at, Ok(tries))) => {
                    answered.extend(tries.map(|tries| (requests[at].key.clone(), tries)));
                }
                // Those on their way are waited for, because they may have been paid for.
                Ok((at, Err(error))) if failed.as_ref().is_none_or(|(first, _)| at < *first) => failed = Some((at, error)),
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return failed.map_or(Ok(()), |(_, error)| Err(error)),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if stop::pending() {
                cancelled.store(true, Ordering::SeqCst);
                return Err(Error::Stopped);
            }
        }
    }
}

/// Sends one request and keeps its reply; gives the number of tries, `None` when cancelled.
fn ask(endpoint: &Endpoint, cache: &Cache, request: &Request, cancelled: &AtomicBool) -> Result<Option<u64>> {
    let Some((reply, tries)) = endpoint.post(&request.body, cancelled)? else { return Ok(None) };
    let wrong = |why: String| Error::Server(format!("{} gave a reply that is no chat completion, {why}", endpoint.url()));
    let Completion { choices, usage } = serde_json::from_value(reply).map_err(|e| wrong(crate::files::brief(&e)))?;
    let Some(Choice { message }) = choices.into_iter().next() else { return Err(wrong("'choices' is empty".into())) };
    let text = match message.content {
        None => String::new(),
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => parts.into_iter().map(|part| part.text).collect(),
    };
    let Tokens { prompt_tokens, completion_tokens } = usage.unwrap_or_default();
    cache.put(&request.key, &Kept { text: endpoint.without_key(&text), prompt_tokens, completion_tokens })?;
    Ok(Some(tries))
}

/// The key in an environment variable.
fn key(variable: &str) -> Result<String> {
    let wrong = |why: &str| Error::argument(format!("'key_env': the environment variable {variable} {why}"));
    let key = std::env::var(variable).map_err(|_| wrong("is not set, or is not text"))?;
    let key = key.trim();
    match key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        true => Err(wrong("is empty, or holds something else than a key")),
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
        let missing = |at: &usize| self.cache().get(&keys[*at]).is_none();
        let missing: Vec<usize> = (0..chats.len()).filter(missing).filter(|at| seen.insert(&keys[*at])).collect();
        if let (true, Some(&first)) = (self.settings.offline, missing.first()) {
            let asked: String = chats[first].last().map_or("", |message| message.content.as_str()).chars().take(200).collect();
            return Err(Error::Server(format!(
                "{} has no reply to {} of {} requests, and 'offline' forbids to ask; the first is {} with the message {asked:?}",
                self.cache().path().display(),
                missing.len(),
                chats.len(),
                keys[first],
            )));
        }
        let request = |&at: &usize| Request { key: keys[at].clone(), body: bodies[at].to_string() };
        let requests: Vec<Request> = missing.iter().map(request).collect();
        let mut answered = HashMap::new();
        if !requests.is_empty() {
            self.send(requests, &mut answered)?;
        }
        let reply = |key: &String| {
            let kept = self.cache().get(key).ok_or_else(|| Error::Server(format!("the reply {key} is gone")))?;
            // The first of equal chats pays.
            let requests = answered.remove(key).unwrap_or(0);
            let usage = Usage {
                prompt_tokens: kept.prompt_tokens,
                completion_tokens: kept.completion_tokens,
                requests,
                cached: u64::from(requests == 0),
                ..Usage::default()
            };
            Ok(Reply { text: prompt::without_thought(&kept.text).to_owned(), usage })
        };
        keys.iter().map(reply).collect()
    }

    fn count(&self, chat: &[Message]) -> Result<usize> {
        match &self.settings.tokenizer {
            Some(tokenizer) => chat.iter().map(|message| Ok(tokenizer.encode(&message.content)?.len())).sum(),
            None => Ok(prompt::estimate(chat)),
        }
    }
}
