//! A Lua prompt: lines share their names, and values are shown for reading.

use std::collections::HashSet;
use std::os::raw::c_void;
use std::path::{Path, PathBuf};

use mlua::{Lua, MultiValue, Table, Value};

use super::bind::require;
use super::{Loaded, Runtime, RuntimeOptions, api, error};
use finemem::{Error, Result, stop};

/// A runtime that runs lines as they are typed. A name assigned without `local` is available in all later lines.
pub struct Prompt {
    runtime: Runtime,
    environment: Table,
}

/// The outcome of entered text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// It ran; the text shows its values, and is empty if there are none.
    Done(String),
    /// It continues on the next line.
    Unfinished,
}

impl Prompt {
    /// A prompt with `fm`.
    pub fn new(options: RuntimeOptions) -> Result<Self> {
        let runtime = Runtime::new(options)?;
        *runtime.session.script.borrow_mut() = PathBuf::from(NAME);
        runtime.session.limits.end_when(&runtime.lua, stop::pending);
        let environment = environment(&runtime.lua).map_err(|e| error(&e))?;
        Ok(Self { runtime, environment })
    }

    /// Loads a model and names it `policy`.
    pub fn load_policy(&self, model: &Path) -> Result<()> {
        let text = "policy = fm.model.load { path = ... }";
        let chunk = require::compile(&self.runtime.lua, NAME, text, &self.environment).map_err(|e| error(&e))?;
        chunk.call(model.display().to_string()).map_err(|e| error(&e))
    }

    /// Runs a script as `finemem-engine run` does. Its result is shown and becomes `_`; from then on modules are found where the script
    /// finds them.
    pub fn run(&self, script: &Path) -> Result<String> {
        let Runtime { lua, session } = &self.runtime;
        *session.script.borrow_mut() = script.to_path_buf();
        let text = require::read(script)?;
        session.loaded.borrow_mut().push(Loaded { path: script.to_path_buf(), sha256: finemem::files::sha256(text.as_bytes()) });
        let values = stop::during(|| require::load(lua, script, &text)?.call(())).map_err(|e| error(&e))?;
        self.shown(values).map_err(|e| error(&e))
    }

    /// Runs typed text: an expression, whose values are shown and the first of which becomes `_`, or statements.
    pub fn enter(&self, text: &str) -> Result<Entered> {
        let compile = |text: &str| require::compile(&self.runtime.lua, NAME, text, &self.environment);
        let chunk = match compile(&format!("return {text}")).or_else(|_| compile(text)) {
            Ok(chunk) => chunk,
            Err(mlua::Error::SyntaxError { incomplete_input: true, .. }) => return Ok(Entered::Unfinished),
            // An unfinished long string is reported as malformed at its end.
            Err(_) if compile(&format!("{text}]]")).is_ok() || compile(&format!("return {text}]]")).is_ok() => {
                return Ok(Entered::Unfinished);
            }
            Err(e) => return Err(Error::Script(api::message(&e))),
        };
        let values = stop::during(|| chunk.call(())).map_err(|e| brief(error(&e)))?;
        self.shown(values).map(Entered::Done).map_err(|e| error(&e))
    }

    fn shown(&self, values: MultiValue) -> mlua::Result<String> {
        let lua = &self.runtime.lua;
        if let Some(first) = values.front().filter(|value| !value.is_nil()) {
            self.environment.raw_set("_", first)?;
        }
        let nothing = values.iter().all(Value::is_nil);
        let texts = values.iter().map(|value| show(lua, value)).collect::<mlua::Result<Vec<_>>>()?;
        Ok(if nothing { String::new() } else { texts.join("\t") })
    }
}

/// The name of a prompt's lines in messages.
const NAME: &str = "prompt";

/// The environment that the lines of a prompt share: their own names in front of the sealed globals.
fn environment(lua: &Lua) -> mlua::Result<Table> {
    let (environment, meta) = (lua.create_table()?, lua.create_table()?);
    meta.raw_set("__index", lua.globals())?;
    environment.set_metatable(Some(meta))?;
    let require: mlua::Function = lua.globals().get("require")?;
    environment.raw_set("fm", require.call::<Table>("finemem")?)?;
    Ok(environment)
}

