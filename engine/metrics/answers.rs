//! Metrics that compare an answer with the accepted answers. All take the best score over them, except [`keyword_fraction`] and
//! [`all_recalled`], for which every gold text is a part of the answer, and [`substring_match`], which uses only the first.

use super::porter::stem;
use super::text::{normalise, normalise_locomo, split, strip};
use super::{best, common_words, f1};
use crate::{Error, Result};

/// 1 if the normalised answer equals an accepted one, else 0. From SQuAD.
pub fn exact_match<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    let answer = normalise(answer);
    best(gold, |gold| f64::from(normalise(gold) == answer))
}

/// 1 if the normalised answer contains an accepted one, else 0. From MemoryAgentBench. An accepted answer that is empty after normalising
/// must be equal, while the reference finds it in every answer.
pub fn substring_exact_match<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    let answer = normalise(answer);
    best(gold, |gold| {
        let gold = normalise(gold);
        f64::from(if gold.is_empty() { answer.is_empty() } else { answer.contains(&gold) })
    })
}

/// 1 if the answer contains the first accepted one, ignoring case, else 0. Mem-α's metric for SQuAD and HotpotQA: nothing is normalised,
/// and further accepted answers do not count. An empty one gives 0, while the reference finds it in every answer.
pub fn substring_match<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    contained(answer, gold.iter().take(1).map(AsRef::as_ref))
}

/// The harmonic mean of precision and recall over the normalised words; 1 if both texts have none, 0 if one has none. From SQuAD: yes and
/// no are ordinary words.
pub fn token_f1<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    let answer = normalise(answer);
    let words: Vec<&str> = split(&answer).collect();
    best(gold, |gold| {
        let gold = normalise(gold);
        let gold: Vec<&str> = split(&gold).collect();
        if words.is_empty() && gold.is_empty() { 1.0 } else { f1(common_words(&words, &gold), words.len(), gold.len()) }
    })
}

/// LoCoMo's score for a question of category `kind` ("1" to "5", or the categories' names, see [`Category`]).
///
/// The F1 over the Porter stems of the normalised words. For a multi-hop question each comma-separated part of the gold answer counts
/// equally, with the best F1 over the comma-separated parts of the answer; for an open-domain question the gold answer ends at its first
/// `;`; the right answer to an adversarial question is "no information available" or "not mentioned", whatever its gold.
pub fn locomo_f1<T: AsRef<str>>(answer: &str, gold: &[T], kind: &str) -> Result<f64> {
    let category: Category = kind.parse()?;
    Ok(match category {
        Category::Adversarial => {
            let answer = answer.to_lowercase();
            f64::from(answer.contains("no information available") || answer.contains("not mentioned"))
        }
        Category::MultiHop => {
            let parts: Vec<Vec<String>> = answer.split(',').map(stems).collect();
            best(gold, |gold| {
                let scores = gold.split(',').map(stems).map(|gold| parts.iter().map(|part| f1_of_stems(part, &gold)).fold(0.0, f64::max));
                scores.sum::<f64>() / gold.split(',').count() as f64
            })
        }
        Category::OpenDomain => {
            let answer = stems(answer);
            best(gold, |gold| f1_of_stems(&answer, &stems(gold.split(';').next().unwrap_or_default())))
        }
        Category::Temporal | Category::SingleHop => {
            let answer = stems(answer);
            best(gold, |gold| f1_of_stems(&answer, &stems(gold)))
        }
    })
}

fn stems(text: &str) -> Vec<String> {
    split(&normalise_locomo(text)).map(stem).collect()
}

fn f1_of_stems(answer: &[String], gold: &[String]) -> f64 {
    f1(common_words(answer, gold), answer.len(), gold.len())
}

/// The categories of LoCoMo's questions, by their numbers in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// 1, `multi-hop`.
    MultiHop,
    /// 2, `temporal`.
    Temporal,
    /// 3, `open-domain`.
    OpenDomain,
    /// 4, `single-hop`.
    SingleHop,
    /// 5, `adversarial`.
    Adversarial,
}

impl std::str::FromStr for Category {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "1" | "multi-hop" => Self::MultiHop,
            "2" | "temporal" => Self::Temporal,
            "3" | "open-domain" => Self::OpenDomain,
            "4" | "single-hop" => Self::SingleHop,
            "5" | "adversarial" => Self::Adversarial,
            _ => {
                let known = "1 or multi-hop, 2 or temporal, 3 or open-domain, 4 or single-hop, 5 or adversarial";
                return Err(Error::argument(format!("'{text}' is not a LoCoMo category; known are {known}")));
            }
        })
    }
}

/// The share of keywords that the answer contains, ignoring case. Mem-α's metric for summaries: a single gold text lists keywords separated
/// by commas; of several gold texts each is a keyword. Empty keywords are left out, while the reference finds them in every answer.
pub fn keyword_fraction<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    match gold {
        [list] => contained(answer, list.as_ref().split(',').map(strip)),
        keywords => contained(answer, keywords.iter().map(AsRef::as_ref)),
    }
}

/// The share of the `;`-separated parts of an accepted answer that the answer contains, ignoring case; without a `;`, whether it contains
/// the accepted answer. Mem-α's metric for PerLTQA. Its code forgets to lower-case the answer if there are parts; this one does not. Empty
/// parts are left out.
pub fn parts_fraction<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    best(
        gold,
        |gold| if gold.contains(';') { contained(answer, gold.split(';').map(strip)) } else { contained(answer, [gold].into_iter()) },
    )
}

/// 1 if the answer contains every gold text, ignoring case, else 0. MemoryAgentBench's metric for EventQA. Empty texts are left out.
pub fn all_recalled<T: AsRef<str>>(answer: &str, gold: &[T]) -> f64 {
    contained(answer, gold.iter().map(AsRef::as_ref)).floor()
}

/// The share of the parts that the text contains, 0 if there are no parts.
fn contained<'a>(text: &str, parts: impl Iterator<Item = &'a str>) -> f64 {
    let text = text.to_lowercase();
    let (mut found, mut count) = (0, 0);
    for part in parts.filter(|part| !strip(part).is_empty()) {
        found += usize::from(text.contains(&part.to_lowercase()));
        count += 1;
    }
    if count == 0 { 0.0 } else { found as f64 / count as f64 }
}
