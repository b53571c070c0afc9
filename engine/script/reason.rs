//! `fm.reasoner`: answering questions from items.

use std::rc::Rc;

use mlua::{AnyUserData, ExternalResult, IntoLua, Lua, Table};

use super::api::{Area, Args, Function, Handle, Kind, Need, Object, Param, Record, Scripted, default, object, optional, required};
use super::convert::list;
use super::data::{QUESTION, questions_from};
use super::memory::{ITEM, item};
use super::model::Policy;
use super::session;
use finemem::data::Question;
use finemem::memory::Store;
use finemem::metrics::Metric;
use finemem::reason::{self, Answer, Asked, Asking, Entry, Extractive, How, Message, Query, Reason, Reply, Retrieval, Server, Usage};

pub(super) const AREA: Area = Area {
    constants: &[],
    functions: FUNCTIONS,
    objects: &[&REASONER],
    records: &[&QUERY, &QUESTIONED, &ANSWER, &ASKED, &MESSAGE, &REPLY],
};

const CUT: Param = required("cut", Kind::Boolean, "whether the limit of tokens, or a filter of the server, cut the model's reply off");
const REQUESTS: Param = required(
    "requests",
    Kind::Integer,
    "requests to a server that the reply took: in an earlier process, if its cache has the reply; 0 if this process has asked for it before",
);
const SECONDS: Param = required(
    "seconds",
    Kind::Number,
    "seconds from the first of these requests to the reply; they run side by side, so that a sum is more than the time that passed",
);
const CACHED: Param =
    required("cached", Kind::Integer, "1 if the reply was there already, from an earlier process or an equal chat, else 0");

static QUERY: Record = Record {
    name: "Query",
    doc: "A question and what it may be answered from.",
    fields: &[
        required("question", Kind::Text, "the question"),
        required("items", Kind::List(&Kind::Record(&ITEM)), "the items to answer from, the most fitting first"),
        optional("instruction", Kind::Text, "what a model is told beside the question"),
    ],
    checked: true,
};

static QUESTIONED: Record = Record {
    name: "Questioned",
    doc: "A memory and what it is asked.",
    fields: &[
        required("memory", Kind::Object("Memory"), "the memory"),
        required("questions", Kind::List(&Kind::Record(&QUESTION)), "the questions"),
    ],
    checked: true,
};

static ANSWER: Record = Record {
    name: "Answer",
    doc: "What a reasoner makes of a question.",
    fields: &[
        required("text", Kind::Text, "the answer, or `not in memory`; empty where the model's reply has none, as one cut off in a thought"),
        required("known", Kind::Boolean, "whether the items hold an answer"),
        optional("item", Kind::Record(&ITEM), "the item that it was taken from"),
        CUT,
        required("left_out", Kind::Integer, "items that were left out because the prompt was too long"),
    ],
    checked: false,
};

pub(super) static ASKED: Record = Record {
    name: "Asked",
    doc: "A question that was answered from a memory, and its score.",
    fields: &[
        required("question", Kind::Text, "the question"),
        required("gold", Kind::List(&Kind::Text), "the accepted answers"),
        required(
            "answer",
            Kind::Text,
            "the answer, or `not in memory`; empty where the model's reply has none, as one cut off in a thought",
        ),
        optional("score", Kind::Number, "its score, from 0 to 1, and 0 for an empty answer; none where a judge has to give it"),
        optional("scored", Kind::Text, "what was scored, where the protocol says in other words than the answer that nothing is known"),
        required("metric", Kind::Text, "the metric that scored it"),
        required("evidence", Kind::List(&Kind::Record(&ITEM)), "the items that were retrieved, the most fitting first"),
        optional("used", Kind::Integer, "which of them the answer was taken from"),
        optional("kind", Kind::Text, "what kind of question it is"),
        optional("id", Kind::Text, "its name in its file"),
        optional("chunks", Kind::List(&Kind::Integer), "the chunks that hold what proves the gold answer"),
        required("prompt_tokens", Kind::Integer, "tokens that a model read"),
        required("completion_tokens", Kind::Integer, "tokens that it wrote"),
        CUT,
        REQUESTS,
        SECONDS,
        CACHED,
        required("left_out", Kind::Integer, "items that were left out because the prompt was too long"),
    ],
    checked: false,
};

static MESSAGE: Record = Record {
    name: "Message",
    doc: "A message of a chat.",
    fields: &[
        required("role", Kind::Choice(&["system", "user", "assistant"]), "who says it"),
        required("content", Kind::Text, "what is said"),
    ],
    checked: true,
};

