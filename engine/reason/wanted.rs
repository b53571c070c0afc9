//! What a question wants of a path of statements, and how well each statement fits it.

use std::ops::Range;

use super::frames::{Frames, Verdict};
use super::hops::{back, keys};
use super::related::Places;
use super::statement::{Statement, Value};
use super::words::{PLACE, Token, agreement};

/// Ways to divide the question after a statement.
const WAYS: usize = 3;
/// The weight of a word that only names a kind.
const KIND_WEIGHT: f64 = 0.4;
/// How much less a common word weighs than a rare one.
const COMMON: f64 = 0.5;

// What counts for and against a path, in shares of the question's words.

/// For each statement.
const HOP: f64 = 0.03;
/// For a relation that has nothing to do with the question.
const FOREIGN: f64 = 0.06;
/// For a step that takes no word of the question.
const SILENT: f64 = 0.3;
/// What the words that a step takes should be explained to.
const EXPECTED: f64 = 0.2;
/// For ending with the kind of thing that is asked for.
const ASKED: f64 = 0.3;
/// A path must explain this share of the question's words.
const LEAST: f64 = 0.1;

/// A relation with a smaller foreign share says nothing that the question does not.
const ALL: f64 = 0.1;
/// Words that are less near have nothing to do with one another.
const NEAR: f64 = 0.14;
/// A noun that is this near to what is asked for is of that kind.
const OF_THE_KIND: f64 = 0.25;
/// Even slightly related words are good evidence.
const ROOT: f64 = 0.35;
/// How much less words of one meaning say than the same word.
const REWORDED: f64 = 0.9;
/// What words in like company say, if they are more alike than STRANGERS are.
const COMPANY: f64 = 0.6;
const STRANGERS: f64 = 0.3;

/// Nearer words are forms of the same word.
const FORM: f64 = 0.95;
/// A word that is explained less is not said.
const HALF: f64 = 0.5;

// What the frames of the memory add.

/// What a word of statements about the same two kinds of things explains, if up to FRAMES frames are about them.
const LIKELY: f64 = 0.5;
const FRAMES: f64 = 3.0;
/// Against a statement, for each word of statements that say something else.
const OTHERWISE: f64 = 0.2;
/// What is left of the nearness of such a word.
const LEFT: f64 = 0.3;
/// Where most are persons, a value is a person; where nearly all are, it is nothing else.
const MOSTLY: f64 = 0.5;
const NEARLY_ALL: f64 = 0.8;
/// Frames that are looked up because they may say it.
const LIKE: usize = 12;

/// A word of the question, besides its name.
pub(super) struct Word<'q> {
    /// Its place in the question.
    at: usize,
    key: &'q str,
    places: Places,
    weight: f64,
    /// It is what somebody or something has: "the *owner* of E", "E's *owner*".
    held: bool,
    /// The frames that have it.
    with: Vec<usize>,
}

/// What a question names, and what it asks about it.
pub(super) struct Wanted<'q> {
    question: &'q [Token],
    frames: &'q Frames,
    name: Vec<&'q str>,
    /// The words before the name, the nearest first, or those after it, if the name has them: "E's wife".
    words: Vec<Word<'q>>,
    /// The words after the name, which may belong to any statement.
    after: Vec<Word<'q>>,
    total: f64,
    kind: Kind,
    /// The most steps that it asks for.
    pub(super) most: usize,
}

/// The kind of thing that is asked for.
enum Kind {
    /// What the word at this place of the question says: "which *firm*".
    Named(usize),
    Person,
    Place,
    Time,
    /// No person.
    Thing,
    Any,
}

/// Statements that follow from one another.
#[derive(Clone)]
pub(super) struct Path<'a> {
    /// The value of the last one.
    pub(super) end: Vec<&'a str>,
    pub(super) statements: Vec<usize>,
    /// How many of the question's ordered words are taken.
    pub(super) taken: usize,
    /// How well each of the others is explained.
    pub(super) after: Vec<f64>,
    /// How well the question is explained so far, as a share of it.
    pub(super) explained: f64,
    pub(super) score: f64,
}

