//! Trying again: which faults pass, and how long is waited.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ureq::http::HeaderMap;

use crate::random::Rng;

/// The longest pause between two tries that no server asked for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest that a server may ask to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Why a try failed.
pub(crate) enum Fault {
    /// A retry would fail too.
    Final(String),
    /// A retry may succeed, after the pause that the server asks for, if any.
    Again(String, Option<Duration>),
}

/// How often to try again, and the pause before the second try.
pub(crate) struct Patience {
    pub(crate) retries: usize,
    pub(crate) pause: Duration,
}

impl Patience {
    /// Tries until there is a result, and returns it with the number of tries; the error says how many there were. `None` if `cancelled`
    /// became true between two tries.
    pub(crate) fn until<T>(
        &self,
        cancelled: &dyn Fn() -> bool,
        mut attempt: impl FnMut() -> Result<T, Fault>,
    ) -> Result<Option<(T, u64)>, String> {
        for tries in 1.. {
            let failed =
                |reason: &str| format!("failed after {}: {reason}", if tries == 1 { "1 try".into() } else { format!("{tries} tries") });
            let wait = match attempt() {
                Ok(result) => return Ok(Some((result, tries))),
                Err(Fault::Final(reason)) => return Err(failed(&reason)),
                Err(Fault::Again(reason, wait)) => {
                    let wait = wait.filter(|wait| !wait.is_zero());
                    let asks = |wait: Duration| format!(". The server asks to wait {} seconds", wait.as_secs_f64().ceil() as u64);
                    let reason = reason + &wait.map_or(String::new(), asks);
                    if wait.is_some_and(|wait| wait > LONGEST_WAIT) {
                        let longest = LONGEST_WAIT.as_secs();
                        return Err(failed(&format!("{reason}, and more than {longest} are not waited: try again later")));
                    }
                    if tries > self.retries as u64 {
                        return Err(failed(&reason));
                    }
                    wait
                }
            };
            if !sleep(wait.unwrap_or_else(|| self.back_off(tries)), cancelled) {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The pause after a number of tries: twice as long each time, less a random part, so that clients do not all return at once.
    fn back_off(&self, tries: u64) -> Duration {
        let pause = self.pause.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_PAUSE);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
        pause.mul_f64(1.0 - 0.5 * Rng::new(&[now, tries]).number())
    }
}

/// How long the server asks to wait (`Retry-After`, RFC 9110, 10.2.3): a number of seconds, of which some servers send fractions or units,
/// or the time that is left until a date. Zero for what has passed, and `None` for what is neither; of several values the longest counts.
pub fn retry_after<'a>(values: impl IntoIterator<Item = &'a str>, now: SystemTime) -> Option<Duration> {
    let seconds = |text: &str| {
        let number = text.trim_start().split(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse().ok()?;
        Some(Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX))
    };
    let wait = |value: &'a str| match httpdate::parse_http_date(value.trim()) {
        Ok(date) => Some(date.duration_since(now).unwrap_or_default()),
        // Headers of the same name may arrive as one, with commas between their values.
        Err(_) => value.split(',').map(seconds).collect::<Option<Vec<_>>>()?.into_iter().max(),
    };
    values.into_iter().filter_map(wait).max()
}

/// [`retry_after`] of a reply's headers.
pub(crate) fn asked(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers.get_all("retry-after").iter().filter_map(|value| value.to_str().ok()), SystemTime::now())
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
