//! The page of a run: its settings, curves from `metrics.jsonl`, and a reader for `rollouts.jsonl`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::{Map, Value};

use super::episode::Recorded;
use super::{Cell, Chart, ChartKind, Column, Content, Episodes, Page, Point, Section, Series};
use crate::schema::read_json;
use crate::{Error, Result, files, record};

/// The most points of a curve. Longer runs are drawn as means.
const POINTS: usize = 2000;
/// The longest line of `rollouts.jsonl` that is read, in bytes.
const LONGEST: u64 = 256 << 20;

/// The page of a run. Only `run.json` and `metrics.jsonl` must exist. An unfinished last line is left out, and the page says so.
pub fn page_of_run(folder: &Path) -> Result<Page> {
    let path = folder.join("run.json");
    if !path.is_file() {
        return Err(Error::io(&path, "there is no such file, so this is no run's folder; name one, such as runs/train-1"));
    }
    let text = files::read_small(&path, 16 << 20)?;
    let run: Value =
        serde_json::from_slice(&text).map_err(|e| Error::format(&path, format!("does not describe a run: {}", files::brief(&e))))?;
    let metrics = Metrics::read(&folder.join("metrics.jsonl"))?;
    let mut facts = facts(&run);
    facts.push(("steps logged".into(), metrics.steps()));
    let mut sections = vec![section("Run", Content::Facts { rows: facts })];
    sections[0].note = metrics.note.clone();
    if metrics.rows.is_empty() {
        sections.push(section("", Content::Text { text: "No step is logged yet.".into() }));
    } else {
        sections.extend(alarms(&folder.join("alarms.jsonl"))?);
        sections.push(section("First and last steps", metrics.table()));
        let (charts, others) = metrics.charts();
        sections.push(section("Curves", Content::Charts { charts }));
        if !others.is_empty() {
            sections.push(Section { folded: true, ..section("Other figures", Content::Charts { charts: others }) });
        }
    }
    sections.push(rollouts(&folder.join("rollouts.jsonl"))?);
    let full = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let name = full.file_name().map_or("a run".into(), |name| name.to_string_lossy().into_owned());
    Ok(Page { title: name, sections })
}

fn section(title: &str, content: Content) -> Section {
    Section { title: title.into(), note: String::new(), folded: false, content }
}

/// A value as short text: strings unchanged, lists with commas, tables as `name value` without what is not set. Empty if it is not set.
fn words(value: &Value) -> String {
    let joined = |all: &mut dyn Iterator<Item = String>| all.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    match value {
        Value::Null | Value::Bool(false) => String::new(),
        Value::String(text) => text.trim().to_owned(),
        Value::Array(all) => joined(&mut all.iter().map(words)),
        Value::Object(all) => joined(&mut all.iter().map(|(name, value)| match words(value) {
            text if text.is_empty() => text,
            text => format!("{name} {text}"),
        })),
        other => other.to_string(),
    }
}

fn facts(run: &Value) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut put = |name: &str, text: String| {
        if !text.is_empty() {
            rows.push((name.to_string(), text));
        }
    };
    for name in ["script", "seed", "device"] {
        put(name, words(&run[name]));
    }
    put("versions", words(&run["versions"]));
    let argument = |value: &Value| value.as_str().filter(|text| !text.trim().is_empty()).map_or_else(|| value.to_string(), str::to_owned);
    put("arguments", run["arguments"].as_array().into_iter().flatten().map(argument).collect::<Vec<_>>().join(" "));
    put("resumed after step", words(&run["resumed"]));
    for (name, value) in run["settings"].as_object().into_iter().flatten() {
        // The seed is listed above.
        if name != "seed" {
            put(name, words(value));
        }
    }
    rows
}

/// The figures of a run, one row for each step.
struct Metrics {
    rows: Vec<(f64, Map<String, Value>)>,
    note: String,
}