/// The error without a traceback that leads only to the prompt.
fn brief(error: Error) -> Error {
    let Error::Script(text) = error else { return error };
    Error::Script(match text.split_once("\nstack traceback:\n") {
        Some((what, lines)) if lines.lines().all(|line| line.trim().starts_with(NAME)) => what.to_string(),
        _ => text,
    })
}

/// How deep tables are shown, and how many entries of each.
const DEPTH: usize = 4;
const ENTRIES: usize = 20;
/// The longest table on one line, and the longest string inside a table, in characters.
const WIDTH: usize = 100;

/// A value in Lua syntax, shortened for reading.
fn show(lua: &Lua, value: &Value) -> mlua::Result<String> {
    match value {
        Value::String(text) => Ok(quoted(&text.to_string_lossy())),
        value => Shown { tostring: lua.globals().get("tostring")?, above: HashSet::new() }.show(value, 0),
    }
}

struct Shown {
    tostring: mlua::Function,
    /// The tables that contain the current value.
    above: HashSet<*const c_void>,
}

impl Shown {
    fn show(&mut self, value: &Value, depth: usize) -> mlua::Result<String> {
        match value {
            value if value.is_null() => Ok("null".into()),
            Value::String(text) => {
                let text = text.to_string_lossy();
                let start: String = text.chars().take(WIDTH).collect();
                Ok(quoted(&start) + if start.len() < text.len() { "…" } else { "" })
            }
            Value::Function(function) => {
                let info = function.info();
                let place = info.short_src.zip(info.line_defined).map(|(file, line)| format!(" at {file}:{line}"));
                Ok(format!("function{}{}", info.name.map_or(String::new(), |name| format!(" {name}")), place.unwrap_or_default()))
            }
            Value::Table(table) => self.table(table, depth),
            value => Ok(self.tostring.call::<mlua::LuaString>(value)?.to_string_lossy()),
        }
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<String> {
        let length = table.raw_len();
        let mut rest = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !key.as_integer().is_some_and(|i| i >= 1 && i as usize <= length) {
                rest.push((self.key(&key)?, value));
            }
        }
        if length == 0 && rest.is_empty() {
            return Ok("{}".into());
        }
        if depth == DEPTH || !self.above.insert(table.to_pointer()) {
            return Ok("{…}".into());
        }
        rest.sort_by(|a, b| a.0.cmp(&b.0));
        let mut parts = Vec::new();
        for i in 1..=length.min(ENTRIES) {
            parts.push(self.show(&table.raw_get(i)?, depth + 1)?);
        }
        if length > ENTRIES {
            parts.push(format!("… {} more", length - ENTRIES));
        }
        for (key, value) in rest.iter().take(ENTRIES) {
            parts.push(format!("{key} = {}", self.show(value, depth + 1)?));
        }
        if rest.len() > ENTRIES {
            parts.push(format!("… {} more keys", rest.len() - ENTRIES));
        }
        self.above.remove(&table.to_pointer());
        let one = format!("{{ {} }}", parts.join(", "));
        if one.chars().count() <= WIDTH && !one.contains('\n') {
            return Ok(one);
        }
        let (indent, end) = ("  ".repeat(depth + 1), "  ".repeat(depth));
        Ok(format!("{{\n{}{end}}}", parts.iter().map(|part| format!("{indent}{part},\n")).collect::<String>()))
    }

    fn key(&mut self, key: &Value) -> mlua::Result<String> {
        match key {
            Value::String(text) => {
                let text = text.to_string_lossy();
                let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !text.starts_with(|c: char| c.is_ascii_digit());
                Ok(if plain && !text.is_empty() { text } else { format!("[{}]", quoted(&text)) })
            }
            key => Ok(format!("[{}]", self.show(key, DEPTH)?)),
        }
    }
}

/// A string in quotes, its lines and tabs as Lua writes them.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            '\r' => out += "\\r",
            c if c.is_control() => out += &format!("\\u{{{:x}}}", u32::from(c)),
            c => out.push(c),
        }
    }
    out + "\""
}
