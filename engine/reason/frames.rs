//! What the statements of a memory have in common: which say the same of other things, and which names are of one kind.
//!
//! 1. Statements that differ only in two phrases have one *frame*: "The landlord of … is …". Of all ways to take two phrases out of a
//!    statement, the one that the most statements share is the right one. Names go first; other words are taken out only beside a name.
//! 2. Names in the same place of a frame are of one *kind*, and so are names that share a kind with a third. No dictionary says what the
//!    kinds are; a person is what stands where persons stand.
//! 3. Two frames that speak of the same thing at once say different things of it, because a memory keeps one statement of each.
//!
//! So a memory tells what a word of a question may mean in it: the kinds of things that the frames with this word are about.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::OnceLock;

use super::cuts::{JOINS, LONGEST, Repeated, frame_of, text, ways};
use super::related::Places;
use super::statement::without_heading;
use super::words::{Token, agreement, sentences, tokens};
use crate::memory::Store;

/// One of so many names of a kind tells what they are: "Tarn *School*".
const CALLED: usize = 4;
/// Words that are nearer are forms of one word: find and found.
const SAME: f64 = 0.93;
/// A kind with fewer names may be a part of another.
const FEW: usize = 4;
/// Fewer statements with a word may have it by chance.
const CHANCE: usize = 2;
/// Two places of frames that share so many of their names have one kind, but for mistakes: the square of the number of shared names, at
/// least this part of the fewer names.
const SHARED: usize = 9;

/// The number of a kind of names.
pub(super) type Kind = usize;

/// A statement without two phrases.
#[derive(Debug)]
struct Frame {
    /// Its words with content.
    words: Vec<String>,
    /// The phrases that stand in its two places.
    names: [HashSet<usize>; 2],
    kinds: [Kind; 2],
}

/// A statement's frame, and where its two phrases are.
#[derive(Debug)]
struct Cut {
    frame: usize,
    places: [Range<usize>; 2],
}

/// A frame, and which of its two places has the thing that is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    frame: usize,
    place: usize,
}

/// A word of the memory, its forms, and the frames that have it.
#[derive(Debug)]
struct Word {
    key: String,
    places: Places,
    frames: Vec<usize>,
}

/// What is known of the names of a kind.
#[derive(Debug, Default)]
struct Names {
    count: usize,
    /// How many look like a person's: two words or more that no dictionary has.
    persons: usize,
    /// The words that tell what they are.
    called: HashMap<String, usize>,
}

/// The frames of a memory, and the kinds of its names.
#[derive(Debug, Default)]
pub struct Frames {
    frames: Vec<Frame>,
    cuts: HashMap<String, Cut>,
    words: Vec<Word>,
    /// The kind of each name.
    kinds: HashMap<String, Kind>,
    names: HashMap<Kind, Names>,
    /// How many frames are about things of two kinds.
    pairs: HashMap<(Kind, Kind), usize>,
}

/// A memory. Its frames are found when they are first needed.
#[derive(Debug)]
pub struct Memory<'a> {
    store: &'a Store,
    frames: OnceLock<Frames>,
}

impl<'a> Memory<'a> {
    /// The memory of a store.
    pub fn new(store: &'a Store) -> Self {
        Self { store, frames: OnceLock::new() }
    }

    /// Whether this is the memory of a store.
    pub fn is_of(&self, store: &Store) -> bool {
        std::ptr::eq(self.store, store)
    }

    /// Its frames.
    pub fn frames(&self) -> &Frames {
        self.frames.get_or_init(|| Frames::of(self.store.items().iter().map(|item| item.content.as_str())))
    }
}