impl Metrics {
    fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, format!("cannot read the run's figures: {e}")))?;
        let (mut reader, mut line) = (BufReader::new(file), Vec::new());
        let mut found = Self { rows: Vec::new(), note: String::new() };
        for number in 1.. {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(|e| Error::io(path, e))?;
            if line.is_empty() {
                break;
            }
            let wrong = match serde_json::from_slice::<Map<String, Value>>(&line) {
                Ok(row) => match row.get("step").and_then(Value::as_f64) {
                    Some(step) if found.rows.last().is_none_or(|(last, _)| *last < step) => {
                        found.rows.push((step, row));
                        continue;
                    }
                    Some(step) => format!("step {step} comes after step {}", found.rows.last().map_or(0.0, |(last, _)| *last)),
                    None => "it has no 'step'".into(),
                },
                Err(_) if !line.ends_with(b"\n") => {
                    found.note = format!("Line {number} of metrics.jsonl was not finished and is left out.");
                    break;
                }
                Err(e) => files::brief(&e),
            };
            return Err(Error::format(path, format!("line {number} holds no figures of a step: {wrong}")));
        }
        if found.rows.len() > POINTS {
            found.note += &format!(" Every point is the mean of {} steps.", found.rows.len().div_ceil(POINTS));
        }
        Ok(found)
    }

    fn steps(&self) -> String {
        match (self.rows.first(), self.rows.last()) {
            (Some((first, _)), Some((last, _))) => format!("{} ({first} to {last})", self.rows.len()),
            _ => "0".into(),
        }
    }

    /// The names of all figures, sorted. A figure may be null in the first steps.
    fn names(&self) -> Vec<&str> {
        let figures = self.rows.iter().flat_map(|(_, row)| row).filter(|(_, value)| value.is_number() || value.is_null());
        let mut names: Vec<_> = figures.map(|(name, _)| name.as_str()).filter(|name| *name != "step").collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The places and values of a figure: means over as many steps as it takes to have few points.
    fn curve(&self, name: &str) -> (Vec<f64>, Vec<Point>) {
        let value = |row: &Map<String, Value>| row.get(name).map(Value::as_f64);
        // A step that logs null is a gap; a step that does not log the figure is not.
        let logged: Vec<_> = self.rows.iter().filter_map(|(step, row)| Some((*step, value(row)?))).collect();
        let bin = |bin: &[(f64, Option<f64>)]| (bin[bin.len() - 1].0, Point(mean(bin.iter().filter_map(|(_, value)| *value)).map(rounded)));
        logged.chunks(logged.len().div_ceil(POINTS).max(1)).map(bin).unzip()
    }

    fn series(&self, name: &str, figure: &str) -> Series {
        let (x, y) = self.curve(figure);
        Series { name: name.into(), x, y, ..Series::default() }
    }

    /// Means over the first and the last tenth of the steps.
    fn table(&self) -> Content {
        let tenth = self.rows.len().div_ceil(10);
        let of = |rows: &[(f64, Map<String, Value>)], name: &str| {
            let found = mean(rows.iter().filter_map(|(_, row)| row.get(name)?.as_f64()));
            found.map_or(Cell::Nothing(()), Cell::Number)
        };
        let row = |(title, name): &(&str, &str)| {
            vec![
                Cell::Text((*title).into()),
                of(&self.rows[..tenth], name),
                of(&self.rows[self.rows.len() - tenth..], name),
                Cell::Text((*name).into()),
            ]
        };
        let known = self.names();
        let shown = [
            ("reward", "reward"),
            ("answer accuracy", "memory/accuracy"),
            ("memory, tokens", "memory/memory_tokens"),
            ("facts lost", "harm/facts_lost"),
            ("wrong updates", "harm/wrong_updates"),
            ("wrong deletes", "harm/wrong_deletes"),
            ("stale items kept", "harm/stale"),
            ("talk kept", "harm/talk"),
            ("calls a step", "tools/call_frequency"),
            ("share of invalid calls", "tools/failure_frequency"),
            ("share of untagged calls", "tools/untagged_rate"),
            ("pieces of stray text a step", "tools/stray_text"),
            ("tokens a completion", "completions/mean_length"),
            ("entropy", "entropy"),
            ("loss", "loss"),
        ];
        let rows = shown.iter().filter(|(_, name)| known.contains(name)).map(row).collect();
        let titles = match tenth {
            1 => ["figure", "first step", "last step", "in metrics.jsonl"].map(String::from),
            n => ["figure".into(), format!("first {n} steps"), format!("last {n} steps"), "in metrics.jsonl".into()],
        };
        Content::Table { columns: titles.map(|name| Column { name, digits: None, percent: false }).into(), rows }
    }

    /// The charts of known figures, then those of the others.
    fn charts(&self) -> (Vec<Chart>, Vec<Chart>) {
        let names = self.names();
        let mut left = names.clone();
        let mut charts = Vec::new();
        let chart = |title: &str, kind: ChartKind, y: &str, series: Vec<Series>| Chart {
            title: title.into(),
            kind,
            x: "step".into(),
            y: y.trim_matches('%').into(),
            percent: kind == ChartKind::Shares || y == "%",
            note: String::new(),
            series,
        };
        for (title, kind, y, figures) in KNOWN {
            let here: Vec<_> = figures.iter().filter(|(_, figure)| names.contains(figure)).collect();
            left.retain(|name| here.iter().all(|(_, figure)| figure != name));
            if !here.is_empty() {
                let series = here.iter().map(|(name, figure)| self.series(name, figure)).collect();
                charts.push(chart(title, *kind, y, series));
            }
        }
        let terms: Vec<_> = names.iter().filter_map(|name| Some((name.strip_prefix("rewards/")?.strip_suffix("/mean")?, *name))).collect();
        if !terms.is_empty() {
            left.retain(|name| terms.iter().all(|(_, figure)| figure != name));
            let series = || terms.iter().map(|(term, figure)| self.series(term, figure)).collect();
            let mut shares = chart("Share of reward by term", ChartKind::Shares, "", series());
            shares.note = "By size: a negative term counts with its absolute value.".into();
            let second = charts.len().min(1);
            charts.splice(second..second, [chart("Reward by term", ChartKind::Lines, "", series()), shares]);
        }
        let lengths = ["mean", "min", "max"].map(|which| format!("completions/{which}_length"));
        if names.contains(&lengths[0].as_str()) {
            left.retain(|name| lengths.iter().all(|figure| figure != name));
            let mut series = self.series("mean", &lengths[0]);
            let [low, high] = [1, 2].map(|i| self.curve(&lengths[i]));
            if low.0 == series.x && high.0 == series.x {
                (series.low, series.high) = (low.1, high.1);
            }
            let mut lengths = chart("Length of completions", ChartKind::Lines, "tokens", vec![series]);
            lengths.note = "Mean, with the shortest and the longest.".into();
            charts.push(lengths);
        }
        let others = left.iter().map(|name| chart(name, ChartKind::Lines, "", vec![self.series(name, name)])).collect();
        (charts, others)
    }
}

