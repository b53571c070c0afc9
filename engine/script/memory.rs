//! `fm.memory`: the store of items. Steps count from 1 in Lua.

use mlua::{AnyUserData, ExternalResult, IntoLua, Lua, Table, Value};

use super::api::{Area, Args, Function, Handle, Kind, Need, Object, Param, Record, Scripted, default, object, optional, required};
use super::convert::{self, list};
use finemem::memory::{Entry, Item, Store};

pub(super) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&MEMORY], records: &[&ITEM, &VERSION] };

pub(super) static ITEM: Record = Record {
    name: "Item",
    doc: "An item of a memory.",
    fields: &[
        required("id", Kind::Integer, "its number; never used twice in one memory"),
        required("content", Kind::Text, "what it says"),
        required("step", Kind::Integer, "the step that wrote it last"),
        required("created", Kind::Integer, "the step that inserted it"),
        required("history", Kind::List(&Kind::Record(&VERSION)), "what it said before, oldest first"),
        required("section", Kind::Text, "the part of the memory that it belongs to; empty in a flat memory"),
        optional("replaces", Kind::Integer, "the item that it replaced with its insert"),
        optional("closed", Kind::Integer, "the step from which it holds no more"),
        optional("score", Kind::Number, "how well it fits the query, where there was one"),
    ],
    checked: false,
};

static VERSION: Record = Record {
    name: "Version",
    doc: "An earlier content of an item.",
    fields: &[
        required("step", Kind::Integer, "the step that wrote it"),
        required("content", Kind::Text, "what the item said from then on"),
    ],
    checked: false,
};

pub(super) const ITEMS: Kind = Kind::List(&Kind::Record(&ITEM));
const ID: Kind = Kind::Integer;
const STEP: Kind = Kind::Integer;
const SECTION: Param = optional("section", Kind::Text, "only items of this section");

const FUNCTIONS: &[Function] = &[
    Function {
        path: "memory.new",
        doc: "An empty memory.",
        params: &[default("first_id", ID, Need::Number(1.0), "the id of the first item")],
        returns: Kind::Object("Memory"),
        result: "the memory",
        call: |lua, args| object(lua, Store::with_first_id(args.get(lua, "first_id")?)),
    },
    Function {
        path: "memory.import",
        doc: "Reads a memory that `memory:export` wrote.",
        params: &[required("path", Kind::Text, "the file")],
        returns: Kind::Object("Memory"),
        result: "the memory",
        call: |lua, args| object(lua, Store::import(args.get::<String>(lua, "path")?).into_lua_err()?),
    },
    Function {
        path: "memory.replay",
        doc: "Carries out a journal on an empty memory, or on a copy of one that it goes on from.",
        params: &[
            required("journal", Kind::List(&Kind::Table), "what `memory:journal` returned, or a rollout's `journal`"),
            optional("last", Kind::Integer, "the last step that is carried out; by default all are"),
            optional("from", Kind::Object("Memory"), "the memory that it goes on from"),
        ],
        returns: Kind::Object("Memory"),
        result: "the memory",
        call: |lua, args| {
            let entries: Vec<Table> = args.get(lua, "journal")?;
            let mut entries = entries.iter().enumerate().map(|(i, entry)| entry_from(entry, i + 1)).collect::<mlua::Result<Vec<_>>>()?;
            if let Some(last) = args.get::<Option<usize>>(lua, "last")? {
                entries.retain(|entry| entry.step < last);
            }
            let Some(from) = args.get::<Option<AnyUserData>>(lua, "from")? else {
                return object(lua, Store::replay(&entries).into_lua_err()?);
            };
            let mut store = from.borrow::<Handle<Store>>()?.0.clone();
            store.go_on(&entries).into_lua_err()?;
            object(lua, store)
        },
    },
];

