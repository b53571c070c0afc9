//! A look at scripts without running them.
//!
//! Every file is compiled, and every `require` of a plain string is followed. Beyond that the check reads tokens, not meaning: it knows the
//! local that holds `require "finemem"`, the paths written from it, the keys of tables written as literals in its calls, and the methods of a
//! local that is set once, to what such a call returns. Anything computed is left to the run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mlua::Lua;

use super::api::{Function, Kind, Need, Object};
use super::arguments::{full_name, hint, missing_key, unknown_key};
use super::{
    AREAS, require,
    tokens::{Token, tokens},
};
use crate::Result;

/// What was looked at, and what is wrong.
#[derive(Debug)]
pub struct Findings {
    /// The script and every module it requires.
    pub files: Vec<PathBuf>,
    /// Each with its file and line.
    pub problems: Vec<String>,
}

/// Checks a script and everything it requires.
pub fn check(script: &Path) -> Result<Findings> {
    let lua = Lua::new();
    let mut findings = Findings { files: vec![script.to_path_buf()], problems: Vec::new() };
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
        let mut look = Look { tokens: tokens(&text), path: &path, problems: &mut findings.problems };
        for (line, name) in look.requires() {
            match require::find(script, &name) {
                Ok(found) if !findings.files.contains(&found) => findings.files.push(found),
                Ok(_) => {}
                Err(error) => look.report(line, error),
            }
        }
        look.calls();
    }
    Ok(findings)
}

/// One file under inspection.
struct Look<'a> {
    tokens: Vec<Token<'a>>,
    path: &'a Path,
    problems: &'a mut Vec<String>,
}

