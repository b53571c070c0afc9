//! The extractive reasoner: finds the sentence that states what a question asks, and answers with the part that the question
//! does not give. It reads the contents only, in the order in which they were retrieved, and never guesses.
//!
//! 1. A question names an *entity* (its proper names, or, without any, the word in the place of a name) and a *relation* (its other content
//!    words).
//! 2. A sentence must hold every name as a whole, so that namesakes are not confused: "Mira" is not "Mira Tolen", "England" is not
//!    "New England". It must not speak of something else that belongs to the entity, nor state the relation the other way round.
//! 3. The more of the relation's words it holds, in any form, and the fewer others, the better it fits; too little is no fit.
//! 4. What remains between the matched words is a candidate for the answer, unless its preposition or its kind of place
//!    contradicts the question: "where" is not answered by "as a baker", nor "which city" by "in the country of Tal".
//!
//! Of sentences that fit equally well the first in retrieval order wins, and this is why stale copies do harm.

use std::collections::HashSet;
use std::ops::Range;

use rayon::prelude::*;

use super::frames::Frames;
use super::hops;
use super::question::{AUXILIARY, PREPOSITIONS, Question, Wants};
use super::statement::without_heading;
use super::words::{Token, agreement, sentences, text_of, tokens};
use super::{Answer, Message, Query, Reason, Reply, Usage};
use crate::{Error, Result};

/// What the reasoner says when the memory does not hold the answer.
pub const UNKNOWN: &str = "not in memory";

/// Joins the parts of one name: "Bank of England".
const JOINS: &[&str] = &["of", "de", "du", "von", "van", "for"];

/// The weight of a word that only names the kind of the answer.
const KIND_WEIGHT: f64 = 0.3;
/// The weight of the noun that the question asks for.
const HEAD_WEIGHT: f64 = 1.5;
/// Below this a sentence does not fit.
const THRESHOLD: f64 = 0.48;

/// A path of one statement, or of several, that fits less well says something else.
const SURE: f64 = 0.1;
const GUESS: f64 = 0.0;

/// The reasoner. It is stateless: the same question and contents always give the same answer.
#[derive(Debug, Clone, Copy)]
pub struct Extractive {
    /// The most statements that an answer may take.
    pub hops: usize,
}

impl Default for Extractive {
    /// Answers from one statement.
    fn default() -> Self {
        Self { hops: 1 }
    }
}

impl Extractive {
    /// A reasoner whose answers take up to `hops` statements.
    ///
    /// # Errors
    /// No hop.
    pub fn new(hops: usize) -> Result<Self> {
        super::several(hops)?;
        Ok(Self { hops })
    }

    /// Answers `question` from `contents`, which are in retrieval order and are all that is known.
    pub fn answer(&self, question: &str, contents: &[&str]) -> Answer {
        self.answer_among(question, contents, &Frames::of(contents.iter().copied()))
    }

    /// Answers `question` from `contents`, which are in retrieval order, out of a memory with these frames.
    pub fn answer_among(&self, question: &str, contents: &[&str], frames: &Frames) -> Answer {
        let (single, refused) = best(question, contents);
        if single.as_ref().is_some_and(|best| best.complete) {
            return said(single);
        }
        let (found, search) = hops::search(question, contents, self.hops, &refused, frames);
        let found = found.filter(|found| match &single {
            Some(_) => found.trace.len() > 1,
            None => found.score >= if found.trace.len() > 1 { GUESS } else { SURE },
        });
        let search = if self.hops > 1 { search } else { Vec::new() };
        match found {
            Some(found) => Answer { text: found.text, known: true, trace: found.trace, search, usage: Usage::default() },
            None => Answer { search, ..said(single) },
        }
    }
}

/// A statement that says what is asked.
struct Best {
    score: f64,
    /// In all words of the relation.
    complete: bool,
    text: String,
    item: usize,
}

