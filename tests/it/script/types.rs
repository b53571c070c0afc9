//! The editor types.

use std::collections::BTreeSet;

use finemem_script::types;

/// Every place in `text` where a name of the API starts: the names.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("fm.").map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '.' && c != '_').unwrap_or(rest.len());
        rest[..end].trim_end_matches('.')
    })
}

#[test]
fn every_type_is_listed_once() {
    let files = types();
    let (_, text) = files.iter().find(|(path, _)| path.ends_with(".lua")).expect("a file for lua-language-server");
    let classes: Vec<&str> = text.lines().filter(|line| line.starts_with("---@class")).flat_map(names).collect();
    let listed: BTreeSet<&str> = classes.iter().copied().collect();
    assert_eq!(classes.len(), listed.len(), "{classes:?}");
    // Types of objects and records are written with a capital, functions are not.
    let used: BTreeSet<&str> = names(text).filter(|name| name[3..].starts_with(char::is_uppercase)).collect();
    assert!(used.len() > 30 && used.is_subset(&listed), "{used:?} uses what is not in {listed:?}");
    let functions: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("function ")).collect();
    assert!(functions.len() > 60);
    assert_eq!(functions.len(), functions.iter().collect::<BTreeSet<_>>().len(), "{functions:?}");
}
