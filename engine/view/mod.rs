//! Self-contained HTML pages. Sections are data, drawn by the scripts in this folder. A page needs neither network nor server.
//!
//! `page.html` is the frame, `page.css` the style; `dom.js`, `charts.js`, `reader.js` and `page.js` draw the sections from the JSON in the
//! page. The charts are our own SVG. Small plotting libraries draw on a canvas, which screen readers and style sheets cannot reach, and
//! they lack stacks or error bars.

mod episode;
mod run;

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use episode::{Episodes, Recorded, Rewarded};
pub use run::page_of_run;

use crate::schema::{Described, Kind, Problem, Read, Show, Shown, Source, read_json};
use crate::{Error, Result, files, record, words};

/// A page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page {
    /// The title.
    pub title: String,
    /// Its sections, from top to bottom.
    pub sections: Vec<Section>,
}

/// A part of a page, with its own heading.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Section {
    /// The heading; empty for none.
    #[serde(default)]
    pub title: String,
    /// A remark below it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Whether the section is collapsed at first.
    #[serde(default)]
    pub folded: bool,
    /// What it shows.
    #[serde(flatten)]
    pub content: Content,
}

/// What a section shows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Content {
    /// Paragraphs, separated by empty lines.
    Text {
        /// The text.
        text: String,
    },
    /// Names and values.
    Facts {
        /// Pairs of a name and its value.
        rows: Vec<(String, String)>,
    },
    /// A table that sorts by any column.
    Table {
        /// One per column.
        columns: Vec<Column>,
        /// Rows, with one cell for each column.
        rows: Vec<Vec<Cell>>,
    },
    /// Charts side by side.
    Charts {
        /// The charts.
        charts: Vec<Chart>,
    },
    /// A reader that steps through episodes.
    Episodes(Episodes),
}

record! {
    /// A column of a table.
    #[derive(Serialize, Deserialize)]
    pub struct Column as "PageColumn", checked {
        /// its heading
        pub name: String,
        /// digits behind the point; by default four significant ones
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub digits: Option<u32>,
        /// whether 0.5 is shown as 50 %
        #[serde(default)]
        pub percent: bool = false,
    }
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A number with its interval.
    Interval {
        /// The number.
        value: f64,
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// Nothing.
    Nothing(()),
}

impl Described for Cell {
    const KIND: Kind = Kind::Any;
}

impl Show for Cell {
    fn show(&self) -> Shown<'_> {
        match self {
            Self::Number(number) => number.show(),
            Self::Text(text) => text.show(),
            Self::Interval { value, low, high } => {
                Shown::Map([("value", value), ("low", low), ("high", high)].map(|(name, number)| (name.into(), number.show())).into())
            }
            Self::Nothing(()) => Shown::Nil,
        }
    }
}

