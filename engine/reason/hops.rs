//! Questions that take several statements: "Which country is the author of E a citizen of?"
//!
//! 1. A statement is cut before its *value*, the noun phrase at its end: "The author of E is | Mira Tolen". It leads from anything that it
//!    names before the cut to the value.
//! 2. A *path* begins with a statement about a thing that the question names, and goes on with a statement about the value of the one before.
//! 3. The more of the question's words the statements of a path have, the better it fits; words of theirs that the question does not have
//!    count against it. It should end with a statement about the kind of thing that is asked for.
//!
//! Only a few of the best unfinished paths are continued. What they need is looked up by their last value and the question's words, so a
//! large memory is never read as a whole. All of this is our choice.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::LazyLock;

use super::question::AUXILIARY;
use super::words::{PLACE, Token, agreement, sentences, text_of, tokens};

/// Unfinished paths that are continued.
const BEAM: usize = 8;
/// The longest name in words.
const LONGEST: usize = 9;
/// The weight of a word that only names a kind.
const KIND_WEIGHT: f64 = 0.35;
/// What counts against a path for each statement whose words the question does not have.
const FOREIGN: f64 = 0.12;
/// What counts for a path that ends with the kind of thing that is asked for.
const ASKED: f64 = 0.3;
/// A path must explain this share of the question's words.
const LEAST: f64 = 0.3;

/// Words that speak of the same relation, in families that overlap. They are looser than those of a single statement, because the other
/// statements of a path show what is meant.
static RELATED: LazyLock<HashMap<&str, Vec<usize>>> = LazyLock::new(|| {
    let families = [
        "spouse wife husband married marry marries marriage wed wedded couple partner",
        "job work works worked working profession occupation career employ employs employed employer employee workplace",
        "live lives lived living home reside resides resided residence",
        "die dies died death dead deceased demise perish perished pass passed passes breathe breathed breath",
        "born birth birthplace native hail hails hailed",
        "author authored wrote write writes written writer book novel work",
        "study studies studied studying student educated education educational university school college attended",
        "found founded founder founders founding foundation establish established",
        "create created creator creates creation make made origin original originally originate originates originated develop developed developer \
         developing invent invented inventor come comes came rise emerged birthplace",
        "religion religious faith belief believed follow follows affiliated affiliation",
        "citizen citizens citizenship nationality national belong belongs belonged hail hails hailed",
        "head chief leader executive ceo",
        "produce produced produces producer make makes maker made manufacture manufactured manufacturer manufactures",
        "perform performed performer performs artist sang sung singer",
        "headquarters headquarter headquartered based seat",
        "music musical song genre",
        "broadcast broadcaster broadcasted aired network",
        "direct directed director manage managed manager manages",
        "locate located location situated",
        "language tongue",
    ];
    let mut families_of: HashMap<&str, Vec<usize>> = HashMap::new();
    for (family, words) in families.iter().enumerate() {
        words.split_whitespace().for_each(|word| families_of.entry(word).or_default().push(family));
    }
    families_of
});

/// The answer that a path leads to.
pub(super) struct Found {
    pub(super) text: String,
    /// The items of its statements, in order.
    pub(super) trace: Vec<usize>,
}

/// A sentence with its value, `tokens[cut..]`.
struct Statement<'a> {
    /// The item that it stands in.
    item: usize,
    sentence: &'a str,
    tokens: Vec<Token>,
    cut: usize,
}

/// A word of the question, besides its name.
struct Word<'q> {
    key: &'q str,
    weight: f64,
}

/// Statements that follow from one another.
#[derive(Clone)]
struct Path<'a> {
    /// The value of the last one.
    end: Vec<&'a str>,
    statements: Vec<usize>,
    /// How well each word of the question is explained, from 0 to 1.
    explained: Vec<f64>,
    /// How much of the statements the question does not have, in statements.
    foreign: f64,
    /// How many statements have none of the question's words.
    silent: usize,
}

/// What a question names, and what it asks about it.
struct Wanted<'q> {
    name: Vec<&'q str>,
    words: Vec<Word<'q>>,
    /// The kind of thing that is asked for; empty if the question does not say.
    kinds: Vec<&'q str>,
}

/// What the last statement of a path says.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// The kind of thing that is asked for; any, if the question does not say.
    Asked,
    /// Another kind, in words that the question has.
    Unasked,
    /// Nothing that the question speaks of, so it cannot be the answer, but may lead to it.
    Foreign,
}

