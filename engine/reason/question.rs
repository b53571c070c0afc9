//! What a question asks: its entity, its relation, and what the answer must look like.

use std::ops::Range;

use super::words::{Token, tokens};

pub(super) const PREPOSITIONS: &[&str] = &[
    "in", "at", "on", "by", "to", "from", "for", "with", "as", "about", "into", "onto", "near", "since", "during", "around", "inside",
    "outside", "under", "over",
];
const WHERE: &[&str] = &["in", "at", "on", "to", "from", "into", "near", "around", "inside", "outside", "under"];
const WHEN: &[&str] = &["in", "on", "at", "since", "during", "from", "around"];
pub(super) const AUXILIARY: &[&str] = &["do", "does", "did", "has", "have", "had"];

/// What kind of answer a question wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    Person,
    Place,
    Time,
    Anything,
}

/// A question taken apart. Numbers are positions among its tokens.
pub(super) struct Question {
    pub(super) tokens: Vec<Token>,
    /// The names, each a run of tokens.
    pub(super) names: Vec<Range<usize>>,
    /// The entity has no capitals, so every word counts.
    pub(super) plain: bool,
    /// The words of the relation, and whether each only names a kind.
    pub(super) words: Vec<(usize, bool)>,
    /// The noun that "which" or "what" asks for, unless it is vague.
    pub(super) head: Option<usize>,
    pub(super) wants: Wants,
    /// Prepositions that may precede the answer; empty allows any.
    pub(super) prepositions: Vec<String>,
    /// The prepositions belong to the question's verb: "born *in*".
    pub(super) bound: bool,
    /// The noun that the entity has: "the *author* of E", "E's *author*".
    pub(super) noun: Option<usize>,
    /// The entity does what the relation says: "What did E found?"
    pub(super) agent: bool,
    /// The verb whose object the entity is: "Who *founded* E?"
    pub(super) verb: Option<usize>,
}

impl Question {
    /// Takes a question apart. None if there is nothing in it to ask about.
    pub(super) fn read(text: &str) -> Option<Self> {
        let tokens = tokens(text);
        let asks = |t: &Token| t.is(&["who", "whom", "whose", "which", "what", "where", "when", "how"]);
        let wh = tokens.iter().position(asks);
        let head = wh.map(|at| at + 1).filter(|&at| tokens[at - 1].is(&["which", "what", "whose"]) && at < tokens.len());
        let head = head.filter(|&at| !tokens[at].function && !tokens[at].name);
        let mut names: Vec<Range<usize>> = Vec::new();
        for at in (0..tokens.len()).filter(|&at| tokens[at].name) {
            match names.last_mut() {
                Some(run) if run.end == at => run.end = at + 1,
                _ => names.push(at..at + 1),
            }
        }
        for run in names.iter_mut().filter(|run| run.start > 1) {
            // A small word that opens a name: "Where is van Oska living?"
            let (before, word) = (&tokens[run.start - 2], &tokens[run.start - 1]);
            let opens = before.is_copula() || before.is(AUXILIARY) || before.is(&["of"]);
            run.start -= usize::from(opens && !word.function && !word.name);
        }
        if let (Some(run), Some(wh)) = (names.last_mut(), wh) {
            // Small words that close one: "What is the anthem of Oska rowing club?"
            let noun = run.start > 1 && tokens[run.start - 1].is(&["of"]) && !tokens[run.start - 2].name;
            let noun = noun && tokens.get(wh + 1).is_some_and(Token::is_copula);
            if noun && !tokens[wh].is(&["where", "when"]) && tokens[run.end..].iter().all(|t| !t.function) {
                run.end = tokens.len();
            }
        }
        let named = |at: usize| names.iter().any(|run| run.contains(&at));
        let content: Vec<usize> = (0..tokens.len()).filter(|&at| !tokens[at].function && !named(at) && Some(at) != head).collect();
        let after_wh = head.or(wh).map_or(0, |at| at + 1);
        let subject_asked = wh.is_some() && tokens.get(after_wh).is_some_and(|t| !t.function && !t.name);
        let plain = names.is_empty();
        if plain {
            let of = tokens.iter().rposition(|t| t.is(&["of"]) || t.key == "'s");
            let last = subject_asked || of.is_some_and(|of| tokens[of].is(&["of"]) && of + 1 < tokens.len());
            let at = if last { *content.last()? } else { *content.first()? };
            names.push(at..at + 1);
        }
        let main = names[0].clone();
        let mut words: Vec<(usize, bool)> =
            content.iter().filter(|&&at| !plain || at != main.start).map(|&at| (at, tokens[at].kind)).collect();
        if words.iter().all(|word| word.1) {
            // With nothing else in the question, the kinds are what is asked: "What colour is E?"
            words.iter_mut().for_each(|word| word.1 = false);
            words.extend(head.map(|at| (at, false)));
        } else {
            words.extend(head.map(|at| (at, true)));
        }
        words.sort_unstable();
        let key = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map_or("", |t| t.key.as_str());
        let preposition = |word: &str| PREPOSITIONS.contains(&word).then(|| vec![word.to_owned()]);
        let stranded = preposition(key(tokens.len().checked_sub(1)));
        let fronted = wh.filter(|&at| at > 0).and_then(|at| preposition(key(Some(at - 1))));
        let place_asked = head.is_some_and(|at| tokens[at].is_place());
        let wants = match key(wh) {
            "who" | "whom" => Wants::Person,
            "where" => Wants::Place,
            "when" => Wants::Time,
            _ if place_asked => Wants::Place,
            _ => Wants::Anything,
        };
        let own = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let explicit = fronted.or(stranded);
        let bound = explicit.is_some();
        let prepositions = match (wants, explicit) {
            // "Which city was E born in?" is answered by "at Oska" too, but "Where is E from?" is not.
            (Wants::Place, Some(p)) if WHERE.contains(&p[0].as_str()) && p[0] != "from" && p[0] != "to" => own(WHERE),
            (_, Some(p)) => p,
            (Wants::Person, None) => own(&["by", "to", "with"]),
            (Wants::Place, None) if key(wh) == "where" => own(WHERE),
            (Wants::Time, None) => own(WHEN),
            _ => Vec::new(),
        };
        let before = main.start.checked_sub(1);
        let noun = if key(before) == "of" {
            before.and_then(|of| of.checked_sub(1)).filter(|&at| !tokens[at].function)
        } else {
            Some(main.end + 1).filter(|&at| key(Some(main.end)) == "'s" && at < tokens.len())
        };
        let agent = before.is_some_and(|at| tokens[at].is(AUXILIARY) || tokens[at].is(&["by"]));
        let verb = Some(after_wh).filter(|&at| subject_asked && at < main.start);
        let head = head.filter(|&at| !tokens[at].is_vague());
        Some(Self { names, plain, words, head, wants, prepositions, bound, noun, agent, verb, tokens })
    }

    /// Whether the question has this word.
    pub(super) fn has(&self, key: &str) -> bool {
        self.tokens.iter().any(|t| t.key == key)
    }
}
