//! A look at scripts without running them.
//!
//! Every file is compiled, and every `require` of a plain string is followed. Then a walk follows the values that come from the API to where
//! they are used: see [`walk`](super::walk). Anything computed is left to the run.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use mlua::Lua;

use super::bind::require;
use super::tokens::{Token, tokens};
use super::walk::{Names, walk};
use finemem::Result;

/// What was looked at, and what is wrong.
#[derive(Debug)]
pub struct Findings {
    /// The script and every module it requires.
    pub files: Vec<PathBuf>,
    /// Each with its file and line.
    pub problems: Vec<String>,
}

/// Checks a script and everything it requires.
pub(crate) fn check(script: &Path, globals: &HashSet<String>) -> Result<Findings> {
    let lua = Lua::new();
    let mut findings = Findings { files: vec![script.to_path_buf()], problems: Vec::new() };
    let mut texts = Vec::new();
    let mut names = Names { globals: globals.clone(), ..Names::default() };
    let mut next = 0;
    while let Some(path) = findings.files.get(next).cloned() {
        next += 1;
        let text = match require::read(&path) {
            Ok(text) => text,
            Err(error) if next == 1 => return Err(error),
            Err(error) => {
                findings.problems.push(error.to_string());
                continue;
            }
        };
        if let Err(error) = require::load(&lua, &path, &text) {
            findings.problems.push(super::api::message(&error));
            continue;
        }
        let tokens = tokens(&text);
        for (line, name) in requires(&tokens) {
            match require::find(script, name) {
                Ok(found) if !findings.files.contains(&found) => findings.files.push(found),
                Ok(_) => {}
                Err(error) => findings.problems.push(format!("{}:{line}: {error}", path.display())),
            }
        }
        names.written.extend(written(&tokens).map(String::from));
        texts.push((path, text));
    }
    for (path, text) in &texts {
        findings.problems.extend(walk(&tokens(text), &names).into_iter().map(|(line, text)| format!("{}:{line}: {text}", path.display())));
    }
    Ok(findings)
}

/// A string literal without its quotes.
fn string<'a>(token: &Token<'a>) -> Option<&'a str> {
    let quote = token.text.chars().next().filter(|c| ['"', '\''].contains(c))?;
    token.text.strip_prefix(quote)?.strip_suffix(quote)
}

/// Every module required by its plain name, with the line.
fn requires<'a>(tokens: &[Token<'a>]) -> impl Iterator<Item = (usize, &'a str)> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    (0..tokens.len()).filter_map(move |at| {
        if text(at) != "require" || (at > 0 && [".", ":"].contains(&text(at - 1))) {
            return None;
        }
        let name = if text(at + 1) == "(" { at + 2 } else { at + 1 };
        // A name that is put together is known only when the script runs.
        let whole = !text(name + 1).starts_with("..");
        let found = string(tokens.get(name)?).filter(|name| whole && *name != "finemem")?;
        Some((tokens[at].line, found))
    })
}

/// The names that a script gives to keys of tables, and the strings that could become some.
fn written<'a>(tokens: &[Token<'a>]) -> impl Iterator<Item = &'a str> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    (0..tokens.len()).filter_map(move |at| {
        let before = text(at.wrapping_sub(1));
        let key = text(at + 1) == "=" && ["{", ",", ";", "."].contains(&before);
        let function = [".", ":"].contains(&before) && text(at + 1) == "(" && {
            let mut start = at - 1;
            while start >= 2 && [".", ":"].contains(&text(start)) {
                start -= 2;
            }
            text(start) == "function"
        };
        if key || function { Some(text(at)) } else { string(&tokens[at]) }
    })
}
