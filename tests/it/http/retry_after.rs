//! How long is waited, compared with curl (`tests/servers/retry_after.py`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use finemem::http::retry_after;
use serde_json::Value;

/// The longest wait that curl gives, whatever the server says.
const CURLS_LONGEST: u64 = 21_600;
/// The longest that this client waits; beyond it, the error says so.
const LONGEST: f64 = 600.0;

/// What is read otherwise than curl reads it, in seconds, and why.
const OTHERWISE: [(&[&str], Option<f64>, &str); 10] = [
    (&["1.5"], Some(1.5), "curl drops the fraction"),
    (&["0.5"], Some(0.5), "curl drops the fraction"),
    (&[".5"], Some(0.5), "curl drops the fraction"),
    (&["99999999999999999999"], Some(1e19), "too long for a number of curl's, which then does not wait"),
    (&["34", "12"], Some(34.0), "the longest counts, not the last"),
    (&["12", "abc"], Some(12.0), "the one that can be read counts, not the last"),
    (&["12, 34"], Some(34.0), "the longest counts, not the first"),
    (&["12,34"], Some(34.0), "the longest counts, not the first"),
    (&["{imf:90}", "12"], Some(90.0), "the longest counts, not the last"),
    (&["31 Dec 2100"], Some(31.0), "not one of the three forms of a date, so a number with a unit"),
];

#[test]
fn seconds_and_dates_as_curl_waits() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../servers/retry_after.json")).unwrap();
    // A whole number of seconds, like the dates.
    let now = UNIX_EPOCH + Duration::from_secs(1_795_852_800);
    let (mut equal, mut refused, mut otherwise) = (0, 0, 0);
    for case in &cases {
        let values: Vec<&str> = case["values"].as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
        let filled: Vec<String> = values.iter().map(|value| filled(value, now)).collect();
        // Zero is as good as nothing: the client's own pause follows.
        let ours = retry_after(filled.iter().map(String::as_str), now).filter(|wait| !wait.is_zero()).map(|wait| wait.as_secs_f64());
        let curls = case["curl"].as_u64();
        if let Some((_, expected, why)) = OTHERWISE.iter().find(|(list, ..)| *list == values) {
            assert!(ours == *expected || ours > Some(1e19), "{values:?}: {why}, {ours:?}");
            otherwise += 1;
        } else if curls == Some(CURLS_LONGEST) {
            assert!(ours > Some(LONGEST), "{values:?}: {ours:?}");
            refused += 1;
        } else {
            assert_eq!(ours, curls.map(|seconds| seconds as f64), "{values:?}");
            equal += 1;
        }
    }
    println!("{equal} equal, {refused} that this client refuses to wait, {otherwise} otherwise for a reason");
    assert!(equal >= 44 && refused >= 3 && otherwise == OTHERWISE.len());
}

/// A value whose `{form:seconds}` is a date.
fn filled(value: &str, now: SystemTime) -> String {
    let Some((form, seconds)) = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).and_then(|rest| rest.split_once(':'))
    else {
        return value.to_owned();
    };
    // "Fri, 27 Nov 2026 00:00:00 GMT"
    let at = now.duration_since(UNIX_EPOCH).unwrap().as_secs().saturating_add_signed(seconds.parse().unwrap());
    let date = httpdate(at);
    let [day, number, month, year, time, _] = date.split(' ').collect::<Vec<_>>()[..] else { panic!("{date}") };
    let long = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    match form {
        "imf" => date.clone(),
        "rfc850" => {
            let long = long.iter().find(|long| long.starts_with(&day[..3])).unwrap();
            format!("{long}, {number}-{month}-{} {time} GMT", &year[2..])
        }
        _ => format!("{} {month} {:>2} {time} {year}", &day[..3], number.trim_start_matches('0')),
    }
}

/// The date of a time in the year 2026 as RFC 9110 prefers it.
fn httpdate(seconds: u64) -> String {
    let (mut day, clock) = (seconds / 86_400, seconds % 86_400);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][day as usize % 7];
    // The first of January 2026 is day 20,454 since 1970.
    day -= 20_454;
    let months = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut month = 0;
    while day >= months[month] {
        day -= months[month];
        month += 1;
    }
    format!("{weekday}, {:02} {} 2026 {:02}:{:02}:{:02} GMT", day + 1, names[month], clock / 3600, clock / 60 % 60, clock % 60)
}

/// The examples of RFC 9110, 5.6.7, which all are the same time.
#[test]
fn the_three_forms_of_a_date() {
    let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 37);
    for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        assert_eq!(retry_after([date], now), Some(Duration::from_secs(37)), "{date}");
        assert_eq!(retry_after([date], now + Duration::from_secs(38)), Some(Duration::ZERO), "{date} has passed");
    }
}