/// Looks for the best path of up to `hops` statements. Also returns what else to look up in the memory.
pub(super) fn search(question: &str, contents: &[&str], hops: usize) -> (Option<Found>, Vec<String>) {
    let asked_tokens = tokens(question);
    let mut statements = Vec::new();
    for (item, content) in contents.iter().enumerate() {
        let read = sentences(content).into_iter().filter_map(|sentence| Statement::read(item, sentence));
        let fits = |s: &Statement<'_>| !s.tokens.iter().any(|t| t.is_negation() && !asked_tokens.iter().any(|q| q.key == t.key));
        statements.extend(read.filter(fits));
    }
    let mut searches: Vec<String> = names(&asked_tokens).into_iter().map(|name| keys(&asked_tokens[name]).join(" ")).collect();
    let mut best: Option<(f64, Path<'_>)> = None;
    for name in spans(&asked_tokens, &statements) {
        let wanted = Wanted::of(&asked_tokens, name);
        let rest: Vec<&str> = wanted.words.iter().map(|word| word.key).collect();
        let total: f64 = wanted.words.iter().map(|word| word.weight).sum();
        let share = |path: &Path<'_>| {
            let explained: f64 = wanted.words.iter().zip(&path.explained).map(|(word, explained)| word.weight * explained).sum();
            if total > 0.0 { explained / total } else { 1.0 }
        };
        let start =
            Path { end: wanted.name.clone(), statements: Vec::new(), explained: vec![0.0; wanted.words.len()], foreign: 0.0, silent: 0 };
        let mut unfinished = vec![(0.0, start)];
        for _ in 0..hops {
            searches.extend(unfinished.iter().map(|(_, path)| format!("{} {}", path.end.join(" "), rest.join(" "))));
            let mut longer = Vec::new();
            for (_, path) in &unfinished {
                for (index, statement) in statements.iter().enumerate().filter(|(index, _)| !path.statements.contains(index)) {
                    let Some(at) = statement.place_of(&path.end) else { continue };
                    let (path, end) = wanted.continued(path, index, statement, at);
                    let score = share(&path) - FOREIGN * path.foreign;
                    let finished = score + if end == End::Unasked { 0.0 } else { ASKED };
                    let fits = end != End::Foreign && share(&path) >= LEAST && wanted.unexplained(&path) >= path.silent;
                    if fits && best.as_ref().is_none_or(|(top, _)| finished > top + 1e-9) {
                        best = Some((finished, path.clone()));
                    }
                    longer.push((score, path));
                }
            }
            longer.sort_by(|a, b| b.0.total_cmp(&a.0));
            longer.truncate(BEAM);
            unfinished = longer;
        }
    }
    // A single statement is judged with more care elsewhere.
    let found = best.filter(|(_, path)| path.statements.len() > 1).and_then(|(_, path)| {
        let last = &statements[*path.statements.last()?];
        let text = text_of(last.sentence, last.value());
        Some(Found { text, trace: path.statements.iter().map(|at| statements[*at].item).collect() })
    });
    (found, searches)
}

impl<'a> Statement<'a> {
    fn read(item: usize, sentence: &'a str) -> Option<Self> {
        let tokens = tokens(sentence);
        let cut = (1..tokens.len()).find(|&at| {
            let before = &tokens[..at];
            let ends_frame = is_verb(&before[at - 1]) || is_article(&before[at - 1]) || is_preposition(&before[at - 1]);
            ends_frame && before.iter().any(|t| !t.function) && is_value(&tokens[at..])
        })?;
        Some(Self { item, sentence, tokens, cut })
    }

    /// The value, without an article.
    fn value(&self) -> &[Token] {
        let value = &self.tokens[self.cut..];
        let articles = value.iter().take_while(|t| is_article(t)).count();
        if articles < value.len() { &value[articles..] } else { value }
    }

    /// Where the statement, before its value, names a thing as a whole.
    fn place_of(&self, name: &[&str]) -> Option<usize> {
        let before = &self.tokens[..self.cut];
        let starts = 0..(before.len() + 1).saturating_sub(name.len());
        starts.into_iter().find(|&at| {
            before[at].key == name[0]
                && before[at..at + name.len()].iter().zip(name).all(|(t, key)| t.key == *key)
                && is_whole(before, at..at + name.len())
        })
    }
}

impl<'q> Wanted<'q> {
    fn of(question: &'q [Token], name: Range<usize>) -> Self {
        let word = |t: &'q Token| Word { key: &t.key, weight: weight(t) };
        let words = question.iter().enumerate().filter(|(at, t)| !t.function && !name.contains(at)).map(|(_, t)| word(t));
        Self { words: words.collect(), kinds: kinds(question, &name), name: keys(&question[name]) }
    }

    /// How many words, besides kinds, no statement of a path explains. Each may stand for a statement that says the same in other words.
    fn unexplained(&self, path: &Path<'_>) -> usize {
        self.words.iter().zip(&path.explained).filter(|(word, explained)| word.weight == 1.0 && **explained == 0.0).count()
    }

