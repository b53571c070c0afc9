//! `fm.data`: episodes from published files.

use mlua::{ExternalResult, IntoLua, Lua, Table, Value};

use super::api::{Area, Function, Kind, Need, Record, default, optional, required};
use super::convert::list;
use finemem::data::{self, Episode, Options, Question};

pub(super) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[], records: &[&EPISODE, &QUESTION] };

static EPISODE: Record = Record {
    name: "Episode",
    doc: "Text in chunks, and questions about it.",
    fields: &[
        required("id", Kind::Text, "its name"),
        required("source", Kind::Text, "where it comes from"),
        required("chunks", Kind::List(&Kind::Text), "the text, in the order in which it is read"),
        required("questions", Kind::List(&Kind::Record(&QUESTION)), "what is asked at the end"),
        required("chunk_questions", Kind::List(&Kind::List(&Kind::Record(&QUESTION))), "what is asked after each chunk"),
    ],
    checked: false,
};

pub(super) static QUESTION: Record = Record {
    name: "Question",
    doc: "A question with its accepted answers.",
    fields: &[
        required("question", Kind::Text, "the question"),
        required("answers", Kind::List(&Kind::Text), "the accepted answers"),
        optional("kind", Kind::Text, "what kind of question it is"),
        optional("id", Kind::Text, "its name in its file"),
        optional("metric", Kind::Text, "the metric that scores it, one of fm.metric; by default substring_exact_match"),
        optional("evidence", Kind::List(&Kind::Integer), "the chunks that hold what proves the answer, from 1"),
        optional("instruction", Kind::Text, "what a model is told beside the question, such as the form of the answer"),
    ],
    checked: false,
};

const FUNCTIONS: &[Function] = &[
    Function {
        path: "data.open",
        doc: "Reads the episodes of a published file, or of a folder of CSV files.",
        params: &[
            required("path", Kind::Text, "the file, or the folder"),
            optional("format", Kind::Choice(data::FORMATS), "what the file holds; by default its content tells"),
            default(
                "strict",
                Kind::Boolean,
                Need::Boolean(false),
                "make a row that cannot be read an error; otherwise it is skipped, and reported",
            ),
            optional(
                "facts_per_chunk",
                Kind::Integer,
                "how many facts of a list make a chunk; by default as many as `chunk_tokens` hold, or 4 without that",
            ),
            optional(
                "chunk_tokens",
                Kind::Integer,
                "how many tokens, of about four bytes each, make a chunk of prose, of a dialogue or of labelled examples; by default as the authors of \
                 the file cut it: 4096, intents 1024, LoCoMo a session",
            ),
            optional(
                "skipped",
                Kind::List(&Kind::Text),
                "a list of the script's, to which is added what was skipped: where it stands in the file, and why; without it that is said on standard error",
            ),
        ],
        returns: Kind::List(&Kind::Record(&EPISODE)),
        result: "the episodes",
        call: |lua, args| {
            let path: String = args.get(lua, "path")?;
            let options = Options {
                format: args.get(lua, "format")?,
                strict: args.get(lua, "strict")?,
                facts_per_chunk: args.get(lua, "facts_per_chunk")?,
                chunk_tokens: args.get(lua, "chunk_tokens")?,
            };
            let found = match args.get::<Option<Table>>(lua, "skipped")? {
                Some(skipped) => {
                    let found = data::read(path, &options).into_lua_err()?;
                    found.skipped.iter().try_for_each(|reason| skipped.raw_push(reason.as_str()))?;
                    found
                }
                None => data::open(path, &options).into_lua_err()?,
            };
            list(lua, found.episodes.iter().map(|found| episode(lua, found)))
        },
    },
    Function {
        path: "data.line",
        doc: "An episode as a line of a file that `fm.data.open` reads.",
        params: &[required("episode", Kind::Record(&EPISODE), "the episode")],
        returns: Kind::Text,
        result: "its JSON, without a line end",
        call: |lua, args| {
            let table: Table = args.get(lua, "episode")?;
            let questions = |list: Option<Vec<Table>>| questions_from(&list.unwrap_or_default());
            let chunk_questions: Option<Vec<Vec<Table>>> = table.raw_get("chunk_questions")?;
            let episode = Episode {
                id: table.raw_get("id")?,
                source: table.raw_get("source")?,
                chunks: table.raw_get("chunks")?,
                questions: questions(table.raw_get("questions")?)?,
                chunk_questions: chunk_questions
                    .unwrap_or_default()
                    .iter()
                    .map(|list| questions_from(list))
                    .collect::<mlua::Result<_>>()?,
            };
            serde_json::to_string(&episode).map_err(mlua::Error::external)?.into_lua(lua)
        },
    },
];

fn episode(lua: &Lua, episode: &Episode) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.raw_set("id", episode.id.as_str())?;
    table.raw_set("source", episode.source.as_str())?;
    table.raw_set("chunks", list(lua, episode.chunks.iter().map(|chunk| Ok(chunk.as_str())))?)?;
    table.raw_set("questions", questions(lua, &episode.questions)?)?;
    table.raw_set("chunk_questions", list(lua, episode.chunk_questions.iter().map(|chunk| questions(lua, chunk)))?)?;
    Ok(Value::Table(table))
}

fn questions(lua: &Lua, all: &[Question]) -> mlua::Result<Value> {
    let question = |question: &Question| {
        let table = lua.create_table()?;
        table.raw_set("question", question.question.as_str())?;
        table.raw_set("answers", list(lua, question.answers.iter().map(|answer| Ok(answer.as_str())))?)?;
        table.raw_set("kind", question.kind.as_deref())?;
        table.raw_set("id", question.id.as_deref())?;
        table.raw_set("metric", question.metric.as_deref())?;
        if !question.evidence.is_empty() {
            table.raw_set("evidence", list(lua, question.evidence.iter().map(|chunk| Ok(chunk + 1)))?)?;
        }
        table.raw_set("instruction", question.instruction.as_deref())?;
        Ok(table)
    };
    list(lua, all.iter().map(question))
}

/// Questions that a script passes.
pub(super) fn questions_from(list: &[Table]) -> mlua::Result<Vec<Question>> {
    let read = |(at, q): (usize, &Table)| {
        let wrong = |key: &str, what: &str| mlua::Error::runtime(format!("question {}: '{key}' must be {what}", at + 1));
        let evidence: Vec<usize> =
            q.raw_get::<Option<Vec<usize>>>("evidence").map_err(|_| wrong("evidence", "a list of chunks"))?.unwrap_or_default();
        if evidence.contains(&0) {
            return Err(wrong("evidence", "a list of chunks, which count from 1"));
        }
        let text = |key: &str| q.raw_get::<Option<String>>(key).map_err(|_| wrong(key, "a text"));
        Ok(Question {
            question: q.raw_get("question").map_err(|_| wrong("question", "a text"))?,
            answers: q.raw_get("answers").map_err(|_| wrong("answers", "a list of texts"))?,
            kind: text("kind")?,
            id: text("id")?,
            metric: text("metric")?,
            evidence: evidence.into_iter().map(|chunk| chunk - 1).collect(),
            instruction: text("instruction")?,
        })
    };
    list.iter().enumerate().map(read).collect()
}
