//! The ways to take two phrases out of a statement, so that the rest is what it says of them: "The landlord of … is …".
//!
//! Names are runs of words with capitals, or that no dictionary has, with the words that stand beside them in every statement. What stands
//! in a single statement proves nothing, so a name grows only if other words stand on both its sides elsewhere. A statement with one name
//! has another phrase of ordinary words, which may be anywhere.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::related::Places;
use super::statement::is_article;
use super::words::Token;

/// Small words inside a name: "Bank *of* Oska", "Salt *and the* Garden".
pub(super) const JOINS: &[&str] = &["of", "and", "the", "for", "de", "van", "von", "der", "du", "da", "del"];
/// The longest phrase of ordinary words that is taken out.
const ORDINARY: usize = 3;
/// How many words beside a name may belong to it, on each side.
const BESIDE: usize = 3;
/// Longer sentences say more than one thing.
pub(super) const LONGEST: usize = 40;
/// How many small words may stand between the two parts of a name: "the Bell *at* Oska".
const BETWEEN: usize = 3;

pub(super) fn text(tokens: &[Token], range: &Range<usize>) -> String {
    tokens[range.clone()].iter().map(|t| t.key.as_str()).collect::<Vec<_>>().join(" ")
}

/// The statement without two phrases, as a text. Articles and the number of a line do not count.
pub(super) fn frame_of(tokens: &[Token], way: &[Range<usize>; 2]) -> String {
    let mut frame = String::new();
    for (at, t) in tokens.iter().enumerate() {
        match way.iter().find(|place| place.contains(&at)) {
            Some(place) if place.start == at => frame.push_str(" _"),
            Some(_) => {}
            None if t.line || is_article(t) => {}
            None => {
                frame.push(' ');
                frame.push_str(&t.key);
            }
        }
    }
    frame
}

/// The ways to take two phrases out of a statement.
pub(super) fn ways(tokens: &[Token], repeated: &Repeated) -> Vec<[Range<usize>; 2]> {
    let names = repeated.names(tokens);
    let plain = |at: usize| !tokens[at].function && !names.iter().any(|name| name.contains(&at));
    let mut ways = Vec::new();
    match &names[..] {
        [] => {}
        [name] => {
            for start in (0..tokens.len()).filter(|&at| plain(at)) {
                for end in start + 1..=(start + ORDINARY).min(tokens.len()) {
                    if !plain(end - 1) || (end - 1 > start && tokens[end - 2].comma) {
                        break;
                    }
                    ways.push(if start < name.start { [start..end, name.clone()] } else { [name.clone(), start..end] });
                }
            }
        }
        [one, two] => ways.push([one.clone(), two.clone()]),
        names => {
            // Names that belong together: "the Bell at Oska".
            for pair in names.windows(2).enumerate().filter(|_| names.len() == 3) {
                let (at, [one, two]) = pair else { continue };
                let between = &tokens[one.end..two.start];
                if between.len() <= BETWEEN && between.iter().all(|t| t.function && !t.is_copula()) && !tokens[one.end - 1].comma {
                    let joined = one.start..two.end;
                    ways.push(if at == 0 { [joined, names[2].clone()] } else { [names[0].clone(), joined] });
                }
            }
            // A word that no dictionary has need not be a name: "… and nowhere *else*".
            let named = |name: &Range<usize>| tokens[name.clone()].iter().any(|t| t.name);
            for (at, one) in names.iter().enumerate() {
                for two in &names[at + 1..] {
                    if names.iter().all(|name| name == one || name == two || !named(name)) {
                        ways.push([one.clone(), two.clone()]);
                    }
                }
            }
            if ways.is_empty() {
                ways.push([names[0].clone(), names[names.len() - 1].clone()]);
            }
        }
    }
    // An ordinary word beside a name may belong to it: "Holt *fever*".
    for [one, two] in ways.clone() {
        let wider = |name: &Range<usize>| {
            let left = (name.start > 0 && plain(name.start - 1)).then(|| name.start - 1..name.end);
            let right = (name.end < tokens.len() && plain(name.end) && !tokens[name.end - 1].comma).then(|| name.start..name.end + 1);
            [Some(name.clone()), left, right].into_iter().flatten().collect::<Vec<_>>()
        };
        let both = wider(&one).into_iter().flat_map(|one| wider(&two).into_iter().map(move |two| [one.clone(), two]));
        ways.extend(both.skip(1).filter(|[one, two]| one.end <= two.start));
    }
    // Something must be left that says what the statement says.
    ways.retain(|way| (0..tokens.len()).any(|at| !tokens[at].function && !way.iter().any(|place| place.contains(&at))));
    ways
}

