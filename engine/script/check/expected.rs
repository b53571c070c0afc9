//! What the API expects of tables, literals and the parameters of functions in the script.

use crate::api::{Field as Param, Kind};

/// How the keys of a table are checked.
#[derive(Clone)]
pub(super) enum Shape {
    /// The arguments of a function or a record: the owner, and the keys.
    Keys(String, &'static [Param]),
    List(&'static Kind),
    Map(&'static Kind),
    Free,
}

impl Shape {
    /// What a table must look like where a kind is expected. `named` means that its first entry has a name.
    pub(super) fn of(kind: Option<&'static Kind>, named: bool) -> Self {
        match kind {
            Some(Kind::Record(record)) if record.checked => Self::Keys(format!("a {}", record.name), record.fields),
            Some(Kind::List(kind)) => Self::List(kind),
            Some(Kind::Map(kind)) => Self::Map(kind),
            Some(Kind::Either(kinds)) => {
                let fits = |kind: &&Kind| match kind {
                    Kind::List(_) => !named,
                    Kind::Record(_) | Kind::Map(_) => named,
                    Kind::Table | Kind::Any => true,
                    _ => false,
                };
                let mut fitting = kinds.iter().filter(fits);
                match (fitting.next(), fitting.next()) {
                    (Some(kind), None) => Self::of(Some(kind), named),
                    _ => Self::Free,
                }
            }
            _ => Self::Free,
        }
    }
}

/// Whether a literal is valid where a kind is expected; nil means a key that is left out.
pub(super) fn fits(kind: &Kind, literal: &str) -> bool {
    let first = literal.chars().next().unwrap_or(' ');
    let text = ['"', '\'', '`', '['].contains(&first);
    match kind {
        _ if literal == "nil" => true,
        Kind::Any => true,
        Kind::Boolean => ["true", "false"].contains(&literal),
        Kind::Number | Kind::Integer => first.is_ascii_digit() || first == '.',
        Kind::Text => text,
        Kind::Choice(words) => text && (!['"', '\''].contains(&first) || words.contains(&literal.trim_matches(first))),
        Kind::Either(kinds) => kinds.iter().any(|kind| fits(kind, literal)),
        _ => false,
    }
}

/// The parameters of a function written where a kind is expected.
pub(super) fn parameters(kind: Option<&'static Kind>) -> &'static [(&'static str, Kind)] {
    match kind {
        Some(Kind::Function(parameters, _)) => parameters,
        Some(Kind::Either(kinds)) => kinds.iter().map(|kind| parameters(Some(kind))).find(|found| !found.is_empty()).unwrap_or_default(),
        _ => &[],
    }
}
