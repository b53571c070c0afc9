//! Expressions of chat templates: what Jinja2 and Python make of them, recorded by tests/template/python.py.

use std::path::Path;

use finemem::model::{Chat, ChatTemplate, read_json, strftime};

/// What the message of a template says that uses something we do not have.
const REFUSALS: [&str; 5] = ["not supported", "cannot be told", "cannot be written", "128 bits", "there is no test"];

#[test]
fn expressions_are_those_of_python() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/template/python.json");
    let recorded = read_json(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (mut equal, mut refused, mut wrong) = (0, 0, Vec::new());
    for (kind, cases) in recorded.as_object().unwrap() {
        if matches!(kind.as_str(), "variables" | "messages" | "dates") {
            continue;
        }
        for case in cases.as_array().unwrap() {
            let (source, expected) = (case[0].as_str().unwrap(), case[1].as_str());
            let chat = Chat {
                messages: recorded["messages"].as_array().unwrap().clone(),
                variables: recorded["variables"].as_object().unwrap().clone(),
                ..Chat::default()
            };
            match (ChatTemplate::from_source(source).render(&chat).map_err(|error| error.to_string()), expected) {
                (Ok(text), Some(expected)) if text == expected => equal += 1,
                (Err(_), None) => equal += 1,
                (Err(error), Some(_)) if REFUSALS.iter().any(|said| error.contains(said)) => refused += 1,
                (found, expected) => wrong.push(format!("{kind}: {source}\n  expected {expected:?}\n  found    {found:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), equal + refused, wrong[..wrong.len().min(20)].join("\n"));
    println!("{equal} equal, {refused} refused by name");
    assert!(equal > 5000 && refused < 200, "{equal} {refused}");
}

#[test]
fn dates_are_those_of_the_c_library() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/template/python.json");
    let recorded = read_json(&std::fs::read_to_string(file).unwrap()).unwrap();
    for case in recorded["dates"].as_array().unwrap() {
        let (format, time) = (case[0].as_str().unwrap(), case[1].as_u64().unwrap());
        match strftime(format, time) {
            Ok(found) => assert_eq!(found, case[2].as_str().unwrap(), "{format:?} of {time}"),
            Err(error) => assert!(error.to_string().contains("strftime_now"), "{format:?} of {time}: {error}"),
        }
    }
    for unknown in ["%Q", "%Ed", "%f", "%N"] {
        assert!(strftime(unknown, 0).is_err(), "{unknown}");
    }
}

#[test]
fn json_keeps_large_integers() {
    let read = |text: &str| {
        let chat = Chat { messages: vec![read_json(&format!("{{\"role\": \"user\", \"n\": {text}}}")).unwrap()], ..Chat::default() };
        ChatTemplate::from_source("{{ messages[0].n }}|{{ messages[0].n is integer }}|{{ messages | tojson }}").render(&chat)
    };
    for (text, expected) in [
        ("12345678901234567890123", "12345678901234567890123|True|[{\"role\": \"user\", \"n\": 12345678901234567890123}]"),
        ("-18446744073709551616", "-18446744073709551616|True|[{\"role\": \"user\", \"n\": -18446744073709551616}]"),
        ("-0", "0|True|[{\"role\": \"user\", \"n\": 0}]"),
        ("1e3", "1000.0|False|[{\"role\": \"user\", \"n\": 1000.0}]"),
        (
            "\"a \\\" 12345678901234567890123\"",
            "a \" 12345678901234567890123|False|[{\"role\": \"user\", \"n\": \"a \\\" 12345678901234567890123\"}]",
        ),
    ] {
        assert_eq!(read(text).unwrap(), expected);
    }
    assert!(read(&"9".repeat(50)).unwrap_err().to_string().contains("128 bits"));
    assert!(read_json("[1, 2").is_err() && read_json("\"a").is_err());
}
