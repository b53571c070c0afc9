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

use crate::{Error, Result, files};

/// A page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page {
    /// What stands above it.
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
        #[serde(deserialize_with = "list")]
        rows: Vec<(String, String)>,
    },
    /// A table that sorts by any column.
    Table {
        /// One per column.
        #[serde(deserialize_with = "list")]
        columns: Vec<Column>,
        /// Rows, with one cell for each column.
        #[serde(deserialize_with = "list")]
        rows: Vec<Vec<Cell>>,
    },
    /// Charts side by side.
    Charts {
        /// The charts.
        #[serde(deserialize_with = "list")]
        charts: Vec<Chart>,
    },
    /// A reader that steps through episodes.
    Episodes(Episodes),
}

/// A column of a table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Column {
    /// What stands above it.
    pub name: String,
    /// Decimal places; by default there are four significant digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<u32>,
    /// Whether 0.5 is shown as 50 %.
    #[serde(default)]
    pub percent: bool,
}

/// A cell of a table.
#[derive(Debug, Clone, Serialize)]
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

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let part = |name: &str| value.get(name)?.as_f64();
        match &value {
            Value::Null => Ok(Self::Nothing(())),
            Value::String(text) => Ok(Self::Text(text.clone())),
            Value::Number(number) => Ok(Self::Number(number.as_f64().unwrap_or(f64::NAN))),
            Value::Object(_) => match (part("value"), part("low"), part("high")) {
                (Some(value), Some(low), Some(high)) => Ok(Self::Interval { value, low, high }),
                (Some(value), None, None) => Ok(Self::Number(value)),
                _ => Ok(Self::Nothing(())),
            },
            _ => Err(serde::de::Error::custom("a cell is a number, a string, { value, low, high } or null")),
        }
    }
}

/// A chart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// How it is drawn.
    pub kind: ChartKind,
    /// The label of the x axis.
    #[serde(default = "step")]
    pub x: String,
    /// The unit of the y axis.
    #[serde(default)]
    pub y: String,
    /// Whether 0.5 is shown as 50 %.
    #[serde(default)]
    pub percent: bool,
    /// A remark below it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What is drawn.
    #[serde(deserialize_with = "list")]
    pub series: Vec<Series>,
}

/// How a chart is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChartKind {
    /// A line for each series, with a band where it has `low` and `high`.
    Lines,
    /// Stacked series.
    Areas,
    /// Stacked shares of the sum of absolute values.
    Shares,
    /// A dot for each point, with error bars where there are intervals.
    Scatter,
}

/// A series of a chart. Lists are as long as `x`; values that are missing or not finite are gaps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// The x values, ascending except in a scatter.
    #[serde(deserialize_with = "list")]
    pub x: Vec<f64>,
    /// The values.
    #[serde(deserialize_with = "list")]
    pub y: Vec<Option<f64>>,
    /// Lower ends of the intervals.
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub low: Vec<Option<f64>>,
    /// Upper ends of the intervals.
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub high: Vec<Option<f64>>,
    /// Left ends of the x intervals.
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub x_low: Vec<Option<f64>>,
    /// Right ends of the x intervals.
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub x_high: Vec<Option<f64>>,
}

fn step() -> String {
    "step".into()
}

/// A list. Lua writes an empty one as `{}`.
fn list<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(deserializer: D) -> std::result::Result<Vec<T>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(map) if map.is_empty() => Ok(Vec::new()),
        other => serde_json::from_value(other).map_err(serde::de::Error::custom),
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
                        return Err(Error::argument(format!("{at}.rows[{}] has {cells} cells, and there are {columns} columns", n + 1)));
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
    fn check(&self, kind: ChartKind) -> std::result::Result<(), String> {
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
