//! Questions that take several statements, or one in other words: "Which country is the author of E a citizen of?"
//!
//! 1. A statement about a thing leads to a *value*: another noun phrase in it, mostly the one at its end. The words that are neither are its
//!    *relation*: "The author of E is | Mira Tolen".
//! 2. A *path* begins with a statement about a thing that the question names, and goes on with a statement about the value of the one before.
//! 3. The words of a question stand around the name in the order of the path: the nearest belong to the first statement, the farthest to the
//!    last. So each statement takes the next words of the question. It explains them as far as a word of its relation, or of its value, is
//!    near in meaning ([`related`](super::related)); the rest of its relation counts against it. A question may leave out a step.
//! 4. The last value should be of the kind that is asked for.
//!
//! Only a few of the best unfinished paths are continued. What they need is looked up by their last value and the question's words, so a
//! large memory is never read as a whole. All of this is our choice.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::related::Places;
use super::statement::{Statement, is_article, is_whole};
use super::words::{PLACE, Token, agreement, sentences, tokens};

/// Unfinished paths that are continued.
const BEAM: usize = 10;
/// Ways to divide the question after a statement.
const WAYS: usize = 3;
/// The longest name in words.
const LONGEST: usize = 9;
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
/// For reading a statement back from its end, if another has the same end, or the statement before shares its words.
const AMBIGUOUS: f64 = 0.15;
/// For taking the thing for the value of something else: "V lies on the island of E".
const OF_KIND: f64 = 0.3;
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

/// The answer that a path leads to.
pub(super) struct Found {
    pub(super) text: String,
    /// The items of its statements, in order.
    pub(super) trace: Vec<usize>,
    /// How well it fits.
    pub(super) score: f64,
}

/// A word of the question, besides its name.
struct Word<'q> {
    /// Its place in the question.
    at: usize,
    key: &'q str,
    places: Places,
    weight: f64,
    /// It is what somebody or something has: "the *owner* of E", "E's *owner*".
    held: bool,
}

/// What a question names, and what it asks about it.
struct Wanted<'q> {
    question: &'q [Token],
    name: Vec<&'q str>,
    /// The words before the name, the nearest first, or those after it, if the name has them: "E's wife".
    words: Vec<Word<'q>>,
    /// The words after the name, which may belong to any statement.
    after: Vec<Word<'q>>,
    total: f64,
    kind: Kind,
    /// The most steps that it asks for.
    most: usize,
}

/// The kind of thing that is asked for.
enum Kind {
    /// What the word at this place of the question says: "which *firm*".
    Named(usize),
    Person,
    Place,
    Any,
}

/// Statements that follow from one another.
#[derive(Clone)]
struct Path<'a> {
    /// The value of the last one.
    end: Vec<&'a str>,
    statements: Vec<usize>,
    /// How many of the question's ordered words are taken.
    taken: usize,
    /// How well each of the others is explained.
    after: Vec<f64>,
    /// How well the question is explained so far, as a share of it.
    explained: f64,
    score: f64,
}

/// One more statement of a path.
struct Step {
    /// How well it explains each ordered word that is not taken.
    explains: Vec<f64>,
    /// How well the path explains each of the others with it.
    after: Vec<f64>,
    /// What it adds to these, as a share of the question.
    gained_after: f64,
    /// How near its words are to the kind of thing that is asked for.
    kind: f64,
    /// Which share of its words has nothing to do with the question.
    foreign: f64,
    /// What counts against it.
    cost: f64,
}