static MEMORY: Object = Object {
    name: "Memory",
    doc: "Items with their history. Every operation happens whole or not at all, and is journaled.",
    fields: &[],
    methods: &[
        Function {
            path: "set_step",
            doc: "Sets the step that the operations to come belong to.",
            params: &[required("step", STEP, "the step, from 1")],
            returns: Kind::Nil,
            result: "",
            call: |lua, args| {
                let step: usize = args.get(lua, "step")?;
                let step = step.checked_sub(1).ok_or_else(|| mlua::Error::runtime("'step' is 0; steps count from 1"))?;
                args.this_mut::<Store>()?.set_step(step);
                Ok(Value::Nil)
            },
        },
        Function {
            path: "insert",
            doc: "Adds an item. It is an error if an item of its section says exactly the same.",
            params: &[
                required("content", Kind::Text, "what it says"),
                optional(
                    "section",
                    Kind::Text,
                    "the part of the memory that it belongs to; by default that of the item replaced, or the empty one",
                ),
                optional("replaces", ID, "an item that is closed, because this one takes its place"),
            ],
            returns: ID,
            result: "its id",
            call: |lua, args| {
                let (content, section): (String, Option<String>) = (args.get(lua, "content")?, args.get(lua, "section")?);
                let id = args.this_mut::<Store>()?.insert_as(&content, section.as_deref(), args.get(lua, "replaces")?).into_lua_err()?;
                id.into_lua(lua)
            },
        },
        Function {
            path: "update",
            doc: "Replaces what an item says.",
            params: &[required("id", ID, "the item"), required("content", Kind::Text, "what it says from now on")],
            returns: Kind::Nil,
            result: "",
            call: |lua, args| {
                args.this_mut::<Store>()?.update(args.get(lua, "id")?, &args.get::<String>(lua, "content")?).into_lua_err()?;
                Ok(Value::Nil)
            },
        },
        Function {
            path: "delete",
            doc: "Removes an item.",
            params: &[required("id", ID, "the item")],
            returns: Kind::Nil,
            result: "",
            call: |lua, args| {
                args.this_mut::<Store>()?.delete(args.get(lua, "id")?).into_lua_err()?;
                Ok(Value::Nil)
            },
        },
        Function {
            path: "close",
            doc: "Ends an item and keeps it for its history: it held until the step at hand. Only `closed`, `get` and, if asked, `retrieve` find it.",
            params: &[required("id", ID, "the item")],
            returns: Kind::Nil,
            result: "",
            call: |lua, args| {
                args.this_mut::<Store>()?.close(args.get(lua, "id")?).into_lua_err()?;
                Ok(Value::Nil)
            },
        },
        Function {
            path: "items",
            doc: "Every item that is not closed, in order of creation.",
            params: &[SECTION],
            returns: ITEMS,
            result: "the items",
            call: |lua, args| chosen(lua, args, args.this::<Store>()?.items(), None),
        },
        Function {
            path: "closed",
            doc: "Every closed item, in order of creation.",
            params: &[SECTION],
            returns: ITEMS,
            result: "the items",
            call: |lua, args| chosen(lua, args, args.this::<Store>()?.closed(), None),
        },
        Function {
            path: "get",
            doc: "One item, closed or not.",
            params: &[required("id", ID, "the item")],
            returns: Kind::Either(&[Kind::Record(&ITEM), Kind::Nil]),
            result: "the item, or nil if there is none",
            call: |lua, args| args.this::<Store>()?.get(args.get(lua, "id")?).map_or(Ok(Value::Nil), |found| item(lua, found, None)),
        },
        Function {
            path: "retrieve",
            doc: "The items that BM25 finds nearest to a query, best first.",
            params: &[
                required("query", Kind::Text, "words to look for"),
                required("k", Kind::Integer, "how many items"),
                SECTION,
                default("closed", Kind::Boolean, Need::Boolean(false), "whether closed items are looked at too"),
            ],
            returns: ITEMS,
            result: "the items, each with its `score`",
            call: |lua, args| {
                let (query, k): (String, usize) = (args.get(lua, "query")?, args.get(lua, "k")?);
                let section: Option<String> = args.get(lua, "section")?;
                let store = args.this::<Store>()?;
                let found = match (section.as_deref(), args.get(lua, "closed")?) {
                    (None, false) => store.retrieve(&query, k),
                    (section, closed) => store.retrieve_among(&query, k, section, closed),
                };
                list(lua, found.into_iter().map(|(found, score)| item(lua, found, Some(score))))
            },
        },
        Function {
            path: "recent",
            doc: "The items created last.",
            params: &[required("k", Kind::Integer, "how many items"), SECTION],
            returns: ITEMS,
            result: "the items, in order of creation",
            call: |lua, args| chosen(lua, args, args.this::<Store>()?.items(), Some(args.get(lua, "k")?)),
        },
        Function {
            path: "journal",
            doc: "Every operation so far.",
            params: &[],
            returns: Kind::List(&Kind::Table),
            result: "a list of `{ step, operation = \"insert\", \"update\", \"delete\" or \"close\", id, content, section, replaces }`",
            call: |lua, args| journal(lua, &args.this::<Store>()?.0),
        },
        Function {
            path: "copy",
            doc: "A second memory in the same state; the two then go their own ways.",
            params: &[],
            returns: Kind::Object("Memory"),
            result: "the copy",
            call: |lua, args| {
                let copy = Store::clone(&*args.this::<Store>()?);
                object(lua, copy)
            },
        },
        Function {
            path: "export",
            doc: "Writes the journal to a file, from which `fm.memory.import` makes the same memory.",
            params: &[required("path", Kind::Text, "the file, JSONL")],
            returns: Kind::Nil,
            result: "",
            call: |lua, args| {
                args.this::<Store>()?.export(args.get::<String>(lua, "path")?).into_lua_err()?;
                Ok(Value::Nil)
            },
        },
    ],
    checkpoint: None,
};

