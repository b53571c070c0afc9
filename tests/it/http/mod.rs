//! Requests to servers.

mod proxies;
mod redirects;
mod retry_after;