/// One more statement of a path.
pub(super) struct Step {
    /// How well it explains each ordered word that is not taken.
    explains: Vec<f64>,
    /// How well the path explains each of the others with it.
    pub(super) after: Vec<f64>,
    /// What it adds to these, as a share of the question.
    gained_after: f64,
    /// How near its words are to the kind of thing that is asked for.
    kind: f64,
    /// Whether its value is of another kind than what is asked for.
    is_no: bool,
    /// Which share of the names of the value's kind look like a person's.
    persons: Option<f64>,
    /// Which share of the question's words are those of statements that say something else.
    otherwise: f64,
    /// Which share of its words has nothing to do with the question.
    foreign: f64,
    /// What counts against it.
    cost: f64,
}

impl<'q> Wanted<'q> {
    pub(super) fn of(question: &'q [Token], name: Range<usize>, frames: &'q Frames) -> Self {
        let word = |at: usize| {
            let t = &question[at];
            let places = Places::of(&t.key);
            let held = at + 2 < question.len() && question[at + 1].is(&["of"]) || at > 0 && question[at - 1].key == "'s";
            Word { at, key: &t.key, weight: weight(t, &places), places, held, with: frames.with(&t.key) }
        };
        let content = |range: Range<usize>| range.filter(|&at| !question[at].function).map(word);
        let (mut words, mut after): (Vec<Word<'q>>, Vec<Word<'q>>) =
            (content(0..name.start).rev().collect(), content(name.end..question.len()).collect());
        if question.get(name.end).is_some_and(|t| t.key == "'s") {
            std::mem::swap(&mut words, &mut after);
            words.append(&mut after);
        }
        let total = words.iter().chain(&after).map(|word| word.weight).sum::<f64>().max(0.1);
        let kind = Kind::of(question, &name);
        let all = || words.iter().chain(&after);
        let grouped = all().filter(|word| all().any(|other| other.at == word.at + 1)).count();
        // "Which firm …" asks for a kind, "what is the firm of …" for a relation.
        let which = matches!(kind, Kind::Named(at) if at > 0 && question[at - 1].is(&["which", "what"]) && all().count() > grouped + 1);
        // "What does E keep in the shed?" asks what E itself does.
        let leads = |t: &Token| t.is(&["of", "'s", "who", "whom", "whose", "that", "which", "where", "its", "his", "her", "their"]);
        let wh = question.iter().position(|t| t.is(&["which", "what", "where", "who", "whom", "whose", "when", "how"]));
        let led = (0..question.len()).any(|at| Some(at) != wh && leads(&question[at]));
        let does = name.start > 0 && question[name.start - 1].is(&["do", "does", "did"]) && !led;
        let most = if does { 1 } else { (all().count() - grouped - usize::from(which)).max(1) };
        Self { question, frames, name: keys(&question[name]), words, after, total, kind, most }
    }

