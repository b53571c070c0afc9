//! `fm.page`: self-contained HTML pages.

use std::path::PathBuf;

use mlua::{ExternalResult, Lua, Table, Value};
use serde_json::Value as Json;

use crate::api::convert;
use crate::api::{Area, Field, Function, Kind, Need, Record, default, message, optional, required};
use finemem::view::{Content, Page, Section};

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

const KINDS: Kind = Kind::Choice(&["text", "facts", "table", "charts", "episodes"]);
const VALUES: Kind = Kind::List(&Kind::Any);
const CELL: Kind = Kind::Any;

static SECTION: Record = Record {
    name: "PageSection",
    doc: "A part of a page. Its kind says which of the keys it needs: `text`; `rows` for facts; `columns` and `rows` for a table; `charts`; `episodes`.",
    fields: &[
        required("kind", KINDS, "what it shows"),
        optional("title", Kind::Text, "its heading"),
        optional("note", Kind::Text, "a remark below"),
        default("folded", Kind::Boolean, Need::Boolean(false), "whether it is shut until somebody opens it"),
        optional("text", Kind::Text, "paragraphs, with empty lines between them"),
        optional("columns", Kind::List(&Kind::Record(&COLUMN)), "the columns of a table"),
        optional(
            "rows",
            Kind::List(&Kind::List(&CELL)),
            "cells: a number, a string, { value, low, high } by name, or fm.json.null; facts have a name and a string",
        ),
        optional("charts", Kind::List(&Kind::Record(&CHART)), "charts, side by side"),
        optional("episodes", Kind::List(&Kind::Record(&EPISODE)), "episodes to step through"),
    ],
    checked: true,
};

static COLUMN: Record = Record {
    name: "PageColumn",
    doc: "A column of a table.",
    fields: &[
        required("name", Kind::Text, "what stands above it"),
        optional("digits", Kind::Integer, "digits behind the point; by default four significant ones"),
        default("percent", Kind::Boolean, Need::Boolean(false), "whether 0.5 is shown as 50 %"),
    ],
    checked: true,
};

static CHART: Record = Record {
    name: "PageChart",
    doc: "A chart.",
    fields: &[
        required("title", Kind::Text, "what it shows"),
        required(
            "kind",
            Kind::Choice(&["lines", "areas", "shares", "scatter"]),
            "lines with bands, series stacked, their shares stacked, or dots with error bars",
        ),
        default("x", Kind::Text, Need::Text("step"), "what the x axis counts"),
        optional("y", Kind::Text, "the unit of the y axis"),
        default("percent", Kind::Boolean, Need::Boolean(false), "whether 0.5 is shown as 50 %"),
        optional("note", Kind::Text, "a remark below"),
        required("series", Kind::List(&Kind::Record(&SERIES)), "what is drawn"),
    ],
    checked: true,
};

static SERIES: Record = Record {
    name: "PageSeries",
    doc: "One series of a chart. All lists are as long as `x`; a number that is not finite is a gap, and so is fm.json.null.",
    fields: &[
        required("name", Kind::Text, "its name in the legend"),
        required("x", Kind::List(&Kind::Number), "where its points are, ascending but for a scatter"),
        required("y", VALUES, "the values"),
        optional("low", VALUES, "lower ends of the values: a band, or error bars"),
        optional("high", VALUES, "upper ends of the values"),
        optional("x_low", VALUES, "left ends of the places of a scatter"),
        optional("x_high", VALUES, "right ends of the places of a scatter"),
    ],
    checked: true,
};

static EPISODE: Record = Record {
    name: "PageEpisode",
    doc: "An episode to step through.",
    fields: &[
        required("title", Kind::Text, "its name in the list"),
        optional("group", Kind::Text, "what heads those that share it, such as the policy"),
        required(
            "rollout",
            Kind::Table,
            "a rollout of a batch, which may hold `rewards` = { total, terms } of its steps; what its steps lack comes from `chunks` and from `journal`, and without `steps` these are all that is shown beside `memory` and `answers`",
        ),
    ],
    checked: true,
};

const SECTIONS: Kind = Kind::List(&Kind::Record(&SECTION));

const PARAMS: &[Field] = &[
    required("path", Kind::Text, "the file, HTML"),
    required("title", Kind::Text, "what stands above the page"),
    required("sections", SECTIONS, "its sections, from top to bottom"),
];

const FUNCTIONS: &[Function] = &[Function {
    path: "page.write",
    doc: "Writes a self-contained HTML page of tables, charts and episodes to step through.",
    params: PARAMS,
    returns: Kind::Integer,
    result: "how many episodes the page had no room for; it says so itself",
    call: |lua, args| {
        let path: PathBuf = args.get::<String>(lua, "path")?.into();
        let tables: Vec<Table> = args.get(lua, "sections")?;
        let (mut sections, mut left_out) = (Vec::new(), 0);
        for (i, table) in tables.iter().enumerate() {
            let (section, left) =
                section(lua, table).map_err(|e| mlua::Error::runtime(format!("'sections[{}]' {}", i + 1, message(&e))))?;
            sections.push(section);
            left_out += left;
        }
        Page { title: args.get(lua, "title")?, sections }.write(&path).into_lua_err()?;
        Ok(Value::Number(f64::from(left_out)))
    },
}];

/// A section, and how many of its episodes were left out.
fn section(lua: &Lua, table: &Table) -> mlua::Result<(Section, u32)> {
    let kind: String = table.get("kind")?;
    let needs: &[&str] = match kind.as_str() {
        "text" => &["text"],
        "facts" => &["rows"],
        "table" => &["columns", "rows"],
        "charts" => &["charts"],
        _ => &["episodes"],
    };
    for name in ["text", "columns", "rows", "charts", "episodes"] {
        let given = table.contains_key(name)?;
        if given != needs.contains(&name) {
            let verb = if given { "has no" } else { "needs" };
            return Err(mlua::Error::runtime(format!("is of kind '{kind}', which {verb} '{name}'")));
        }
    }
    let rest = lua.create_table()?;
    for pair in table.pairs::<String, Value>() {
        let (name, value) = pair?;
        if name != "episodes" {
            rest.raw_set(name, value)?;
        }
    }
    let mut json = json_of(&Value::Table(rest))?;
    if kind == "episodes" {
        json["episodes"] = Json::Array(Vec::new());
    }
    let mut section: Section = serde_json::from_value(json).map_err(|e| mlua::Error::runtime(format!("cannot be shown: {e}")))?;
    let mut left_out = 0;
    if let Content::Episodes(episodes) = &mut section.content {
        // Rollouts are large: each becomes what the page keeps of it before the next is looked at.
        for entry in table.get::<Vec<Table>>("episodes")? {
            let (title, group): (String, Option<String>) = (entry.get("title")?, entry.get("group")?);
            let rollout = json_of(&entry.get("rollout")?)?;
            left_out += u32::from(!episodes.push(&title, group.as_deref().unwrap_or_default(), &rollout));
        }
    }
    if left_out > 0 {
        section.note = format!("{} {left_out} more episodes had no room on this page.", section.note).trim().into();
    }
    Ok((section, left_out))
}

fn json_of(value: &Value) -> mlua::Result<Json> {
    convert::to_json_or_null(value).map_err(|e| mlua::Error::runtime(format!("cannot be written: {e}")))
}