/// The statement that fits best: how well, the answer in it, and its item. Also the statements that were read and say something else.
fn best<'c>(question: &str, contents: &[&'c str]) -> (Option<Best>, HashSet<&'c str>) {
    let (mut best, mut refused): (Option<Best>, _) = (None, HashSet::new());
    let Some(question) = Question::read(question) else { return (best, refused) };
    for (item, content) in contents.iter().enumerate() {
        for sentence in sentences(content) {
            match question.fit(sentence) {
                Fit::States(score, complete, text) => {
                    if best.as_ref().is_none_or(|best| score > best.score + 1e-9) {
                        best = Some(Best { score, complete, text, item });
                    }
                }
                Fit::Not => _ = refused.insert(without_heading(sentence)),
                Fit::OtherWords => {}
            }
        }
    }
    (best, refused)
}

fn said(best: Option<Best>) -> Answer {
    let known = best.is_some();
    let (text, trace) = best.map_or((UNKNOWN.to_owned(), Vec::new()), |best| (best.text, vec![best.item]));
    Answer { text, known, trace, search: Vec::new(), usage: Usage::default() }
}

impl Reason for Extractive {
    fn describe(&self) -> String {
        let from = match self.hops {
            1 => "the items alone".to_owned(),
            hops => format!("the items alone, over up to {hops} of them"),
        };
        format!("a reasoner that answers from {from}, and says when it cannot")
    }

    fn hops(&self) -> usize {
        self.hops
    }

    fn answer(&self, queries: &[Query<'_>]) -> Result<Vec<Answer>> {
        let answer = |query: &Query<'_>| {
            let contents: Vec<&str> = query.items.iter().map(|entry| entry.content).collect();
            match query.memory {
                Some(memory) => self.answer_among(query.question, &contents, memory.frames()),
                None => Self::answer(self, query.question, &contents),
            }
        };
        Ok(queries.par_iter().map(answer).collect())
    }

    fn complete(&self, _: &[Vec<Message>]) -> Result<Vec<Reply>> {
        Err(Error::argument(
            "the extractive reasoner only answers questions from items; a chat needs a model: fm.reasoner.model or fm.reasoner.server",
        ))
    }
}

/// How far a sentence states what is asked.
enum Fit {
    /// It does: how well, whether in all words of the relation, and the answer in it.
    States(f64, bool, String),
    /// Not in the question's words, or nothing about the entity as they name it.
    OtherWords,
    /// It says something else.
    Not,
}

/// The state of matching one sentence.
struct Match {
    /// Tokens that belong to a name of the question.
    entity: Vec<bool>,
    /// Tokens that agree with a word of the relation.
    taken: Vec<bool>,
    /// How much of the relation was found, by weight, and whether everything in it that is more than a kind was.
    share: f64,
    complete: bool,
}

impl Question {
    /// How far a sentence states what is asked.
    fn fit(&self, sentence: &str) -> Fit {
        // A cheap test first: most sentences do not even mention the entity.
        if !sentence.to_lowercase().contains(&self.tokens[self.names[0].start].key) && !sentence.contains('’') {
            return Fit::OtherWords;
        }
        let tokens = tokens(sentence);
        if tokens.iter().any(|t| t.is_negation() && !self.has(&t.key)) {
            return Fit::Not;
        }
        let found = match self.align(&tokens) {
            Ok(found) => found,
            Err(fit) => return fit,
        };
        let Some((start, mut end)) = self.candidate(&tokens, &found) else { return self.refused() };
        if tokens[end - 1].name && !tokens[end - 1].comma && tokens.get(end).is_some_and(|t| self.asks_for(&t.key) && !t.name) {
            // "Which fever does E have?" – "E has Holt *fever*".
            end += 1;
        }
        let left_out = (0..tokens.len()).filter(|&at| !found.entity[at] && !found.taken[at] && !(start..end).contains(&at));
        let left_out = left_out.filter(|&at| !tokens[at].function && !tokens[at].kind);
        let excess: f64 = left_out.map(|at| if tokens[at].name { 0.2 } else { 0.1 }).sum();
        if self.plain {
            // Without capitals, only the neighbours distinguish "receiver" from "wide receiver".
            let open = |at: usize| found.taken[at] || tokens[at].function || (start..end).contains(&at);
            let first = found.entity.iter().position(|&e| e).unwrap_or(0);
            let whole = (first == 0 || open(first - 1) || tokens[first - 1].comma) && (first + 1 == tokens.len() || open(first + 1));
            if !found.complete || !whole || excess > 0.15 {
                return Fit::OtherWords;
            }
        }
        // A sentence that states the whole relation may say more; one that states only a part may not.
        let score = found.share - if found.complete { excess.min(0.5) } else { excess };
        if score > THRESHOLD {
            Fit::States(score, found.complete, text_of(sentence, &tokens[start..end]))
        } else if found.complete {
            Fit::Not
        } else {
            Fit::OtherWords
        }
    }