/// Looks for the best path of up to `hops` statements, of which only those of `alone` may answer by themselves. Also returns what else to
/// look up in the memory.
pub(super) fn search(question: &str, contents: &[&str], hops: usize, alone: &HashSet<&str>) -> (Option<Found>, Vec<String>) {
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
    let fits = |path: &[usize]| (path.len() > 1 || statements[path[0]].is_one_of(alone)) && spans.iter().all(|name| holds(path, name));
    for name in spans.iter().cloned() {
        let wanted = Wanted::of(&asked, name);
        let mut unfinished = vec![wanted.start()];
        for _ in 0..hops.min(wanted.most) {
            let mut longer: Vec<Path<'_>> = Vec::new();
            for path in &unfinished {
                searches.push(wanted.search(path));
                for (index, value, step) in wanted.steps(path, &statements) {
                    let statement = &statements[index];
                    let chain = || path.statements.iter().copied().chain([index]).collect::<Vec<_>>();
                    let score = wanted.finished(path, &step, statement, &value);
                    let better = |score: &f64| best.as_ref().is_none_or(|(top, ..)| *score > top + 1e-9) && fits(&chain());
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
fn back(statements: &[Statement<'_>], path: &Path<'_>, index: usize, name: &Range<usize>, value: &Range<usize>) -> f64 {
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

impl<'q> Wanted<'q> {
    fn of(question: &'q [Token], name: Range<usize>) -> Self {
        let word = |at: usize| {
            let t = &question[at];
            let places = Places::of(&t.key);
            let held = at + 2 < question.len() && question[at + 1].is(&["of"]) || at > 0 && question[at - 1].key == "'s";
            Word { at, key: &t.key, weight: weight(t, &places), places, held }
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
        let most = (all().count() - grouped - usize::from(which)).max(1);
        Self { question, name: keys(&question[name]), words, after, total, kind, most }
    }

    fn start(&self) -> Path<'q> {
        let after = vec![0.0; self.after.len()];
        Path { end: self.name.clone(), statements: Vec::new(), taken: 0, after, explained: 0.0, score: 0.0 }
    }

    /// What to look up to continue a path.
    fn search(&self, path: &Path<'_>) -> String {
        let rest = self.words[path.taken..].iter().chain(&self.after).map(|word| word.key);
        path.end.iter().copied().chain(rest).collect::<Vec<_>>().join(" ")
    }

    /// The values that a statement may have for the question, with what counts against each.
    fn values(&self, statement: &Statement<'_>, name: &Range<usize>) -> Vec<(Range<usize>, f64)> {
        let values = statement.values(name);
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
    fn steps(&self, path: &Path<'_>, statements: &[Statement<'_>]) -> Vec<(usize, Range<usize>, Step)> {
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
        let mut explain = |word: &Word<'_>, taken: bool| {
            let mut most = 0.0f64;
            for (&at, shared) in relation.iter().zip(&mut shared) {
                let near = word.near(statement, at);
                most = most.max(near);
                if !taken {
                    *shared = shared.max(near);
                    // A member has a membership: a word of the same root may turn it round.
                    let same = near > 0.6 && agreement(word.key, &tokens[at].key) != 1;
                    wrong_way |= word.held && same && statement.holder(at).is_some_and(|holder| value.contains(&holder));
                }
            }
            // "Which school …?" – "Tarn Free School".
            most = most.max(REWORDED * word.names(statement, value));
            if matches!(self.kind, Kind::Named(at) if at == word.at) {
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
        (!wrong_way).then_some(Step { explains, after, gained_after, kind, foreign, cost })
    }

    /// How well a path fits that ends with the step. None if it says nothing of what is asked.
    fn finished(&self, path: &Path<'_>, step: &Step, statement: &Statement<'_>, value: &Range<usize>) -> Option<f64> {
        let rest = &self.words[path.taken..];
        let gained: f64 = rest.iter().zip(&step.explains).map(|(word, explained)| word.weight * explained).sum();
        let gained = step.gained_after + gained / self.total;
        let expected: f64 = rest.iter().map(|word| EXPECTED * word.weight).sum();
        let kind = match self.kind {
            Kind::Named(_) => step.kind,
            Kind::Person => statement.looks_like_a_person(value),
            Kind::Place if step.kind > 0.0 => 1.0,
            Kind::Place if !statement.is_named(value) => 0.3,
            Kind::Place | Kind::Any => 0.7,
        };
        let says = gained > 0.0 || step.kind > 0.0;
        let alone = path.statements.is_empty();
        if !says || path.explained + gained < LEAST || alone && !self.is_answered(step) {
            return None;
        }
        Some(path.score + gained - expected / self.total - step.cost + ASKED * kind)
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
    fn continued(&self, path: &Path<'_>, step: &Step) -> Vec<(usize, f64, f64)> {
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
    /// How near the statement's word at a place is, from 0 to 1.
    fn near(&self, statement: &Statement<'_>, at: usize) -> f64 {
        let tokens = &statement.tokens;
        let name = tokens[at].name && (at > 0 || tokens.get(1).is_some_and(|t| t.name));
        match agreement(self.key, &tokens[at].key) {
            2 => 1.0,
            1 => 0.95,
            // A city is not a country.
            _ if name || tokens[at].is_place() && PLACE.contains(&self.key) => 0.0,
            _ => evidence(self.places.near(&statement.places()[at]), NEAR),
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
        let Some(wh) = question.iter().position(|t| t.is(&["which", "what", "where", "who", "whom"])) else { return Self::Any };
        match question[wh].key.as_str() {
            "where" => return Self::Place,
            "who" | "whom" => return Self::Person,
            _ => {}
        }
        let noun = (wh + 1..question.len()).find(|&at| name.contains(&at) || !(question[at].function || question[at].is(&["name"])));
        match noun.filter(|at| !name.contains(at)) {
            Some(at) if question[at].is(&["person", "individual"]) => Self::Person,
            Some(at) => Self::Named(at),
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

fn keys(tokens: &[Token]) -> Vec<&str> {
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
