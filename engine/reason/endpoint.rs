//! The address of a model on a server: sends a chat there until it is answered.

use std::io::Read;
use std::time::Duration;

use super::completion::{self, Completion, Refusal};
use crate::http::{self, Client, Fault, Limits, Patience, Request, Uri};
use crate::{Error, Result};

/// Longest reply in bytes: more than any model writes.
const LARGEST: usize = 4 << 20;
/// How much of a reply an error shows, in characters.
const EXCERPT: usize = 300;
const CONNECT: Duration = Duration::from_secs(10);
/// What servers call the limit that a prompt exceeded.
const LIMITS: [&str; 4] = ["context length", "context_length", "context size", "context window"];

/// Where requests go, and how long to try.
pub(super) struct Endpoint {
    client: Client,
    url: Uri,
    /// Used in one header and nowhere else.
    key: Option<String>,
    patience: Patience,
}

impl Endpoint {
    /// An endpoint below the address that OpenAI's clients call the base URL, such as `http://127.0.0.1:8000/v1`.
    pub(super) fn new(base: &str, key: Option<String>, timeout: Duration, patience: Patience, connections: usize) -> Result<Self> {
        let wrong = |why: &str| {
            Error::argument(format!("'url' is not a server's address, {why}; expected something like http://127.0.0.1:8000/v1"))
        };
        let base = base.trim_end_matches('/');
        let url = if base.ends_with("/chat/completions") { base.to_owned() } else { format!("{base}/chat/completions") };
        let (base, url): (Uri, Uri) = base.parse().and_then(|base| Ok((base, url.parse()?))).map_err(|e| wrong(&format!("{e}")))?;
        let authority = base.authority().ok_or_else(|| wrong("it has no host"))?;
        if !matches!(base.scheme_str(), Some("http" | "https")) {
            return Err(wrong("it does not begin with http:// or https://"));
        }
        if authority.as_str().contains('@') || base.query().is_some() {
            return Err(wrong("it may hold neither a password nor a query; a key goes into the environment, see 'key_env'"));
        }
        let client = Client::new(Limits { connect: CONNECT.min(timeout), reply: None, whole: Some(timeout), connections });
        Ok(Self { client, url, key, patience })
    }

    /// Sends `body` until it is answered; returns the answer with the number of tries. `None` if `cancelled` became true between two
    /// tries. A request in flight is waited for, because it may have been paid for.
    pub(super) fn post(&self, body: &str, cancelled: &dyn Fn() -> bool) -> Result<Option<(Completion, u64)>> {
        let done = self.patience.until(cancelled, || self.attempt(body));
        done.map_err(|reason| Error::Server(self.without_key(&format!("{} {reason}", self.url))))
    }

    fn attempt(&self, body: &str) -> Result<Completion, Fault> {
        let headers = [("content-type", "application/json".to_owned())];
        let request = Request { url: &self.url, body: Some(body), headers: &headers, key: self.key.as_deref() };
        let (mut response, way) = self.client.send(&request)?;
        let status = response.status();
        let wait = http::asked(response.headers());
        let packed = response.headers().get("content-encoding").filter(|coding| *coding != "identity").cloned();
        let mut bytes = Vec::new();
        let broken = response.body_mut().as_reader().take(LARGEST as u64 + 1).read_to_end(&mut bytes).err();
        let again = |reason: String, wait| Err(Fault::Again(way.told(&reason), wait));
        let last = |reason: String| Err(Fault::Final(way.told(&reason)));
        if status.is_success() && bytes.len() > LARGEST {
            return last(format!("the reply is longer than {LARGEST} bytes: {}", self.excerpt(&String::from_utf8_lossy(&bytes))));
        }
        if let Some(why) = broken.filter(|_| status.is_success()) {
            let shown = self.excerpt(&String::from_utf8_lossy(&bytes));
            return again(format!("the reply broke off ({why}) after {} bytes: {shown}{}", bytes.len(), way.through()), None);
        }
        let read = match packed {
            Some(coding) => {
                let message = format!("the reply is encoded as {coding:?}, which was not asked for");
                Err(Refusal { message, temporary: completion::passes(status.as_u16().into()) })
            }
            None => completion::read(status.as_u16(), &bytes),
        };
        match read {
            Ok(completion) => Ok(completion),
            Err(Refusal { message, temporary }) => {
                let lower = message.to_lowercase();
                let hint = if LIMITS.iter().any(|limit| lower.contains(limit)) {
                    ". A smaller 'context' (a script's --context TOKENS) leaves out the items that do not fit"
                } else {
                    ""
                };
                let reason = format!("status {status}{}: {}{hint}", way.through(), self.excerpt(&message));
                if temporary { again(reason, wait) } else { last(reason) }
            }
        }
    }

    /// The beginning of a text on one line, without the key.
    fn excerpt(&self, text: &str) -> String {
        let line = self.without_key(text).split_whitespace().collect::<Vec<_>>().join(" ");
        match line.chars().count() {
            0 => "(nothing)".into(),
            n if n <= EXCERPT => line,
            _ => line.chars().take(EXCERPT).chain(['…']).collect(),
        }
    }

    /// The text without the key, which a server may quote.
    pub(super) fn without_key(&self, text: &str) -> String {
        match &self.key {
            Some(key) => text.replace(key, "(the key)"),
            None => text.to_owned(),
        }
    }
}
