//! `fm.reasoner` and `fm.metric`: answering questions from items, and scoring answers.

use mlua::{IntoLua, Lua, Table, Value};

use super::api::{Area, Args, Function, Kind, Need, Object, Param, Record, Scripted, default, object, optional, required};
use super::memory::ITEM;
use crate::reason::{Extractive, metrics};

pub(super) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&REASONER], records: &[&ANSWER, &INTERVAL] };

static ANSWER: Record = Record {
    name: "Answer",
    doc: "What a reasoner makes of a question.",
    fields: &[
        required("text", Kind::Text, "the answer, or `not in memory`"),
        required("known", Kind::Boolean, "whether the items hold an answer"),
        optional("item", Kind::Record(&ITEM), "the item that it was taken from"),
    ],
    checked: false,
};

static INTERVAL: Record = Record {
    name: "Interval",
    doc: "A mean with its 95 % interval.",
    fields: &[
        required("mean", Kind::Number, "the mean of the scores"),
        required("low", Kind::Number, "the lower end"),
        required("high", Kind::Number, "the upper end"),
    ],
    checked: false,
};

const GOLD: &[Param] = &[
    required("answer", Kind::Text, "the answer that was given"),
    required("gold", Kind::List(&Kind::Text), "the answers that are accepted"),
];

const FUNCTIONS: &[Function] = &[
    Function {
        path: "reasoner.extractive",
        doc: "The reasoner that copies its answers out of the items; it has no state and no randomness.",
        params: &[],
        returns: Kind::Object("Reasoner"),
        result: "the reasoner",
        call: |lua, _| object(lua, Extractive),
    },
    Function {
        path: "metric.exact_match",
        doc: "1 if the normalised answer equals an accepted one, else 0.",
        params: GOLD,
        returns: Kind::Number,
        result: "the score",
        call: |lua, args| score(lua, args, metrics::exact_match),
    },
    Function {
        path: "metric.substring_exact_match",
        doc: "1 if the normalised answer contains an accepted one, else 0.",
        params: GOLD,
        returns: Kind::Number,
        result: "the score",
        call: |lua, args| score(lua, args, metrics::substring_exact_match),
    },
    Function {
        path: "metric.token_f1",
        doc: "How far the words of the answer are those of an accepted one: the harmonic mean of precision and recall.",
        params: GOLD,
        returns: Kind::Number,
        result: "the best score over the accepted answers",
        call: |lua, args| score(lua, args, metrics::token_f1),
    },
    Function {
        path: "metric.interval",
        doc: "The mean of scores with its 95 % bootstrap interval.",
        params: &[
            required("scores", Kind::List(&Kind::Number), "the scores"),
            default("seed", Kind::Integer, Need::Number(0.0), "what the resampling depends on"),
        ],
        returns: Kind::Record(&INTERVAL),
        result: "mean and interval",
        call: |lua, args| {
            let scores: Vec<f64> = args.get(lua, "scores")?;
            let (low, high) = metrics::bootstrap_interval(&scores, args.get::<i64>(lua, "seed")? as u64);
            let table = lua.create_table()?;
            table.raw_set("mean", scores.iter().fold(0.0, |sum, score| sum + score) / scores.len().max(1) as f64)?;
            table.raw_set("low", low)?;
            table.raw_set("high", high)?;
            Ok(Value::Table(table))
        },
    },
];

fn score(lua: &Lua, args: &Args, metric: fn(&str, &[String]) -> f64) -> mlua::Result<Value> {
    let (answer, gold): (String, Vec<String>) = (args.get(lua, "answer")?, args.get(lua, "gold")?);
    metric(&answer, &gold).into_lua(lua)
}

static REASONER: Object = Object {
    name: "Reasoner",
    doc: "Answers questions from items.",
    fields: &[],
    methods: &[Function {
        path: "answer",
        doc: "Answers a question.",
        params: &[
            required("question", Kind::Text, "the question"),
            required("items", Kind::List(&Kind::Record(&ITEM)), "the items to answer from, the most fitting first"),
        ],
        returns: Kind::Record(&ANSWER),
        result: "the answer",
        call: |lua, args| {
            let (question, items): (String, Vec<Table>) = (args.get(lua, "question")?, args.get(lua, "items")?);
            let content = |(i, item): (usize, &Table)| {
                item.get::<String>("content").map_err(|_| mlua::Error::runtime(format!("'items[{}]' has no content", i + 1)))
            };
            let contents: Vec<String> = items.iter().enumerate().map(content).collect::<mlua::Result<_>>()?;
            let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
            let answer = args.this::<Extractive>()?.answer(&question, &contents);
            let table = lua.create_table()?;
            table.raw_set("text", answer.text)?;
            table.raw_set("known", answer.known)?;
            table.raw_set("item", answer.used.map(|used| &items[used]))?;
            Ok(Value::Table(table))
        },
    }],
    checkpoint: None,
};

impl Scripted for Extractive {
    const OBJECT: &'static Object = &REASONER;
    fn describe(&self) -> String {
        "a reasoner that answers from the items alone, and says when it cannot".into()
    }
}
