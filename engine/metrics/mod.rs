//! Answer metrics, one function each, equal to the published implementations on recorded cases (`tests/metrics/`).
//!
//! Every metric takes the answer and the gold texts. The meaning of the gold texts depends on the metric: mostly answers of which any is
//! accepted, for [`keyword_fraction`] and [`all_recalled`] the parts of one answer, for judges a rubric. Some published implementations
//! score an empty gold answer as correct, because an empty text is part of every answer; these do not, and each function says so.

mod answers;
mod judge;
mod labels;
mod porter;
mod ranks;
mod rouge;
mod summary;
mod text;
mod titles;

use std::collections::HashMap;
use std::hash::Hash;

pub use answers::{
    Category, all_recalled, exact_match, keyword_fraction, locomo_f1, parts_fraction, substring_exact_match, substring_match, token_f1,
};
pub use judge::{
    ABSTENTION, Judged, abstains, judge_longmemeval, judge_memalpha, judge_summary, verdict_longmemeval, verdict_memalpha, verdict_summary,
};
pub use labels::{boxed_label, boxed_label_strict};
pub use porter::stem;
pub use ranks::{Correlation, rank_correlation};
pub use rouge::rouge_l;
pub use summary::{Mean, Row, Scored, Summary, bootstrap_interval, mean, paired, student, summary};
pub use text::normalise;
pub use titles::{edit_distance, recall_at_k};

use crate::{Error, Result, words};

words! {
    /// The metrics by the names that files, results and scripts use: the name of the function, except for the recalls.
    #[derive(Hash, Default)]
    pub enum Metric {
        /// [`exact_match`]
        ExactMatch = "exact_match",
        /// [`substring_exact_match`], which scores questions that name no metric.
        #[default]
        SubstringExactMatch = "substring_exact_match",
        /// [`substring_match`]
        SubstringMatch = "substring_match",
        /// [`token_f1`]
        TokenF1 = "token_f1",
        /// [`locomo_f1`]; the question's kind is its category.
        LocomoF1 = "locomo_f1",
        /// [`rouge_l`]
        RougeL = "rouge_l",
        /// [`keyword_fraction`]
        KeywordFraction = "keyword_fraction",
        /// [`parts_fraction`]
        PartsFraction = "parts_fraction",
        /// [`boxed_label_strict`]
        BoxedLabelStrict = "boxed_label_strict",
        /// [`boxed_label`]
        BoxedLabel = "boxed_label",
        /// [`recall_at_k`] of the first recommendation, without a catalogue.
        RecallAt1 = "recall_at_1",
        /// [`recall_at_k`] of the first 5.
        RecallAt5 = "recall_at_5",
        /// [`recall_at_k`] of the first 10.
        RecallAt10 = "recall_at_10",
        /// [`edit_distance`]; lower is better.
        EditDistance = "edit_distance",
        /// [`all_recalled`]
        AllRecalled = "all_recalled",
        /// [`judge_longmemeval`]
        JudgeLongMemEval = "judge_longmemeval",
        /// [`judge_memalpha`]
        JudgeMemAlpha = "judge_memalpha",
        /// [`judge_summary`]
        JudgeSummary = "judge_summary",
    }
}

impl Metric {
    /// Whether a model scores the answer: [`Metric::judge`] asks and [`Metric::verdict`] reads the reply.
    pub fn needs_judge(self) -> bool {
        matches!(self, Self::JudgeLongMemEval | Self::JudgeMemAlpha | Self::JudgeSummary)
    }

    /// The metric that accepts a correct label in any form, if this one also requires a form.
    pub fn lenient(self) -> Option<Self> {
        matches!(self, Self::ExactMatch | Self::BoxedLabelStrict).then_some(Self::BoxedLabel)
    }

    /// Checks that answers to a question with these accepted answers, kind and id can be scored, before there is an answer: fails if
    /// [`Metric::score`] or [`Metric::judge`] would.
    pub fn check(self, gold: &[String], kind: Option<&str>, id: Option<&str>) -> Result<()> {
        match self.needs_judge() {
            true => self.judge(&Judged { question: "", answer: "", gold, kind, id }).map(drop),
            false => self.score("", gold, kind).map(drop),
        }
    }