impl Scripted for Store {
    const OBJECT: &'static Object = &MEMORY;
    fn describe(&self) -> String {
        match (self.items().len(), self.journal().len()) {
            (1, operations) => format!("a memory of 1 item after {operations} operations"),
            (items, operations) => format!("a memory of {items} items after {operations} operations"),
        }
    }
}

/// An item as scripts see it.
pub(super) fn item(lua: &Lua, item: &Item, score: Option<f64>) -> mlua::Result<Value> {
    let table = lua.create_table_with_capacity(0, 7)?;
    table.raw_set("id", item.id)?;
    table.raw_set("content", item.content.as_str())?;
    table.raw_set("step", item.step + 1)?;
    table.raw_set("created", item.created + 1)?;
    let version = |version: &finemem::memory::Version| {
        let table = lua.create_table_with_capacity(0, 2)?;
        table.raw_set("step", version.step + 1)?;
        table.raw_set("content", version.content.as_str())?;
        Ok(table)
    };
    table.raw_set("history", list(lua, item.history.iter().map(version))?)?;
    table.raw_set("section", item.section.as_str())?;
    table.raw_set("replaces", item.replaces)?;
    table.raw_set("closed", item.closed.map(|step| step + 1))?;
    table.raw_set("score", score)?;
    Ok(Value::Table(table))
}

/// The items of the section that a call names, or all; the last `k` of them where it says how many.
fn chosen(lua: &Lua, args: &Args, of: &[Item], k: Option<usize>) -> mlua::Result<Value> {
    let section: Option<String> = args.get(lua, "section")?;
    let within: Vec<&Item> = of.iter().filter(|item| section.as_ref().is_none_or(|section| item.section == *section)).collect();
    let from = within.len().saturating_sub(k.unwrap_or(usize::MAX));
    list(lua, within[from..].iter().map(|found| item(lua, found, None)))
}

/// A store's journal as scripts see it.
pub(super) fn journal(lua: &Lua, store: &Store) -> mlua::Result<Value> {
    list(lua, store.journal().iter().map(|entry| entry_table(lua, entry)))
}

fn entry_table(lua: &Lua, entry: &Entry) -> mlua::Result<Value> {
    let json = serde_json::to_value(Entry { step: entry.step + 1, ..entry.clone() }).map_err(mlua::Error::external)?;
    convert::from_json(lua, &json)
}

fn entry_from(entry: &Table, number: usize) -> mlua::Result<Entry> {
    let wrong = |why: String| mlua::Error::runtime(format!("'journal[{number}]' is no journal entry: {why}"));
    let json = convert::to_json(&Value::Table(entry.clone())).map_err(wrong)?;
    let entry: Entry = serde_json::from_value(json).map_err(|e| wrong(e.to_string()))?;
    let step = entry.step.checked_sub(1).ok_or_else(|| wrong("its step is 0; steps count from 1".into()))?;
    Ok(Entry { step, ..entry })
}
