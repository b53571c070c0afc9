//! What Python knows about characters and Rust's standard library does not.
//!
//! `unicode.txt` has the exceptions, recorded by tests/template/python.py: characters whose title case is not their upper case, those whose
//! case folding is not their lower case, letters that are numbers, and digits that are not decimal.

use std::collections::HashMap;
use std::sync::OnceLock;

use unicode_general_category::{GeneralCategory as Category, get_general_category};

struct Exceptions {
    title: HashMap<char, &'static str>,
    casefold: HashMap<char, &'static str>,
    numeric: Vec<char>,
    digit: Vec<char>,
}

fn exceptions() -> &'static Exceptions {
    static FOUND: OnceLock<Exceptions> = OnceLock::new();
    FOUND.get_or_init(|| {
        let line = |name: &str| {
            let found = include_str!("unicode.txt").lines().find_map(|line| line.strip_prefix(name));
            found.unwrap_or_default().split(' ').filter(|word| !word.is_empty())
        };
        let pairs = |name| line(name).filter_map(|word| Some((word.chars().next()?, word.split_once('=')?.1))).collect();
        let letters = |name| line(name).filter_map(|word| word.chars().next()).collect();
        Exceptions { title: pairs("title"), casefold: pairs("casefold"), numeric: letters("numeric"), digit: letters("digit") }
    })
}

pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

pub(super) fn is_alpha(c: char) -> bool {
    use Category::{LowercaseLetter, ModifierLetter, OtherLetter, TitlecaseLetter, UppercaseLetter};
    matches!(get_general_category(c), UppercaseLetter | LowercaseLetter | TitlecaseLetter | ModifierLetter | OtherLetter)
}

pub(super) fn is_decimal(c: char) -> bool {
    get_general_category(c) == Category::DecimalNumber
}

pub(super) fn is_digit(c: char) -> bool {
    is_decimal(c) || exceptions().digit.contains(&c)
}

pub(super) fn is_numeric(c: char) -> bool {
    let number = matches!(get_general_category(c), Category::DecimalNumber | Category::LetterNumber | Category::OtherNumber);
    number || exceptions().numeric.contains(&c)
}

pub(super) fn is_alnum(c: char) -> bool {
    is_alpha(c) || is_numeric(c)
}

/// Whether `repr` writes the character as it is.
pub(super) fn is_printable(c: char) -> bool {
    use Category::{Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate, Unassigned};
    let hidden = matches!(
        get_general_category(c),
        Control | Format | Surrogate | PrivateUse | Unassigned | LineSeparator | ParagraphSeparator | SpaceSeparator
    );
    c == ' ' || !hidden
}

pub(super) fn is_title(c: char) -> bool {
    get_general_category(c) == Category::TitlecaseLetter
}

pub(super) fn is_cased(c: char) -> bool {
    c.is_lowercase() || c.is_uppercase() || is_title(c)
}

/// Whether an identifier may begin with the character, or else have it inside.
pub(super) fn is_identifier(c: char, first: bool) -> bool {
    use Category::{ConnectorPunctuation, DecimalNumber, LetterNumber, NonspacingMark, SpacingMark};
    let inside = matches!(get_general_category(c), NonspacingMark | SpacingMark | DecimalNumber | ConnectorPunctuation);
    c == '_' || is_alpha(c) || get_general_category(c) == LetterNumber || !first && inside
}

/// The value of a decimal digit of any script. Those of a script are in a row that begins with its zero.
pub(super) fn decimal(c: char) -> Option<u32> {
    if !is_decimal(c) {
        return None;
    }
    // Mathematical digits are five rows without a gap.
    if ('\u{1d7ce}'..='\u{1d7ff}').contains(&c) {
        return Some((u32::from(c) - 0x1d7ce) % 10);
    }
    (0..10).find(|n| char::from_u32(u32::from(c) - n - 1).is_none_or(|before| !is_decimal(before)))
}

pub(super) fn title(c: char) -> String {
    exceptions().title.get(&c).map_or_else(|| c.to_uppercase().collect(), |text| (*text).to_owned())
}

pub(super) fn casefold(text: &str) -> String {
    let fold = |c: char| exceptions().casefold.get(&c).map_or_else(|| c.to_lowercase().collect(), |text| (*text).to_owned());
    text.chars().map(fold).collect()
}