    pub(super) fn start(&self) -> Path<'q> {
        let after = vec![0.0; self.after.len()];
        Path { end: self.name.clone(), statements: Vec::new(), taken: 0, after, explained: 0.0, score: 0.0 }
    }

    /// What to look up to continue a path.
    pub(super) fn search(&self, path: &Path<'_>) -> String {
        let rest = self.words[path.taken..].iter().chain(&self.after).map(|word| word.key);
        path.end.iter().copied().chain(rest).collect::<Vec<_>>().join(" ")
    }

    /// What to look up because it may say in other words what the question asks of the name.
    pub(super) fn reworded(&self) -> Vec<String> {
        let name = self.name.join(" ");
        let words = self.words.iter().chain(&self.after);
        let mut like: Vec<String> = words.flat_map(|word| self.frames.like(&word.with, &name)).collect();
        like.sort_unstable();
        like.dedup();
        like.truncate(LIKE);
        like.into_iter().map(|words| format!("{name} {words}")).collect()
    }

    /// The values that a statement may have for the question, with what counts against each.
    fn values(&self, statement: &Statement<'_>, name: &Range<usize>) -> Vec<(Range<usize>, f64)> {
        let mut values = statement.values(name);
        if let Some((_, own)) = self.frames.about(statement.sentence, name) {
            // The phrase at the end may be longer than what varies: "Holt *fever*".
            let end = statement.tokens.len();
            let last = values.first().map(|value| value.range.clone()).filter(|last| last.end == end && last.start < own.end);
            let range = last.map_or(own.clone(), |last| last.start.min(own.start)..end);
            values = vec![Value { range, doubt: 0.0 }];
        }
        let named = values.iter().any(|value| statement.is_named(&value.range));
        // A part of the question is no answer, nor is an ordinary noun beside a name, unless it is of the kind that is asked for.
        let same = |at: usize| {
            let own = |word: &Word<'_>| word.held && !statement.tokens[at].name && word.places.near(&statement.places()[at]) > 0.5;
            self.question.iter().any(|q| agreement(&q.key, &statement.tokens[at].key) > 0) || self.words.iter().chain(&self.after).any(own)
        };
        let echo = |range: &Range<usize>| statement.content(range).all(same);
        let fits = |range: &Range<usize>| !named || statement.leads_on(range) || self.kind_of(statement, range) > 0.0;
        let fits = values.into_iter().filter(|value| !echo(&value.range) && fits(&value.range));
        fits.map(|value| (value.range, value.doubt)).collect()
    }

    /// How near a value is to the kind of thing that is asked for, from 0 to 1; 0 if it is not of that kind.
    fn kind_of(&self, statement: &Statement<'_>, value: &Range<usize>) -> f64 {
        let Kind::Named(at) = self.kind else { return 0.0 };
        let word = self.words.iter().chain(&self.after).find(|word| word.at == at);
        word.map_or(0.0, |word| word.names(statement, value))
    }

    /// The statements about the end of a path, each with a value.
    pub(super) fn steps(&self, path: &Path<'_>, statements: &[Statement<'_>]) -> Vec<(usize, Range<usize>, Step)> {
        let mut steps = Vec::new();
        for (index, statement) in statements.iter().enumerate().filter(|(index, _)| !path.statements.contains(index)) {
            let Some(at) = statement.place_of(&path.end) else { continue };
            let name = at..at + path.end.len();
            for (value, doubt) in self.values(statement, &name) {
                if let Some(mut step) = self.step(path, statement, &name, &value) {
                    step.cost += doubt + back(statements, path, index, &name, &value);
                    steps.push((index, value, step));
                }
            }
        }
        steps
    }

    /// What a statement adds to a path. None if it says of the value what the question says of the thing, or of something else.
    fn step(&self, path: &Path<'_>, statement: &Statement<'_>, name: &Range<usize>, value: &Range<usize>) -> Option<Step> {
        let (tokens, places) = (&statement.tokens, statement.places());
        let relation: Vec<usize> = statement.content(&(0..tokens.len())).filter(|at| !name.contains(at) && !value.contains(at)).collect();
        let mut shared = vec![0.0f64; relation.len()];
        let (mut kind, mut wrong_way) = (0.0f64, false);
        let about = self.frames.about(statement.sentence, name).map(|(about, _)| about);
        let known = about.is_some_and(|about| self.frames.knows(about));
        let (mut otherwise, mut is_no) = (0.0, false);
        let mut explain = |word: &Word<'_>, taken: bool| {
            let mut most = 0.0f64;
            let verdict = about.map_or(Verdict::Unknown, |about| self.frames.verdict(&word.with, about));
            for (&at, shared) in relation.iter().zip(&mut shared) {
                let near = word.near(statement, at, known);
                let near = if verdict == Verdict::Other && near < FORM { LEFT * near } else { near };
                most = most.max(near);
                if !taken {
                    *shared = shared.max(near);
                    // A member has a membership: a word of the same root may turn it round.
                    let same = near > 0.6 && agreement(word.key, &tokens[at].key) != 1;
                    wrong_way |= word.held && same && statement.holder(at).is_some_and(|holder| value.contains(&holder));
                }
            }
            let asked = matches!(self.kind, Kind::Named(at) if at == word.at);
            if let Some(about) = about.filter(|_| most < HALF) {
                otherwise += if verdict == Verdict::Other && !taken { word.weight } else { 0.0 };
                is_no |= asked && self.frames.is_no(word.key, &word.with, about);
            }
            if let Some(about) = about.filter(|_| verdict == Verdict::SameKind) {
                most += LIKELY * (FRAMES / self.frames.alike(about) as f64).min(1.0) * (1.0 - most);
            }
            // "Which school …?" – "Tarn Free School".
            most = most.max(REWORDED * word.names(statement, value));
            if asked {
                kind = most;
            }
            most
        };
        let mut explains: Vec<f64> = self.words.iter().enumerate().map(|(i, word)| explain(word, i < path.taken)).collect();
        explains.drain(..path.taken);
        let after: Vec<f64> = self.after.iter().zip(&path.after).map(|(word, before)| explain(word, false).max(*before)).collect();
        // A keeper of *bees* is not the keeper of the gate.
        wrong_way |= relation.iter().zip(&shared).filter(|(_, shared)| **shared > 0.6).any(|(&at, _)| {
            let of = statement.holder(at).filter(|&of| of > at && !tokens[of].name).and_then(|of| relation.iter().position(|&at| at == of));
            of.is_some_and(|of| shared[of] < 0.8)
        });
        let any_place = matches!(self.kind, Kind::Named(at) if self.question[at].is(&PLACE[..3])) || matches!(self.kind, Kind::Place);
        if matches!(self.kind, Kind::Time) && statement.is_time(value) {
            kind = 1.0;
        }
        if any_place && relation.iter().any(|&at| tokens[at].is_place()) {
            kind = 1.0;
        }
        let weights = || relation.iter().map(|&at| weight(&tokens[at], &places[at]));
        let total: f64 = weights().sum();
        let foreign =
            if total > 0.0 { 1.0 - weights().zip(&shared).map(|(weight, shared)| weight * shared).sum::<f64>() / total } else { 0.5 };
        let gained_after = self.after.iter().zip(after.iter().zip(&path.after)).map(|(word, (now, before))| word.weight * (now - before));
        let gained_after = gained_after.sum::<f64>() / self.total;
        let cost = HOP + FOREIGN * foreign;
        let persons = about.and_then(|about| self.frames.persons(about));
        let is_no = is_no || matches!(self.kind, Kind::Place | Kind::Thing | Kind::Time) && persons.is_some_and(|share| share > NEARLY_ALL);
        let otherwise = otherwise / self.total;
        (!wrong_way).then_some(Step { explains, after, gained_after, kind, is_no, persons, otherwise, foreign, cost })
    }

    /// How well a path fits that ends with the step. None if it says nothing of what is asked.
    pub(super) fn finished(&self, path: &Path<'_>, step: &Step, statement: &Statement<'_>, value: &Range<usize>) -> Option<f64> {
        let rest = &self.words[path.taken..];
        let gained: f64 = rest.iter().zip(&step.explains).map(|(word, explained)| word.weight * explained).sum();
        let gained = step.gained_after + gained / self.total;
        let expected: f64 = rest.iter().map(|word| EXPECTED * word.weight).sum();
        let kind = match self.kind {
            Kind::Named(_) | Kind::Time => step.kind,
            Kind::Person => step.persons.unwrap_or_else(|| statement.looks_like_a_person(value)),
            Kind::Place | Kind::Thing if step.persons.is_some_and(|share| share > MOSTLY) => 0.0,
            Kind::Place if step.kind > 0.0 => 1.0,
            Kind::Place if !statement.is_named(value) => 0.3,
            Kind::Place | Kind::Thing | Kind::Any => 0.7,
        };
        let says = gained > 0.0 || step.kind > 0.0;
        let alone = path.statements.is_empty();
        // A time answers whatever the words for it are.
        let answers =
            matches!(self.kind, Kind::Time) && step.kind > 0.0 || path.explained + gained >= LEAST && (!alone || self.is_answered(step));
        let score = path.score + gained - expected / self.total - step.cost + ASKED * kind - OTHERWISE * step.otherwise;
        (says && answers && !step.is_no).then_some(score)
    }

    /// Whether a single statement says what is asked: not only of what kind the value is, nor only what leads to the answer, which is in the
    /// words next to the name.
    fn is_answered(&self, step: &Step) -> bool {
        let explained = |(_, explained): &(&Word<'_>, &f64)| **explained > 0.0;
        let strong = |word: &Word<'_>| word.weight > KIND_WEIGHT;
        let pairs = || self.words.iter().zip(&step.explains);
        let after = || self.after.iter().zip(&step.after);
        let said = pairs().chain(after()).filter(explained).any(|(word, _)| strong(word));
        let last = pairs().rposition(|pair| explained(&pair));
        let leads = last.is_some_and(|last| {
            let beyond = |word: &Word<'_>| strong(word) && word.at.abs_diff(self.words[last].at) > 1;
            let without = after().filter(|pair| !explained(pair)).count();
            self.words[last + 1..].iter().any(beyond) || (without > 0 && 2 * without >= self.after.len())
        });
        (said || !self.words.iter().chain(&self.after).any(strong))
            && !(leads && (step.foreign < ALL || matches!(self.kind, Kind::Named(_)) && step.kind == 0.0))
    }

    /// The best ways to go on after the step: how many words are taken, which share of the question is explained, and the score.
    pub(super) fn continued(&self, path: &Path<'_>, step: &Step) -> Vec<(usize, f64, f64)> {
        let rest = &self.words[path.taken..];
        let (mut gained, mut expected) = (step.gained_after, 0.0);
        let score = path.score - step.cost;
        let mut ways = vec![(path.taken, path.explained + gained, score + gained - SILENT)];
        for (i, pair) in rest.windows(2).enumerate() {
            gained += pair[0].weight * step.explains[i] / self.total;
            expected += EXPECTED * pair[0].weight / self.total;
            // Words side by side belong together.
            if pair[0].at.abs_diff(pair[1].at) > 1 {
                ways.push((path.taken + i + 1, path.explained + gained, score + gained - expected));
            }
        }
        ways.sort_by(|a, b| b.2.total_cmp(&a.2));
        ways.truncate(WAYS);
        ways
    }
}