type Known = (&'static str, ChartKind, &'static str, &'static [(&'static str, &'static str)]);

/// The charts of known figures: title, kind, unit, and the series with their figures.
const KNOWN: &[Known] = &[
    ("Reward of a step", ChartKind::Lines, "", &[("mean", "reward"), ("deviation", "reward_std")]),
    ("Answer accuracy", ChartKind::Lines, "%", &[("accuracy", "memory/accuracy")]),
    ("Memory and input", ChartKind::Lines, "tokens", &[("memory", "memory/memory_tokens"), ("input", "memory/input_tokens")]),
    (
        "Facts destroyed",
        ChartKind::Lines,
        "%",
        &[("facts lost", "harm/facts_lost"), ("wrong updates", "harm/wrong_updates"), ("wrong deletes", "harm/wrong_deletes")],
    ),
    (
        "Kept without need",
        ChartKind::Lines,
        "%",
        &[("stale items", "harm/stale"), ("talk", "harm/talk"), ("words of the chunks", "harm/verbatim")],
    ),
    (
        "Scores of other memories",
        ChartKind::Lines,
        "",
        &[("none", "harm/empty_score"), ("another episode's", "harm/shuffled_score"), ("exactly the true facts", "harm/true_score")],
    ),
    (
        "Calls by kind",
        ChartKind::Areas,
        "a step",
        &[
            ("insert", "memory/insert"),
            ("update", "memory/update"),
            ("delete", "memory/delete"),
            ("read", "memory/read"),
            ("skip", "memory/skip"),
        ],
    ),
    (
        "Readable and invalid calls",
        ChartKind::Lines,
        "%",
        &[("invalid", "tools/failure_frequency"), ("readable", "tools/parse_rate"), ("untagged", "tools/untagged_rate")],
    ),
    ("Entropy", ChartKind::Lines, "nats a token", &[("entropy", "entropy")]),
    ("Gradient norm", ChartKind::Lines, "", &[("norm", "grad_norm")]),
    ("Loss", ChartKind::Lines, "", &[("loss", "loss")]),
    ("KL to the reference", ChartKind::Lines, "nats a token", &[("KL", "kl")]),
    ("Ratio clipped", ChartKind::Lines, "%", &[("low", "clip_ratio/low_mean"), ("high", "clip_ratio/high_mean")]),
    ("Groups without a difference in reward", ChartKind::Lines, "%", &[("groups", "frac_reward_zero_std")]),
];

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// Six significant digits, which is more than a chart shows.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

record! {
    /// A line of rollouts.jsonl.
    struct Line {
        /// the step of the run
        step: Option<u64>,
        /// which rollout of the step it is
        rollout: Option<usize>,
        /// the name of its episode
        id: Option<String>,
        ..recorded: Recorded,
    }
}

record! {
    /// A line of alarms.jsonl.
    struct Alarm {
        /// the step at which it first held
        step: u64,
        /// its name
        name: String,
        /// what is wrong, and what to do about it
        text: String,
    }
}

/// The alarms of a run, if it has any. Runs of older versions keep none.
fn alarms(path: &Path) -> Result<Option<Section>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = files::read_small(path, 16 << 20)?;
    let mut rows = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
        let wrong = |why: String| Error::format(path, format!("line {} holds no alarm: {why}", number + 1));
        let line: Value = serde_json::from_slice(line).map_err(|e| wrong(files::brief(&e)))?;
        let alarm = read_json::<Alarm>(&line).map_err(|e| wrong(e.to_string()))?;
        rows.push((format!("{}, from step {}", alarm.name, alarm.step), alarm.text));
    }
    Ok((!rows.is_empty()).then(|| section("Alarms", Content::Facts { rows })))
}