    /// How an answer must say that nothing is known, if the protocol looks for certain words. LoCoMo accepts two phrases; "no information
    /// available" shares the word "no" with answers such as "No; she is busy", and would score in part.
    pub fn unknown(self) -> Option<&'static str> {
        (self == Self::LocomoF1).then_some("not mentioned")
    }

    /// The score of an answer; `kind` is the question's kind in its file. An error for [`Metric::LocomoF1`] without a category
    /// and for metrics that need a judge.
    pub fn score<T: AsRef<str>>(self, answer: &str, gold: &[T], kind: Option<&str>) -> Result<f64> {
        Ok(match self {
            Self::ExactMatch => exact_match(answer, gold),
            Self::SubstringExactMatch => substring_exact_match(answer, gold),
            Self::SubstringMatch => substring_match(answer, gold),
            Self::TokenF1 => token_f1(answer, gold),
            Self::LocomoF1 => {
                let missing = || Error::argument("locomo_f1 needs the question's category: its kind, 1 to 5");
                locomo_f1(answer, gold, kind.ok_or_else(missing)?)?
            }
            Self::RougeL => rouge_l(answer, gold),
            Self::KeywordFraction => keyword_fraction(answer, gold),
            Self::PartsFraction => parts_fraction(answer, gold),
            Self::BoxedLabelStrict => boxed_label_strict(answer, gold),
            Self::BoxedLabel => boxed_label(answer, gold),
            Self::RecallAt1 => recall_at_k(answer, gold, &[], 1),
            Self::RecallAt5 => recall_at_k(answer, gold, &[], 5),
            Self::RecallAt10 => recall_at_k(answer, gold, &[], 10),
            Self::EditDistance => edit_distance(answer, gold),
            Self::AllRecalled => all_recalled(answer, gold),
            Self::JudgeLongMemEval | Self::JudgeMemAlpha | Self::JudgeSummary => {
                return Err(Error::argument(format!("{self} is a judge's verdict: ask a reasoner with what `judge` returns")));
            }
        })
    }

    /// The messages to the judge, each to be sent separately, at temperature 0. An error for metrics without a judge.
    pub fn judge(self, judged: &Judged) -> Result<Vec<String>> {
        match self {
            Self::JudgeLongMemEval => Ok(vec![judge_longmemeval(judged)?]),
            Self::JudgeMemAlpha => Ok(vec![judge_memalpha(judged)]),
            Self::JudgeSummary => Ok(judge_summary(judged)?.into()),
            _ => Err(Error::argument(format!("{self} needs no judge"))),
        }
    }

    /// The score in a judge's replies to the messages about an answer with `gold`; `None` if they contain none. An error for metrics
    /// without a judge, or if the numbers of replies and messages differ.
    pub fn verdict<T: AsRef<str>>(self, replies: &[T], gold: &[T]) -> Result<Option<f64>> {
        let messages = match self {
            Self::JudgeLongMemEval | Self::JudgeMemAlpha => 1,
            Self::JudgeSummary => 3,
            _ => return Err(Error::argument(format!("{self} needs no judge"))),
        };
        if replies.len() != messages {
            return Err(Error::argument(format!("{self} needs {messages} replies about an answer, but got {}", replies.len())));
        }
        Ok(match self {
            Self::JudgeLongMemEval => Some(verdict_longmemeval(replies[0].as_ref())),
            Self::JudgeMemAlpha => Some(verdict_memalpha(replies[0].as_ref())),
            _ => verdict_summary(replies, gold.len().saturating_sub(1)),
        })
    }
}

/// The best score over the accepted answers, 0 if there are none.
fn best<T: AsRef<str>>(gold: &[T], score: impl FnMut(&str) -> f64) -> f64 {
    gold.iter().map(AsRef::as_ref).map(score).fold(0.0, f64::max)
}

/// How many words two texts share, counting each as often as both have it.
fn common_words<T: Eq + Hash>(a: &[T], b: &[T]) -> usize {
    let mut left: HashMap<&T, usize> = HashMap::new();
    for word in b {
        *left.entry(word).or_default() += 1;
    }
    let mut common = 0;
    for word in a {
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    common
}

/// The harmonic mean of `common / a` and `common / b`.
fn f1(common: usize, a: usize, b: usize) -> f64 {
    if common == 0 { 0.0 } else { 2.0 * common as f64 / (a + b) as f64 }
}
