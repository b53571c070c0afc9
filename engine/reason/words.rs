//! The English that the extractive reasoner needs: sentences, tokens, small word lists, and when two words count as the same.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Words that carry no content of their own.
static FUNCTION: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "a an the this that these those it its he she they we i you his her their our your my him them me us 's
     is are was were be been being am do does did has have had having will would can could may might shall should
     of in at on by to from for with as about into onto near since during around inside outside under over
     and or but so nor than then there here very just only also too still now currently current again already
     who whom whose which what where when why how called named known yesterday today recently lately later finally
     meanwhile once please tell according
     al el am bin ibn da de del della den der di du la le las los van von y zu"
        .split_whitespace()
        .collect()
});

/// Nouns that name the kind of an answer rather than a relation: "the *city* of …", "the *name* of …".
static KIND: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "name kind type sort field role position sport language religion genre company organization organisation institution person
     title category profession occupation"
        .split_whitespace()
        .chain(PLACE.iter().copied())
        .collect()
});

/// Kinds of places. The first four match every other.
pub(super) const PLACE: &[&str] =
    &["place", "location", "area", "land", "city", "town", "village", "country", "continent", "island", "county"];

const COPULA: &[&str] = &["is", "are", "was", "were", "be", "been", "'s"];

/// Words that a sentence must not have to answer a question, unless the question has them too.
const NEGATION: &[&str] = &["not", "never", "no", "longer", "formerly", "anymore", "stopped", "quit", "nobody", "nothing"];

/// Words that mean the same but look different.
static FAMILY: LazyLock<HashMap<&str, usize>> = LazyLock::new(|| {
    let families = [
        "spouse wife husband married marry marries marriage wed",
        "job work works worked working profession occupation career",
        "live lives lived living home reside resides resided residence",
        "die dies died death dead",
        "born birth birthplace",
        "author wrote write writes written writer",
        "speak speaks spoke spoken",
        "sing sings sang sung singer song",
        "teach teaches taught teacher",
        "drive drives drove driven driver",
        "own owns owned owner",
        "study studies studied studying student",
        "buy buys bought",
        "wear wears wore worn",
        "grow grows grew grown",
        "child children",
    ];
    let words = families.iter().enumerate();
    words.flat_map(|(family, words)| words.split(' ').map(move |word| (word, family))).collect()
});

/// What comes before a full stop that does not end a sentence.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "mt", "no", "vs", "gen", "col", "capt", "sgt", "rev", "hon", "jr", "sr", "inc", "ltd", "co",
    "corp", "bros", "etc",
];

/// One word of a sentence, without the punctuation around it. A possessive `'s` is a word of its own.
pub(super) struct Token {
    /// Lower-cased.
    pub(super) key: String,
    /// Its place in the sentence, in bytes.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Has an upper-case letter or a digit, as names have.
    pub(super) name: bool,
    /// Is one of the words without content. A word that looks like part of a name is not, except at the start of a sentence.
    pub(super) function: bool,
    /// Names the kind of an answer.
    pub(super) kind: bool,
    /// Is the number of a numbered line.
    pub(super) line: bool,
    /// Is followed by a comma or another separator.
    pub(super) comma: bool,
}

impl Token {
    pub(super) fn is(&self, list: &[&str]) -> bool {
        list.contains(&self.key.as_str())
    }

    pub(super) fn is_copula(&self) -> bool {
        self.is(COPULA)
    }

    pub(super) fn is_negation(&self) -> bool {
        (self.is(NEGATION) && !self.name) || self.key.ends_with("n't")
    }

    /// A noun that says nearly nothing about what is asked: "which *city*", "what *kind*".
    pub(super) fn is_vague(&self) -> bool {
        self.is_place() || self.is(&["name", "kind", "type", "sort", "person", "thing", "one"])
    }

    pub(super) fn is_place(&self) -> bool {
        self.is(PLACE)
    }

    /// A kind of place that excludes others: a city is not a country.
    pub(super) fn is_special_place(&self) -> bool {
        self.is(&PLACE[4..])
    }

