//! `fm.data`: episodes from published files.

use mlua::ExternalResult;

use crate::api::{Area, Function, Tab, function};
use finemem::data::{self, Episode, Options};
use finemem::record;
use finemem::schema::Kind;

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

const FORMAT: Kind = Kind::Choice(data::FORMATS);
const REASONS: Kind = Kind::List(&Kind::Text);

record! {
    struct Open {
        /// the file, or the folder
        path: String,
        /// the file's format; by default detected from its content
        format: Option<String> as FORMAT,
        /// whether an unreadable row is an error; otherwise it is skipped and reported
        strict: bool = false,
        /// how many facts of a list make a chunk; by default as many as fit into `chunk_tokens`, or 4 without that
        facts_per_chunk: Option<usize>,
        /// how many tokens, of about four bytes each, make a chunk of prose, of a dialogue or of labelled examples; by default as the
        /// file's authors do: 4096, for intents 1024, for LoCoMo one session
        chunk_tokens: Option<usize>,
        /// a list that receives what was skipped: the place in the file, and the reason; without it this is printed on standard error
        skipped: Option<Tab> as REASONS,
        /// a list that receives notes: how many episodes were sorted by date, which dates cannot be read, which episodes have one name;
        /// without it they are printed on standard error
        notes: Option<Tab> as REASONS,
    }

    struct Line {
        /// the episode
        episode: Episode,
    }
}

const FUNCTIONS: &[Function] = &[
    function! {
        /// Reads the episodes of a published file, or of a folder of CSV files.
        "data.open" (lua, given: Open) -> Vec<Episode>: "the episodes" {
            let options = Options {
                format: given.format.clone(),
                strict: given.strict,
                facts_per_chunk: given.facts_per_chunk,
                chunk_tokens: given.chunk_tokens,
            };
            let found = data::read(&given.path, &options).into_lua_err()?;
            for (what, list, reasons) in [("skipped", &given.skipped, &found.skipped), ("note", &given.notes, &found.notes)] {
                match list {
                    Some(list) => reasons.iter().try_for_each(|reason| list.0.raw_push(reason.as_str()))?,
                    None => data::report(given.path.as_ref(), what, reasons),
                }
            }
            Ok(found.episodes)
        }
    },
    function! {
        /// Formats an episode as a line of a file that `fm.data.open` reads.
        "data.line" (lua, given: Line) -> String: "its JSON, without a line end" {
            serde_json::to_string(&given.episode).map_err(mlua::Error::external)
        }
    },
];