impl Word<'_> {
    /// How near the statement's word at a place is, from 0 to 1. Company tells nothing where the memory does not tell the kinds of things:
    /// who is married was born, too.
    fn near(&self, statement: &Statement<'_>, at: usize, company: bool) -> f64 {
        let tokens = &statement.tokens;
        let name = tokens[at].name && (at > 0 || tokens.get(1).is_some_and(|t| t.name));
        match agreement(self.key, &tokens[at].key) {
            2 => 1.0,
            1 => 0.95,
            // A city is not a country.
            _ if name || tokens[at].is_place() && PLACE.contains(&self.key) => 0.0,
            _ => {
                let places = &statement.places()[at];
                let alike = if company { (self.places.alike(places) - STRANGERS) / (1.0 - STRANGERS) } else { 0.0 };
                (evidence(self.places.near(places), NEAR) + COMPANY * alike.max(0.0)).min(REWORDED)
            }
        }
    }

    /// How near it is to naming the kind of a value, from 0 to 1.
    fn names(&self, statement: &Statement<'_>, value: &Range<usize>) -> f64 {
        let near = |at: usize| match agreement(self.key, &statement.tokens[at].key) {
            0 => evidence(self.places.near(&statement.places()[at]), OF_THE_KIND),
            _ => 1.0,
        };
        statement.content(value).map(near).fold(0.0, f64::max)
    }
}

impl Kind {
    fn of(question: &[Token], name: &Range<usize>) -> Self {
        let Some(wh) = question.iter().position(|t| t.is(&["which", "what", "where", "who", "whom", "when"])) else { return Self::Any };
        match question[wh].key.as_str() {
            "where" => return Self::Place,
            "when" => return Self::Time,
            "who" | "whom" => return Self::Person,
            _ => {}
        }
        let noun = (wh + 1..question.len()).find(|&at| name.contains(&at) || !(question[at].function || question[at].is(&["name"])));
        match noun.filter(|at| !name.contains(at)) {
            Some(at) if question[at].is(&["person", "individual"]) => Self::Person,
            Some(at) => Self::Named(at),
            None if question[wh].key == "what" => Self::Thing,
            None => Self::Any,
        }
    }
}

/// What the nearness of two words is worth.
fn evidence(near: f64, least: f64) -> f64 {
    if near < least { 0.0 } else { REWORDED * near.powf(ROOT) }
}

fn weight(t: &Token, places: &Places) -> f64 {
    if t.kind { KIND_WEIGHT } else { 1.0 - COMMON * places.common() }
}
