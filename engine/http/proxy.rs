//! Which proxy is asked: the environment variables `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, read as curl reads them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use ureq::ProxyProtocol;
use ureq::http::Uri;

/// A proxy, and the environment variable that names it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The variable.
    pub variable: &'static str,
    /// What is spoken with the proxy.
    pub protocol: ProxyProtocol,
    /// Its host; an IPv6 address has brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password, if the variable has them.
    pub credentials: Option<(String, String)>,
}

impl Proxy {
    /// The proxy through which `url` is asked, if any. `variable` looks up an environment variable.
    ///
    /// # Errors
    /// The variable that names the proxy, if its value is not the address of one.
    pub fn of(url: &Uri, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let filled = |name: &&'static str| variable(name).filter(|value| !value.is_empty()).map(|value| (*name, value));
        let listed = ["no_proxy", "NO_PROXY"].iter().find_map(filled);
        if listed.is_some_and(|(_, list)| lists(&list, url.host().unwrap_or_default())) {
            return Ok(None);
        }
        // In a CGI program HTTP_PROXY is a header of the request, set by whoever sends it, so the name in capitals is not read.
        let own: &[&'static str] = if url.scheme_str() == Some("https") { &["https_proxy", "HTTPS_PROXY"] } else { &["http_proxy"] };
        let Some((name, value)) = own.iter().chain(&["all_proxy", "ALL_PROXY"]).find_map(filled) else { return Ok(None) };
        match Self::parse(name, &value) {
            Ok(proxy) => Ok(Some(proxy)),
            // The value may have a password in it, so it is not shown.
            Err(why) => Err(format!("the environment variable {name} is not the address of a proxy: {why}")),
        }
    }

    fn parse(variable: &'static str, value: &str) -> Result<Self, String> {
        let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
        let protocol = match scheme.to_ascii_lowercase().as_str() {
            "http" => ProxyProtocol::Http,
            "https" => ProxyProtocol::Https,
            "socks4" | "socks" => ProxyProtocol::Socks4,
            "socks4a" => ProxyProtocol::Socks4A,
            "socks5" => ProxyProtocol::Socks5,
            "socks5h" => ProxyProtocol::Socks5h,
            _ => return Err("it begins with none of http://, https://, socks4://, socks4a://, socks5:// and socks5h://".into()),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, address) = authority.split_once('@').map_or((None, authority), |(user, address)| (Some(user), address));
        if address.contains('@') {
            return Err("it has two @; write one in a user or password as %40".into());
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).ok();
        let credentials = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            Some((user, password)) => Some(decoded(user).zip(decoded(password)).ok_or("its user or password is not UTF-8")?),
            None => None,
        };
        // The colons of an IPv6 address are inside its brackets.
        let end = address.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match address[end..].rfind(':').map(|colon| address.split_at(end + colon)) {
            Some((host, port)) => (host, Some(&port[1..])),
            None => (address, None),
        };
        let port = match port.filter(|port| !port.is_empty()) {
            Some(port) => port.parse().map_err(|_| "its port is not a number up to 65535")?,
            None if protocol == ProxyProtocol::Https => 443,
            None => 1080,
        };
        if host.is_empty() || format!("http://{host}/").parse::<Uri>().is_err() {
            return Err("it has no valid host".into());
        }
        Ok(Self { variable, protocol, host: host.to_owned(), port, credentials })
    }
}

impl std::fmt::Display for Proxy {
    /// The address without user and password, and the variable.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { variable, protocol, host, port, .. } = self;
        write!(f, "the proxy {}://{host}:{port} (the environment variable {variable})", protocol.to_string().to_ascii_lowercase())
    }
}

/// Whether a list of hosts, domains and networks has `host`. Commas and blanks separate its entries.
fn lists(list: &str, host: &str) -> bool {
    let mut entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    if list == "*" {
        return true;
    }
    if let Ok(host) = host.parse::<Ipv4Addr>() {
        return entries
            .any(|entry| network::<Ipv4Addr>(entry, 32).is_some_and(|(base, bits)| (base.to_bits() ^ host.to_bits()) >> (32 - bits) == 0));
    }
    if let Some(host) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let Ok(host) = host.parse::<Ipv6Addr>() else { return false };
        return entries.any(|entry| {
            network::<Ipv6Addr>(entry, 128).is_some_and(|(base, bits)| (base.to_bits() ^ host.to_bits()) >> (128 - bits) == 0)
        });
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    entries.any(|entry| {
        let domain = entry.strip_suffix('.').unwrap_or(entry);
        let domain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
        host.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// An address and how many of its bits count. Like no number at all, 0 means all of them.
fn network<A: FromStr>(entry: &str, most: u32) -> Option<(A, u32)> {
    let (address, bits) = entry.split_once('/').map_or((entry, Some(0)), |(address, bits)| (address, bits.parse().ok()));
    let bits = bits.filter(|bits| *bits <= most)?;
    Some((address.parse().ok()?, if bits == 0 { most } else { bits }))
}
