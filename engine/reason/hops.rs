//! Questions that take several statements, or one in other words: "Which country is the author of E a citizen of?"
//!
//! 1. A statement about a thing leads to a *value*: another noun phrase in it, mostly the one at its end. The words that are neither are its
//!    *relation*: "The author of E is | Mira Tolen".
//! 2. A *path* begins with a statement about a thing that the question names, and goes on with a statement about the value of the one before.
//! 3. The words of a question stand around the name in the order of the path: the nearest belong to the first statement, the farthest to the
//!    last. So each statement takes the next words of the question. It explains them as far as a word of its relation, or of its value, is
//!    near in meaning ([`related`](super::related)); the rest of its relation counts against it. A question may leave out a step.
//! 4. The last value should be of the kind that is asked for.
//! 5. The other statements of the memory tell more ([`frames`](super::frames)): what a statement is about, and which kinds of things the
//!    words of the question go with.
//!
//! Only a few of the best unfinished paths are continued. What they need is looked up by their last value and the question's words, so a
//! large memory is never read as a whole. All of this is our choice.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::frames::Frames;
use super::related::Places;
use super::statement::{Statement, is_article, is_whole};
use super::wanted::{Path, Wanted};
use super::words::{Token, agreement, sentences, tokens};

/// Unfinished paths that are continued.
const BEAM: usize = 10;
/// For reading a statement back from its end, if another has the same end, or the statement before shares its words.
const AMBIGUOUS: f64 = 0.15;
/// For taking the thing for the value of something else: "V lies on the island of E".
const OF_KIND: f64 = 0.3;
/// The longest name in words.
const LONGEST: usize = 9;

/// The answer that a path leads to.
pub(super) struct Found {
    pub(super) text: String,
    /// The items of its statements, in order.
    pub(super) trace: Vec<usize>,
    /// How well it fits.
    pub(super) score: f64,
}

/// Looks for the best path of up to `hops` statements; those of `refused` should not answer by themselves. Also returns what else to look up
/// in the memory, whose frames these are.
pub(super) fn search(
    question: &str,
    contents: &[&str],
    hops: usize,
    refused: &HashSet<&str>,
    frames: &Frames,
) -> (Option<Found>, Vec<String>) {
    let asked = tokens(question);
    let mut statements = Vec::new();
    for (item, content) in contents.iter().enumerate() {
        let read = sentences(content).into_iter().map(|sentence| Statement::read(item, sentence));
        let other = |t: &Token| t.is_negation() && !asked.iter().any(|q| q.key == t.key);
        statements.extend(read.filter(|s| !s.is_talk() && !s.tokens.iter().any(other)));
    }
    let mut searches: Vec<String> = names(&asked).into_iter().map(|name| keys(&asked[name]).join(" ")).collect();
    let mut best: Option<(f64, Vec<usize>, Range<usize>)> = None;
    let spans = spans(&asked, &statements);
    // A path holds everything that the question names.
    let holds = |path: &[usize], name: &Range<usize>| path.iter().any(|&at| statements[at].place_of(&keys(&asked[name.clone()])).is_some());
    // "Mira" alone may be somebody else than "Mira Tolen", and "Oska" is not the "Bank of Oska".
    let part = |of: &Range<usize>| of.start > 1 && asked[of.start - 1].is(&["of", "for"]) && asked[of.start - 2].name;
    let whole = |of: &Range<usize>| is_whole(&asked, of) && !part(of);
    let fits = |path: &[usize], of: &Range<usize>| (path.len() > 1 || whole(of)) && spans.iter().all(|name| holds(path, name));
    let cost = |path: &[usize]| if path.len() == 1 && statements[path[0]].is_one_of(refused) { f64::INFINITY } else { 0.0 };
    for name in spans.iter() {
        let wanted = Wanted::of(&asked, name.clone(), frames);
        searches.extend(wanted.reworded());
        let mut unfinished = vec![wanted.start()];
        for _ in 0..hops.min(wanted.most) {
            let mut longer: Vec<Path<'_>> = Vec::new();
            for path in &unfinished {
                searches.push(wanted.search(path));
                for (index, value, step) in wanted.steps(path, &statements) {
                    let statement = &statements[index];
                    let chain = || path.statements.iter().copied().chain([index]).collect::<Vec<_>>();
                    let score = wanted.finished(path, &step, statement, &value).map(|score| score - cost(&chain()));
                    let better = |score: &f64| best.as_ref().is_none_or(|(top, ..)| *score > top + 1e-9) && fits(&chain(), name);
                    if let Some(score) = score.filter(better) {
                        best = Some((score, chain(), value.clone()));
                    }
                    if statement.leads_on(&value) {
                        longer.extend(wanted.continued(path, &step).into_iter().map(|(taken, explained, score)| {
                            let (end, after) = (keys(&statement.tokens[value.clone()]), step.after.clone());
                            Path { end, statements: chain(), taken, after, explained, score }
                        }));
                    }
                }
            }
            longer.sort_by(|a, b| b.score.total_cmp(&a.score));
            longer.truncate(BEAM);
            unfinished = longer;
        }
    }
    let found = best.map(|(score, path, value)| {
        let text = path.last().map_or(String::new(), |last| statements[*last].text(&value));
        Found { text, trace: path.iter().map(|at| statements[*at].item).collect(), score }
    });
    (found, searches)
}

