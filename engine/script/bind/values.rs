//! `fm.json`, `fm.read`, `fm.write`, `fm.rng`, and what a script knows about itself.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use mlua::{ExternalResult, IntoLua, Lua, LuaSerdeExt, MultiValue, Table, Value};

use super::{require, session};
use crate::api::convert;
use crate::api::{Area, Args, Constant, Function, Kind, Need, Object, Scripted, default, object, optional, required};
use finemem::Error;
use finemem::random::Rng;

pub(crate) const AREA: Area = Area { constants: CONSTANTS, functions: FUNCTIONS, objects: &[&RNG] };

const CONSTANTS: &[Constant] = &[
    Constant {
        path: "args",
        kind: Kind::List(&Kind::Text),
        doc: "The arguments after `--` on the command line.",
        get: |lua| lua.create_sequence_from(session(lua).options.arguments.iter().map(String::as_str))?.into_lua(lua),
    },
    Constant { path: "version", kind: Kind::Text, doc: "The version of the engine.", get: |lua| env!("CARGO_PKG_VERSION").into_lua(lua) },
    Constant { path: "json.null", kind: Kind::Any, doc: "What JSON's `null` is in Lua.", get: |lua| Ok(lua.null()) },
];

const FUNCTIONS: &[Function] = &[
    Function {
        path: "json.encode",
        doc: "Writes a value as JSON. An empty table becomes `{}`, unless `fm.json.decode` made it from `[]`.",
        params: &[
            required("value", Kind::Any, "what to write"),
            default("pretty", Kind::Boolean, Need::Boolean(false), "whether to use several lines and two spaces of indent"),
        ],
        returns: Kind::Text,
        result: "the JSON text",
        call: |lua, args| {
            let json =
                convert::to_json(&args.get(lua, "value")?).map_err(|e| mlua::Error::runtime(format!("'value' cannot be written: {e}")))?;
            let text = if args.get(lua, "pretty")? { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
            text.map_err(mlua::Error::external)?.into_lua(lua)
        },
    },
    Function {
        path: "json.decode",
        doc: "Reads JSON.",
        params: &[required("text", Kind::Text, "the JSON text")],
        returns: Kind::Any,
        result: "the value; `null` is `fm.json.null`",
        call: |lua, args| {
            let text: mlua::LuaString = args.get(lua, "text")?;
            let value = serde_json::from_slice(&text.as_bytes()).map_err(|e| mlua::Error::runtime(format!("'text' is not JSON: {e}")))?;
            convert::from_json(lua, &value)
        },
    },
    Function {
        path: "json.scan",
        doc: "Reads one JSON value that other text may follow.",
        params: &[
            required("text", Kind::Text, "the text"),
            default(
                "from",
                Kind::Integer,
                Need::Number(1.0),
                "the place where the value begins, in bytes from 1; blanks before it are skipped",
            ),
        ],
        returns: Kind::Table,
        result: "`{ value, next }`: the value, and the place behind it",
        call: |lua, args| {
            let (text, from): (mlua::LuaString, usize) = (args.get(lua, "text")?, args.get(lua, "from")?);
            let bytes = text.as_bytes();
            let rest = from.checked_sub(1).and_then(|from| bytes.get(from..));
            let rest = rest.ok_or_else(|| mlua::Error::runtime(format!("'from' is {from}, outside the text of {} bytes", bytes.len())))?;
            let mut values = serde_json::Deserializer::from_slice(rest).into_iter();
            let value = values.next().ok_or_else(|| mlua::Error::runtime("there is no JSON value"))?;
            let value = value.map_err(|e| mlua::Error::runtime(format!("there is no JSON value: {e}")))?;
            let table = lua.create_table()?;
            table.raw_set("value", convert::from_json(lua, &value)?)?;
            table.raw_set("next", from + values.byte_offset())?;
            table.into_lua(lua)
        },
    },
    Function {
        path: "read",
        doc: "Reads a file.",
        params: &[required("path", Kind::Text, "the file")],
        returns: Kind::Text,
        result: "its content",
        call: |lua, args| {
            let path: PathBuf = args.get::<String>(lua, "path")?.into();
            let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e)).into_lua_err()?;
            Ok(Value::String(lua.create_string(bytes)?))
        },
    },
    Function {
        path: "write",
        doc: "Writes a file, and the folders above it. The old content is replaced at once or not at all.",
        params: &[required("path", Kind::Text, "the file"), required("text", Kind::Text, "its new content")],
        returns: Kind::Nil,
        result: "",
        call: |lua, args| {
            let path: PathBuf = args.get::<String>(lua, "path")?.into();
            let text: mlua::LuaString = args.get(lua, "text")?;
            finemem::files::write(&path, &text.as_bytes()).into_lua_err()?;
            Ok(Value::Nil)
        },
    },
    Function {
        path: "append",
        doc: "Adds to the end of a file, and makes the folders above it. When this returns the text is on the disk.",
        params: &[required("path", Kind::Text, "the file"), required("text", Kind::Text, "what to add")],
        returns: Kind::Nil,
        result: "",
        call: |lua, args| {
            let path: PathBuf = args.get::<String>(lua, "path")?.into();
            let text: mlua::LuaString = args.get(lua, "text")?;
            finemem::files::append(&path, &text.as_bytes()).into_lua_err()?;
            Ok(Value::Nil)
        },
    },
    Function {
        path: "exists",
        doc: "Whether there is such a file or folder.",
        params: &[required("path", Kind::Text, "the file or folder")],
        returns: Kind::Boolean,
        result: "true if there is",
        call: |lua, args| Ok(Value::Boolean(PathBuf::from(args.get::<String>(lua, "path")?).exists())),
    },
    Function {
        path: "list",
        doc: "What a folder holds.",
        params: &[required("path", Kind::Text, "the folder")],
        returns: Kind::List(&Kind::Text),
        result: "the names of its files and folders, sorted",
        call: |lua, args| {
            let path: PathBuf = args.get::<String>(lua, "path")?.into();
            let mut names = std::fs::read_dir(&path)
                .and_then(|entries| {
                    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<Vec<_>, _>>()
                })
                .map_err(|e| Error::io(&path, e))
                .into_lua_err()?;
            names.sort();
            names.into_lua(lua)
        },
    },
    Function {
        path: "modules",
        doc: "The modules in a folder, wherever `require` looks for it.",
        params: &[required("folder", Kind::Text, "its name, with dots as `require` takes it, such as `rewards`")],
        returns: Kind::List(&Kind::Text),
        result: "the modules' names, sorted, as `require` takes them: `rewards.finemem` and so on",
        call: |lua, args| {
            let folder: String = args.get(lua, "folder")?;
            let below = folder.replace('.', "/");
            let searched = require::folders(&session(lua).script.borrow());
            let entries = searched.iter().filter_map(|path| std::fs::read_dir(path.join(&below)).ok()).flatten().flatten();
            let files = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let names: BTreeSet<String> = files.filter_map(|file| Some(format!("{folder}.{}", file.strip_suffix(".lua")?))).collect();
            lua.create_sequence_from(names)?.into_lua(lua)
        },
    },
    Function {
        path: "sha256",
        doc: "A name for a text that no other text has, such as for what was made of it.",
        params: &[required("text", Kind::Text, "the text")],
        returns: Kind::Text,
        result: "its SHA-256, 64 hexadecimal digits",
        call: |lua, args| finemem::files::sha256(&args.get::<mlua::LuaString>(lua, "text")?.as_bytes()).into_lua(lua),
    },
    Function {
        path: "seconds",
        doc: "A clock, for measuring how long something takes.",
        params: &[],
        returns: Kind::Number,
        result: "seconds since the script began",
        call: |lua, _| Ok(Value::Number(session(lua).started.elapsed().as_secs_f64())),
    },
    Function {
        path: "exit",
        doc: "Ends the script here; `pcall` does not catch it. The command succeeds, unless there is an `error`.",
        params: &[optional("error", Kind::Text, "what went wrong, in one line: the command says it, without a traceback, and fails")],
        returns: Kind::Nil,
        result: "",
        call: |lua, args| {
            let end = Error::Exit(args.get(lua, "error")?);
            session(lua).limits.end_now(lua, &end);
            Err(mlua::Error::external(end))
        },
    },
    Function {
        path: "rng.new",
        doc: "A stream of random numbers that depends on nothing but its seed, on every machine.",
        params: &[required(
            "seed",
            Kind::Either(&[Kind::Integer, Kind::List(&Kind::Integer)]),
            "a whole number, or a list such as { seed, step, episode }",
        )],
        returns: Kind::Object("Rng"),
        result: "the stream",
        call: |lua, args| {
            let seeds: Vec<i64> = match args.get::<Value>(lua, "seed")? {
                Value::Table(list) => list.sequence_values().collect::<mlua::Result<_>>()?,
                seed => vec![lua.unpack(seed)?],
            };
            let seeds: Vec<u64> = seeds.into_iter().map(|seed| seed as u64).collect();
            object(lua, Rng::new(&seeds))
        },
    },
];

