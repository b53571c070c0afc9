//! Requests for http:// addresses through a proxy: the request is sent to the proxy and names the whole address. ureq would ask for a
//! tunnel (CONNECT), which many proxies only open to port 443.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport};
use ureq::{Agent, Error};

use super::proxy::Proxy;

/// An agent whose connections all lead to `proxy`.
pub(super) fn agent(config: Config, proxy: &Proxy) -> Result<Agent, Error> {
    let address = format!("http://{}:{}/", proxy.host, proxy.port).parse().map_err(|_| Error::InvalidProxyUrl)?;
    let encode = |(user, password): &(String, String)| BASE64_STANDARD.encode(format!("{user}:{password}"));
    let authorization = proxy.credentials.as_ref().map(encode);
    Ok(Agent::with_parts(config, DefaultConnector::default().chain(Forward { authorization }), Place(address)))
}

/// Resolves every address to the proxy's.
#[derive(Debug)]
struct Place(Uri);

impl Resolver for Place {
    fn resolve(&self, _: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        DefaultResolver::default().resolve(&self.0, config, timeout)
    }
}

/// Makes the requests of a connection name the whole address.
struct Forward {
    /// User and password as the header has them.
    authorization: Option<String>,
}

impl std::fmt::Debug for Forward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Forward")
    }
}

impl Connector<Box<dyn Transport>> for Forward {
    type Out = Forwarding;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<Box<dyn Transport>>) -> Result<Option<Forwarding>, Error> {
        let origin = format!("http://{}", details.uri.authority().map_or("", |authority| authority.as_str()));
        let credentials = self.authorization.as_ref().map_or(String::new(), |encoded| format!("\r\nProxy-Authorization: Basic {encoded}"));
        Ok(chained.map(|to| Forwarding { to, origin, credentials, begins: true }))
    }
}

struct Forwarding {
    to: Box<dyn Transport>,
    origin: String,
    credentials: String,
    /// Whether the next bytes begin a request.
    begins: bool,
}

impl std::fmt::Debug for Forwarding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Forwarding to {}", self.origin)
    }
}

impl Transport for Forwarding {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.to.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if !std::mem::replace(&mut self.begins, false) {
            return self.to.transmit_output(amount, timeout);
        }
        let output = &self.to.buffers().output()[..amount];
        let target = output.iter().position(|byte| *byte == b' ').map_or(0, |blank| blank + 1);
        let line = output.windows(2).position(|pair| pair == b"\r\n").unwrap_or(amount);
        let parts = [&output[..target], self.origin.as_bytes(), &output[target..line], self.credentials.as_bytes(), &output[line..]];
        let mut bytes = &*parts.concat();
        while !bytes.is_empty() {
            let output = self.to.buffers().output();
            let (now, later) = bytes.split_at(bytes.len().min(output.len()));
            output[..now.len()].copy_from_slice(now);
            self.to.transmit_output(now.len(), timeout)?;
            bytes = later;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.begins = true;
        self.to.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.to.is_open()
    }
}
