//! `fm.memory`: a store of items, as scripts see it.

use mlua::ExternalResult;

use crate::api::{Area, Function, Handed, Object, Scripted, function, method};
use finemem::memory::{Entry, Item, Store};
use finemem::record;

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&MEMORY] };

record! {
    struct New {
        /// the id of the first item
        first_id: u64 = 1,
    }

    struct File {
        /// the file, JSONL
        path: String,
    }

    struct Replay {
        /// a result of `memory:journal`, or a rollout's `journal`
        journal: Vec<Entry>,
        /// the last step to carry out; by default all are carried out
        last: Option<usize>,
        /// the memory that it continues from
        from: Option<Handed<Store>>,
    }

    struct SetStep {
        /// the step, from 1
        step: usize => FromOne,
    }

    struct Insert {
        /// what it says
        content: String,
        /// the part of the memory that it belongs to; by default that of the replaced item, or the empty section
        section: Option<String>,
        /// the item that this one replaces, which is closed
        replaces: Option<u64>,
    }

    struct Update {
        /// the item
        id: u64,
        /// its new content
        content: String,
    }

    struct OfItem {
        /// the item
        id: u64,
    }

    struct OfSection {
        /// only items of this section
        section: Option<String>,
    }

    struct Recent {
        /// how many items
        k: usize,
        /// only items of this section
        section: Option<String>,
    }

    struct Retrieve {
        /// words to look for
        query: String,
        /// how many items
        k: usize,
        /// only items of this section
        section: Option<String>,
        /// whether to search closed items too
        closed: bool = false,
    }
}

const FUNCTIONS: &[Function] = &[
    function! {
        /// An empty memory.
        "memory.new" (lua, given: New) -> Handed<Store>: "the memory" {
            Handed::new(lua, Store::with_first_id(given.first_id))
        }
    },
    function! {
        /// Reads a memory that `memory:export` wrote.
        "memory.import" (lua, given: File) -> Handed<Store>: "the memory" {
            Handed::new(lua, Store::import(&given.path).into_lua_err()?)
        }
    },
    function! {
        /// Carries out a journal on an empty memory, or on a copy of the memory that it continues from.
        "memory.replay" (lua, given: Replay) -> Handed<Store>: "the memory" {
            let mut entries = given.journal.clone();
            entries.retain(|entry| given.last.is_none_or(|last| entry.step < last));
            let Some(from) = &given.from else {
                return Handed::new(lua, Store::replay(&entries).into_lua_err()?);
            };
            let mut store = from.borrow()?.0.clone();
            store.go_on(&entries).into_lua_err()?;
            Handed::new(lua, store)
        }
    },
];

static MEMORY: Object = Object {
    name: Store::NAME,
    doc: "Items with their history. Every operation happens completely or not at all, and is journaled.",
    properties: &[],
    methods: &[
        method! {
            /// Sets the step that later operations belong to.
            "set_step" (lua, mut this: Store, given: SetStep) -> () {
                this.set_step(given.step);
                Ok(())
            }
        },
        method! {
            /// Adds an item. It is an error if an item of its section has exactly the same content.
            "insert" (lua, mut this: Store, given: Insert) -> u64: "its id" {
                this.insert_as(&given.content, given.section.as_deref(), given.replaces).into_lua_err()
            }
        },
        method! {
            /// Replaces an item's content.
            "update" (lua, mut this: Store, given: Update) -> () {
                this.update(given.id, &given.content).into_lua_err()
            }
        },
        method! {
            /// Removes an item.
            "delete" (lua, mut this: Store, given: OfItem) -> () {
                this.delete(given.id).into_lua_err()
            }
        },
        method! {
            /// Ends an item and keeps it as history: it was valid until the current step. Only `closed`, `get` and, if asked, `retrieve`
            /// find it.
            "close" (lua, mut this: Store, given: OfItem) -> () {
                this.close(given.id).into_lua_err()
            }
        },
        method! {
            /// Every item that is not closed, in order of creation.
            "items" (lua, this: Store, given: OfSection) -> Vec<Item>: "the items" {
                Ok(chosen(this.items(), given.section.as_deref(), usize::MAX))
            }
        },
        method! {
            /// Every closed item, in order of creation.
            "closed" (lua, this: Store, given: OfSection) -> Vec<Item>: "the items" {
                Ok(chosen(this.closed(), given.section.as_deref(), usize::MAX))
            }
        },
        method! {
            /// One item, closed or not.
            "get" (lua, this: Store, given: OfItem) -> Option<Item>: "the item, or nil if there is none" {
                Ok(this.get(given.id).cloned())
            }
        },
        method! {
            /// The items that match a query best by BM25, best first.
            "retrieve" (lua, this: Store, given: Retrieve) -> Vec<Item>: "the items, each with its `score`" {
                let found = match (given.section.as_deref(), given.closed) {
                    (None, false) => this.retrieve(&given.query, given.k),
                    (section, closed) => this.retrieve_among(&given.query, given.k, section, closed),
                };
                Ok(found.into_iter().map(|(item, score)| Item { score: Some(score), ..item.clone() }).collect())
            }
        },
        method! {
            /// The items created last.
            "recent" (lua, this: Store, given: Recent) -> Vec<Item>: "the items, in order of creation" {
                Ok(chosen(this.items(), given.section.as_deref(), given.k))
            }
        },
        method! {
            /// Every operation so far.
            "journal" (lua, this: Store) -> Vec<Entry>: "a list of `{ step, operation = \"insert\", \"update\", \"delete\" or \"close\", id, content, section, replaces }`" {
                Ok(this.journal().to_vec())
            }
        },
        method! {
            /// Makes a second, independent memory in the same state.
            "copy" (lua, this: Store) -> Handed<Store>: "the copy" {
                Handed::new(lua, this.0.clone())
            }
        },
        method! {
            /// Writes the journal to a file, from which `fm.memory.import` makes the same memory.
            "export" (lua, this: Store, given: File) -> () {
                this.export(&given.path).into_lua_err()
            }
        },
    ],
    checkpoint: None,
};

impl Scripted for Store {
    const NAME: &'static str = "Memory";
    const OBJECT: &'static Object = &MEMORY;
    fn describe(&self) -> String {
        match (self.items().len(), self.journal().len()) {
            (1, operations) => format!("a memory of 1 item after {operations} operations"),
            (items, operations) => format!("a memory of {items} items after {operations} operations"),
        }
    }
}

/// The last `k` items, of a section or of all.
fn chosen(of: &[Item], section: Option<&str>, k: usize) -> Vec<Item> {
    let within: Vec<&Item> = of.iter().filter(|item| section.is_none_or(|section| item.section == section)).collect();
    within[within.len().saturating_sub(k)..].iter().copied().cloned().collect()
}