static RNG: Object = Object {
    name: Rng::NAME,
    doc: "A stream of random numbers.",
    properties: &[],
    methods: &[
        Function {
            path: "number",
            doc: "The next number.",
            params: &[],
            returns: Kind::Number,
            result: "a number of at least 0 and below 1",
            call: |_, args| Ok(Value::Number(args.this_mut::<Rng>()?.number())),
        },
        Function {
            path: "integer",
            doc: "The next whole number, each equally likely.",
            params: &[
                default("low", Kind::Integer, Need::Number(1.0), "the smallest that can come"),
                required("high", Kind::Integer, "the largest that can come"),
            ],
            returns: Kind::Integer,
            result: "a whole number from `low` to `high`",
            call: |lua, args| {
                let (low, high): (i64, i64) = (args.get(lua, "low")?, args.get(lua, "high")?);
                if low > high {
                    return Err(mlua::Error::runtime(format!("'low' is {low}, above 'high', which is {high}")));
                }
                let offset = args.this_mut::<Rng>()?.below((high - low) as u64 + 1);
                Ok(Value::Number((low + offset as i64) as f64))
            },
        },
        Function {
            path: "pick",
            doc: "One item of a list, each equally likely.",
            params: &[required("list", LIST, "a list that is not empty")],
            returns: Kind::Any,
            result: "the item",
            call: |lua, args| {
                let list = items(lua, args)?;
                let length = list.raw_len();
                if length == 0 {
                    return Err(mlua::Error::runtime("'list' is empty"));
                }
                list.raw_get(args.this_mut::<Rng>()?.below(length as u64) + 1)
            },
        },
        Function {
            path: "shuffle",
            doc: "Puts the items of a list in random order, in place.",
            params: &[required("list", LIST, "the list")],
            returns: LIST,
            result: "the same list",
            call: |lua, args| {
                let list = items(lua, args)?;
                let mut rng = args.this_mut::<Rng>()?;
                for i in (2..=list.raw_len()).rev() {
                    let j = rng.below(i as u64) as usize + 1;
                    let (a, b): (Value, Value) = (list.raw_get(i)?, list.raw_get(j)?);
                    list.raw_set(i, b)?;
                    list.raw_set(j, a)?;
                }
                Ok(Value::Table(list))
            },
        },
    ],
    checkpoint: None,
};

const LIST: Kind = Kind::List(&Kind::Any);

fn items(lua: &Lua, args: &Args) -> mlua::Result<Table> {
    args.get(lua, "list")
}

impl Scripted for Rng {
    const NAME: &'static str = "Rng";
    const OBJECT: &'static Object = &RNG;
    fn describe(&self) -> String {
        "a stream of random numbers".into()
    }
}

/// The global `print`: its arguments, separated by tabs. A reader that went away is no error.
pub(crate) fn print(lua: &Lua, values: MultiValue) -> mlua::Result<()> {
    let tostring: mlua::Function = lua.globals().get("tostring")?;
    let words = values.into_iter().map(|value| tostring.call::<mlua::LuaString>(value));
    let words: Vec<String> = words.map(|word| word.map(|word| word.to_string_lossy())).collect::<mlua::Result<_>>()?;
    let print = || {
        writeln!(std::io::stdout(), "{}", words.join("\t")).ok();
    };
    match session(lua).run.borrow().as_ref() {
        Some(run) => run.borrow().around_bar(print),
        None => print(),
    }
    Ok(())
}
