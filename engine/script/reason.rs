//! `fm.reasoner` and `fm.metric`: answering questions from items, and scoring answers.

use std::rc::Rc;

use mlua::{AnyUserData, IntoLua, Lua, Table, Value};

use super::api::{Area, Args, Function, Handle, Kind, Need, Object, Param, Record, Scripted, default, object, optional, required};
use super::convert::list;
use super::data::{QUESTION, questions_from};
use super::memory::{ITEM, item};
use crate::data::Question;
use crate::memory::Store;
use crate::reason::metrics::{self, Metric};
use crate::reason::{self, Asked, Asking, Extractive, Query, Reason, Retrieval};

pub(super) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&REASONER], records: &[&ANSWER, &ASKED, &INTERVAL] };

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

static ASKED: Record = Record {
    name: "Asked",
    doc: "A question that was answered from a memory, and its score.",
    fields: &[
        required("question", Kind::Text, "the question"),
        required("gold", Kind::List(&Kind::Text), "the accepted answers"),
        required("answer", Kind::Text, "the answer"),
        required("score", Kind::Number, "its score, from 0 to 1"),
        required("metric", Kind::Text, "the metric that scored it"),
        required("evidence", Kind::List(&Kind::Record(&ITEM)), "the items that were retrieved, the most fitting first"),
        optional("used", Kind::Integer, "which of them the answer was taken from"),
        optional("kind", Kind::Text, "what kind of question it is"),
        optional("id", Kind::Text, "its name in its file"),
        optional("chunks", Kind::List(&Kind::Integer), "the chunks that hold what proves the gold answer"),
        required("prompt_tokens", Kind::Integer, "tokens that a model read"),
        required("completion_tokens", Kind::Integer, "tokens that it wrote"),
        required("requests", Kind::Integer, "requests to a server"),
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
        call: |lua, _| object(lua, Reasoner(Rc::new(Extractive))),
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
    methods: &[
        Function {
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
                let query = Query { question: &question, instruction: None, items: contents.iter().map(String::as_str).collect() };
                let answers = args.this::<Reasoner>()?.0.0.answer(&[query])?;
                let table = lua.create_table()?;
                for answer in answers {
                    table.raw_set("text", answer.text)?;
                    table.raw_set("known", answer.known)?;
                    table.raw_set("item", answer.used.map(|used| &items[used]))?;
                }
                Ok(Value::Table(table))
            },
        },
        Function {
            path: "ask",
            doc: "Answers questions from a memory, all in one batch, and scores the answers.",
            params: &[
                required("memory", Kind::Object("Memory"), "the memory"),
                required("questions", Kind::List(&Kind::Record(&QUESTION)), "the questions of an episode"),
                default("top_k", Kind::Integer, Need::Number(10.0), "items that BM25 retrieves for a question"),
            ],
            returns: Kind::List(&Kind::Record(&ASKED)),
            result: "the answers, in the order of the questions",
            call: |lua, args| {
                let questions = questions_from(&args.get::<Vec<Table>>(lua, "questions")?)?;
                let memory = args.object::<Store>(lua, "memory")?;
                let ask: Vec<(&Store, &Question)> = questions.iter().map(|question| (&memory.0, question)).collect();
                let reasoner = args.this::<Reasoner>()?;
                list(lua, answers(lua, &*reasoner.0.0, Retrieval { top_k: args.get(lua, "top_k")? }, &ask)?.into_iter().map(Ok))
            },
        },
    ],
    checkpoint: None,
};

/// A reasoner as scripts hold it.
pub(super) struct Reasoner(pub(super) Rc<dyn Reason>);

impl Scripted for Reasoner {
    const OBJECT: &'static Object = &REASONER;
    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// The reasoner in a script's object.
pub(super) fn reasoner(object: &AnyUserData) -> mlua::Result<Rc<dyn Reason>> {
    Ok(object.borrow::<Handle<Reasoner>>()?.0.0.clone())
}

/// Answers questions to memories in one batch: an `Asked` for each.
pub(super) fn answers(
    lua: &Lua,
    reasoner: &dyn Reason,
    retrieval: Retrieval,
    questions: &[(&Store, &Question)],
) -> mlua::Result<Vec<Table>> {
    let asking: Vec<Asking<'_>> =
        questions.iter().map(|(store, q)| Asking { store, question: &q.question, instruction: q.instruction.as_deref() }).collect();
    let asked = reason::ask(reasoner, retrieval, &asking)?;
    questions.iter().zip(asked).map(|((_, question), asked)| asked_table(lua, question, &asked)).collect()
}

fn asked_table(lua: &Lua, question: &Question, asked: &Asked<'_>) -> mlua::Result<Table> {
    let metric = question.metric.as_deref().map(str::parse::<Metric>).transpose()?.unwrap_or_default();
    let answer = &asked.answer;
    let table = lua.create_table()?;
    table.raw_set("question", question.question.as_str())?;
    table.raw_set("gold", list(lua, question.answers.iter().map(|gold| Ok(gold.as_str())))?)?;
    table.raw_set("answer", answer.text.as_str())?;
    table.raw_set("score", metric.score(&answer.text, &question.answers))?;
    table.raw_set("metric", metric.name())?;
    table.raw_set("evidence", list(lua, asked.evidence.iter().map(|(found, score)| item(lua, found, Some(*score))))?)?;
    table.raw_set("used", answer.used.map(|used| used + 1))?;
    table.raw_set("kind", question.kind.as_deref())?;
    table.raw_set("id", question.id.as_deref())?;
    if !question.evidence.is_empty() {
        table.raw_set("chunks", list(lua, question.evidence.iter().map(|chunk| Ok(chunk + 1)))?)?;
    }
    table.raw_set("prompt_tokens", answer.usage.prompt_tokens)?;
    table.raw_set("completion_tokens", answer.usage.completion_tokens)?;
    table.raw_set("requests", answer.usage.requests)?;
    Ok(table)
}