static REPLY: Record = Record {
    name: "Reply",
    doc: "What a model says to a chat.",
    fields: &[
        required("text", Kind::Text, "the text, without a thought before it; empty where that is all there is"),
        required("prompt_tokens", Kind::Integer, "tokens that the model read"),
        required("completion_tokens", Kind::Integer, "tokens that it wrote"),
        CUT,
        REQUESTS,
        SECONDS,
        CACHED,
    ],
    checked: false,
};

/// A chat as scripts write it.
pub(super) const CHAT: Kind = Kind::List(&Kind::Record(&MESSAGE));

/// How items are chosen for a question; the same parameters wherever questions are asked.
pub(super) const RETRIEVAL: Param = default(
    "retrieval",
    Kind::Choice(&How::NAMES),
    Need::Text("bm25"),
    "which items a question is answered from: those that BM25 ranks highest; the whole memory; or as Mem-α does of each section those that BM25 \
     ranks highest, and the section core whole",
);
pub(super) const TOP_K: Param =
    default("top_k", Kind::Integer, Need::Number(10.0), "items that BM25 retrieves for a question, or in each section");
pub(super) const MAX_QUESTION: Param = optional(
    "max_question",
    Kind::Integer,
    "longest prompt of a question in tokens: the items that fit least are left out, of a whole memory the oldest; by default what the \
     reasoner has room for",
);

const FUNCTIONS: &[Function] = &[Function {
    path: "reasoner.extractive",
    doc: "The reasoner that copies its answers out of the items; it has no state and no randomness.",
    params: &[],
    returns: Kind::Object("Reasoner"),
    result: "the reasoner",
    call: |lua, _| object(lua, Reasoner::new(Rc::new(Extractive))),
}];

static REASONER: Object = Object {
    name: "Reasoner",
    doc: "Answers questions from items.",
    fields: &[],
    methods: &[
        Function {
            path: "answer",
            doc: "Answers a question.",
            params: QUERY.fields,
            returns: Kind::Record(&ANSWER),
            result: "the answer",
            call: |lua, args| {
                let query = (args.get(lua, "question")?, args.get(lua, "instruction")?, args.get(lua, "items")?);
                let tables = answer_all(lua, &*args.this::<Reasoner>()?.ready(lua)?, &[query], |_| "items".into())?;
                tables.into_iter().next().into_lua(lua)
            },
        },
        Function {
            path: "answer_all",
            doc: "Answers many questions in one batch, each from its own items.",
            params: &[required("queries", Kind::List(&Kind::Record(&QUERY)), "the questions with their items")],
            returns: Kind::List(&Kind::Record(&ANSWER)),
            result: "the answers, in the order of the questions",
            call: |lua, args| {
                let query = |table: &Table| Ok((table.raw_get("question")?, table.raw_get("instruction")?, table.raw_get("items")?));
                let queries = args.get::<Vec<Table>>(lua, "queries")?.iter().map(query).collect::<mlua::Result<Vec<_>>>()?;
                list(
                    lua,
                    answer_all(lua, &*args.this::<Reasoner>()?.ready(lua)?, &queries, |i| format!("queries[{}].items", i + 1))?
                        .into_iter()
                        .map(Ok),
                )
            },
        },
        Function {
            path: "ask",
            doc: "Answers questions from a memory, all in one batch, and scores the answers.",
            params: &[
                required("memory", Kind::Object("Memory"), "the memory"),
                required("questions", Kind::List(&Kind::Record(&QUESTION)), "the questions of an episode"),
                RETRIEVAL,
                TOP_K,
                MAX_QUESTION,
            ],
            returns: Kind::List(&Kind::Record(&ASKED)),
            result: "the answers, in the order of the questions",
            call: |lua, args| {
                let questions = questions_from(&args.get::<Vec<Table>>(lua, "questions")?)?;
                let memory = args.object::<Store>(lua, "memory")?;
                let ask: Vec<(&Store, &Question)> = questions.iter().map(|question| (&memory.0, question)).collect();
                let reasoner = args.this::<Reasoner>()?.ready(lua)?;
                list(lua, answers(lua, &*reasoner, retrieval(lua, args)?, &ask)?.into_iter().map(Ok))
            },
        },
        Function {
            path: "ask_all",
            doc: "Asks memories their own questions, all in one batch, and scores the answers.",
            params: &[
                required("asked", Kind::List(&Kind::Record(&QUESTIONED)), "the memories with their questions"),
                RETRIEVAL,
                TOP_K,
                MAX_QUESTION,
            ],
            returns: Kind::List(&Kind::List(&Kind::Record(&ASKED))),
            result: "for each memory the answers, in the order of its questions",
            call: |lua, args| {
                let read = |table: &Table| {
                    Ok((table.raw_get::<AnyUserData>("memory")?, questions_from(&table.raw_get::<Vec<Table>>("questions")?)?))
                };
                let asked = args.get::<Vec<Table>>(lua, "asked")?.iter().map(read).collect::<mlua::Result<Vec<_>>>()?;
                let stores = asked.iter().map(|(memory, _)| memory.borrow::<Handle<Store>>()).collect::<mlua::Result<Vec<_>>>()?;
                let ask = asked.iter().zip(&stores).flat_map(|((_, questions), store)| questions.iter().map(move |q| (&store.0, q)));
                let reasoner = args.this::<Reasoner>()?.ready(lua)?;
                let mut answered = answers(lua, &*reasoner, retrieval(lua, args)?, &ask.collect::<Vec<_>>())?.into_iter();
                let lists = asked.iter().map(|(_, questions)| list(lua, answered.by_ref().take(questions.len()).map(Ok)));
                list(lua, lists)
            },
        },
        Function {
            path: "complete",
            doc: "Lets the reasoner's model go on with chats, all in one batch. The extractive reasoner has no model.",
            params: &[required("chats", Kind::List(&CHAT), "the chats, each a list of messages")],
            returns: Kind::List(&Kind::Record(&REPLY)),
            result: "a reply to each chat",
            call: |lua, args| {
                let chats: Vec<Vec<Table>> = args.get(lua, "chats")?;
                let chats = chats.iter().map(|chat| chat_from(chat)).collect::<mlua::Result<Vec<_>>>()?;
                let replies = args.this::<Reasoner>()?.ready(lua)?.complete(&chats).into_lua_err()?;
                let table = |reply: Reply| {
                    let table = lua.create_table()?;
                    table.raw_set("text", reply.text)?;
                    usage(&table, &reply.usage)?;
                    Ok(table)
                };
                list(lua, replies.into_iter().map(table))
            },
        },
    ],
    checkpoint: None,
};

