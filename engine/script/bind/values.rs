//! `fm.json`, `fm.read`, `fm.write`, `fm.rng`, and what a script knows about itself.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mlua::{ExternalResult, IntoLua, Lua, LuaSerdeExt, MultiValue, Value};
use serde_json::Value as Json;

use super::{require, session};
use crate::api::lua::read;
use crate::api::{Any, Area, Bytes, Constant, Function, Handed, Kind, Object, Scripted, Tab, convert, function, method};
use finemem::model::plain::unmarked;
use finemem::random::Rng;
use finemem::{Error, files, record};

pub(crate) const AREA: Area = Area { constants: CONSTANTS, functions: FUNCTIONS, objects: &[&RNG] };

const CONSTANTS: &[Constant] = &[
    Constant {
        path: "args",
        kind: Kind::List(&Kind::Text),
        doc: "The arguments after `--` on the command line.",
        get: |lua| lua.create_sequence_from(session(lua).options.arguments.iter().map(String::as_str))?.into_lua(lua),
    },
    Constant { path: "version", kind: Kind::Text, doc: "The version of the engine.", get: |lua| env!("CARGO_PKG_VERSION").into_lua(lua) },
    Constant { path: "json.null", kind: Kind::Any, doc: "JSON's `null` in Lua.", get: |lua| Ok(lua.null()) },
];

record! {
    struct Encode {
        /// what to write
        value: Any,
        /// whether to use several lines and two spaces of indent
        pretty: bool = false,
    }

    struct Scan {
        /// the text
        text: Bytes,
        /// the position where the value begins, in bytes from 1; white space before it is skipped
        from: usize = 1,
    }
}

const TABLE: Kind = Kind::Table;

record! {
    /// What was read from the middle of a text.
    struct Scanned {
        /// the value
        value: Json,
        /// the position after it
        next: usize,
    }

    struct Place {
        /// the path of the file or folder
        path: PathBuf,
    }

    struct Put {
        /// the file
        path: PathBuf,
        /// what to write
        text: Bytes,
    }

    struct Modules {
        /// its name, with dots as `require` takes it, such as `rewards`
        folder: String,
    }

    struct Text {
        /// the text
        text: Bytes,
    }

    struct Exit {
        /// what went wrong, in one line: the command prints it without a traceback, and fails
        error: Option<String>,
    }
}

const SEED: Kind = Kind::Either(&[Kind::Integer, Kind::List(&Kind::Integer)]);

record! {
    struct NewRng {
        /// a whole number, or a list such as { seed, step, episode }
        seed: Any as SEED,
    }
}

const FUNCTIONS: &[Function] = &[
    function! {
        /// Writes a value as JSON. An empty table becomes `{}`, unless `fm.json.decode` made it from `[]`.
        "json.encode" (lua, given: Encode) -> String: "the JSON text" {
            let json = convert::to_json(&given.value.0).map_err(|e| mlua::Error::runtime(format!("'value' cannot be written: {e}")))?;
            let text = if given.pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
            text.map_err(mlua::Error::external)
        }
    },
    function! {
        /// Reads JSON.
        "json.decode" (lua, given: Text) -> Json: "the value; `null` is `fm.json.null`" {
            let bytes = given.text.0.as_bytes();
            serde_json::from_slice(&bytes).map_err(|e| {
                let why = files::other_encoding(&bytes).unwrap_or_else(|| format!("is not JSON: {e}"));
                mlua::Error::runtime(format!("'text' {why}"))
            })
        }
    },
    function! {
        /// Reads one JSON value that other text may follow.
        "json.scan" (lua, given: Scan) -> Scanned as TABLE: "`{ value, next }`: the value, and the position after it" {
            let (bytes, from) = (given.text.0.as_bytes(), given.from);
            let rest = from.checked_sub(1).and_then(|from| bytes.get(from..));
            let rest = rest.ok_or_else(|| mlua::Error::runtime(format!("'from' is {from}, outside the text of {} bytes", bytes.len())))?;
            let mut values = serde_json::Deserializer::from_slice(rest).into_iter();
            let value = values.next().ok_or_else(|| mlua::Error::runtime("no JSON value"))?;
            let value = value.map_err(|e| mlua::Error::runtime(format!("no JSON value: {e}")))?;
            Ok(Scanned { value, next: from + values.byte_offset() })
        }
    },
    function! {
        /// Reads a file.
        "read" (lua, given: Place) -> Bytes: "its content" {
            let bytes = std::fs::read(&given.path).map_err(|e| Error::io(&given.path, e)).into_lua_err()?;
            lua.create_string(bytes).map(Bytes::from)
        }
    },
    function! {
        /// Writes a file, and the folders above it. The old content is replaced completely or not at all.
        "write" (lua, given: Put) -> () {
            files::write(&given.path, &given.text.0.as_bytes()).into_lua_err()
        }
    },
    function! {
        /// Appends to a file, and makes the folders above it. When this returns, the text is on the disk.
        "append" (lua, given: Put) -> () {
            files::append(&given.path, &given.text.0.as_bytes()).into_lua_err()
        }
    },
    function! {
        /// Whether a file or folder exists.
        "exists" (lua, given: Place) -> bool: "true if it exists" {
            Ok(given.path.exists())
        }
    },
    function! {
        /// The contents of a folder.
        "list" (lua, given: Place) -> Vec<String>: "the names of its files and folders, sorted" {
            let name = |entry: std::io::Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
            let names = std::fs::read_dir(&given.path).and_then(|entries| entries.map(name).collect::<std::io::Result<Vec<_>>>());
            let mut names = names.map_err(|e| Error::io(&given.path, e)).into_lua_err()?;
            names.sort();
            Ok(names)
        }
    },
    function! {
        /// The modules in a folder, wherever `require` looks for it.
        "modules" (lua, given: Modules) -> Vec<String>: "the modules' names, sorted, as `require` takes them: `rewards.finemem` and so on" {
            let folder = &given.folder;
            let below = folder.replace('.', "/");
            let searched = require::folders(&session(lua).script.borrow());
            let entries = searched.iter().filter_map(|path| std::fs::read_dir(path.join(&below)).ok()).flatten().flatten();
            let files = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let names: BTreeSet<String> = files.filter_map(|file| Some(format!("{folder}.{}", file.strip_suffix(".lua")?))).collect();
            Ok(names.into_iter().collect())
        }
    },
    function! {
        /// A unique name for a text, for example to name what was computed from it.
        "sha256" (lua, given: Text) -> String: "its SHA-256, 64 hexadecimal digits" {
            Ok(files::sha256(&given.text.0.as_bytes()))
        }
    },
    function! {
        /// A clock, for measuring how long something takes.
        "seconds" (lua) -> f64: "seconds since the script began" {
            Ok(session(lua).started.elapsed().as_secs_f64())
        }
    },
    function! {
        /// Ends the script here; `pcall` does not catch it. The command succeeds unless there is an `error`.
        "exit" (lua, given: Exit) -> () {
            let end = Error::Exit(given.error);
            session(lua).limits.end_now(lua, &end);
            Err(mlua::Error::external(end))
        }
    },
    function! {
        /// A stream of random numbers that depends only on its seed, and is the same on every machine.
        "rng.new" (lua, given: NewRng) -> Handed<Rng>: "the stream" {
            let seeds = match &given.seed.0 {
                list @ Value::Table(_) => read::<Vec<i64>>(list),
                one => read(one).map(|seed| vec![seed]),
            };
            let seeds: Vec<u64> = seeds.map_err(mlua::Error::runtime)?.into_iter().map(|seed| seed as u64).collect();
            Handed::new(lua, Rng::new(&seeds))
        }
    },
];

