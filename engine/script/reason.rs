//! `fm.reasoner`: answering questions from items.

use std::rc::Rc;

use mlua::{AnyUserData, Lua, Table, Value};

use super::api::{Area, Function, Handle, Kind, Need, Object, Record, Scripted, default, object, optional, required};
use super::convert::list;
use super::data::{QUESTION, questions_from};
use super::memory::{ITEM, item};
use crate::data::Question;
use crate::memory::Store;
use crate::reason::metrics::Metric;
use crate::reason::{self, Asked, Asking, Extractive, Query, Reason, Retrieval};

pub(super) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&REASONER], records: &[&ANSWER, &ASKED] };

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
        optional("score", Kind::Number, "its score, from 0 to 1; none where a judge has to give it"),
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

const FUNCTIONS: &[Function] = &[Function {
    path: "reasoner.extractive",
    doc: "The reasoner that copies its answers out of the items; it has no state and no randomness.",
    params: &[],
    returns: Kind::Object("Reasoner"),
    result: "the reasoner",
    call: |lua, _| object(lua, Reasoner(Rc::new(Extractive))),
}];

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
    if !metric.needs_judge() {
        table.raw_set("score", metric.score(&answer.text, &question.answers, question.kind.as_deref())?)?;
    }
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