    pub(super) fn has_family_of(&self, word: &str) -> bool {
        FAMILY.get(self.key.as_str()).is_some_and(|family| FAMILY.get(word) == Some(family))
    }
}

/// The words of one sentence.
pub(super) fn tokens(sentence: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut end_before = 0;
    for raw in sentence.split_whitespace() {
        let base = raw.as_ptr() as usize - sentence.as_ptr() as usize;
        let core = raw.trim_matches(|c: char| !c.is_alphanumeric());
        if core.is_empty() {
            continue;
        }
        let start = base + (core.as_ptr() as usize - raw.as_ptr() as usize);
        if let Some(last) = tokens.last_mut() {
            last.comma = sentence[end_before..start].contains([',', ';', ':', '(', ')', '–', '—']);
        }
        end_before = start + core.len();
        let owner = core.strip_suffix("'s").or_else(|| core.strip_suffix("’s"));
        let owner = owner.map(|owner| owner.trim_end_matches(|c: char| !c.is_alphanumeric())).filter(|owner| !owner.is_empty());
        let mut push = |start: usize, end: usize| {
            let text = &sentence[start..end];
            let key = text.to_lowercase().replace('’', "'");
            let name = text.chars().any(|c| c.is_uppercase() || c.is_numeric());
            // The number of a numbered line is not part of the sentence.
            let line = tokens.is_empty() && sentence[end..].starts_with(". ") && text.bytes().all(|b| b.is_ascii_digit());
            let first = tokens.iter().all(|t: &Token| t.line);
            let function = line || (FUNCTION.contains(key.as_str()) && (!name || first));
            let kind = KIND.contains(key.as_str()) && !name;
            tokens.push(Token { key, start, end, name: name && !function, function, kind, comma: false, line });
        };
        match owner {
            Some(owner) => {
                push(start, start + owner.len());
                push(end_before - core[owner.len()..].trim_start_matches('.').len(), end_before);
            }
            None => push(start, end_before),
        }
    }
    // "The firm that made E is …": the noun only names the kind of what follows.
    if let [the, noun, that, ..] = &mut tokens[..] {
        noun.kind |= the.key == "the" && !noun.name && that.is(&["that", "who", "which", "where"]);
    }
    tokens
}

/// The text of some tokens, including the full stop of an abbreviation at the end.
pub(super) fn text_of(sentence: &str, tokens: &[Token]) -> String {
    let (start, last) = (tokens[0].start, &tokens[tokens.len() - 1]);
    let stop = sentence[last.end..].starts_with('.') && is_abbreviation(&sentence[last.start..last.end]);
    sentence[start..last.end + usize::from(stop)].to_owned()
}

/// How well two words agree: 2 the same, 1 with the same stem, in the same family or with two letters swapped, 0 not at all.
pub(super) fn agreement(a: &str, b: &str) -> usize {
    if a == b {
        return 2;
    }
    let family = FAMILY.get(a).is_some_and(|family| FAMILY.get(b) == Some(family));
    usize::from(family || same_stem(a, b) || swapped(a, b))
}

/// Whether the words differ only in endings: founded, founder; citizen, citizenship; country, countries.
fn same_stem(a: &str, b: &str) -> bool {
    const PLAIN: &[&str] = &["", "s", "es", "ed", "ing"];
    const ENDINGS: &[&str] = &["", "s", "es", "ed", "ing", "er", "ers", "or", "ors", "ion", "ions", "ship", "ment", "al", "ally", "ed"];
    const AFTER_E: &[&str] = &["", "s", "d", "r", "rs"];
    const AFTER_CONSONANT: &[&str] = &["y", "ies", "ied", "ier"];
    let shared: usize = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8()).sum();
    // The stem may be shorter than what the words share: "creates" and "created" share the e of their endings.
    (shared.saturating_sub(2)..=shared).rev().filter(|&cut| cut >= 3 && a.is_char_boundary(cut)).any(|cut| {
        let (stem, x, y) = (&a[..cut], &a[cut..], &b[cut..]);
        let both = |list: &[&str]| list.contains(&x) && list.contains(&y);
        let doubled = |ending: &str, other: &str| {
            other.is_empty() && stem.chars().last().is_some_and(|last| matches!(ending.strip_prefix(last), Some("ed" | "ing" | "er")))
        };
        both(PLAIN)
            || both(AFTER_CONSONANT)
            || (stem.ends_with('e') && both(AFTER_E))
            || (cut >= 4 && (both(ENDINGS) || (both(&["e", "es", "ed", "er", "or", "ing", "ion"]))))
            || doubled(x, y)
            || doubled(y, x)
    })
}

