//! Where a redirect leads, or why it is not followed.

use fluent_uri::{Uri as Absolute, UriRef};
use ureq::http::{HeaderMap, StatusCode, Uri};

/// The address that a reply sends the client to; `None` if the reply is no redirect.
///
/// The method and the body stay the same (as with `curl --location --post301 --post302`), so `posts` and a redirect that asks for another
/// method do not go together. `keyed` says that the request has a key, which only the server that the user named may see.
pub(super) fn next(url: &Uri, status: StatusCode, headers: &HeaderMap, posts: bool, keyed: bool) -> Result<Option<Uri>, String> {
    let mut places = headers.get_all("location").iter().filter(|place| !place.is_empty());
    let Some(place) = places.next().filter(|_| status.is_redirection()) else { return Ok(None) };
    let next = resolve(url, place.as_bytes());
    if next.as_ref().and_then(Uri::authority).is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(format!("status {status}: it redirects to an address with a user in it, which is not followed"));
    }
    // A query may be a signature.
    let shown: String = String::from_utf8_lossy(place.as_bytes()).split('?').next().unwrap_or_default().chars().take(300).collect();
    let refused = |why: &str| Err(format!("status {status}: it redirects to {shown}, {why}"));
    if places.any(|other| other != place) {
        return refused("and to another address in the same reply");
    }
    match status.as_u16() {
        301 | 302 | 307 | 308 => {}
        303 if !posts => {}
        303 => return refused("to be read there with GET, but this request posts"),
        _ => return refused("which this status does not make a redirect to follow"),
    }
    let Some(next) = next else { return refused("which is not an address") };
    match next.scheme_str() {
        Some("http") if url.scheme_str() == Some("https") => return refused("where nothing is encrypted"),
        Some("http" | "https") => {}
        _ => return refused("which is neither http:// nor https://"),
    }
    if keyed && origin(&next) != origin(url) {
        return refused("and the key is only sent to the address that was named: if that is where it belongs, name that address");
    }
    Ok(Some(next))
}

/// A reference resolved by RFC 3986; characters that addresses may not have are escaped.
fn resolve(base: &Uri, reference: &[u8]) -> Option<Uri> {
    let mut escaped = String::new();
    for byte in reference.trim_ascii() {
        match byte {
            b'!' | b'#'..=b';' | b'=' | b'?'..=b'[' | b']' | b'_' | b'a'..=b'z' | b'~' => escaped.push(*byte as char),
            b' ' if escaped.contains('?') => escaped.push('+'),
            byte => escaped += &format!("%{byte:02X}"),
        }
    }
    // A fragment alone leads back to where the reply came from.
    let reference = UriRef::parse(escaped.as_str()).ok().filter(|_| !escaped.starts_with('#'))?;
    let resolved = reference.resolve_against(&Absolute::parse(base.to_string()).ok()?).ok()?;
    resolved.as_str().split('#').next()?.parse().ok().filter(|uri: &Uri| uri.host().is_some_and(|host| !host.is_empty()))
}

/// Scheme, host and port.
fn origin(url: &Uri) -> (Option<String>, Option<String>, u16) {
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    (url.scheme_str().map(str::to_ascii_lowercase), url.host().map(str::to_ascii_lowercase), port)
}
