//! Tool-call dialects: how a policy writes its calls. A dialect is a Lua table that is passed to `fm.grpo.new`; without one, calls are read
//! in the format of Hermes and Qwen.

use mlua::Value;
use serde_json::Value as Json;

use crate::api::arguments::checked;
use crate::api::lua::read;
use crate::api::{Area, Callback, Function, Kind, function};
use finemem::memory::calls::{self, Call, Parsed};
use finemem::record;
use finemem::rollout::Arguments;
use finemem::schema::{Described, Problem};

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

const ARGUMENTS: Kind = Kind::Map(&Kind::Any);

record! {
    /// A call as a dialect read it. One that cannot be carried out has an `error`.
    struct CallTable as "Call", checked {
        /// the text it was read from, a piece of the answer after that of the call before; anything outside these pieces is stray text
        raw: String,
        /// the tool
        name: Option<String>,
        /// the arguments by name
        arguments: Option<Json> as ARGUMENTS,
        /// why it cannot be carried out
        error: Option<String>,
    }
}

const CALLS: Kind = <Vec<CallTable>>::KIND;
const PARSE: Kind = Kind::Function(&[("text", Kind::Text)], &CALLS);
const WRITE: Kind = Kind::Function(&[("call", Kind::Table)], &Kind::Text);
const TOOLS: Kind = Kind::Function(&[("tools", Kind::List(&Kind::Table))], &Kind::Text);

record! {
    /// How calls are written.
    pub(crate) struct DialectTable as "Dialect", checked {
        /// its name
        name: String,
        /// reads every call in an answer, valid or not, in order
        parse: Callback as PARSE,
        /// writes a call, `{ name, arguments }`, as `parse` reads it
        write: Callback as WRITE,
        /// texts that end an answer
        stop: Vec<String> => OrDefault,
        /// whether a call is a JSON object that names its tool. An answer of nothing but such objects is then read even if the dialect's
        /// tags are missing, and its calls are counted as untagged
        json: bool => OrDefault,
        /// describes the tools and how to call them, for prompts of models without a chat template
        tools: Option<Callback> as TOOLS,
    }

    struct Answer {
        /// an answer
        text: String,
    }

    struct AnswerTo {
        /// an answer
        text: String,
        /// how calls are written; by default as Hermes and Qwen do
        dialect: Option<DialectTable>,
        /// the prompt before the answer; if it ends with <think>, the answer begins inside a thought
        prompt: String => OrDefault,
        /// the tools that calls without tags may name, as `fm.grpo.new` takes them; by default there are none
        tools: Vec<Named> => OrDefault,
    }

    /// A tool, of which only the name matters.
    struct Named as "Named" {
        /// its name
        name: String,
    }
}

const TABLE: Kind = Kind::Table;

record! {
    /// The parts of an answer.
    struct Found {
        /// the calls
        calls: Vec<FoundCall>,
        /// how many stretches of other text there are
        stray: usize,
        /// how many of the calls were read although the dialect's tags are missing
        untagged: usize,
        /// the thought, if any
        thought: Option<String>,
    }

    /// A call before it is carried out; its validity is not known yet.
    struct FoundCall {
        /// the tool, if one was named
        tool: Option<String>,
        /// its arguments
        arguments: Arguments => OrDefault,
        /// the text it was read from
        raw: String,
        /// whether it could be read
        parsed: bool,
        /// why it could not
        reason: Option<String>,
    }
}

const FUNCTIONS: &[Function] = &[
    function! {
        /// Reads calls in the format of Hermes and Qwen models: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`.
        "calls.hermes" (lua, given: Answer) -> Vec<CallTable>: "the calls, valid or not, in order" {
            let table = |Call { raw, name, arguments, error }| CallTable {
                raw,
                name,
                arguments: Some(arguments).filter(Json::is_object),
                error,
            };
            Ok(calls::parse(&given.text).calls.into_iter().map(table).collect())
        }
    },
    function! {
        /// Reads the calls in a text as a rollout does: the dialect's result is checked, and a thought before the calls is returned
        /// separately.
        "calls.read" (lua, given: AnswerTo) -> Found as TABLE: "`{ calls, stray, untagged, thought }`: the calls, the number of stretches of other text, how many of the calls lack the dialect's tags, and the thought, if any" {
            let (thought, answer) = calls::split_thought(&given.prompt, &given.text);
            let tools: Vec<&str> = given.tools.iter().map(|tool| tool.name.as_str()).collect();
            let Parsed { calls, stray, untagged } = Dialect(given.dialect).parse(answer, &tools)?;
            let found = |Call { raw, name, arguments, error }| FoundCall {
                tool: name,
                arguments: Arguments(arguments),
                raw,
                parsed: error.is_none(),
                reason: error,
            };
            Ok(Found { calls: calls.into_iter().map(found).collect(), stray, untagged, thought: thought.map(str::to_owned) })
        }
    },
];

/// How a trainer reads calls: as a script's dialect does, or as Hermes and Qwen write them, which is read in Rust.
pub(crate) struct Dialect(pub(crate) Option<DialectTable>);

impl Dialect {
    /// Texts that end an answer.
    pub(crate) fn stop(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |given| &given.stop)
    }

    /// Every call in `text`, those without tags too if it is nothing but calls of `tools`. Text that a scripted dialect neither reads nor
    /// reports as broken counts as stray.
    pub(crate) fn parse(&self, text: &str, tools: &[&str]) -> mlua::Result<Parsed> {
        let Some(DialectTable { name, parse, json, .. }) = &self.0 else { return Ok(calls::parse(text).or_untagged(text, tools)) };
        let wrong = |reason: String| mlua::Error::runtime(format!("the dialect '{name}' cannot be used: {reason}"));
        let found: Value = parse.0.call(text)?;
        checked(&CALLS, &found).map_err(|reason| wrong(format!("what 'parse' returned {reason}")))?;
        let place = |Problem { place, text }| wrong(format!("what 'parse' returned is wrong at {place}: {text}"));
        let calls: Vec<CallTable> = read(&found).map_err(place)?;
        let parsed = Parsed::from_calls(text, calls.into_iter().map(call).collect()).map_err(|error| wrong(error.to_string()))?;
        Ok(if *json { parsed.or_untagged(text, tools) } else { parsed })
    }
}

/// A call that a script returned. A call that lacks something has an error.
fn call(CallTable { raw, name, arguments, error }: CallTable) -> Call {
    let arguments = arguments.unwrap_or_default();
    let error = error.or_else(|| name.as_deref().is_none_or(str::is_empty).then(|| "the call names no tool".into()));
    let error = error.or_else(|| arguments.is_null().then(|| "the call has no arguments".into()));
    let error = error.or_else(|| (!arguments.is_object()).then(|| "the arguments are not a JSON object".into()));
    Call { raw, name, arguments, error }
}