    /// The path with one more statement, which names the end of the path at `at`; and how far that statement answers the question.
    fn continued<'s>(&self, path: &Path<'s>, index: usize, statement: &'s Statement<'_>, at: usize) -> (Path<'s>, End) {
        let mut path = path.clone();
        let relation = statement.tokens[..statement.cut].iter().enumerate();
        let relation: Vec<&Token> =
            relation.filter(|(i, t)| !t.function && !(at..at + path.end.len()).contains(i)).map(|(_, t)| t).collect();
        let (mut total, mut shared) = (0.0, 0.0);
        for t in &relation {
            let mut most: f64 = 0.0;
            for (word, explained) in self.words.iter().zip(&mut path.explained) {
                let agrees = related(word.key, &t.key);
                *explained = explained.max(agrees);
                most = most.max(agrees);
            }
            total += weight(t);
            shared += weight(t) * most;
        }
        path.foreign += 1.0 - if total > 0.0 { shared / total } else { 1.0 };
        path.silent += usize::from(shared == 0.0 && total > 0.0);
        path.statements.push(index);
        path.end = keys(statement.value());
        let named = self.kinds.iter().any(|kind| relation.iter().any(|t| related(kind, &t.key) > 0.0));
        let end = match () {
            () if named => End::Asked,
            () if shared == 0.0 && total > 0.0 => End::Foreign,
            () if self.kinds.is_empty() => End::Asked,
            () => End::Unasked,
        };
        (path, end)
    }
}

/// How well two words agree, from 0 to 1.
fn related(a: &str, b: &str) -> f64 {
    let families = |word| RELATED.get(word).map_or(&[][..], Vec::as_slice);
    match agreement(a, b) {
        2 => 1.0,
        0 if !families(a).iter().any(|family| families(b).contains(family)) => 0.0,
        _ => 0.9,
    }
}

fn weight(t: &Token) -> f64 {
    if t.kind { KIND_WEIGHT } else { 1.0 }
}

fn keys(tokens: &[Token]) -> Vec<&str> {
    tokens.iter().map(|t| t.key.as_str()).collect()
}

fn is_verb(t: &Token) -> bool {
    t.function && (t.is_copula() && t.key != "'s" || t.is(AUXILIARY))
}

fn is_article(t: &Token) -> bool {
    t.function && t.is(&["a", "an", "the"])
}

fn is_preposition(t: &Token) -> bool {
    t.function && (t.key == "of" || t.is(super::question::PREPOSITIONS))
}

/// Whether these words, at the end of a sentence, are one noun phrase: no verb, and no small word after an ordinary one.
fn is_value(tokens: &[Token]) -> bool {
    let ordinary = tokens.iter().position(|t| !t.function && !t.name).unwrap_or(tokens.len());
    !tokens.iter().any(is_verb) && !tokens[ordinary..].iter().any(|t| t.function) && (!tokens[0].function || is_article(&tokens[0]))
}

/// Whether no name goes on beyond the range.
fn is_whole(tokens: &[Token], range: Range<usize>) -> bool {
    let before = range.start.checked_sub(1).is_some_and(|at| tokens[at].name && !tokens[at].comma);
    let after = tokens.get(range.end).is_some_and(|t| t.name && !tokens[range.end - 1].comma);
    !before && !after
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
/// statement begins with.
fn spans(question: &[Token], statements: &[Statement<'_>]) -> Vec<Range<usize>> {
    // Whether each has capitals, by start and end.
    let mut found: BTreeMap<(usize, usize), bool> = BTreeMap::new();
    for statement in statements {
        let before = &statement.tokens[..statement.cut];
        for (start, at) in (0..question.len()).flat_map(|start| (0..before.len()).map(move |at| (start, at))) {
            let common = question[start..].iter().zip(&before[at..]).take(LONGEST).take_while(|(a, b)| a.key == b.key).count();
            let opens = |i: usize| question[i].name || (is_article(&question[i]) && question.get(i + 1).is_some_and(|t| t.name));
            let longest = (1..=common).rev().find_map(|length| {
                let words = &question[start..start + length];
                let named = opens(start) && words[length - 1].name;
                let kind = length == 1 && words[0].kind;
                let plain = at == 0 && !kind && !words.iter().any(|t| t.name) && !words[0].function && !words[length - 1].function;
                ((named || plain) && is_whole(before, at..at + length)).then_some((length, named))
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

/// The kind of thing that a question asks for: the noun after "which" or "what", or places for "where".
fn kinds<'q>(question: &'q [Token], name: &Range<usize>) -> Vec<&'q str> {
    let asks = |t: &Token| t.is(&["which", "what", "where", "who", "whom"]);
    let Some(wh) = question.iter().position(asks) else { return Vec::new() };
    if question[wh].is(&["where"]) {
        return PLACE.to_vec();
    }
    let noun = (wh + 1..question.len()).find(|&at| name.contains(&at) || !(question[at].function || question[at].is(&["name"])));
    match noun.filter(|at| !name.contains(at) && !question[wh].is(&["who", "whom"])).map(|at| &question[at]) {
        Some(t) if t.is(&["place", "location", "area"]) => PLACE.to_vec(),
        Some(t) => vec![&t.key],
        None => Vec::new(),
    }
}
