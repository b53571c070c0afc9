//! A request to a server that may fail: deadline, back-off, and an error that says what happened.

use std::io::Read;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use ureq::http::Uri;

use crate::random::Rng;
use crate::{Error, Result};

/// Longest reply in bytes: more than any model writes.
const LARGEST: usize = 4 << 20;
/// How much of a reply an error shows, in characters.
const EXCERPT: usize = 300;
/// Longest pause between two tries, and the longest that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);
const CONNECT: Duration = Duration::from_secs(10);
/// What servers call the limit that a prompt exceeded.
const LIMITS: [&str; 4] = ["context length", "context_length", "context size", "context window"];

/// Where requests go, and how long to try.
pub(super) struct Endpoint {
    agent: ureq::Agent,
    url: String,
    /// Used in one header and nowhere else.
    key: Option<String>,
    timeout: Duration,
    retries: usize,
    pause: Duration,
}

/// Why one try failed.
enum Fault {
    /// A retry would fail too.
    Final(String),
    /// A retry may succeed, after the pause that the server asks for, if any.
    Again(String, Option<Duration>),
}

impl Endpoint {
    /// An endpoint below the address that OpenAI's clients call the base URL, such as `http://127.0.0.1:8000/v1`.
    pub(super) fn new(
        base: &str,
        key: Option<String>,
        timeout: Duration,
        retries: usize,
        pause: Duration,
        connections: usize,
    ) -> Result<Self> {
        let wrong = |why: &str| {
            Error::argument(format!("'url' is not a server's address, {why}; expected something like http://127.0.0.1:8000/v1"))
        };
        let base = base.trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|e| wrong(&format!("{e}")))?;
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("it does not begin with http:// or https://"));
        }
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(wrong("it may hold neither a password nor a query; a key goes into the environment, see 'key_env'"));
        }
        let url = if base.ends_with("/chat/completions") { base.to_owned() } else { format!("{base}/chat/completions") };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(CONNECT.min(timeout)))
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .user_agent(concat!("finemem-engine/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.new_agent(), url, key, timeout, retries, pause })
    }

    /// Where requests go.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Sends `body` until there is a reply in JSON; returns it with the number of tries. `None` if `cancelled` became true between two
    /// tries. A request in flight is waited for, because it may have been paid for.
    pub(super) fn post(&self, body: &str, cancelled: &dyn Fn() -> bool) -> Result<Option<(Value, u64)>> {
        for tries in 1.. {
            let wait = match self.attempt(body) {
                Ok(reply) => return Ok(Some((reply, tries))),
                Err(Fault::Final(reason)) => return Err(self.failed(tries, &reason)),
                Err(Fault::Again(reason, _)) if tries > self.retries as u64 => return Err(self.failed(tries, &reason)),
                Err(Fault::Again(_, wait)) => wait,
            };
            if !sleep(wait.unwrap_or_else(|| self.back_off(tries)), cancelled) {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn failed(&self, tries: u64, reason: &str) -> Error {
        let tries = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
        Error::Server(format!("{} failed after {tries}: {reason}", self.url))
    }

    /// The pause after a number of tries: twice as long each time, less a random part, so that clients do not all return at once.
    fn back_off(&self, tries: u64) -> Duration {
        let pause = self.pause.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_PAUSE);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
        pause.mul_f64(1.0 - 0.5 * Rng::new(&[now, tries]).number())
    }

    fn attempt(&self, body: &str) -> Result<Value, Fault> {
        let mut request = self.agent.post(&self.url).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let mut response = request.send(body).map_err(|e| self.fault(e))?;
        let status = response.status();
        let seconds = |text: &str| text.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER));
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).and_then(seconds);
        let mut bytes = Vec::new();
        let cut = response.body_mut().as_reader().take(LARGEST as u64 + 1).read_to_end(&mut bytes).err();
        let shown = self.excerpt(&bytes);
        if !status.is_success() {
            let lower = shown.to_lowercase();
            let hint = if LIMITS.iter().any(|limit| lower.contains(limit)) {
                ". A smaller 'context' (a script's --context TOKENS) leaves out the items that do not fit"
            } else {
                ""
            };
            let reason = format!("status {status}: {shown}{hint}");
            let again = status.is_server_error() || [408, 425, 429].contains(&status.as_u16());
            return Err(if again { Fault::Again(reason, wait) } else { Fault::Final(reason) });
        }
        if bytes.len() > LARGEST {
            return Err(Fault::Final(format!("the reply is longer than {LARGEST} bytes: {shown}")));
        }
        if let Some(cut) = cut {
            return Err(Fault::Again(format!("the reply broke off ({cut}) after {} bytes: {shown}", bytes.len()), None));
        }
        serde_json::from_slice(&bytes).map_err(|_| Fault::Again(format!("the reply is not JSON: {shown}"), None))
    }

    fn fault(&self, error: ureq::Error) -> Fault {
        use ureq::Error as E;
        match &error {
            E::BadUri(_) | E::Http(_) | E::Tls(_) | E::Rustls(_) | E::InvalidProxyUrl => Fault::Final(self.without_key(&error.to_string())),
            E::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                Fault::Again("no server is listening there (connection refused): is the server running?".into(), None)
            }
            E::Timeout(_) => Fault::Again(format!("no reply within {} seconds", self.timeout.as_secs_f64()), None),
            _ => Fault::Again(self.without_key(&error.to_string()), None),
        }
    }

    /// The beginning of a reply on one line, without the key, which a server may quote.
    fn excerpt(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1 << 16)]);
        let line = self.without_key(&text).split_whitespace().collect::<Vec<_>>().join(" ");
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

/// Waits; false if `cancelled` became true meanwhile.
fn sleep(pause: Duration, cancelled: &dyn Fn() -> bool) -> bool {
    let end = Instant::now() + pause;
    loop {
        if cancelled() {
            return false;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}