/// Whether two long words differ by swapping two neighbouring letters, the most common typing mistake.
fn swapped(a: &str, b: &str) -> bool {
    if a.len() != b.len() || a.len() < 6 {
        return false;
    }
    let at: Vec<usize> = (0..a.len()).filter(|&i| a.as_bytes()[i] != b.as_bytes()[i]).collect();
    let (a, b) = (a.as_bytes(), b.as_bytes());
    matches!(at[..], [i, j] if j == i + 1 && a[i] == b[j] && a[j] == b[i])
}

/// Whether a full stop after this word belongs to it: initials, `U.S.A.`, `Inc.`
pub(super) fn is_abbreviation(word: &str) -> bool {
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    let initials = word.contains('.') && word.split('.').all(|part| part.chars().count() == 1 && part.chars().all(char::is_alphabetic));
    initial || initials || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

/// The sentences of a text.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches(['-', '*', '•', ' ', '\t']);
        let mut start = 0;
        for (at, sign) in line.char_indices().filter(|(_, c)| matches!(c, '.' | '!' | '?')) {
            let rest = &line[at + 1..];
            let next = rest.trim_start();
            if at >= start && rest.len() > next.len() && ends_here(&line[start..at], sign, next) {
                found.push(&line[start..=at]);
                start = at + 1;
            }
        }
        found.push(&line[start..]);
    }
    found.into_iter().map(without_opening).filter(|sentence| !sentence.is_empty()).collect()
}

/// The sentence without an opening of a few words and a colon that name nothing: "By the way: …".
fn without_opening(sentence: &str) -> &str {
    let plain = |opening: &str| {
        let words = opening.split_whitespace();
        words.clone().count() <= 5 && words.skip(1).all(|word| !word.contains(|c: char| c.is_uppercase() || c.is_numeric()))
    };
    let split = sentence.split_once(": ").filter(|(opening, _)| plain(opening));
    split.map_or(sentence, |(_, rest)| rest).trim()
}

/// Whether `sign` ends the sentence `before` if `next` follows.
fn ends_here(before: &str, sign: char, next: &str) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or(before);
    let capital = next.chars().next().is_some_and(|c| !c.is_lowercase());
    if sign != '.' {
        return capital;
    }
    if word.bytes().all(|b| b.is_ascii_digit()) {
        // The number of a line, or an ordinal in a name: "1. FC …", "the coach of 1. …", "… is 1. Oska."
        let before = before[..before.len() - word.len()].trim_end();
        let rest = next.split(['.', '!', '?']).next().unwrap_or("");
        let ordinal = [" of", " at", " by", " for", " in", " where", " that"].iter().any(|end| before.ends_with(end));
        let short = rest.split_whitespace().all(|word| !word.starts_with(char::is_lowercase));
        return !(before.is_empty() || before.ends_with(':') || (word.len() <= 2 && (ordinal || short || starts_with_acronym(next))));
    }
    if !is_abbreviation(word) {
        return true;
    }
    // "… of Apple Inc. The …" ends, "Apple Inc. is …", "Mr. Tolen" and "J. R. Tolen" do not.
    let first = next.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
    capital && word.chars().count() > 1 && FUNCTION.contains(first.to_lowercase().as_str())
}

/// Whether a number before this text may be an ordinal that belongs to a name: "1. FC …".
fn starts_with_acronym(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or("");
    word.chars().count() > 1 && word.chars().all(char::is_uppercase)
}
