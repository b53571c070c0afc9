//! Tool-call dialects: how a policy writes its calls. A dialect is a Lua table; `fm.grpo.new` takes one, and without one calls are read
//! as Hermes and Qwen write them.

use mlua::{Function, IntoLua, Lua, Table, Value};

use crate::api::arguments::checked;
use crate::api::convert::{self, list};
use crate::api::{self, Area, Kind, Record, message, optional, required};
use finemem::memory::calls::{self, Call, Parsed};
use finemem::schema::Show as _;

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

const CALLS: Kind = Kind::List(&Kind::Record(&CALL));

static CALL: Record = Record {
    name: "Call",
    doc: "A call as a dialect read it. One that cannot be carried out has an `error`.",
    fields: &[
        required("raw", Kind::Text, "the text it was read from; what lies between those of all calls is stray text"),
        optional("name", Kind::Text, "the tool"),
        optional("arguments", Kind::Map(&Kind::Any), "the arguments by name"),
        optional("error", Kind::Text, "why it cannot be carried out"),
    ],
    checked: true,
};

pub(crate) const DIALECT: Kind = Kind::Record(&DIALECT_RECORD);

static DIALECT_RECORD: Record = Record {
    name: "Dialect",
    doc: "How calls are written.",
    fields: &[
        required("name", Kind::Text, "its name"),
        required("parse", Kind::Function(&[("text", Kind::Text)], &CALLS), "reads every call in an answer, good and bad, in order"),
        required(
            "write",
            Kind::Function(&[("call", Kind::Table)], &Kind::Text),
            "writes a call, `{ name, arguments }`, as `parse` reads it",
        ),
        optional("stop", Kind::List(&Kind::Text), "texts that end an answer"),
        optional(
            "tools",
            Kind::Function(&[("tools", Kind::List(&Kind::Table))], &Kind::Text),
            "describes the tools and how to call them, for prompts of models without a chat template",
        ),
    ],
    checked: true,
};

const FUNCTIONS: &[api::Function] = &[
    api::Function {
        path: "calls.hermes",
        doc: "Reads the calls that Hermes and Qwen models write: `<tool_call>{\"name\": …, \"arguments\": {…}}</tool_call>`.",
        params: &[required("text", Kind::Text, "an answer")],
        returns: CALLS,
        result: "the calls, good and bad, in order",
        call: |lua, args| {
            let text: String = args.get(lua, "text")?;
            list(
                lua,
                calls::parse(&text).calls.into_iter().map(|call| {
                    let table = lua.create_table_with_capacity(0, 4)?;
                    table.raw_set("raw", call.raw)?;
                    table.raw_set("name", call.name)?;
                    if call.arguments.is_object() {
                        table.raw_set("arguments", convert::from_json(lua, &call.arguments)?)?;
                    }
                    table.raw_set("error", call.error)?;
                    Ok(table)
                }),
            )
        },
    },
    api::Function {
        path: "calls.read",
        doc: "Reads the calls in a text as a rollout does: what the dialect finds is checked, and a thought before the calls is set aside.",
        params: &[
            required("text", Kind::Text, "an answer"),
            optional("dialect", DIALECT, "how calls are written; by default as Hermes and Qwen do"),
            optional("prompt", Kind::Text, "what the answer follows; one that ends with <think> has begun the thought"),
        ],
        returns: Kind::Table,
        result: "`{ calls, stray, thought }`: the calls, how many stretches of other text there are, and the thought if there is one",
        call: |lua, args| {
            let (text, prompt): (String, Option<String>) = (args.get(lua, "text")?, args.get(lua, "prompt")?);
            let dialect = Dialect::from_table(args.get(lua, "dialect")?)?;
            let (thought, answer) = calls::split_thought(prompt.as_deref().unwrap_or(""), &text);
            let parsed = dialect.parse(answer)?;
            let table = lua.create_table()?;
            table.raw_set("calls", crate::api::lua::write(lua, &parsed.calls.iter().map(Read).collect::<Vec<_>>())?)?;
            table.raw_set("stray", parsed.stray)?;
            table.raw_set("thought", thought)?;
            table.into_lua(lua)
        },
    },
];

/// How a trainer reads calls.
pub(crate) enum Dialect {
    /// As Hermes and Qwen write them, read in Rust.
    Hermes,
    /// As a script says.
    Scripted { name: String, parse: Function, stop: Vec<String> },
}

impl Dialect {
    /// What a script passed as `dialect`.
    pub(crate) fn from_table(table: Option<Table>) -> mlua::Result<Self> {
        match table {
            None => Ok(Self::Hermes),
            Some(table) => {
                let stop: Option<Vec<String>> = table.raw_get("stop")?;
                Ok(Self::Scripted { name: table.raw_get("name")?, parse: table.raw_get("parse")?, stop: stop.unwrap_or_default() })
            }
        }
    }

    /// Texts that end an answer.
    pub(crate) fn stop(&self) -> &[String] {
        match self {
            Self::Hermes => &[],
            Self::Scripted { stop, .. } => stop,
        }
    }

    /// Every call in `text`. Text that a scripted dialect neither reads nor names as broken is counted as stray.
    pub(crate) fn parse(&self, text: &str) -> mlua::Result<Parsed> {
        let Self::Scripted { name, parse, .. } = self else { return Ok(calls::parse(text)) };
        let wrong = |reason: String| mlua::Error::runtime(format!("the dialect '{name}' cannot be used: {reason}"));
        let found: Value = parse.call(text)?;
        let tables = checked(&CALLS, &found).map_err(|reason| wrong(format!("what 'parse' returned {reason}")))?;
        let calls = tables.iter().map(read).collect::<mlua::Result<Vec<_>>>().map_err(|e| wrong(message(&e)))?;
        Parsed::from_calls(text, calls).map_err(|error| wrong(error.to_string()))
    }
}

/// A call that a script returned.
fn read(table: &Table) -> mlua::Result<Call> {
    let arguments: Value = table.raw_get("arguments")?;
    let arguments = convert::to_json(&arguments).map_err(|e| mlua::Error::runtime(format!("the arguments of a call: {e}")))?;
    let (name, error): (Option<String>, Option<String>) = (table.raw_get("name")?, table.raw_get("error")?);
    let error = error.or_else(|| name.as_deref().is_none_or(str::is_empty).then(|| "the call names no tool".into()));
    let error = error.or_else(|| arguments.is_null().then(|| "the call has no arguments".into()));
    let error = error.or_else(|| (!arguments.is_object()).then(|| "the arguments are not a JSON object".into()));
    Ok(Call { raw: table.raw_get("raw")?, name, arguments, error })
}

/// A call before it is carried out, as scripts see it: whether it is valid is not known.
struct Read<'a>(&'a Call);

impl finemem::schema::Show for Read<'_> {
    fn show(&self) -> finemem::schema::Shown<'_> {
        let Call { name, arguments, raw, error } = self.0;
        let entries = [
            ("tool", name.show()),
            ("arguments", if arguments.is_null() { finemem::schema::Shown::Nil } else { arguments.show() }),
            ("raw", raw.show()),
            ("parsed", finemem::schema::Shown::Boolean(error.is_none())),
            ("reason", error.show()),
        ];
        finemem::schema::Shown::Map(entries.map(|(name, value)| (name.into(), value)).into())
    }
}