    /// Without capitals it is not certain what the entity is.
    fn refused(&self) -> Fit {
        if self.plain { Fit::OtherWords } else { Fit::Not }
    }

    /// Whether this is the noun that the question asks for.
    fn asks_for(&self, key: &str) -> bool {
        self.head.is_some_and(|at| self.tokens[at].key == key)
    }

    /// Finds the names and the relation's words in a sentence.
    fn align(&self, tokens: &[Token]) -> Result<Match, Fit> {
        let mut entity = vec![false; tokens.len()];
        let mut used = vec![false; self.tokens.len()];
        let mut taken = vec![false; tokens.len()];
        let mut tail = Vec::new();
        let mut contradicts = false;
        for (order, name) in self.names.iter().enumerate() {
            let (run, at) = self.occurrence(tokens, name).ok_or_else(|| self.refused())?;
            entity[at..at + name.len()].fill(true);
            contradicts |= order == 0 && self.contradicts(tokens, at, &run);
            // Words next to the name in both texts belong together.
            let first = name.start - (at - run.start);
            for (word, at) in (first..).zip(run) {
                if self.words.iter().any(|w| w.0 == word) && !used[word] {
                    (used[word], taken[at]) = (true, true);
                    tail.extend((word >= name.end).then_some(word));
                }
            }
        }
        for level in [2, 1] {
            for at in 0..tokens.len() {
                if entity[at] || taken[at] || tokens[at].function || (tokens[at].name && at > 0) {
                    continue;
                }
                let agrees = |w: &&(usize, bool)| !used[w.0] && agreement(&self.tokens[w.0].key, &tokens[at].key) == level;
                if let Some(&(word, _)) = self.words.iter().find(agrees) {
                    (used[word], taken[at]) = (true, true);
                }
            }
        }
        contradicts |= self.of_another(tokens, &entity, &taken);
        // What follows the name in both texts belongs to the name ("E *rowing club*"), if something else is left to be the relation.
        let strong = |w: &&(usize, bool)| !w.1;
        if self.words.iter().filter(strong).all(|w| tail.contains(&w.0)) {
            tail.clear();
        }
        let words: Vec<(usize, bool)> = self.words.iter().filter(|w| !tail.contains(&w.0)).copied().collect();
        // The noun that is asked for is often missing; if it is there, it is strong evidence.
        let named = self.head.is_some_and(|at| used[at]);
        let extra = if named { HEAD_WEIGHT - KIND_WEIGHT } else { 0.0 };
        let weight = |w: &(usize, bool)| if w.1 { KIND_WEIGHT } else { 1.0 };
        let total: f64 = words.iter().map(weight).sum::<f64>() + extra;
        let share = (words.iter().filter(|w| used[w.0]).map(weight).sum::<f64>() + extra) / total;
        let hits = words.iter().filter(strong).filter(|w| used[w.0]).count();
        let misses = words.iter().filter(strong).count() - hits;
        if contradicts {
            // In other words it may not.
            return Err(if hits > 0 || total == 0.0 { Fit::Not } else { Fit::OtherWords });
        }
        if total == 0.0 {
            // "Who is E?" is answered by "E is …".
            let end = entity.iter().rposition(|&e| e).map_or(0, |last| last + 1);
            let is = tokens.get(end).is_some_and(Token::is_copula);
            return if is { Ok(Match { entity, taken, share: 1.0, complete: true }) } else { Err(Fit::Not) };
        }
        // "Where was the keeper of E born?" – "The keeper of E is Y" only leads to the answer.
        let leads = self.noun.filter(|&noun| used[noun]).is_some_and(|noun| {
            let first = (0..=noun).rev().take_while(|&at| !self.tokens[at].function).last().unwrap_or(noun);
            words.iter().any(|w| strong(&w) && !used[w.0] && !(first..=noun).contains(&w.0))
        });
        let enough = hits > 0 && hits >= misses || named && misses <= 1;
        match () {
            () if leads => Err(Fit::OtherWords),
            () if enough => Ok(Match { entity, taken, share, complete: misses == 0 }),
            () => Err(Fit::OtherWords),
        }
    }