/// Where names and unknown words stand, and what stands beside them everywhere.
pub(super) struct Repeated {
    /// For runs of words, what stands before and after them.
    beside: HashMap<String, (HashSet<String>, HashSet<String>)>,
}

impl Repeated {
    pub(super) fn of(read: &[(&str, Vec<Token>)]) -> Self {
        let mut found = Self { beside: HashMap::new() };
        for (_, tokens) in read {
            for core in cores_of(tokens) {
                for start in core.start.saturating_sub(BESIDE)..=core.start {
                    for end in core.end..=(core.end + BESIDE).min(tokens.len()) {
                        let sides = found.beside.entry(text(tokens, &(start..end))).or_default();
                        let key = |at: Option<&Token>| at.map_or(String::new(), |t| t.key.clone());
                        sides.0.insert(key(start.checked_sub(1).map(|at| &tokens[at])));
                        sides.1.insert(key(tokens.get(end)));
                    }
                }
            }
        }
        found
    }

    /// The names of a statement, each with the words that stand beside it everywhere.
    fn names(&self, tokens: &[Token]) -> Vec<Range<usize>> {
        let mut names: Vec<Range<usize>> = Vec::new();
        for core in cores_of(tokens) {
            let mut name = core.clone();
            let free = names.last().map_or(0, |last| last.end);
            if free > name.start {
                continue;
            }
            while let Some((before, after)) = self.beside.get(&text(tokens, &name)) {
                let fixed = |sides: &HashSet<String>| sides.len() == 1 && !sides.contains("");
                if name.start > free && fixed(before) {
                    name.start -= 1;
                } else if name.end < tokens.len() && fixed(after) {
                    name.end += 1;
                } else {
                    break;
                }
            }
            // Words belong to a name only if both its sides vary with them.
            let varied = |(before, after): &(HashSet<String>, HashSet<String>)| before.len() > 1 && after.len() > 1;
            if !self.beside.get(&text(tokens, &name)).is_some_and(varied) {
                name = core.clone();
            }
            while name.start < core.start && (name.start > 0 && tokens[name.start].function || is_article(&tokens[name.start])) {
                name.start += 1;
            }
            while name.end > core.end && tokens[name.end - 1].function {
                name.end -= 1;
            }
            names.push(name);
        }
        names
    }
}

/// The runs of words with capitals, or that no dictionary has.
fn cores_of(tokens: &[Token]) -> Vec<Range<usize>> {
    let own: Vec<bool> = (0..tokens.len())
        .map(|at| {
            let t = &tokens[at];
            let opens = at == 0 || tokens[at - 1].line;
            let known = t.function || Places::of(&t.key).known();
            !t.function && t.key != "'s" && if opens { !known || tokens.get(at + 1).is_some_and(|t| t.name) } else { t.name || !known }
        })
        .collect();
    let mut cores: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !own[at] {
            at += 1;
            continue;
        }
        let mut end = at + 1;
        while end < tokens.len() && !tokens[end - 1].comma {
            match (end..tokens.len()).take(3).find(|&i| own[i] || !tokens[i].is(JOINS)).filter(|&i| own[i]) {
                Some(next) => end = next + 1,
                None => break,
            }
        }
        // An amount is of something: "40 *crowns*".
        let amount = tokens[end - 1].key.starts_with(|c: char| c.is_ascii_digit()) && !tokens[end - 1].comma;
        end += usize::from(amount && tokens.get(end).is_some_and(|t| !t.function));
        cores.push(at..end);
        at = end;
    }
    cores
}
