//! Requests to servers: through the proxy that the environment names, along redirects, with errors that say who refused.

mod forward;
pub mod proxy;
mod redirect;
mod tries;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use tries::retry_after;
pub(crate) use tries::{Fault, Patience, asked};
pub(crate) use ureq::Body;
use ureq::config::Config;
use ureq::http::StatusCode;
pub(crate) use ureq::http::{Response, Uri};
use ureq::{Agent, Error, ProxyProtocol, Timeout};

use proxy::Proxy;

/// Redirects that are followed one after the other.
const REDIRECTS: usize = 20;

/// How long a client waits.
pub(crate) struct Limits {
    /// For a connection.
    pub(crate) connect: Duration,
    /// For the beginning of a reply.
    pub(crate) reply: Option<Duration>,
    /// For a request and all of its reply.
    pub(crate) whole: Option<Duration>,
    /// How many connections are kept for later requests.
    pub(crate) connections: usize,
}

/// Sends requests. What it needs of a connection is kept for the next request.
pub(crate) struct Client {
    limits: Limits,
    /// By proxy, and whether that is asked to forward requests.
    agents: Mutex<Vec<(Option<Proxy>, bool, Agent)>>,
}

/// A request.
pub(crate) struct Request<'a> {
    pub(crate) url: &'a Uri,
    /// What to post; without it the address is read.
    pub(crate) body: Option<&'a str>,
    pub(crate) headers: &'a [(&'static str, String)],
    /// Sent as a bearer token to the server of `url`, and nowhere else.
    pub(crate) key: Option<&'a str>,
}

