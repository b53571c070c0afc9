//! Porter's stemmer with the extensions of NLTK, which `rouge_score` and LoCoMo's evaluation use.
//!
//! M. F. Porter, "An algorithm for suffix stripping" (1980). NLTK changes it in a few places: irregular words, words of two letters are
//! unchanged, words of four letters in `-ies` and `-ied` keep their e, y becomes i only after a consonant, and the suffixes `-bli`,
//! `-fulli` and `-logi`. A stem is a sequence of consonants C and vowels V, `[C](VC){m}[V]`; m is its measure.

/// Words whose stem is not found by a rule.
const IRREGULAR: &[(&str, &[&str])] = &[
    ("sky", &["sky", "skies"]),
    ("die", &["dying"]),
    ("lie", &["lying"]),
    ("tie", &["tying"]),
    ("news", &["news"]),
    ("inning", &["innings", "inning"]),
    ("outing", &["outings", "outing"]),
    ("canning", &["cannings", "canning"]),
    ("howe", &["howe"]),
    ("proceed", &["proceed"]),
    ("exceed", &["exceed"]),
    ("succeed", &["succeed"]),
];

/// Step 2: suffixes that are replaced after a stem of measure above 0. The first that matches decides, here and below.
const STEP_2: &[(&str, &str)] = &[
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];

/// Step 3: as step 2.
const STEP_3: &[(&str, &str)] =
    &[("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];

/// Step 4: suffixes that are removed after a stem of measure above 1; `ion` only after s or t.
const STEP_4: &[&str] = &[
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti", "ous", "ive", "ize",
];

/// The stem of a word, in lower case. Letters outside a to z count as consonants.
pub fn stem(word: &str) -> String {
    let lower = word.to_lowercase();
    if let Some((stem, _)) = IRREGULAR.iter().find(|(_, words)| words.contains(&lower.as_str())) {
        return (*stem).to_owned();
    }
    if word.chars().count() <= 2 {
        return lower;
    }
    let word = step_2(step_1c(step_1b(step_1a(lower))));
    step_5(step_4(replace(word, STEP_3)))
}

fn step_1a(word: String) -> String {
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}{}", if word.chars().count() == 4 { "ie" } else { "i" });
    }
    if word.ends_with("sses") {
        return cut(&word, 2);
    }
    if word.ends_with('s') && !word.ends_with("ss") { cut(&word, 1) } else { word }
}

fn step_1b(word: String) -> String {
    if let Some(stem) = word.strip_suffix("ied") {
        return format!("{stem}{}", if word.chars().count() == 4 { "ie" } else { "i" });
    }
    if let Some(stem) = word.strip_suffix("eed") {
        return if measure(stem) > 0 { cut(&word, 1) } else { word };
    }
    let stem = ["ed", "ing"].iter().filter_map(|suffix| word.strip_suffix(suffix)).find(|stem| consonants(stem).contains(&false));
    let Some(stem) = stem else { return word };
    if ["at", "bl", "iz"].iter().any(|end| stem.ends_with(end)) {
        return format!("{stem}e");
    }
    if ends_in_double_consonant(stem) {
        return if stem.ends_with(['l', 's', 'z']) { stem.to_owned() } else { cut_last(stem) };
    }
    if measure(stem) == 1 && ends_in_cvc(stem) { format!("{stem}e") } else { stem.to_owned() }
}

fn step_1c(word: String) -> String {
    match word.strip_suffix('y') {
        Some(stem) if stem.chars().count() > 1 && consonants(stem).last() == Some(&true) => format!("{stem}i"),
        _ => word,
    }
}

fn step_2(word: String) -> String {
    if word.strip_suffix("alli").is_some_and(|stem| measure(stem) > 0) {
        return step_2(cut(&word, 2));
    }
    // The l counts as part of the stem, so that "geology" is treated like "archaeology".
    if word.ends_with("logi") && measure(&word[..word.len() - 3]) > 0 {
        return cut(&word, 1);
    }
    replace(word, STEP_2)
}

fn step_4(word: String) -> String {
    match STEP_4.iter().find_map(|suffix| Some((suffix, word.strip_suffix(suffix)?))) {
        Some((suffix, stem)) if measure(stem) > 1 && (*suffix != "ion" || stem.ends_with(['s', 't'])) => stem.to_owned(),
        _ => word,
    }
}

fn step_5(word: String) -> String {
    let word = match word.strip_suffix('e') {
        Some(stem) if measure(stem) > 1 || measure(stem) == 1 && !ends_in_cvc(stem) => stem.to_owned(),
        _ => word,
    };
    if word.ends_with("ll") && measure(&word[..word.len() - 1]) > 1 { cut(&word, 1) } else { word }
}

/// Replaces the first suffix that matches, if the measure before it is above 0.
fn replace(word: String, rules: &[(&str, &str)]) -> String {
    match rules.iter().find_map(|(suffix, by)| Some((word.strip_suffix(suffix)?, by))) {
        Some((stem, by)) if measure(stem) > 0 => format!("{stem}{by}"),
        _ => word,
    }
}

/// The word without its last `bytes` ASCII letters.
fn cut(word: &str, bytes: usize) -> String {
    word[..word.len() - bytes].to_owned()
}

fn cut_last(word: &str) -> String {
    let mut letters = word.chars();
    letters.next_back();
    letters.as_str().to_owned()
}

/// Whether each letter is a consonant; y is one at the start and after a vowel.
fn consonants(word: &str) -> Vec<bool> {
    let mut consonants = Vec::with_capacity(word.len());
    for letter in word.chars() {
        let consonant = match letter {
            'a' | 'e' | 'i' | 'o' | 'u' => false,
            'y' => consonants.last() != Some(&true),
            _ => true,
        };
        consonants.push(consonant);
    }
    consonants
}

/// How often a consonant follows a vowel.
fn measure(stem: &str) -> usize {
    consonants(stem).windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

fn ends_in_double_consonant(word: &str) -> bool {
    let mut letters = word.chars().rev();
    let last = letters.next();
    last.is_some() && last == letters.next() && consonants(word).last() == Some(&true)
}

/// Consonant, vowel, consonant other than w, x and y; for two letters, vowel and consonant.
fn ends_in_cvc(word: &str) -> bool {
    match consonants(word)[..] {
        [false, true] => true,
        [.., true, false, true] => !word.ends_with(['w', 'x', 'y']),
        _ => false,
    }
}