    /// The first place where the sentence has the name as a whole: the longest run of words around it that both texts share, and
    /// where in it the name starts.
    fn occurrence(&self, tokens: &[Token], name: &Range<usize>) -> Option<(Range<usize>, usize)> {
        let same = |at: usize, word: usize| tokens[at].key == self.tokens[word].key;
        (0..(tokens.len() + 1).saturating_sub(name.len())).find_map(|at| {
            if !(0..name.len()).all(|i| same(at + i, name.start + i)) {
                return None;
            }
            let before = (1..=at.min(name.start)).take_while(|i| same(at - i, name.start - i)).count();
            let (end, word) = (at + name.len(), name.end);
            let after = (0..(tokens.len() - end).min(self.tokens.len() - word)).take_while(|i| same(end + i, word + i)).count();
            let run = at - before..end + after;
            self.is_whole(tokens, &(at..end)).then_some((run, at))
        })
    }

    /// Whether every name in the sentence ends within the run, or the question has the rest of it too.
    fn is_whole(&self, tokens: &[Token], run: &Range<usize>) -> bool {
        let foreign = |at: usize| tokens.get(at).is_some_and(|t| t.name && !self.has(&t.key));
        let joins = |at: usize| tokens.get(at).is_some_and(|t| t.is(JOINS));
        let number = |at: usize| tokens[at].key.chars().all(|c| c.is_ascii_digit());
        if run.start > 0 && !tokens[run.start - 1].comma {
            let before = run.start - 1;
            if (foreign(before) && !number(before)) || (joins(before) && before > 0 && foreign(before - 1)) {
                return false;
            }
        }
        let next = run.end;
        if !tokens[next - 1].comma {
            return !(foreign(next) || ((joins(next) || tokens.get(next).is_some_and(|t| t.key == "'s")) && foreign(next + 1)));
        }
        // "Berkeley" in "University of California, Berkeley is …" continues the name; a list and "In Oska, Mira …" do not.
        let introduces = run.start == 1 && tokens[0].is(PREPOSITIONS);
        let end = (next..tokens.len()).find(|&at| !foreign(at) || tokens[at].comma).unwrap_or(tokens.len());
        let list = tokens.get(end).is_some_and(|t| t.comma || t.is(&["and", "or"]));
        !foreign(next) || introduces || list
    }

