//! The order of sessions: by the dates in the headings of an episode's chunks.
//!
//! Some files are not sorted, such as LongMemEval's oracle file, whose authors' scripts sort sessions by date before a model reads them. Read
//! in the order of such a file, an old fact would replace a newer one.

use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use regex::Regex;

use super::{Episode, Question};

/// The date in the heading of a session, as our readers write it and as Mem-α's files have it.
static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    let dialogue = r"Dialogue (?:at timestamp|at|between User and Assistant on)\s([^\]]*)";
    let event = r"Event happened on\s(\S+)[^\]]*";
    Regex::new(&format!(r"^\[(?:{dialogue}|{event})\]")).expect("a valid pattern")
});

/// A weekday, which LongMemEval's dates have before the time.
static WEEKDAY: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\s*\([^)]*\)").expect("a valid pattern"));

/// Times of the calendar: LongMemEval's, ISO 8601's with a blank or a T, LoCoMo's.
const TIMES: [&str; 7] = [
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%I:%M %p on %d %B, %Y",
];
/// The same days without a time, which is midnight then.
const DAYS: [&str; 3] = ["%Y/%m/%d", "%Y-%m-%d", "%d %B, %Y"];
/// Times with their distance from UTC.
const INSTANTS: [&str; 4] = ["%Y-%m-%dT%H:%M%#z", "%Y-%m-%d %H:%M%#z", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"];

/// A date, and whether it says how far from UTC it is. The two kinds cannot be compared.
fn date(text: &str) -> Option<(NaiveDateTime, bool)> {
    let text = WEEKDAY.replace(text.trim(), "");
    let time = || TIMES.iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    let day = || DAYS.iter().find_map(|form| NaiveDate::parse_from_str(&text, form).ok()?.and_hms_opt(0, 0, 0));
    let instant = || INSTANTS.iter().find_map(|form| DateTime::parse_from_str(&text, form).ok());
    time().or_else(day).map(|date| (date, false)).or_else(|| instant().map(|date| (date.naive_utc(), true)))
}

/// Sorts an episode's chunks by the dates in their headings; those of one date keep their order, and what refers to chunks follows them.
/// Returns whether it changed the order. Without any date there is nothing to sort by.
///
/// # Errors
/// Why the order is left as it is: a chunk without a date among others with one, or a date that cannot be read.
pub(super) fn sort(episode: &mut Episode) -> Result<bool, String> {
    let heading = |chunk: &String| {
        let found = HEADING.captures(chunk)?;
        found.get(1).or(found.get(2)).map(|text| text.as_str().to_owned())
    };
    let headings: Vec<Option<String>> = episode.chunks.iter().map(heading).collect();
    if headings.len() < 2 || headings.iter().all(Option::is_none) {
        return Ok(false);
    }
    let mut dates = Vec::new();
    for (at, heading) in headings.iter().enumerate() {
        let text = heading.as_ref().ok_or_else(|| format!("chunk {at} has no date"))?;
        dates.push(date(text).ok_or_else(|| format!("chunk {at} has a date that cannot be read, {text:?}"))?);
    }
    if let Some(at) = dates.iter().position(|date| date.1 != dates[0].1) {
        return Err(format!("of the dates of chunks 0 and {at} only one has a time zone"));
    }
    if dates.is_sorted() {
        return Ok(false);
    }
    let mut order: Vec<usize> = (0..dates.len()).collect();
    order.sort_by_key(|at| dates[*at]);
    let mut place = vec![0; order.len()];
    order.iter().enumerate().for_each(|(new, old)| place[*old] = new);
    episode.chunks = order.iter().map(|old| std::mem::take(&mut episode.chunks[*old])).collect();
    episode.chunk_questions = order.iter().map(|old| std::mem::take(&mut episode.chunk_questions[*old])).collect();
    let moved = |question: &mut Question| {
        question.evidence.iter_mut().for_each(|chunk| *chunk = place[*chunk]);
        question.evidence.sort_unstable();
    };
    episode.questions.iter_mut().chain(episode.chunk_questions.iter_mut().flatten()).for_each(moved);
    Ok(true)
}
