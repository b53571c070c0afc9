//! Numbered facts, as in the split Conflict_Resolution of MemoryAgentBench: `k. fact`, one per line, where later ones overrule earlier
//! ones.

use super::{Options, Question, chunk};

/// Facts per chunk by default.
const FACTS: usize = 4;

/// The facts of a context without their numbers; None if most of its lines are not facts. Lines before the first fact are a heading; a line
/// without a number continues the fact above it.
pub(super) fn facts(context: &str) -> Option<Vec<String>> {
    let mut facts: Vec<String> = Vec::new();
    let mut others = 0;
    for line in context.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (number, fact) = line.split_once(". ").unwrap_or(("", line));
        if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
            facts.push(fact.to_owned());
            continue;
        }
        others += 1;
        if let Some(last) = facts.last_mut() {
            last.push(' ');
            last.push_str(line);
        }
    }
    (facts.len() > others || !facts.is_empty() && others == 1).then_some(facts)
}

/// The facts of each chunk.
pub(super) fn groups<'a>(facts: &'a [String], options: &Options) -> Vec<&'a [String]> {
    match (options.facts_per_chunk, options.chunk_tokens) {
        (None, Some(tokens)) => {
            let runs = chunk::pack(facts.iter().map(|fact| fact.len() + 1), tokens);
            runs.into_iter().map(|run| &facts[run]).collect()
        }
        (count, _) => facts.chunks(count.unwrap_or(FACTS)).collect(),
    }
}

/// The relations of the facts: the text before and after the subject, and the question for the object. The spelling is the file's.
const RELATIONS: &[(&str, &str, &str)] = &[
    ("The author of ", " is ", "Who is the author of {}?"),
    ("The capital of ", " is ", "What is the capital of {}?"),
    ("The chairperson of ", " is ", "Who is the chairperson of {}?"),
    ("The chief executive officer of ", " is ", "Who is the chief executive officer of {}?"),
    ("The company that produced ", " is ", "Which company produced {}?"),
    ("The director of ", " is ", "Who is the director of {}?"),
    ("The head coach of ", " is ", "Who is the head coach of {}?"),
    ("The headquarters of ", " is located in the city of ", "Which city is the headquarters of {} located in?"),
    ("The name of the current head of state in ", " is ", "What is the name of the current head of state in {}?"),
    ("The name of the current head of the ", " government is ", "What is the name of the current head of the {} government?"),
    ("The official language of ", " is ", "What is the official language of {}?"),
    ("The origianl broadcaster of ", " is ", "Who is the original broadcaster of {}?"),
    ("The original language of ", " is ", "What is the original language of {}?"),
    ("The type of music that ", " plays is ", "What type of music does {} play?"),
    ("The univeristy where ", " was educated is ", "Which university was {} educated at?"),
    ("", " died in the city of ", "Which city did {} die in?"),
    ("", " is a citizen of ", "Which country is {} a citizen of?"),
    ("", " is affiliated with the religion of ", "Which religion is {} affiliated with?"),
    ("", " is associated with the sport of ", "Which sport is {} associated with?"),
    ("", " is employed by ", "Who is {} employed by?"),
    ("", " is famous for ", "What is {} famous for?"),
    ("", " is located in the continent of ", "Which continent is {} located in?"),
    ("", " is married to ", "Who is {} married to?"),
    ("", " plays the position of ", "What position does {} play?"),
    ("", " speaks the language of ", "What language does {} speak?"),
    ("", " was born in the city of ", "Which city was {} born in?"),
    ("", " was created by ", "Who was {} created by?"),
    ("", " was created in the country of ", "Which country was {} created in?"),
    ("", " was developed by ", "Who was {} developed by?"),
    ("", " was founded by ", "Who was {} founded by?"),
    ("", " was founded in the city of ", "Which city was {} founded in?"),
    ("", " was performed by ", "Who was {} performed by?"),
    ("", " was written in the language of ", "What language was {} written in?"),
    ("", " worked in the city of ", "Which city did {} work in?"),
    ("", " works in the field of ", "What field does {} work in?"),
    ("", "'s child is ", "Who is the child of {}?"),
    // The rest are offices: "The Mayor of … is …".
    ("The ", " is ", "Who is the {}?"),
];

/// The question that a fact answers, and its answer, by the first relation that matches. None for a fact of another form.
fn asked(fact: &str) -> Option<(String, &str)> {
    let fact = fact.strip_suffix('.')?;
    let (mut first, mut found) = (RELATIONS.len(), None);
    let bytes = fact.as_bytes();
    // Every `between` begins with a space or an apostrophe, and few positions have one. Searching a fact for each relation takes far
    // longer.
    for at in (0..bytes.len().saturating_sub(1)).rev() {
        if !matches!(bytes[at], b' ' | b'\'') || !matches!(bytes[at + 1], b'd' | b'g' | b'i' | b'p' | b's' | b'w') {
            continue;
        }
        for (i, (before, between, question)) in RELATIONS[..first].iter().enumerate() {
            if between.as_bytes()[1] != bytes[at + 1] {
                continue;
            }
            let Some(object) = fact[at..].strip_prefix(between).filter(|object| !object.is_empty()) else { continue };
            let Some(subject) = fact[..at].strip_prefix(before).filter(|subject| !subject.is_empty()) else { continue };
            (first, found) = (i, Some((question, subject, object)));
            break;
        }
    }
    found.map(|(question, subject, object)| (question.replace("{}", subject), object))
}

/// A question for each fact of a chunk. If several facts answer the same question, the last one counts.
pub(super) fn questions(facts: &[String], like: &Question) -> Vec<Question> {
    let mut found: Vec<Question> = Vec::new();
    for (question, answer) in facts.iter().filter_map(|fact| asked(fact)) {
        found.retain(|other| other.question != question);
        found.push(Question { question, answers: vec![answer.to_owned()], ..like.clone() });
    }
    found
}
