//! `fm.reasoner`: answering questions from items.

use std::rc::Rc;

use mlua::{ExternalResult, Lua};

use super::model::Policy;
use super::session;
use crate::api::{Area, Function, Handed, Kind, Object, Scripted, function, method};
use finemem::data::Question;
use finemem::memory::{Item, Store};
use finemem::reason::{self, Asked, Asking, Entry, Extractive, Message, Query, Reason, Reply, Retrieval, Server};
use finemem::record;
use finemem::schema::Described;

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[&REASONER] };

record! {
    /// A question and the items to answer it from.
    struct QueryTable as "Query", checked {
        /// the question
        question: String,
        /// the items to answer from, best match first
        items: Vec<Loose>,
        /// an instruction added to the question
        instruction: Option<String>,
    }
}

/// An item that a script may make; it needs only its content.
#[derive(Debug, Clone, PartialEq)]
struct Loose {
    content: String,
    section: String,
    step: usize,
    id: Option<u64>,
    /// The table itself, which the answer refers to.
    table: crate::api::Tab,
}

impl Described for Loose {
    const KIND: Kind = Item::KIND;
}

impl finemem::schema::Show for Loose {
    fn show(&self) -> finemem::schema::Shown<'_> {
        self.table.show()
    }
}

impl finemem::schema::Read for Loose {
    fn read<S: finemem::schema::Source>(source: &S) -> Result<Self, finemem::schema::Problem> {
        use finemem::schema::{IfThere, Plain};
        let content = source.get("content")?;
        if content.is_nil() {
            return Err(finemem::schema::Problem::new("has no content"));
        }
        Ok(Self {
            content: source.field::<_, Plain>("content")?,
            section: source.field::<_, IfThere>("section")?,
            // Items that a script makes keep the script's order.
            step: source.field::<_, IfThere>("step")?,
            id: source.field::<_, Plain>("id")?,
            table: crate::api::Tab::read(source)?,
        })
    }
}

record! {
    /// A memory and its questions.
    struct Questioned as "Questioned", checked {
        /// the memory
        memory: Handed<Store>,
        /// the questions
        questions: Vec<Question>,
    }

    /// A reasoner's answer to a question.
    struct Answer as "Answer" {
        /// the answer, or `not in memory`; empty if the model's reply has none, for example because it was cut off in a thought
        text: String,
        /// whether the items hold an answer
        known: bool,
        /// the item that it was taken from
        item: Option<Loose>,
        /// whether the limit of tokens, or a filter of the server, cut the model's reply off
        cut: bool,
        /// items that were left out because the prompt was too long
        left_out: usize,
    }
}

/// A chat as scripts write it.
pub(crate) const CHAT: Kind = <Vec<Message>>::KIND;

record! {
    struct Queries {
        /// the questions with their items
        queries: Vec<QueryTable>,
    }

    struct Ask {
        /// the memory
        memory: Handed<Store>,
        /// the questions of an episode
        questions: Vec<Question>,
        ..retrieval: Retrieval,
    }

    struct AskAll {
        /// the memories with their questions
        asked: Vec<Questioned>,
        ..retrieval: Retrieval,
    }

    struct Complete {
        /// the chats, each a list of messages
        chats: Vec<Vec<Message>>,
    }
}

record! {
    struct OfItems {
        /// the most items that an answer may take: with more than 1 it looks up what the items found so far speak of
        hops: usize = 1,
    }
}

const FUNCTIONS: &[Function] = &[function! {
    /// A reasoner that copies its answers from the items; it has no state and no randomness.
    "reasoner.extractive" (lua, given: OfItems) -> Handed<Reasoner>: "the reasoner" {
        Handed::new(lua, Reasoner::new(Rc::new(Extractive::new(given.hops).into_lua_err()?)))
    }
}];