/// A reasoner as scripts hold it.
pub(super) struct Reasoner {
    pub(super) reason: Rc<dyn Reason>,
    /// A server keeps its replies in the run's folder, if a run is open when it is first asked.
    pub(super) server: Option<Rc<Server>>,
    /// The model whose tensors it answers with.
    pub(super) policy: Option<Rc<Policy>>,
}

impl Reasoner {
    pub(super) fn new(reason: Rc<dyn Reason>) -> Self {
        Self { reason, server: None, policy: None }
    }

    /// What answers.
    fn ready(&self, lua: &Lua) -> mlua::Result<Rc<dyn Reason>> {
        if let (Some(server), Some(run)) = (&self.server, session(lua).run.borrow().as_ref()) {
            server.keep_in(&run.borrow().folder().join("replies.jsonl")).into_lua_err()?;
        }
        Ok(self.reason.clone())
    }
}

impl Scripted for Reasoner {
    const OBJECT: &'static Object = &REASONER;
    fn describe(&self) -> String {
        self.reason.describe()
    }
}

/// Answers questions, each with its instruction and its items, in one batch: an `Answer` for each. `place` is what a script calls the
/// items of a question.
fn answer_all(
    lua: &Lua,
    reasoner: &dyn Reason,
    queries: &[(String, Option<String>, Vec<Table>)],
    place: impl Fn(usize) -> String,
) -> mlua::Result<Vec<Table>> {
    let text = |place: String, item: &Table| {
        let content = item.get::<String>("content").map_err(|_| mlua::Error::runtime(format!("'{place}' has no content")))?;
        // Items that a script makes have the order that it gives them.
        let step: usize = item.get::<Option<usize>>("step")?.unwrap_or(0);
        Ok((content, item.get::<Option<String>>("section")?.unwrap_or_default(), step, item.get::<Option<u64>>("id")?))
    };
    let texts = |(at, (_, _, items)): (usize, &(_, _, Vec<Table>))| {
        (1..).zip(items).map(|(i, item)| text(format!("{}[{i}]", place(at)), item)).collect::<mlua::Result<Vec<_>>>()
    };
    let texts = queries.iter().enumerate().map(texts).collect::<mlua::Result<Vec<_>>>()?;
    let mut asked = Vec::with_capacity(queries.len());
    let mut left_out = Vec::with_capacity(queries.len());
    for ((question, instruction, _), texts) in queries.iter().zip(&texts) {
        let items = (0..).zip(texts).map(|(rank, (content, section, step, id))| {
            let written = (*step, id.unwrap_or(rank as u64));
            Entry { content, section, rank, written }
        });
        let mut query = Query { question, instruction: instruction.as_deref(), items: items.collect() };
        left_out.push(reason::fit(reasoner, &mut query, None).into_lua_err()?);
        asked.push(query);
    }
    let answers = reasoner.answer(&asked).into_lua_err()?.into_iter().zip(queries).zip(left_out);
    let table = |((answer, (_, _, items)), left_out): ((Answer, &(_, _, Vec<Table>)), usize)| {
        let table = lua.create_table()?;
        table.raw_set("text", answer.text)?;
        table.raw_set("known", answer.known)?;
        table.raw_set("item", answer.used.map(|used| &items[used]))?;
        table.raw_set("cut", answer.usage.cut)?;
        table.raw_set("left_out", left_out)?;
        Ok(table)
    };
    answers.map(table).collect()
}