impl Client {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, agents: Mutex::default() }
    }

    /// Sends a request and follows redirects. The reply may have any other status; `Way` says along which it came.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<(Response<Body>, Way), Fault> {
        let mut way = Way { redirected: None, proxy: None };
        let mut url = request.url.clone();
        for _ in 0..=REDIRECTS {
            way.proxy = Proxy::of(&url, &|name| std::env::var(name).ok()).map_err(Fault::Final)?;
            let response = self.once(&url, request, way.proxy.as_ref()).map_err(|error| self.fault(&error, &way))?;
            if let (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(proxy)) = (response.status(), &way.proxy) {
                return Err(Fault::Final(way.told(&refusal(proxy, 407))));
            }
            let next = redirect::next(&url, response.status(), response.headers(), request.body.is_some(), request.key.is_some());
            match next.map_err(|why| Fault::Final(way.told(&why)))? {
                Some(next) => url = next,
                None => return Ok((response, way)),
            }
            way.redirected = Some(url.clone());
        }
        Err(Fault::Final(way.told(&format!("more than {REDIRECTS} redirects, one after the other"))))
    }

    fn once(&self, url: &Uri, request: &Request<'_>, proxy: Option<&Proxy>) -> Result<Response<Body>, Error> {
        let agent = self.agent(url, proxy)?;
        let authorization = request.key.map(|key| ("authorization", format!("Bearer {key}")));
        let headers = || request.headers.iter().chain(&authorization);
        match request.body {
            Some(body) => headers().fold(agent.post(url), |sent, (name, value)| sent.header(*name, value)).send(body),
            None => headers().fold(agent.get(url), |sent, (name, value)| sent.header(*name, value)).call(),
        }
    }

    fn agent(&self, url: &Uri, proxy: Option<&Proxy>) -> Result<Agent, Error> {
        let forwards = url.scheme_str() == Some("http") && proxy.is_some_and(|proxy| proxy.protocol == ProxyProtocol::Http);
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., agent)) = agents.iter().find(|(known, forwarded, _)| (known.as_ref(), *forwarded) == (proxy, forwards)) {
            return Ok(agent.clone());
        }
        let agent = match proxy {
            Some(proxy) if forwards => forward::agent(self.config(None), proxy)?,
            Some(proxy) => {
                let built = ureq::Proxy::builder(proxy.protocol).host(&proxy.host).port(proxy.port);
                let built = match &proxy.credentials {
                    Some((user, password)) => built.username(user).password(password),
                    None => built,
                };
                self.config(Some(built.build()?)).new_agent()
            }
            None => self.config(None).new_agent(),
        };
        agents.push((proxy.cloned(), forwards, agent.clone()));
        Ok(agent)
    }

    fn config(&self, proxy: Option<ureq::Proxy>) -> Config {
        let Limits { connect, reply, whole, connections } = self.limits;
        Agent::config_builder()
            .proxy(proxy)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(connect))
            .timeout_recv_response(reply)
            .timeout_global(whole)
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .user_agent(concat!("finemem-engine/", env!("CARGO_PKG_VERSION")))
            .build()
    }

    fn fault(&self, error: &Error, way: &Way) -> Fault {
        let refused = matches!(error, Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused);
        let unknown = matches!(error, Error::HostNotFound) || error.to_string().contains("failed to lookup address");
        let connecting = matches!(error, Error::Timeout(Timeout::Connect | Timeout::Resolve));
        let waited = self.limits.connect.as_secs_f64();
        let (reason, again) = match (error, &way.proxy) {
            (Error::ConnectProxyFailed(said), Some(proxy)) => {
                match said.split(|c: char| !c.is_ascii_digit()).find_map(|n| n.parse().ok()) {
                    Some(status) => (refusal(proxy, status), status >= 500 || [408, 429].contains(&status)),
                    None => (format!("{proxy} does not answer"), true),
                }
            }
            (_, Some(proxy)) if refused => {
                let hint = "is it running? no_proxy lists the hosts that are asked directly";
                (format!("{proxy} cannot be reached (connection refused): {hint}"), true)
            }
            (_, None) if refused => ("no server is listening there (connection refused): is the server running?".into(), true),
            // These are asked for an address of the server, so its name is looked up here.
            (_, Some(proxy)) if unknown && matches!(proxy.protocol, ProxyProtocol::Socks4 | ProxyProtocol::Socks5) => {
                (format!("the server's host, or that of {proxy}, was not found"), true)
            }
            (_, Some(proxy)) if unknown => (format!("the host of {proxy} was not found"), true),
            (_, None) if unknown => ("the host was not found: is the address right, and is there a network?".into(), true),
            (_, Some(proxy)) if connecting => (format!("no connection through {proxy} within {waited} seconds"), true),
            (_, None) if connecting => (format!("no connection within {waited} seconds"), true),
            (Error::Timeout(_), _) => {
                let waited = self.limits.whole.or(self.limits.reply).unwrap_or_default().as_secs_f64();
                (format!("no reply within {waited} seconds{}", way.through()), true)
            }
            (Error::Io(io), Some(proxy)) if io.kind() == std::io::ErrorKind::PermissionDenied => (format!("{proxy} refuses: {io}"), false),
            (Error::BadUri(_) | Error::Http(_) | Error::Tls(_) | Error::Rustls(_) | Error::InvalidProxyUrl, _) => {
                (format!("{error}{}", way.through()), false)
            }
            _ => (format!("{error}{}", way.through()), true),
        };
        let reason = way.told(&reason);
        if again { Fault::Again(reason, None) } else { Fault::Final(reason) }
    }
}

/// What a proxy's own status means.
fn refusal(proxy: &Proxy, status: u16) -> String {
    let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let hint = if status == 407 { ": write user and password into its address, as in http://USER:PASSWORD@HOST:PORT" } else { "" };
    format!("{proxy} refuses, status {status} {name}{hint}. The server was not asked")
}

/// How a request came to whoever answered.
pub(crate) struct Way {
    redirected: Option<Uri>,
    proxy: Option<Proxy>,
}

impl Way {
    /// A reason, with the address to which the request was redirected, without its query, which may be a signature.
    pub(crate) fn told(&self, reason: &str) -> String {
        match &self.redirected {
            Some(url) => format!("redirected to {}: {reason}", url.to_string().split('?').next().unwrap_or_default()),
            None => reason.to_owned(),
        }
    }

    /// A remark on the proxy, for what the server or the proxy may have said; empty without one.
    pub(crate) fn through(&self) -> String {
        self.proxy.as_ref().map_or(String::new(), |proxy| format!(", through {proxy}"))
    }
}