static REASONER: Object = Object {
    name: Reasoner::NAME,
    doc: "Answers questions from items.",
    properties: &[],
    methods: &[
        method! {
            /// Answers a question.
            "answer" (lua, this: Reasoner, given: QueryTable) -> Option<Answer> as ANSWER: "the answer" {
                Ok(answer_all(&*this.ready(lua)?, std::slice::from_ref(&given))?.pop())
            }
        },
        method! {
            /// Answers many questions in one batch, each from its own items.
            "answer_all" (lua, this: Reasoner, given: Queries) -> Vec<Answer>: "the answers, in the order of the questions" {
                answer_all(&*this.ready(lua)?, &given.queries)
            }
        },
        method! {
            /// Answers questions from a memory, all in one batch, and scores the answers.
            "ask" (lua, this: Reasoner, given: Ask) -> Vec<Asked>: "the answers, in the order of the questions" {
                let memory = given.memory.borrow()?;
                let asking: Vec<Asking<'_>> = given.questions.iter().map(|question| (&memory.0, question)).collect();
                reason::ask(&*this.ready(lua)?, given.retrieval, &asking).into_lua_err()
            }
        },
        method! {
            /// Answers each memory's own questions, all in one batch, and scores the answers.
            "ask_all" (lua, this: Reasoner, given: AskAll) -> Vec<Vec<Asked>>: "for each memory, the answers in the order of its questions" {
                let stores = given.asked.iter().map(|asked| asked.memory.borrow()).collect::<mlua::Result<Vec<_>>>()?;
                let asking = given.asked.iter().zip(&stores).flat_map(|(asked, store)| asked.questions.iter().map(|q| (&store.0, q)));
                let answered = reason::ask(&*this.ready(lua)?, given.retrieval, &asking.collect::<Vec<_>>()).into_lua_err()?;
                let mut answered = answered.into_iter();
                Ok(given.asked.iter().map(|asked| answered.by_ref().take(asked.questions.len()).collect()).collect())
            }
        },
        method! {
            /// Completes chats with the reasoner's model, all in one batch. The extractive reasoner has no model.
            "complete" (lua, this: Reasoner, given: Complete) -> Vec<Reply>: "a reply to each chat" {
                if given.chats.iter().any(Vec::is_empty) {
                    return Err(mlua::Error::runtime("a chat needs at least one message"));
                }
                this.ready(lua)?.complete(&given.chats).into_lua_err()
            }
        },
    ],
    checkpoint: None,
};

const ANSWER: Kind = Answer::KIND;

/// A reasoner as scripts hold it.
pub(crate) struct Reasoner {
    pub(crate) reason: Rc<dyn Reason>,
    /// A server keeps its replies in the run's folder, if a run is open at its first question.
    pub(crate) server: Option<Rc<Server>>,
    /// The model whose tensors it answers with.
    pub(crate) policy: Option<Rc<Policy>>,
}

impl Reasoner {
    pub(crate) fn new(reason: Rc<dyn Reason>) -> Self {
        Self { reason, server: None, policy: None }
    }

    /// The reasoner, ready to answer.
    pub(crate) fn ready(&self, lua: &Lua) -> mlua::Result<Rc<dyn Reason>> {
        if let (Some(server), Some(run)) = (&self.server, session(lua).run.borrow().as_ref()) {
            server.keep_in(&run.borrow().folder().join("replies.jsonl")).into_lua_err()?;
        }
        Ok(self.reason.clone())
    }
}

impl Scripted for Reasoner {
    const NAME: &'static str = "Reasoner";
    const OBJECT: &'static Object = &REASONER;
    fn describe(&self) -> String {
        self.reason.describe()
    }
}

/// Answers questions, each from its own items, in one batch.
fn answer_all(reasoner: &dyn Reason, queries: &[QueryTable]) -> mlua::Result<Vec<Answer>> {
    let mut asked = Vec::with_capacity(queries.len());
    let mut left_out = Vec::with_capacity(queries.len());
    for query in queries {
        let items = query.items.iter().enumerate().map(|(rank, item)| {
            let written = (item.step, item.id.unwrap_or(rank as u64));
            Entry { content: &item.content, section: &item.section, rank, written }
        });
        let (question, instruction) = (query.question.as_str(), query.instruction.as_deref());
        let mut one = Query { question, instruction, items: items.collect(), memory: None, more: false };
        left_out.push(reason::fit(reasoner, &mut one, None).into_lua_err()?);
        asked.push(one);
    }
    let answers = reasoner.answer(&asked).into_lua_err()?;
    let answer = |((answer, query), left_out): ((reason::Answer, &QueryTable), usize)| Answer {
        item: answer.trace.last().map(|used| query.items[*used].clone()),
        text: answer.text,
        known: answer.known,
        cut: answer.usage.cut,
        left_out,
    };
    Ok(answers.into_iter().zip(queries).zip(left_out).map(answer).collect())
}