/// The newest rollouts, as many as the page has room for. The file may be much larger than memory, so its lines are located first and then
/// read from the end.
fn rollouts(path: &Path) -> Result<Section> {
    let mut content = Episodes::default();
    let mut note = Vec::new();
    if !path.is_file() {
        note.push("There is no rollouts.jsonl beside metrics.jsonl.".to_string());
        return Ok(Section { note: note.join(" "), ..section("Rollouts", Content::Episodes(content)) });
    }
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    let lines = lines_of(&file).map_err(|e| Error::io(path, e))?;
    let (mut left_out, mut broken) = (0, Vec::new());
    for (number, (start, length)) in lines.iter().enumerate().rev() {
        if *length > LONGEST {
            left_out += 1;
            continue;
        }
        let mut line = vec![0; *length as usize];
        file.seek(SeekFrom::Start(*start)).and_then(|_| file.read_exact(&mut line)).map_err(|e| Error::io(path, e))?;
        let Some(line) = serde_json::from_slice::<Value>(&line).ok().and_then(|line| read_json::<Line>(&line).ok()) else {
            broken.push(number + 1);
            continue;
        };
        let named = |name: &str, number: Option<usize>| number.map(|number| format!("{name} {number}"));
        let mut title =
            [named("episode", line.recorded.episode), named("rollout", line.rollout)].into_iter().flatten().collect::<Vec<_>>().join(", ");
        if let Some(id) = &line.id {
            title = format!("{id}, {title}");
        }
        let group = line.step.map_or(String::new(), |step| format!("step {step}"));
        let accuracy = mean(line.recorded.answers.iter().filter_map(|answer| answer.score));
        let accuracy = accuracy.map_or(String::new(), |mean| format!(", accuracy {:.0} %", 100.0 * mean));
        let reward = mean(line.recorded.rewards.iter().flat_map(|rewards| &rewards.total).flatten().copied());
        let reward = reward.map_or(String::new(), |mean| format!(", reward {mean:.3}"));
        let Ok(room) = content.push(&format!("{title}{reward}{accuracy}"), &group, &line.recorded) else {
            broken.push(number + 1);
            continue;
        };
        if !room {
            left_out += number + 1;
            break;
        }
    }
    content.reverse();
    if left_out > 0 {
        note.push(format!("The newest {} of {} rollouts are on this page; rollouts.jsonl has the others.", content.len(), lines.len()));
    }
    match broken.as_slice() {
        [] => {}
        [line] if *line == lines.len() => note.push(format!("Line {line} of rollouts.jsonl was not finished and is left out.")),
        [first, ..] => {
            note.push(format!("{} lines of rollouts.jsonl cannot be read and are left out, the last of them line {first}.", broken.len()))
        }
    }
    Ok(Section { note: note.join(" "), ..section("Rollouts", Content::Episodes(content)) })
}

/// The starts and lengths of a file's lines.
fn lines_of(file: &File) -> std::io::Result<Vec<(u64, u64)>> {
    let (mut lines, mut start, mut at) = (Vec::new(), 0, 0);
    let mut reader = BufReader::with_capacity(1 << 20, file);
    loop {
        let block = reader.fill_buf()?;
        if block.is_empty() {
            break;
        }
        let ends = block.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(i, _)| at + i as u64);
        for end in ends {
            lines.push((start, end - start));
            start = end + 1;
        }
        let length = block.len();
        at += length as u64;
        reader.consume(length);
    }
    if at > start {
        lines.push((start, at - start));
    }
    Ok(lines)
}