impl Frames {
    /// Finds the frames of these contents.
    pub fn of<'c>(contents: impl IntoIterator<Item = &'c str>) -> Self {
        let mut read: Vec<(&str, Vec<Token>)> = Vec::new();
        let mut seen = HashSet::new();
        for content in contents {
            for sentence in sentences(content).into_iter().map(without_heading) {
                if !sentence.ends_with('?') && seen.insert(sentence) {
                    let tokens = tokens(sentence);
                    read.extend((tokens.len() <= LONGEST).then_some((sentence, tokens)));
                }
            }
        }
        let repeated = Repeated::of(&read);
        let ways: Vec<Vec<[Range<usize>; 2]>> = read.iter().map(|(_, tokens)| ways(tokens, &repeated)).collect();
        let mut shared: HashMap<String, usize> = HashMap::new();
        for ((_, tokens), ways) in read.iter().zip(&ways) {
            for frame in ways.iter().map(|way| frame_of(tokens, way)).collect::<HashSet<_>>() {
                *shared.entry(frame).or_default() += 1;
            }
        }
        let mut found = Self::default();
        let (mut numbers, mut names): (HashMap<String, usize>, HashMap<String, usize>) = Default::default();
        for ((sentence, tokens), ways) in read.iter().zip(&ways) {
            // Of equally many the first, which takes out the names alone.
            let best = ways.iter().map(|way| (shared[&frame_of(tokens, way)], way)).rev().max_by_key(|(count, _)| *count);
            let Some((count, way)) = best else { continue };
            // A single statement does not tell which of its ordinary words vary.
            let named = |place: &Range<usize>| tokens[place.clone()].iter().any(|t| t.name || !Places::of(&t.key).known());
            if count == 1 && !way.iter().all(named) {
                continue;
            }
            let frame = *numbers.entry(frame_of(tokens, way)).or_insert_with(|| {
                let outside = (0..tokens.len()).filter(|at| !way.iter().any(|place| place.contains(at)) && !tokens[*at].function);
                let words = outside.map(|at| tokens[at].key.clone()).collect();
                found.frames.push(Frame { words, names: Default::default(), kinds: [0, 0] });
                found.frames.len() - 1
            });
            for (place, range) in way.iter().enumerate() {
                let next = names.len();
                let name = *names.entry(text(tokens, range)).or_insert(next);
                found.frames[frame].names[place].insert(name);
            }
            found.cuts.insert((*sentence).to_owned(), Cut { frame, places: way.clone() });
        }
        found.find_kinds(&names);
        found.describe_kinds();
        found.index();
        found
    }

    /// Joins the places of frames that share names.
    fn find_kinds(&mut self, names: &HashMap<String, usize>) {
        fn root(parent: &mut [usize], mut at: usize) -> usize {
            while parent[at] != at {
                parent[at] = parent[parent[at]];
                at = parent[at];
            }
            at
        }
        let places: Vec<&HashSet<usize>> = self.frames.iter().flat_map(|frame| &frame.names).collect();
        let mut of_name: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
        for (at, place) in places.iter().enumerate() {
            place.iter().for_each(|name| of_name[*name].push(at));
        }
        let join = |parent: &mut Vec<usize>, a: usize, b: usize| {
            // The least number is the root, in whatever order they are joined.
            let (a, b) = (root(parent, a), root(parent, b));
            parent[a.max(b)] = a.min(b);
        };
        let mut shared: HashMap<(usize, usize), usize> = HashMap::new();
        let mut parent: Vec<usize> = (0..places.len()).collect();
        for of_name in &of_name {
            let (single, several): (Vec<usize>, Vec<usize>) = of_name.iter().partition(|at| places[**at].len() == 1);
            for (i, a) in several.iter().enumerate() {
                several[i + 1..].iter().for_each(|b| *shared.entry((*a, *b)).or_default() += 1);
            }
            // A place with one name has the kind of this name.
            let first = several.first().or(single.first());
            single.iter().for_each(|at| join(&mut parent, *at, first.copied().unwrap_or(*at)));
        }
        let enough = |(a, b): (usize, usize), shared: usize| SHARED * shared * shared >= places[a].len().min(places[b].len());
        for (a, b) in shared.into_iter().filter(|(pair, shared)| enough(*pair, *shared)).map(|(pair, _)| pair) {
            join(&mut parent, a, b);
        }
        for (at, frame) in self.frames.iter_mut().enumerate() {
            frame.kinds = [root(&mut parent, 2 * at), root(&mut parent, 2 * at + 1)];
        }
        let kind = |(name, at): (&String, &usize)| of_name[*at].first().map(|at| (name.clone(), root(&mut parent, *at)));
        self.kinds = names.iter().filter_map(kind).collect();
    }

    fn describe_kinds(&mut self) {
        for [a, b] in self.frames.iter().map(|frame| frame.kinds) {
            for pair in HashSet::from([(a, b), (b, a)]) {
                *self.pairs.entry(pair).or_default() += 1;
            }
        }
        for (name, kind) in &self.kinds {
            let words: Vec<&str> = name.split(' ').filter(|word| !JOINS.contains(word)).collect();
            let names = self.names.entry(*kind).or_default();
            names.count += 1;
            names.persons += usize::from(words.len() > 1 && words.iter().all(|word| !Places::of(word).known()));
            for word in words.iter().collect::<HashSet<_>>() {
                *names.called.entry((*word).to_owned()).or_default() += 1;
            }
        }
        for names in self.names.values_mut() {
            let least = names.count.max(CHANCE * CALLED);
            names.called.retain(|_, count| CALLED * *count >= least);
        }
    }

    fn index(&mut self) {
        let mut with: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, frame) in self.frames.iter().enumerate() {
            frame.words.iter().for_each(|word| with.entry(word).or_default().push(at));
        }
        let word = |(key, frames): (&str, Vec<usize>)| Word { key: key.to_owned(), places: Places::of(key), frames };
        self.words = with.into_iter().map(word).collect();
    }

    /// The frame of a statement about what it has at `name`, and the value in it.
    pub(super) fn about(&self, sentence: &str, name: &Range<usize>) -> Option<(About, Range<usize>)> {
        let cut = self.cuts.get(sentence)?;
        let meets = |place: &Range<usize>| place.start < name.end && name.start < place.end;
        let place = (0..2).find(|&at| meets(&cut.places[at]) && !meets(&cut.places[1 - at]))?;
        Some((About { frame: cut.frame, place }, cut.places[1 - place].clone()))
    }

    /// The frames that have a word, in any form.
    pub(super) fn with(&self, word: &str) -> Vec<usize> {
        let places = Places::of(word);
        let same = |other: &&Word| agreement(word, &other.key) > 0 || places.near(&other.places) > SAME;
        self.words.iter().filter(same).flat_map(|word| word.frames.iter().copied()).collect()
    }

    /// What the frames that have a word say about whether another frame may say what it says.
    pub(super) fn verdict(&self, with: &[usize], about: About) -> Verdict {
        let own = &self.frames[about.frame];
        let (kind, value) = (own.kinds[about.place], own.kinds[1 - about.place]);
        let (mut statements, mut same, mut apart) = (0, false, false);
        for other in with.iter().map(|at| &self.frames[*at]) {
            for at in (0..2).filter(|&at| other.kinds[at] == kind) {
                statements += other.names[at].len();
                if other.kinds[1 - at] == value {
                    same = true;
                    apart |= other.names[at].is_disjoint(&own.names[about.place]);
                }
            }
        }
        let small = |at: &usize| self.frames[*at].kinds.iter().any(|kind| self.is_few(*kind));
        match (same, apart) {
            _ if statements < CHANCE => Verdict::Unknown,
            (true, true) => Verdict::SameKind,
            (true, false) => Verdict::Other,
            (false, _) if self.is_few(value) || with.iter().all(small) => Verdict::Unknown,
            (false, _) => Verdict::Other,
        }
    }

    /// Whether the kind of the value is known by several names.
    pub(super) fn knows(&self, about: About) -> bool {
        !self.is_few(self.frames[about.frame].kinds[1 - about.place])
    }

    fn is_few(&self, kind: Kind) -> bool {
        self.names.get(&kind).is_none_or(|names| names.count < FEW)
    }

    /// Whether the value is no thing of the kind that a noun names: other names tell that they are such things, or the frames that have
    /// the noun are about none of the value's kind.
    pub(super) fn is_no(&self, noun: &str, with: &[usize], about: About) -> bool {
        let value = self.frames[about.frame].kinds[1 - about.place];
        let tell = |names: &Names| names.called.keys().any(|word| agreement(noun, word) > 0);
        let elsewhere = self.names.values().any(tell) && !self.names.get(&value).is_some_and(tell);
        let statements: usize = with.iter().map(|at| self.frames[*at].names[0].len()).sum();
        let nowhere = statements >= FEW && with.iter().all(|at| !self.frames[*at].kinds.contains(&value));
        self.knows(about) && (elsewhere || nowhere)
    }

    /// The words of frames that may say of a name what these frames say: those about things of the same kinds.
    pub(super) fn like(&self, with: &[usize], name: &str) -> Vec<String> {
        let Some(kind) = self.kinds.get(name) else { return Vec::new() };
        let pairs: HashSet<[Kind; 2]> = with.iter().map(|at| self.frames[*at].kinds).filter(|kinds| kinds.contains(kind)).collect();
        let same = |frame: &&Frame| pairs.contains(&frame.kinds) || pairs.contains(&[frame.kinds[1], frame.kinds[0]]);
        self.frames.iter().filter(same).map(|frame| frame.words.join(" ")).collect()
    }

    /// How many frames are about things of the same two kinds.
    pub(super) fn alike(&self, about: About) -> usize {
        let own = &self.frames[about.frame].kinds;
        self.pairs.get(&(own[0], own[1])).copied().unwrap_or(1)
    }

    /// Which share of the names of the value's kind look like a person's, if there are some.
    pub(super) fn persons(&self, about: About) -> Option<f64> {
        let names = self.names.get(&self.frames[about.frame].kinds[1 - about.place])?;
        (names.count > CHANCE).then(|| names.persons as f64 / names.count as f64)
    }
}

/// What the frames with a word say about another frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// They are not about such a thing, or too few are.
    Unknown,
    /// They give such a thing values of other kinds, or are said beside this frame of one thing.
    Other,
    /// They give such a thing values of the same kind.
    SameKind,
}
