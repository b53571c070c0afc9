//! The chat that asks a model a question, and the meaning of its reply.

use std::fmt::Write;

use super::{Answer, Message, Query, Reply, Role, UNKNOWN};
use crate::metrics::normalise;

const TASK: &str = "You answer questions about texts that you cannot see. Someone read them before and kept a memory; what follows is all that \
                    the memory has for this question. What was written first comes first, what was written last comes last.";

const RULES: [&str; 4] = [
    "Rely on the memory, even where you know it otherwise.",
    "Put items together where one alone does not give the answer.",
    "Say only what was asked for: a name, a number or a few words, without a sentence around it and without reasons, unless the question asks \
     for more or for another form.",
    "Do not guess.",
];

/// How a model asks for more items.
const SEARCH: &str = "SEARCH:";
const LOOK_UP: &str = "This may be only a part of the memory. If a fact is missing that you need on the way to the answer, reply with only \"SEARCH: \" \
                       and the names and words to look it up by; you are then asked again, with what was found.";

/// The chat that asks a question: the task, the memory and the rules as the system message, the question as the user's.
///
/// Our own words for the protocol of Mem-α's answering server: a block for each section of a memory, its items numbered, and rules to use
/// the memory, to admit what is not in it, and to be brief. Our choice: items are listed in the order in which they were written, while
/// that server ranks them; a rank does not tell which of two facts is newer.
pub fn messages(query: &Query<'_>) -> Vec<Message> {
    let mut system = format!("{TASK}\n\n");
    let shown = query.shown();
    let mut sections: Vec<&str> = Vec::new();
    for entry in &shown {
        if !sections.contains(&entry.section) {
            sections.push(entry.section);
        }
    }
    // The order of sections says nothing about how they fit.
    sections.sort_unstable();
    if sections.is_empty() {
        sections.push("");
    }
    for section in sections {
        let name = if section.is_empty() { "memory".to_owned() } else { format!("{section}_memory") };
        let _ = writeln!(system, "<{name}>");
        for (number, entry) in (1..).zip(shown.iter().filter(|entry| entry.section == section)) {
            let _ = writeln!(system, "{number}. {}", entry.content);
        }
        if shown.is_empty() {
            system.push_str("(no item)\n");
        }
        let _ = writeln!(system, "</{name}>");
    }
    system.push_str("\nRules:\n");
    for rule in RULES {
        let _ = writeln!(system, "- {rule}");
    }
    if query.more {
        let _ = writeln!(system, "- {LOOK_UP}");
    }
    let _ = write!(system, "- If the memory does not hold the answer, reply with exactly: {UNKNOWN}");
    let question = match query.instruction {
        Some(instruction) => format!("{}\n\n{}", instruction.trim(), query.question),
        None => query.question.to_owned(),
    };
    vec![Message::new(Role::System, system), Message::new(Role::User, question)]
}

/// The answer in a reply, or, if `more` allows it, what the reply wants to look up. An empty text, as after an unfinished thought, is not
/// an answer, but does not say that there is none either.
pub fn answer(reply: Reply, more: bool) -> Answer {
    let Reply { mut text, usage } = reply;
    let wanted = |line: &str| Some(line.trim().trim_matches(['*', '`']).strip_prefix(SEARCH)?.trim().to_owned());
    let search: Vec<String> = text.lines().filter_map(wanted).filter(|words| !words.is_empty()).collect();
    if more && !search.is_empty() {
        return Answer { text: String::new(), known: false, trace: Vec::new(), search, usage };
    }
    if !search.is_empty() {
        // It was told to answer. If it does not, it knows no answer.
        let rest: Vec<&str> = text.lines().filter(|line| wanted(line).is_none()).collect();
        text = rest.join("\n").trim().to_owned();
        text = if text.is_empty() { UNKNOWN.into() } else { text };
    }
    let unknown = normalise(&text).starts_with(UNKNOWN);
    let known = !unknown && !text.is_empty();
    Answer { text: if unknown { UNKNOWN.into() } else { text }, known, trace: Vec::new(), search: Vec::new(), usage }
}

/// A text without the thoughts before it; empty if a thought has no end. Templates may begin a thought in the prompt, so that only its end
/// is in the text.
pub fn without_thought(text: &str) -> &str {
    let rest = text.rsplit_once("</think>").map_or(text, |(_, rest)| rest);
    if rest.contains("<think>") { "" } else { rest.trim() }
}

/// Roughly how many tokens a chat has: one per four bytes.
pub(super) fn estimate(chat: &[Message]) -> usize {
    chat.iter().map(|message| message.content.len().div_ceil(4)).sum()
}