/// What counts against reading a statement back, from a thing at `name` to a value before it.
pub(super) fn back(statements: &[Statement<'_>], path: &Path<'_>, index: usize, name: &Range<usize>, value: &Range<usize>) -> f64 {
    if value.end > name.start {
        return 0.0;
    }
    let statement = &statements[index];
    let tokens = &statement.tokens;
    let end = &tokens[value.end..];
    let ends = |s: &Statement<'_>| {
        s.tokens.len() > end.len() && s.tokens[s.tokens.len() - end.len()..].iter().zip(end).all(|(a, b)| a.key == b.key)
    };
    let other = statements.iter().any(|s| ends(s) && !s.says_the_same(statement));
    let of_kind = name.start > 1 && tokens[name.start - 1].is(&["of"]) && tokens[name.start - 2].kind;
    let plain = |t: &&Token| !t.function && !t.name;
    let before = path.statements.last().map_or(&[][..], |last| &statements[*last].tokens);
    let shared = tokens.iter().filter(plain).any(|t| before.iter().filter(plain).any(|b| agreement(&b.key, &t.key) > 0));
    let cost = |is: bool, cost: f64| if is { cost } else { 0.0 };
    cost(other, AMBIGUOUS) + cost(shared, AMBIGUOUS) + cost(of_kind, OF_KIND)
}

pub(super) fn keys(tokens: &[Token]) -> Vec<&str> {
    tokens.iter().map(|t| t.key.as_str()).collect()
}

/// The names in a question: runs of words with capitals, with small words between them.
fn names(question: &[Token]) -> Vec<Range<usize>> {
    let mut names: Vec<Range<usize>> = Vec::new();
    for at in (0..question.len()).filter(|&at| question[at].name) {
        match names.last_mut() {
            Some(name) if name.end == at || (name.end + 1 == at && question[name.end].function) => name.end = at + 1,
            _ => names.push(at..at + 1),
        }
    }
    names
}

/// The parts of a question that statements are about: the longest that begin and end with a capital, or without any, those that a
/// statement begins with or that have a word of their own.
fn spans(question: &[Token], statements: &[Statement<'_>]) -> Vec<Range<usize>> {
    let own: Vec<bool> = question.iter().map(|t| !t.function && !Places::of(&t.key).known()).collect();
    // Whether each has capitals, by start and end.
    let mut found: BTreeMap<(usize, usize), bool> = BTreeMap::new();
    for statement in statements {
        let words = &statement.tokens;
        for (start, at) in (0..question.len()).flat_map(|start| (0..words.len()).map(move |at| (start, at))) {
            let common = question[start..].iter().zip(&words[at..]).take(LONGEST).take_while(|(a, b)| a.key == b.key).count();
            let opens = |i: usize| question[i].name || (is_article(&question[i]) && question.get(i + 1).is_some_and(|t| t.name));
            let longest = (1..=common).rev().find_map(|length| {
                let part = &question[start..start + length];
                let named = opens(start) && part[length - 1].name;
                let kind = length == 1 && part[0].kind;
                let plain = !kind && !part.iter().any(|t| t.name || t.function) && (at == 0 || own[start..start + length].contains(&true));
                ((named || plain) && is_whole(words, &(at..at + length))).then_some((length, named))
            });
            if let Some((length, named)) = longest {
                found.insert((start, start + length), named);
            }
        }
    }
    let named = found.values().any(|named| *named);
    let inside = |&(a, b): &(usize, usize)| found.keys().any(|&(c, d)| (c, d) != (a, b) && c <= a && b <= d);
    found.iter().filter(|(span, is)| **is == named && !inside(span)).map(|(&(a, b), _)| a..b).collect()
}