    /// Whether the sentence, which has the main name at `start`, states the relation the other way round.
    fn contradicts(&self, tokens: &[Token], start: usize, run: &Range<usize>) -> bool {
        let name = &self.names[0];
        let key = |at: usize| tokens.get(at).map_or("", |t| t.key.as_str());
        // A name continues across small words: "College of Oska".
        let end = (start + name.len()..=run.end).rev().find(|&end| tokens[end - 1].name).unwrap_or(start + name.len());
        let before = start.checked_sub(1).map_or("", key);
        // "Who was E created by?" – "Y was created by E".
        let symmetric = self.words.iter().any(|w| self.tokens[w.0].has_family_of("married"));
        let asked = name.start.checked_sub(1).map_or("", |at| self.tokens[at].key.as_str());
        let marks = self.leading(tokens, start);
        let copula = tokens.get(end).is_some_and(Token::is_copula) && key(end) != "'s";
        if !symmetric && !copula && !marks.is_empty() {
            let same = match self.noun {
                // "What is the port of E?" – "Y lies in the region of E".
                Some(noun) if asked == "of" && before == "of" => {
                    start < 2 || agreement(&self.tokens[noun].key, key(start - 2)) > 0 || tokens[start - 2].name
                }
                _ => before == asked,
            };
            let answers = marks.iter().any(|mark| self.prepositions.iter().any(|p| p == mark));
            let own = asked == "of" || PREPOSITIONS.contains(&asked);
            if !same && (answers || !own || before == "of") {
                return true;
            }
        }
        // "Which club is E a member of?" – "Y is a member of E".
        if before == "of" && self.tokens.last().is_some_and(|t| t.is(&["of"])) {
            return true;
        }
        // "Which club is E linked to?" – "The club linked to Y is E".
        let named = matches!(before, "is" | "was" | "are" | "were" | "called" | "named") && end == tokens.len();
        if named && !self.agent && !symmetric && !self.words.is_empty() {
            return true;
        }
        // "What did E found?" – "E was founded by Y".
        if self.agent && copula && (end..tokens.len()).any(|at| key(at) == "by") && !self.has("by") {
            return true;
        }
        if let Some(noun) = self.noun {
            // "Who is E's brother?" – "E is the brother of Y", "E is Y's brother", "Y has a brother in E", "the brother E".
            let noun = &self.tokens[noun].key;
            let has = (0..start).any(|at| key(at) == noun && tokens[..at].iter().any(|t| t.is(&["has", "have", "had"])));
            let other = |at: usize| key(at) == noun && !tokens[at].name && (key(at + 1) == "of" || key(at - 1) == "'s");
            let aside = tokens[0].is(PREPOSITIONS) && start < 4;
            return (before == noun && !aside) || has || (copula && (end + 1..tokens.len()).any(other));
        }
        // "Who founded E?" – "E founded Y".
        self.verb.is_some_and(|verb| end < tokens.len() && key(end) == self.tokens[verb].key)
    }

    /// Whether the sentence is about something else that belongs to the entity: "E's brother …", "the brother of E …".
    fn of_another(&self, tokens: &[Token], entity: &[bool], taken: &[bool]) -> bool {
        let foreign = |at: usize| tokens.get(at).is_some_and(|t| !t.function && !t.kind && !taken[at] && !entity[at]);
        (0..tokens.len()).any(|at| match tokens[at].key.as_str() {
            "'s" if at > 0 && entity[at - 1] => {
                // If a noun is asked for, an adjective may precede it: "E's old job".
                let mut noun = (at + 1..tokens.len()).take_while(|&i| !tokens[i].function && !tokens[i].name && !tokens[i].comma);
                foreign(at + 1) && !(self.noun.is_some() && noun.any(|i| taken[i]))
            }
            "of" if at > 0 && entity.get(at + 1) == Some(&true) => foreign(at - 1) && !tokens[at - 1].name,
            _ => false,
        })
    }

