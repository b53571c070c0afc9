//! `fm.page`: self-contained HTML pages.

use std::path::PathBuf;

use mlua::{ExternalResult, Value};

use crate::api::lua::read;
use crate::api::{Area, Function, Kind, Tab, function};
use finemem::schema::Described;
use finemem::view::{Cell, Chart, Column, Content, Episodes, Page, Recorded, Section};
use finemem::{record, words};

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

const RECORDED: Kind = Recorded::KIND;

words! {
    /// What a section shows.
    enum Shows {
        /// Paragraphs.
        Text = "text",
        /// Names with their values.
        Facts = "facts",
        /// A table.
        Table = "table",
        /// Charts.
        Charts = "charts",
        /// Episodes.
        Episodes = "episodes",
    }
}

record! {
    /// A part of a page. Its kind says which of the keys it needs: `text`; `rows` for facts; `columns` and `rows` for a table; `charts`; `episodes`.
    struct SectionTable as "PageSection", checked {
        /// what it shows
        kind: Shows,
        /// its heading
        title: String => OrDefault,
        /// a remark below
        note: String => OrDefault,
        /// whether it is collapsed at first
        folded: bool = false,
        /// paragraphs, with empty lines between them
        text: Option<String>,
        /// the columns of a table
        columns: Option<Vec<Column>>,
        /// cells: a number, a string, { value, low, high } by name, or fm.json.null; facts have a name and a string
        rows: Option<Vec<Vec<Cell>>>,
        /// charts, side by side
        charts: Option<Vec<Chart>>,
        /// episodes to step through
        episodes: Option<Vec<EpisodeTable>>,
    }

    /// An episode to step through.
    struct EpisodeTable as "PageEpisode", checked {
        /// its name in the list
        title: String,
        /// the heading of the episodes that share it, such as the policy
        group: String => OrDefault,
        /// a rollout of a batch, which may have `rewards` = { total, terms } of its steps; what its steps lack is taken from `chunks` and
        /// `journal`. Without `steps`, only these two, `memory` and `answers` are shown
        rollout: Tab as RECORDED,
    }

    struct Write {
        /// the file, HTML
        path: PathBuf,
        /// the title above the page
        title: String,
        /// its sections, from top to bottom
        sections: Vec<SectionTable>,
    }
}

const FUNCTIONS: &[Function] = &[function! {
    /// Writes a self-contained HTML page of tables, charts and episodes to step through.
    "page.write" (lua, given: Write) -> usize: "how many episodes did not fit on the page, which also says so" {
        let Write { path, title, sections } = given;
        let (mut made, mut left_out) = (Vec::new(), 0);
        for (i, table) in sections.into_iter().enumerate() {
            let (section, left) = section(table).map_err(|text| mlua::Error::runtime(format!("'sections[{}]' {text}", i + 1)))?;
            made.push(section);
            left_out += left;
        }
        Page { title, sections: made }.write(&path).into_lua_err()?;
        Ok(left_out)
    }
}];

/// A section, and how many of its episodes were left out.
fn section(table: SectionTable) -> Result<(Section, usize), String> {
    let SectionTable { kind, title, mut note, folded, text, columns, rows, charts, episodes } = table;
    let needs: &[&str] = match kind {
        Shows::Text => &["text"],
        Shows::Facts => &["rows"],
        Shows::Table => &["columns", "rows"],
        Shows::Charts => &["charts"],
        Shows::Episodes => &["episodes"],
    };
    let given = [
        ("text", text.is_some()),
        ("columns", columns.is_some()),
        ("rows", rows.is_some()),
        ("charts", charts.is_some()),
        ("episodes", episodes.is_some()),
    ];
    if let Some((name, given)) = given.into_iter().find(|(name, given)| *given != needs.contains(name)) {
        let verb = if given { "has no" } else { "needs" };
        return Err(format!("is of kind '{}', which {verb} '{name}'", kind.name()));
    }
    let (rows, mut left_out) = (rows.unwrap_or_default(), 0);
    let content = match kind {
        Shows::Text => Content::Text { text: text.unwrap_or_default() },
        Shows::Facts => Content::Facts { rows: rows.into_iter().map(fact).collect::<Result<_, _>>()? },
        Shows::Table => Content::Table { columns: columns.unwrap_or_default(), rows },
        Shows::Charts => Content::Charts { charts: charts.unwrap_or_default() },
        Shows::Episodes => {
            let mut kept = Episodes::default();
            // Rollouts are large: each is reduced to what the page keeps before the next is read.
            for (i, EpisodeTable { title, group, rollout }) in episodes.unwrap_or_default().into_iter().enumerate() {
                let rollout = read::<Recorded>(&Value::Table(rollout.0))
                    .map_err(|problem| format!("is wrong at episodes[{}]: {}", i + 1, problem.within("rollout")))?;
                let room = kept.push(&title, &group, &rollout).map_err(|e| format!("cannot be shown: {e}"))?;
                left_out += usize::from(!room);
            }
            Content::Episodes(kept)
        }
    };
    if left_out > 0 {
        note = format!("{note} {left_out} more episodes did not fit on this page.").trim().into();
    }
    Ok((Section { title, note, folded, content }, left_out))
}

/// A row of facts.
fn fact(row: Vec<Cell>) -> Result<(String, String), String> {
    match <[Cell; 2]>::try_from(row) {
        Ok([Cell::Text(name), Cell::Text(value)]) => Ok((name, value)),
        _ => Err("cannot be shown: a row of facts is a name and a string".into()),
    }
}