/// The reasoner in a script's object.
pub(super) fn reasoner(lua: &Lua, object: &AnyUserData) -> mlua::Result<Rc<dyn Reason>> {
    object.borrow::<Handle<Reasoner>>()?.0.ready(lua)
}

/// The retrieval that [`RETRIEVAL`], [`TOP_K`] and [`MAX_QUESTION`] name.
pub(super) fn retrieval(lua: &Lua, args: &Args) -> mlua::Result<Retrieval> {
    let how = args.get::<String>(lua, "retrieval")?.parse().into_lua_err()?;
    Ok(Retrieval { how, top_k: args.get(lua, "top_k")?, max_prompt: args.get(lua, "max_question")? })
}

/// A chat that a script wrote and that was checked.
pub(super) fn chat_from(chat: &[Table]) -> mlua::Result<Vec<Message>> {
    if chat.is_empty() {
        return Err(mlua::Error::runtime("a chat needs at least one message"));
    }
    chat.iter().map(|message| Ok(Message::new(message.raw_get::<String>("role")?, message.raw_get::<String>("content")?))).collect()
}

fn usage(table: &Table, usage: &Usage) -> mlua::Result<()> {
    table.raw_set("prompt_tokens", usage.prompt_tokens)?;
    table.raw_set("completion_tokens", usage.completion_tokens)?;
    table.raw_set("cut", usage.cut)?;
    table.raw_set("requests", usage.requests)?;
    table.raw_set("seconds", usage.seconds)?;
    table.raw_set("cached", usage.cached)
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
    let asked = reason::ask(reasoner, retrieval, &asking).into_lua_err()?;
    questions.iter().zip(asked).map(|((_, question), asked)| asked_table(lua, question, &asked)).collect()
}

fn asked_table(lua: &Lua, question: &Question, asked: &Asked<'_>) -> mlua::Result<Table> {
    let metric = question.metric.as_deref().map(str::parse::<Metric>).transpose().into_lua_err()?.unwrap_or_default();
    let answer = &asked.answer;
    let table = lua.create_table()?;
    table.raw_set("question", question.question.as_str())?;
    table.raw_set("gold", list(lua, question.answers.iter().map(|gold| Ok(gold.as_str())))?)?;
    table.raw_set("answer", answer.text.as_str())?;
    if answer.text.is_empty() {
        // A reply without an answer does not say either that there is none.
        table.raw_set("score", 0)?;
    } else if !metric.needs_judge() {
        // A reasoner that finds nothing says so in its own words, and the protocol looks for others.
        let said = metric.unknown().filter(|_| !answer.known);
        table.raw_set("scored", said)?;
        let text = said.unwrap_or(&answer.text);
        table.raw_set("score", metric.score(text, &question.answers, question.kind.as_deref()).into_lua_err()?)?;
    }
    table.raw_set("metric", metric.name())?;
    table.raw_set("evidence", list(lua, asked.evidence.iter().map(|(found, score)| item(lua, found, *score)))?)?;
    table.raw_set("used", answer.used.map(|used| used + 1))?;
    table.raw_set("kind", question.kind.as_deref())?;
    table.raw_set("id", question.id.as_deref())?;
    if !question.evidence.is_empty() {
        table.raw_set("chunks", list(lua, question.evidence.iter().map(|chunk| Ok(chunk + 1)))?)?;
    }
    usage(&table, &answer.usage)?;
    table.raw_set("left_out", answer.usage.left_out)?;
    Ok(table)
}
