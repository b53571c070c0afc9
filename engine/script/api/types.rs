//! The editor types, written from the API table: one file for luau-lsp, one for lua-language-server.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Area, Field, Function, Kind, Need, Object, records};

/// The type files: their paths below `scripts/types`, and their contents.
pub(crate) fn files(areas: &'static [Area]) -> [(&'static str, String); 2] {
    [("finemem.d.luau", luau(areas)), ("library/finemem.lua", luacats(areas))]
}

/// A tree of the names under `fm`.
#[derive(Default)]
struct Names {
    inner: BTreeMap<&'static str, Names>,
    entries: Vec<(String, String)>,
}

fn luau(areas: &'static [Area]) -> String {
    let mut out = String::from(
        "--!strict
-- The types of `require \"finemem\"` for luau-lsp, written by `finemem-engine types`. Editor setting:
-- \"luau-lsp.require.fileAliases\": { \"finemem\": \"scripts/types/finemem.d.luau\" }
",
    );
    for record in records(areas) {
        let _ = write!(out, "\n--- {}\nexport type {} = {}\n", record.doc, record.name, luau_table(record.fields, 0));
    }
    for object in areas.iter().flat_map(|area| area.objects) {
        let _ = write!(out, "\n--- {}\nexport type {} = {{\n", object.doc, object.name);
        for field in object.properties {
            let _ = write!(out, "    --- {}\n    {}: {},\n", field.doc, field.name, luau_kind(&field.kind, 1));
        }
        for method in object.methods {
            let _ = write!(out, "    --- {}\n    {}: {},\n", described(method), method.path, luau_function(method, Some(object), 1));
        }
        out.push_str("}\n");
    }
    let mut root = Names::default();
    for area in areas {
        for constant in area.constants {
            root.add(constant.path, constant.doc.to_string(), |depth| luau_kind(&constant.kind, depth));
        }
        for function in area.functions {
            root.add(function.path, described(function), |depth| luau_function(function, None, depth));
        }
    }
    let _ = write!(out, "\nexport type Finemem = {}\n\nlocal finemem: Finemem = nil :: any\nreturn finemem\n", root.luau(0));
    out
}

impl Names {
    fn add(&mut self, path: &'static str, doc: String, text: impl Fn(usize) -> String) {
        let mut parts: Vec<_> = path.split('.').collect();
        let name = parts.pop().unwrap_or(path);
        let depth = parts.len() + 1;
        let place = parts.into_iter().fold(self, |names, part| names.inner.entry(part).or_default());
        place.entries.push((doc, format!("{name}: {}", text(depth))));
    }

    fn luau(&self, depth: usize) -> String {
        let indent = "    ".repeat(depth + 1);
        let mut out = String::from("{\n");
        for (doc, text) in &self.entries {
            let _ = write!(out, "{indent}--- {doc}\n{indent}{text},\n");
        }
        for (name, inner) in &self.inner {
            let _ = writeln!(out, "{indent}{name}: {},", inner.luau(depth + 1));
        }
        out + &"    ".repeat(depth) + "}"
    }
}

/// A function's summary with its result.
fn described(function: &Function) -> String {
    if function.result.is_empty() { function.doc.to_string() } else { format!("{} Returns {}.", function.doc, function.result) }
}

fn with_default(param: &Field) -> String {
    match param.need {
        Need::Required | Need::Optional => param.doc.to_string(),
        Need::Default(shown) => format!("{} (default {})", param.doc, shown()),
    }
}

fn may_be_absent(params: &[Field]) -> bool {
    params.iter().all(|p| !matches!(p.need, Need::Required))
}

fn luau_table(params: &[Field], depth: usize) -> String {
    if params.is_empty() {
        return "{}".into();
    }
    let indent = "    ".repeat(depth + 1);
    let mut out = String::from("{\n");
    for param in params {
        let absent = if matches!(param.need, Need::Required) { "" } else { "?" };
        let kind = luau_kind(&param.kind, depth + 1);
        let kind = if !absent.is_empty() && (kind.contains(" | ") || kind.contains("->")) { format!("({kind})") } else { kind };
        let _ = write!(out, "{indent}--- {}\n{indent}{}: {kind}{absent},\n", with_default(param), param.name);
    }
    out + &"    ".repeat(depth) + "}"
}

fn luau_function(function: &Function, object: Option<&Object>, depth: usize) -> String {
    let mut params: Vec<String> = object.map(|object| format!("self: {}", object.name)).into_iter().collect();
    let absent = if may_be_absent(function.params) { "?" } else { "" };
    params.push(format!("arguments: {}{absent}", luau_table(function.params, depth)));
    format!("({}) -> {}", params.join(", "), luau_result(&function.returns, depth))
}

fn luau_result(kind: &Kind, depth: usize) -> String {
    if matches!(kind, Kind::Nil) { "()".into() } else { luau_kind(kind, depth) }
}

