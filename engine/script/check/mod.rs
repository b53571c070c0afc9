//! Checks scripts without running them.
//!
//! Every file is compiled and parsed, and every `require` of a plain string is followed. Then a walk through each file follows the values
//! that come from the API to where they are used. Computed values are left to the run.

mod calls;
mod expected;
mod expressions;
mod known;
mod mentions;
mod walk;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use full_moon::LuaVersion;
use mlua::Lua;

use crate::api;
use crate::bind::require;
use finemem::{Error, Result};
use mentions::Mentions;
use walk::{Names, walk};

/// The files checked, and the problems found.
#[derive(Debug)]
pub struct Findings {
    /// The script and every module it requires.
    pub files: Vec<PathBuf>,
    /// Each with its file and line.
    pub problems: Vec<String>,
}

/// Stack for scripts nested as deeply as Luau allows, which takes about 100 MiB. Memory that is not used is not taken.
const STACK: usize = 256 << 20;

/// Checks a script and everything it requires.
pub(crate) fn check(script: &Path, globals: &HashSet<String>) -> Result<Findings> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || look(script, globals));
        let found = thread.map_err(|e| Error::io(script, e))?.join();
        found.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn look(script: &Path, globals: &HashSet<String>) -> Result<Findings> {
    let lua = Lua::new();
    let mut findings = Findings { files: vec![script.to_path_buf()], problems: Vec::new() };
    let mut parsed = Vec::new();
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
            findings.problems.push(api::message(&error));
            continue;
        }
        let tree = match full_moon::parse_fallible(&text, LuaVersion::luau()).into_result() {
            Ok(tree) => tree,
            Err(errors) => {
                findings.problems.extend(errors.first().map(|error| unread(&path, error)));
                continue;
            }
        };
        let mentions = Mentions::of(&tree);
        for (line, name) in mentions.required {
            match require::find(script, &name) {
                Ok(found) if !findings.files.contains(&found) => findings.files.push(found),
                Ok(_) => {}
                Err(error) => findings.problems.push(format!("{}:{line}: {error}", path.display())),
            }
        }
        names.written.extend(mentions.written);
        parsed.push((path, text, tree));
    }
    for (path, text, tree) in &parsed {
        let found = walk(text, tree.nodes(), &names);
        findings.problems.extend(found.into_iter().map(|(line, text)| format!("{}:{line}: {text}", path.display())));
    }
    Ok(findings)
}

/// The message about a file that Luau compiles but the parser cannot read.
fn unread(path: &Path, error: &full_moon::Error) -> String {
    let place = error.range().0;
    let (line, column, why) = (place.line(), place.character(), error.error_message());
    format!("{}:{line}:{column}: the check does not know this syntax, so it skips the file: {why}", path.display())
}