    /// The prepositions that lead up to position `at`, back to a verb, a comma or a word of another kind.
    fn leading<'t>(&self, tokens: &'t [Token], at: usize) -> Vec<&'t str> {
        let mut found = Vec::new();
        for t in tokens[..at].iter().rev() {
            let relation = !t.name && self.words.iter().any(|w| agreement(&self.tokens[w.0].key, &t.key) > 0);
            if t.comma || t.is_copula() || !(t.function || t.kind || relation) {
                break;
            }
            if t.is(PREPOSITIONS) {
                found.push(t.key.as_str());
            }
        }
        found
    }

    /// The part of the sentence that answers, as a range of tokens.
    fn candidate(&self, tokens: &[Token], found: &Match) -> Option<(usize, usize)> {
        let fixed = |at: usize| found.entity[at] || found.taken[at];
        let anchor = found.entity.iter().position(|&e| e)?;
        let relative = tokens.len() > 3 && tokens[0].is(&["the"]) && tokens[2].is(&["that", "who", "which", "where"]);
        // "Which festival draws crowds to E?" – "Y draws crowds to E every year".
        let does = |verb: usize| (0..anchor).any(|at| found.taken[at] && agreement(&self.tokens[verb].key, &tokens[at].key) > 0);
        let subject_asked = self.verb.is_some_and(does);
        let mut best = None;
        let mut at = 0;
        while at < tokens.len() {
            let mut piece = at..(at..tokens.len()).find(|&i| fixed(i)).unwrap_or(tokens.len());
            at = piece.end + 1;
            if relative && piece.start > anchor {
                // "The club that E cheers for is …"
                let copula = piece.clone().find(|&i| tokens[i].is_copula());
                piece.start = copula.unwrap_or(piece.start);
            }
            let Some((start, end)) = trim(tokens, piece) else { continue };
            if self.conflicts(tokens, start, end, found.complete) {
                continue;
            }
            let named = self.wants == Wants::Anything || tokens[start..end].iter().any(|t| t.name);
            // After the entity the last piece is the answer, before it the first.
            let after = start > anchor;
            let rank = (named, after != subject_asked, if after { start } else { tokens.len() - start });
            best = best.max(Some((rank, (start, end))));
        }
        best.map(|(_, range)| range)
    }

    /// Whether what leads up to a piece rules it out as the answer.
    fn conflicts(&self, tokens: &[Token], start: usize, end: usize, complete: bool) -> bool {
        let marks = self.leading(tokens, start);
        // A preposition that belongs to a verb says nothing about a sentence without that verb.
        let binding = complete || !self.bound;
        if binding
            && !marks.is_empty()
            && !self.prepositions.is_empty()
            && !marks.iter().any(|mark| self.prepositions.iter().any(|p| p == mark))
        {
            return true;
        }
        let digits = tokens[start..end].iter().any(|t| t.key.chars().any(char::is_numeric));
        if self.wants == Wants::Time && !digits {
            return true;
        }
        // "the city of …" says which kind of place it is.
        let kind = tokens[..start].iter().rposition(|t| !t.function).filter(|&at| at + 1 < start && tokens[at + 1].is(&["of"]));
        let Some(kind) = kind.map(|at| &tokens[at]).filter(|t| t.kind) else { return false };
        let asked = |t: &&Token| t.kind || t.is_place();
        match self.wants {
            Wants::Person => kind.is_place(),
            Wants::Time => false,
            _ if self.has(&kind.key) => false,
            Wants::Place => !kind.is_place() || (kind.is_special_place() && self.tokens.iter().any(|t| t.is_special_place())),
            Wants::Anything => kind.is_place() && self.tokens.iter().filter(asked).any(|t| !t.is_place()),
        }
    }
}

/// A piece without the contentless words at its ends, cut where another clause begins.
fn trim(tokens: &[Token], piece: Range<usize>) -> Option<(usize, usize)> {
    let (mut start, mut end) = (piece.start, piece.end);
    while start < end
        && (tokens[start].function || (tokens[start].kind && start + 1 < end && (tokens[start + 1].is(&["of"]) || tokens[start + 1].name)))
    {
        start += 1;
    }
    let clause = |at: usize| {
        let (last, next, after) = (&tokens[at - 1], &tokens[at], tokens.get(at + 1).filter(|_| at + 1 < end));
        if next.name {
            return false;
        }
        let verb = after.is_some_and(|t| match t.function {
            true => t.is_copula() || t.is(AUXILIARY) || t.is(&["he", "she", "it", "they"]),
            false => !t.name && (last.name || tokens.get(at + 2).is_some_and(|t| t.function)),
        });
        let joins = next.is(&["and", "but"]) && verb;
        let subordinate = next.is(&["who", "which", "where", "when", "because", "since", "while", "after", "before", "until", "although"]);
        joins || (subordinate && after.is_none_or(|t| !t.name || last.comma)) || (last.comma && (last.name || next.function))
    };
    if start < end {
        end = (start + 1..end).find(|&at| clause(at)).unwrap_or(end);
    }
    while start < end && tokens[end - 1].function {
        end -= 1;
    }
    (start < end).then_some((start, end))
}
