//! How near English words are to one another in meaning, from WordNet, and how alike the company is that they keep, from GloVe. Both are
//! made by `related/make.py`.
//!
//! The table has, for each pair of words that are near enough, a number from 1 to 255. Words of one meaning, of one root, kinds of the same
//! thing, and words that explain one another are near: physician and doctor, insurer and insurance, oak and tree, ferry and passenger.
//! Words keep like company if they stand in texts about the same things: landlord and rent, captain and command.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A number of words; then for each its length, its letters, how common it is, the number of the words near it that come after it in the
/// list, and for each of these its place in the list and how near it is.
static FILE: &[u8] = include_bytes!("related/words.bin");

/// For each of these words the numbers of its vector, whose lengths do not matter; zeros if it has none.
static VECTORS: &[u8] = include_bytes!("related/vectors.bin");
/// The numbers of a vector.
const WIDTH: usize = 50;

struct Table {
    places: HashMap<&'static str, u16>,
    /// For each word, how common it is, and the words near it.
    words: Vec<(u8, &'static [u8])>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut rest = FILE;
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at(count);
        rest = left;
        taken
    };
    let number = |bytes: &[u8]| usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    let count = number(take(2));
    let mut table = Table { places: HashMap::with_capacity(count), words: Vec::with_capacity(count) };
    for place in 0..count {
        let length = usize::from(take(1)[0]);
        let word = str::from_utf8(take(length)).expect("the file has words of letters");
        let common = take(1)[0];
        let near = number(take(2));
        table.places.insert(word, place as u16);
        table.words.push((common, take(3 * near)));
    }
    table
});

/// The places of a word's dictionary forms in the table; none for names and other unknown words.
#[derive(Debug, Default, Clone)]
pub(super) struct Places(Vec<u16>);

impl Places {
    pub(super) fn of(key: &str) -> Self {
        const ENDINGS: &[(&str, &str)] =
            &[("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("ed", "e"), ("ied", "y"), ("ing", ""), ("ing", "e")];
        let mut places: Vec<u16> = Vec::new();
        let mut add = |form: &str| places.extend(TABLE.places.get(form));
        add(key);
        for (ending, other) in ENDINGS {
            let Some(stem) = key.strip_suffix(ending).filter(|stem| stem.len() > 1) else { continue };
            match other.is_empty() {
                true => add(stem),
                false => add(&format!("{stem}{other}")),
            }
            let twice = stem.as_bytes().ends_with(&[stem.as_bytes()[stem.len() - 1]; 2]);
            if twice && other.is_empty() && *ending != "s" && *ending != "es" {
                add(&stem[..stem.len() - 1]);
            }
        }
        Self(places)
    }

    /// Whether the word is in the dictionary.
    pub(super) fn known(&self) -> bool {
        !self.0.is_empty()
    }

    /// How common the word is, from 0, also for unknown words, to 1.
    pub(super) fn common(&self) -> f64 {
        f64::from(self.0.iter().map(|&place| TABLE.words[usize::from(place)].0).max().unwrap_or(0)) / 255.0
    }

    /// How near two words are, from 0 to 1.
    pub(super) fn near(&self, other: &Self) -> f64 {
        let pairs = self.0.iter().flat_map(|&a| other.0.iter().map(move |&b| (a.min(b), a.max(b))));
        f64::from(pairs.map(|(a, b)| if a == b { 250 } else { nearness(a, b) }).max().unwrap_or(0)) / 255.0
    }

    /// How alike the company is that two words keep, from 0 to 1.
    pub(super) fn alike(&self, other: &Self) -> f64 {
        let pairs = self.0.iter().flat_map(|&a| other.0.iter().map(move |&b| if a == b { 1.0 } else { cosine(a, b) }));
        pairs.fold(0.0, f64::max)
    }
}

fn nearness(first: u16, second: u16) -> u8 {
    let (near, _) = TABLE.words[usize::from(first)].1.as_chunks::<3>();
    near.binary_search_by_key(&second, |[low, high, _]| u16::from_le_bytes([*low, *high])).map_or(0, |at| near[at][2])
}

fn cosine(a: u16, b: u16) -> f64 {
    let vector = |at: u16| VECTORS[WIDTH * usize::from(at)..][..WIDTH].iter().map(|&byte| i32::from(byte.cast_signed()));
    let product = |a: u16, b: u16| f64::from(vector(a).zip(vector(b)).map(|(x, y)| x * y).sum::<i32>());
    let lengths = product(a, a) * product(b, b);
    if lengths > 0.0 { product(a, b) / lengths.sqrt() } else { 0.0 }
}