const LIST: Kind = Kind::List(&Kind::Any);

record! {
    struct Between {
        /// the smallest possible result
        low: i64 = 1,
        /// the largest possible result
        high: i64,
    }

    struct Pick {
        /// a non-empty list
        list: Tab as LIST,
    }

    struct Shuffle {
        /// the list
        list: Tab as LIST,
    }
}

static RNG: Object = Object {
    name: Rng::NAME,
    doc: "A stream of random numbers.",
    properties: &[],
    methods: &[
        method! {
            /// The next number.
            "number" (lua, mut this: Rng) -> f64: "a number of at least 0 and below 1" {
                Ok(this.number())
            }
        },
        method! {
            /// The next whole number, each equally likely.
            "integer" (lua, mut this: Rng, given: Between) -> i64: "a whole number from `low` to `high`" {
                let Between { low, high } = given;
                if low > high {
                    return Err(mlua::Error::runtime(format!("'low' is {low}, above 'high', which is {high}")));
                }
                Ok(low + this.below((high - low) as u64 + 1) as i64)
            }
        },
        method! {
            /// One item of a list, each equally likely.
            "pick" (lua, mut this: Rng, given: Pick) -> Any: "the item" {
                let length = given.list.0.raw_len();
                if length == 0 {
                    return Err(mlua::Error::runtime("'list' is empty"));
                }
                given.list.0.raw_get(this.below(length as u64) + 1).map(|item: Value| item.into())
            }
        },
        method! {
            /// Puts the items of a list in random order, in place.
            "shuffle" (lua, mut this: Rng, given: Shuffle) -> Tab as LIST: "the same list" {
                let list = &given.list.0;
                for i in (2..=list.raw_len()).rev() {
                    let j = this.below(i as u64) as usize + 1;
                    let (a, b): (Value, Value) = (list.raw_get(i)?, list.raw_get(j)?);
                    list.raw_set(i, b)?;
                    list.raw_set(j, a)?;
                }
                Ok(given.list)
            }
        },
    ],
    checkpoint: None,
};

impl Scripted for Rng {
    const NAME: &'static str = "Rng";
    const OBJECT: &'static Object = &RNG;
    fn describe(&self) -> String {
        "a stream of random numbers".into()
    }
}

/// The global `print`: its arguments, separated by tabs.
pub(crate) fn print(lua: &Lua, values: MultiValue) -> mlua::Result<()> {
    let tostring: mlua::Function = lua.globals().get("tostring")?;
    let words = values.into_iter().map(|value| tostring.call::<mlua::LuaString>(value));
    let words: Vec<String> =
        words.map(|word| word.map(|word| unmarked(&word.to_string_lossy()).into_owned())).collect::<mlua::Result<_>>()?;
    let print = || println!("{}", words.join("\t"));
    match session(lua).run.borrow().as_ref() {
        Some(run) => run.borrow().around_bar(print),
        None => print(),
    }
    Ok(())
}