fn luau_kind(kind: &Kind, depth: usize) -> String {
    match kind {
        Kind::Any => "any".into(),
        Kind::Boolean => "boolean".into(),
        Kind::Number | Kind::Integer => "number".into(),
        Kind::Text => "string".into(),
        Kind::Table => "{ [any]: any }".into(),
        Kind::List(inner) => format!("{{ {} }}", luau_kind(inner, depth)),
        Kind::Map(inner) => format!("{{ [string]: {} }}", luau_kind(inner, depth)),
        Kind::Function(params, result) => {
            let params: Vec<_> = params.iter().map(|(name, kind)| format!("{name}: {}", luau_kind(kind, depth))).collect();
            format!("({}) -> {}", params.join(", "), luau_result(result, depth))
        }
        Kind::Object(name) => (*name).into(),
        Kind::Record(record) => record.name.into(),
        Kind::Choice(words) => words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" | "),
        Kind::Either(kinds) => {
            let alternative = |kind| {
                let text = luau_kind(kind, depth);
                if matches!(kind, Kind::Function(..)) { format!("({text})") } else { text }
            };
            kinds.iter().map(alternative).collect::<Vec<_>>().join(" | ")
        }
        Kind::Nil => "nil".into(),
    }
}

fn luacats(areas: &'static [Area]) -> String {
    let mut out = String::from(
        "---@meta finemem
-- The types of `require \"finemem\"` for lua-language-server, written by `finemem-engine types`. Editor setting:
-- \"Lua.workspace.library\": [\"scripts/types/library\"]
",
    );
    for record in records(areas) {
        out += &luacats_class(&format!("fm.{}", record.name), record.doc, record.fields);
    }
    for object in areas.iter().flat_map(|area| area.objects) {
        let _ = write!(out, "\n---{}\n---@class fm.{}\n", object.doc, object.name);
        for field in object.properties {
            let _ = writeln!(out, "---@field {} {} {}", field.name, luacats_kind(&field.kind), field.doc);
        }
        let _ = writeln!(out, "local {} = {{}}", object.name);
        for method in object.methods {
            out += &luacats_function(method, &format!("{}:{}", object.name, method.path), &format!("fm.{}.{}", object.name, method.path));
        }
    }
    out.push_str("\n---The engine, as scripts see it.\n---@class fm\nlocal fm = {}\n");
    let mut known = Vec::new();
    for area in areas {
        let paths = area.constants.iter().map(|c| c.path).chain(area.functions.iter().map(|f| f.path));
        for (folder, _) in paths.filter_map(|path| path.rsplit_once('.')) {
            if !known.contains(&folder) {
                known.push(folder);
                let _ = writeln!(out, "fm.{folder} = {{}}");
            }
        }
    }
    for area in areas {
        for constant in area.constants {
            let _ = write!(out, "\n---{}\n---@type {}\nfm.{} = nil\n", constant.doc, luacats_kind(&constant.kind), constant.path);
        }
        for function in area.functions {
            let name = format!("fm.{}", function.path);
            out += &luacats_function(function, &name, &name);
        }
    }
    out + "\nreturn fm\n"
}

fn luacats_class(name: &str, doc: &str, params: &[Field]) -> String {
    let mut out = format!("\n---{doc}\n---@class (exact) {name}\n");
    for param in params {
        let absent = if matches!(param.need, Need::Required) { "" } else { "?" };
        let _ = writeln!(out, "---@field {}{absent} {} {}", param.name, luacats_kind(&param.kind), with_default(param));
    }
    out
}

fn luacats_function(function: &Function, name: &str, class: &str) -> String {
    let mut out = String::new();
    let (mut arguments, absent) = ("{}".to_string(), if may_be_absent(function.params) { "?" } else { "" });
    if !function.params.is_empty() {
        arguments = format!("{class}.arguments");
        out += &luacats_class(&arguments, &format!("The arguments of `{name}`."), function.params);
    }
    let _ = write!(out, "\n---{}\n---@param arguments{absent} {arguments}\n", function.doc);
    if !matches!(function.returns, Kind::Nil) {
        let _ = writeln!(out, "---@return {} # {}", luacats_kind(&function.returns), function.result);
    }
    out + &format!("function {name}(arguments) end\n")
}

fn luacats_kind(kind: &Kind) -> String {
    let bracketed = |kind: &Kind| {
        let text = luacats_kind(kind);
        if text.contains('|') || text.starts_with("fun(") { format!("({text})") } else { text }
    };
    match kind {
        Kind::Any => "any".into(),
        Kind::Boolean => "boolean".into(),
        Kind::Number => "number".into(),
        Kind::Integer => "integer".into(),
        Kind::Text => "string".into(),
        Kind::Table => "table".into(),
        Kind::List(inner) => format!("{}[]", bracketed(inner)),
        Kind::Map(inner) => format!("table<string, {}>", luacats_kind(inner)),
        Kind::Function(params, result) => {
            let params: Vec<_> = params.iter().map(|(name, kind)| format!("{name}: {}", luacats_kind(kind))).collect();
            let result = if matches!(result, Kind::Nil) { String::new() } else { format!(": {}", luacats_kind(result)) };
            format!("fun({}){result}", params.join(", "))
        }
        Kind::Object(name) => format!("fm.{name}"),
        Kind::Record(record) => format!("fm.{}", record.name),
        Kind::Choice(words) => words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join("|"),
        Kind::Either(kinds) => kinds.iter().map(bracketed).collect::<Vec<_>>().join("|"),
        Kind::Nil => "nil".into(),
    }
}