impl Look<'_> {
    fn report(&mut self, line: usize, text: impl std::fmt::Display) {
        self.problems.push(format!("{}:{line}: {text}", self.path.display()));
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text)
    }

    fn is_name(&self, at: usize) -> bool {
        self.text(at).starts_with(|c: char| c.is_alphabetic() || c == '_')
    }

    /// The string literal at a place, without its quotes.
    fn string(&self, at: usize) -> Option<&str> {
        let text = self.text(at);
        let quote = text.chars().next().filter(|c| ['"', '\''].contains(c))?;
        text.strip_prefix(quote)?.strip_suffix(quote)
    }

    /// The argument of `require "x"` or `require("x")` at a place.
    fn required(&self, at: usize) -> Option<&str> {
        if self.text(at) != "require" || (at > 0 && [".", ":"].contains(&self.text(at - 1))) {
            return None;
        }
        let name = if self.text(at + 1) == "(" { at + 2 } else { at + 1 };
        // A name that is put together is known only when the script runs.
        if self.text(name + 1) == "." { None } else { self.string(name) }
    }

    /// Every module required, with the line.
    fn requires(&self) -> Vec<(usize, String)> {
        let named = |at| self.required(at).filter(|name| *name != "finemem").map(|name| (self.tokens[at].line, name.to_string()));
        (0..self.tokens.len()).filter_map(named).collect()
    }

    /// The locals that are set in one place only: by name, where their value begins.
    fn locals(&self) -> HashMap<String, usize> {
        let mut found: HashMap<String, Option<usize>> = HashMap::new();
        for at in 0..self.tokens.len() {
            let assigned = self.is_name(at) && self.text(at + 1) == "=" && !["{", ",", ";", "."].contains(&self.text(at.wrapping_sub(1)));
            let bound =
                self.is_name(at) && (["local", "for", "function"].contains(&self.text(at.wrapping_sub(1))) || self.is_parameter(at));
            if assigned || bound {
                let value = (assigned && self.text(at.wrapping_sub(1)) == "local").then_some(at + 2);
                found.entry(self.text(at).to_string()).and_modify(|known| *known = None).or_insert(value);
            }
        }
        found.into_iter().filter_map(|(name, at)| Some((name, at?))).collect()
    }

    /// Whether a name stands in the parameter list of a function, or follows a comma in a list of names.
    fn is_parameter(&self, at: usize) -> bool {
        let mut back = at;
        while back >= 2 && self.text(back - 1) == "," && self.is_name(back - 2) {
            back -= 2;
        }
        let before = self.text(back.wrapping_sub(1));
        if before == "(" {
            let mut start = back.wrapping_sub(2);
            while self.is_name(start) && [".", ":"].contains(&self.text(start.wrapping_sub(1))) {
                start = start.wrapping_sub(2);
            }
            return self.text(start) == "function" || (self.is_name(start) && self.text(start.wrapping_sub(1)) == "function");
        }
        ["local", "for"].contains(&before)
    }

    fn calls(&mut self) {
        let locals = self.locals();
        let modules: Vec<&String> = locals.iter().filter(|(_, at)| self.required(**at) == Some("finemem")).map(|(name, _)| name).collect();
        let mut objects: HashMap<&str, &'static Object> = HashMap::new();
        for (name, at) in &locals {
            if modules.iter().any(|module| *module == self.text(*at))
                && let Some((Some(function), end)) = self.function(*at)
                && let Kind::Object(class) = function.returns
                && let Some(after) = self.after_call(end)
                && ![".", ":", "[", "(", "and", "or"].contains(&self.text(after))
                && let Some(object) = AREAS.iter().flat_map(|area| area.objects).find(|object| object.name == class)
            {
                objects.insert(name, object);
            }
        }
        for at in 0..self.tokens.len() {
            if !self.is_name(at)
                || [".", ":"].contains(&self.text(at.wrapping_sub(1)))
                || ["{", ","].contains(&self.text(at.wrapping_sub(1))) && self.text(at + 1) == "="
            {
                continue;
            }
            let name = self.text(at);
            if modules.iter().any(|module| *module == name) {
                self.call(at);
            } else if let Some(object) = objects.get(name).copied() {
                self.method(at, object);
            }
        }
    }

    /// The function that the path at a place names, and the token after the path; `None` inside when it is a part of a longer path.
    fn function(&self, at: usize) -> Option<(Option<&'static Function>, usize)> {
        let (mut path, mut end) = (String::new(), at + 1);
        while self.text(end) == "." && self.is_name(end + 1) {
            path += if path.is_empty() { "" } else { "." };
            path += self.text(end + 1);
            end += 2;
            if let Some(function) = AREAS.iter().flat_map(|area| area.functions).find(|function| function.path == path) {
                return Some((Some(function), end));
            }
        }
        Some((None, end))
    }

    /// Checks what is written from the module's local.
    fn call(&mut self, at: usize) {
        let Some((function, end)) = self.function(at) else { return };
        if let Some(function) = function {
            return self.arguments(end, function, None);
        }
        let parts: Vec<String> = (at + 2..end).step_by(2).map(|at| self.text(at).to_string()).collect();
        let mut known: Vec<&str> = Vec::new();
        known.extend(AREAS.iter().flat_map(|area| area.functions).map(|function| function.path));
        known.extend(AREAS.iter().flat_map(|area| area.constants).map(|constant| constant.path));
        let path = parts.join(".");
        let inside = |name: &&str| *name == path || name.starts_with(&format!("{path}."));
        let beyond = |name: &&str| path.starts_with(&format!("{name}."));
        if !path.is_empty() && !known.iter().any(|name| inside(name) || beyond(name)) {
            self.report(self.tokens[at].line, format!("there is no fm.{path}{}", hint(&path, known.into_iter())));
        }
    }

    /// Checks what is written from a local that holds an object.
    fn method(&mut self, at: usize, object: &'static Object) {
        let (mark, name) = (self.text(at + 1), self.text(at + 2));
        if ![".", ":"].contains(&mark) {
            return;
        }
        let method = object.methods.iter().find(|method| method.path == name);
        let field = object.fields.iter().any(|field| field.name == name);
        match (method, mark) {
            (Some(method), ":") => self.arguments(at + 3, method, Some(object)),
            (Some(_), _) => {}
            (None, ".") if field => {}
            _ => {
                let names = object.methods.iter().map(|m| m.path).chain(object.fields.iter().map(|f| f.name));
                let text = format!("{} has no '{name}'{}", object.name, hint(name, names));
                self.report(self.tokens[at].line, text);
            }
        }
    }

    /// Checks the keys of a literal argument table that begins at a place, with or without parentheses.
    fn arguments(&mut self, at: usize, function: &'static Function, object: Option<&Object>) {
        let open = if self.text(at) == "(" { at + 1 } else { at };
        if self.text(open) != "{" {
            return;
        }
        let name = full_name(function, object);
        let Some(keys) = self.keys(open) else { return };
        for (key, at) in &keys {
            if !function.params.iter().any(|param| param.name == *key) {
                self.report(self.tokens[*at].line, format!("{name}: {}", unknown_key(key, function.params)));
            }
        }
        for param in function.params.iter().filter(|param| matches!(param.need, Need::Required)) {
            if !keys.iter().any(|(key, _)| key == param.name) {
                self.report(self.tokens[at].line, format!("{name}: {}", missing_key(param)));
            }
        }
    }

    /// The named keys of a table literal; `None` when it also has keys that are computed.
    fn keys(&self, open: usize) -> Option<Vec<(String, usize)>> {
        let mut keys = Vec::new();
        let mut depth = 0usize;
        for at in open..self.tokens.len() {
            let starts_entry = depth == 1 && ["{", ",", ";"].contains(&self.text(at - 1));
            match self.text(at) {
                "[" if starts_entry => return None,
                "{" | "(" | "[" | "function" | "do" | "then" | "repeat" => depth += 1,
                "}" | ")" | "]" | "end" | "until" | "elseif" => depth = depth.checked_sub(1)?,
                _ if starts_entry && self.is_name(at) && self.text(at + 1) == "=" => keys.push((self.text(at).to_string(), at)),
                _ => {}
            }
            if depth == 0 {
                return Some(keys);
            }
        }
        None
    }

    /// The place after the arguments of a call.
    fn after_call(&self, at: usize) -> Option<usize> {
        if !["(", "{"].contains(&self.text(at)) {
            return None;
        }
        let mut depth = 0usize;
        for place in at..self.tokens.len() {
            match self.text(place) {
                "(" | "{" => depth += 1,
                ")" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(place + 1);
            }
        }
        None
    }
}
