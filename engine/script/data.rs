//! `fm.data`: episodes from published files.

use mlua::{Lua, Value};

use super::api::{Area, Function, Kind, Need, Record, default, optional, required};
use super::convert::list;
use crate::data::{self, Episode, Options, Question};

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

static QUESTION: Record = Record {
    name: "Question",
    doc: "A question with its accepted answers.",
    fields: &[
        required("question", Kind::Text, "the question"),
        required("answers", Kind::List(&Kind::Text), "the accepted answers"),
        optional("kind", Kind::Text, "what kind of question it is"),
    ],
    checked: false,
};

const FUNCTIONS: &[Function] = &[Function {
    path: "data.open",
    doc: "Reads a file of episodes.",
    params: &[
        required("path", Kind::Text, "the file"),
        optional("format", Kind::Choice(&["memoryagentbench", "episodes"]), "what the file holds; by default its content tells"),
        default("facts_per_chunk", Kind::Integer, Need::Number(4.0), "how many facts of a list make a chunk"),
    ],
    returns: Kind::List(&Kind::Record(&EPISODE)),
    result: "the episodes",
    call: |lua, args| {
        let path: String = args.get(lua, "path")?;
        let options = Options { format: args.get(lua, "format")?, facts_per_chunk: args.get(lua, "facts_per_chunk")? };
        list(lua, data::open(path, &options)?.iter().map(|found| episode(lua, found)))
    },
}];

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
        Ok(table)
    };
    list(lua, all.iter().map(question))
}