impl Read for Cell {
    fn read<S: Source>(source: &S) -> Result<Self, Problem> {
        if let Ok(number) = source.number() {
            return Ok(Self::Number(number));
        }
        if let Ok(text) = source.text() {
            return Ok(Self::Text(text));
        }
        if is_null(source) {
            return Ok(Self::Nothing(()));
        }
        if source.get("value").is_err() || source.list().is_ok_and(|items| !items.is_empty()) {
            return Err(Problem::new("is not a cell: a cell is a number, a string, { value, low, high } or null"));
        }
        let part = |name: &str| source.get(name).and_then(|part| part.number()).ok().filter(|number| number.is_finite());
        Ok(match (part("value"), part("low"), part("high")) {
            (Some(value), Some(low), Some(high)) => Self::Interval { value, low, high },
            (Some(value), None, None) => Self::Number(value),
            _ => Self::Nothing(()),
        })
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_json(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Whether a value is JSON's null.
fn is_null(source: &impl Source) -> bool {
    source.is_nil() || source.json().is_ok_and(|json| json.is_null())
}

record! {
    /// A chart.
    #[derive(Serialize, Deserialize)]
    pub struct Chart as "PageChart", checked {
        /// what it shows
        pub title: String,
        /// lines with bands, series stacked, their shares stacked, or dots with error bars
        pub kind: ChartKind,
        /// what the x axis counts
        #[serde(default = "step")]
        pub x: String = step(),
        /// the unit of the y axis
        #[serde(default)]
        pub y: String => OrDefault,
        /// whether 0.5 is shown as 50 %
        #[serde(default)]
        pub percent: bool = false,
        /// a remark below
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub note: String => OrDefault,
        /// what is drawn
        pub series: Vec<Series>,
    }
}

fn step() -> String {
    "step".into()
}

words! {
    /// How a chart is drawn.
    pub enum ChartKind {
        /// A line for each series, with a band where it has `low` and `high`.
        Lines = "lines",
        /// Stacked series.
        Areas = "areas",
        /// Stacked shares of the sum of absolute values.
        Shares = "shares",
        /// A dot for each point, with error bars where there are intervals.
        Scatter = "scatter",
    }
}

record! {
    /// One series of a chart. All lists are as long as `x`; a number that is not finite is a gap, and so is fm.json.null.
    #[derive(Default, Serialize, Deserialize)]
    pub struct Series as "PageSeries", checked {
        /// its name in the legend
        pub name: String,
        /// the x values, ascending except in a scatter
        pub x: Vec<f64>,
        /// the values
        pub y: Vec<Point>,
        /// lower ends of the values: a band, or error bars
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub low: Vec<Point> => OrDefault,
        /// upper ends of the values
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub high: Vec<Point> => OrDefault,
        /// left ends of the x intervals of a scatter
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub x_low: Vec<Point> => OrDefault,
        /// right ends of the x intervals of a scatter
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub x_high: Vec<Point> => OrDefault,
    }
}

/// A number of a series, or a gap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point(pub Option<f64>);

impl Described for Point {
    const KIND: Kind = Kind::Any;
}

impl Show for Point {
    fn show(&self) -> Shown<'_> {
        self.0.show()
    }
}

impl Read for Point {
    fn read<S: Source>(source: &S) -> Result<Self, Problem> {
        match source.number() {
            Ok(number) => Ok(Self(Some(number).filter(|number| number.is_finite()))),
            Err(_) if is_null(source) => Ok(Self(None)),
            Err(problem) => Err(problem),
        }
    }
}

impl Page {
    /// Checks the lengths of rows and lists, and that x values ascend. The error says where, counted from 1.
    pub fn check(&self) -> Result<()> {
        for (i, section) in self.sections.iter().enumerate() {
            let at = format!("sections[{}]", i + 1);
            match &section.content {
                Content::Table { columns, rows } => {
                    if let Some((n, row)) = rows.iter().enumerate().find(|(_, row)| row.len() != columns.len()) {
                        let (cells, columns) = (row.len(), columns.len());
                        return Err(Error::argument(format!("{at}.rows[{}] has {cells} cells, but there are {columns} columns", n + 1)));
                    }
                }
                Content::Charts { charts } => {
                    for (j, chart) in charts.iter().enumerate() {
                        for (k, series) in chart.series.iter().enumerate() {
                            let at = format!("{at}.charts[{}].series[{}]", j + 1, k + 1);
                            series.check(chart.kind).map_err(|what| Error::argument(format!("{at}{what}")))?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The page as HTML.
    pub fn html(&self) -> Result<String> {
        self.check()?;
        let data = serde_json::to_string(self).map_err(|e| Error::argument(format!("the page cannot be written: {e}")))?;
        let script = [DOM, CHARTS, READER, PAGE].join("\n");
        let mut html = String::with_capacity(data.len() + script.len() + STYLE.len() + FRAME.len());
        let mut rest = FRAME;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").expect("page.html closes its placeholders");
            html.push_str(before);
            match name {
                "title" => html.push_str(&escaped(&self.title)),
                "style" => html.push_str(STYLE),
                "script" => html.push_str(&script),
                "data" => html.push_str(&embedded(&data)),
                other => unreachable!("page.html has the mark {other}"),
            }
            rest = after;
        }
        html.push_str(rest);
        Ok(html)
    }

    /// Writes the page to a file, atomically.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write(path, self.html()?.as_bytes())
    }
}

impl Series {
    fn check(&self, kind: ChartKind) -> Result<(), String> {
        let count = self.x.len();
        if self.y.len() != count {
            return Err(format!(".y has {} values, and x has {count}", self.y.len()));
        }
        let ends = [("low", &self.low), ("high", &self.high), ("x_low", &self.x_low), ("x_high", &self.x_high)];
        if let Some((name, values)) = ends.into_iter().find(|(_, values)| !values.is_empty() && values.len() != count) {
            return Err(format!(".{name} has {} values, and x has {count}", values.len()));
        }
        let falls = |pair: &[f64]| pair[0].partial_cmp(&pair[1]) != Some(std::cmp::Ordering::Less);
        match self.x.windows(2).position(falls) {
            Some(i) if kind != ChartKind::Scatter => Err(format!(".x must ascend, but {} is followed by {}", self.x[i], self.x[i + 1])),
            _ => Ok(()),
        }
    }
}

const FRAME: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const DOM: &str = include_str!("dom.js");
const CHARTS: &str = include_str!("charts.js");
const READER: &str = include_str!("reader.js");
const PAGE: &str = include_str!("page.js");

/// Text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// JSON for a script element. It escapes `<`, so that nothing ends the element or begins a comment, and line separators.
fn embedded(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}
