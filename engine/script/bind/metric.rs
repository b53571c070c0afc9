//! `fm.metric`: scoring answers, and figures from scores.

use std::collections::HashMap;

use mlua::ExternalResult;

use crate::api::{Area, Function, Kind, function};
use finemem::metrics::{self, Correlation, Judged, Mean, Metric, Scored, Summary};
use finemem::reason::{Message, Role};
use finemem::record;
use finemem::rollout::Name;

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

record! {
    struct Answered {
        /// the answer to score
        answer: String,
        /// the gold texts: accepted answers, or for some metrics keywords or parts
        gold: Vec<String>,
    }

    struct OfCategory {
        /// the answer to score
        answer: String,
        /// the accepted answers
        gold: Vec<String>,
        /// the category: 1 to 5, or multi-hop, temporal, open-domain, single-hop, adversarial
        kind: String,
    }

    struct Recommended {
        /// the answer to score
        answer: String,
        /// the titles to find
        gold: Vec<String>,
        /// the catalogue; without one each recommendation is its own title
        titles: Vec<String> => OrDefault,
        /// how many recommendations count
        k: usize,
    }

    struct Score {
        /// the metric's name
        metric: Metric,
        /// the answer to score
        answer: String,
        /// the accepted answers
        gold: Vec<String>,
        /// the question's kind, such as LoCoMo's category or LongMemEval's question type
        kind: Option<String>,
    }

    struct OfMetric {
        /// the metric's name
        metric: Metric,
    }

    struct Judge {
        /// the metric's name
        metric: Metric,
        /// the question
        question: String,
        /// the answer to score
        answer: String,
        /// the accepted answers, or the rubric, or why the question cannot be answered, or an expert's summary and its key points
        gold: Vec<String>,
        /// the question's kind, such as LoCoMo's category or LongMemEval's question type
        kind: Option<String>,
        /// the question's id; a LongMemEval id with `_abs` means that it cannot be answered
        id: Option<String>,
    }

    struct Verdict {
        /// the metric's name
        metric: Metric,
        /// the judge's reply to each chat
        replies: Vec<String>,
        /// the accepted answers
        gold: Vec<String>,
    }

    struct Scores {
        /// the scores
        scores: Vec<f64>,
        /// the seed of the resampling
        seed: u64 => Seed = 0,
    }

    struct Values {
        /// the values
        values: Vec<f64>,
    }

    struct Paired {
        /// the scores
        scores: Vec<f64>,
        /// the scores to compare with, for the same questions
        than: Vec<f64>,
        /// the seed of the resampling
        seed: u64 => Seed = 0,
    }

    struct Ranked {
        /// the numbers
        values: Vec<f64>,
        /// the numbers to compare their order with, for the same things
        with: Vec<f64>,
        /// the name of each pair's unit: what is drawn together in a resample, such as an episode; by default each pair is its own
        units: Option<Vec<Name>>,
        /// the name of each pair's group, if only pairs of one group are to be compared
        groups: Option<Vec<Name>>,
        /// the seed of the resampling
        seed: u64 => Seed = 0,
    }

    struct Results {
        /// a score for each question
        results: Vec<Scored>,
        /// the seed of the resampling
        seed: u64 => Seed = 0,
    }
}

const NAME_OR_NIL: Kind = Kind::Either(&[Kind::Text, Kind::Nil]);
const SCORE_OR_NIL: Kind = Kind::Either(&[Kind::Number, Kind::Nil]);

/// A function whose score depends only on the answer and the gold texts.
macro_rules! plain {
    ($(#[doc = $doc:literal])+ $path:literal ($given:ty) = $score:path) => {
        function! {
            $(#[doc = $doc])+
            $path (lua, given: $given) -> f64: "the score" {
                Ok($score(&given.answer, &given.gold))
            }
        }
    };
}

const FUNCTIONS: &[Function] = &[
    plain! {
        /// 1 if the normalised answer equals an accepted one, else 0. From SQuAD.
        "metric.exact_match" (Answered) = metrics::exact_match
    },
    plain! {
        /// 1 if the normalised answer contains an accepted one, else 0. From MemoryAgentBench.
        "metric.substring_exact_match" (Answered) = metrics::substring_exact_match
    },
    plain! {
        /// 1 if the answer contains the first accepted one, ignoring case, else 0. Mem-α's metric for SQuAD and HotpotQA.
        "metric.substring_match" (Answered) = metrics::substring_match
    },
    plain! {
        /// How well the words of the answer match an accepted one: the harmonic mean of precision and recall. From SQuAD.
        "metric.token_f1" (Answered) = metrics::token_f1
    },
    function! {
        /// LoCoMo's score by the question's category: the F1 over stems, or for an adversarial question whether the answer says that
        /// nothing is known.
        "metric.locomo_f1" (lua, given: OfCategory) -> f64: "the score" {
            metrics::locomo_f1(&given.answer, &given.gold, &given.kind).into_lua_err()
        }
    },
    plain! {
        /// The F-measure of the longest common subsequence of stemmed words, as in `rouge_score`.
        "metric.rouge_l" (Answered) = metrics::rouge_l
    },
    plain! {
        /// The share of keywords in the answer; a single gold text lists them separated by commas, of several each is a keyword. From
        /// Mem-α.
        "metric.keyword_fraction" (Answered) = metrics::keyword_fraction
    },
    plain! {
        /// The share of the `;`-separated parts of an accepted answer that the answer contains. Mem-α's metric for PerLTQA.
        "metric.parts_fraction" (Answered) = metrics::parts_fraction
    },
    plain! {
        /// 1 if the content of `\boxed{}`, or without one the whole answer, is an accepted number and nothing else. Mem-α's metric for
        /// classes.
        "metric.boxed_label_strict" (Answered) = metrics::boxed_label_strict
    },
    plain! {
        /// 1 if the answer gives an accepted label, in any form. A number may be in `\boxed{}`, after "label:" or similar, or the only one,
        /// so that `label: 4`, `4.` and `The label is 4` count as 4. A name may be in `\boxed{}`, after "label:" or similar, or the whole
        /// answer.
        "metric.boxed_label" (Answered) = metrics::boxed_label
    },
    function! {
        /// The share of gold titles among k recommendations, each matched to the nearest title of a catalogue. From MemoryAgentBench.
        "metric.recall_at_k" (lua, given: Recommended) -> f64: "the score" {
            Ok(metrics::recall_at_k(&given.answer, &given.gold, &given.titles, given.k))
        }
    },
    plain! {
        /// The smallest number of characters to insert, delete or replace that turns the answer into an accepted one. Lower is better.
        "metric.edit_distance" (Answered) = metrics::edit_distance
    },
    plain! {
        /// 1 if the answer contains every gold text, else 0. MemoryAgentBench's metric for EventQA.
        "metric.all_recalled" (Answered) = metrics::all_recalled
    },
    function! {
        /// Scores an answer by the named metric.
        "metric.score" (lua, given: Score) -> f64: "the score" {
            given.metric.score(&given.answer, &given.gold, given.kind.as_deref()).into_lua_err()
        }
    },
    function! {
        /// The metric that scores the same labels in whatever form an answer gives them. For `exact_match` and `boxed_label_strict` it is
        /// `boxed_label`; others have none.
        "metric.lenient" (lua, given: OfMetric) -> Option<Metric> as NAME_OR_NIL: "its name for `fm.metric.score`, or nil" {
            Ok(given.metric.lenient())
        }
    },
    function! {
        /// Whether a model decides the score: `fm.metric.judge` makes the chats, `fm.metric.verdict` reads the replies.
        "metric.needs_judge" (lua, given: OfMetric) -> bool: "whether it does" {
            Ok(given.metric.needs_judge())
        }
    },
    function! {
        /// The chats that ask a judge about an answer: by LongMemEval's protocol for the question's type, by Mem-α's whether it meets a
        /// rubric, by HELMET's about the fluency, recall and precision of a summary.
        "metric.judge" (lua, given: Judge) -> Vec<Vec<Message>>: "the chats for `reasoner:complete`, at temperature 0; `fm.metric.verdict` reads the replies" {
            let Judge { question, answer, gold, kind, id, .. } = &given;
            let judged = Judged { question, answer, gold, kind: kind.as_deref(), id: id.as_deref() };
            let messages = given.metric.judge(&judged).into_lua_err()?;
            Ok(messages.into_iter().map(|message| vec![Message::new(Role::User, message)]).collect())
        }
    },
    function! {
        /// Reads a judge's replies.
        "metric.verdict" (lua, given: Verdict) -> Option<f64> as SCORE_OR_NIL: "the score, or nil if the replies do not give one" {
            given.metric.verdict(&given.replies, &given.gold).into_lua_err()
        }
    },
    function! {
        /// The mean of scores with its 95 % bootstrap interval.
        "metric.interval" (lua, given: Scores) -> Mean: "mean and interval" {
            Ok(metrics::mean(&given.scores, given.seed))
        }
    },
    function! {
        /// The mean of a few independent values, such as one per seed, with its 95 % interval by Student's t distribution.
        "metric.student_interval" (lua, given: Values) -> Mean: "mean and interval; for a single value the interval is -inf to inf" {
            Ok(metrics::student(&given.values))
        }
    },
    function! {
        /// How much better scores are than others for the same questions, with the 95 % bootstrap interval of the difference.
        "metric.paired_interval" (lua, given: Paired) -> Mean: "the mean of the differences and its interval" {
            metrics::paired(&given.scores, &given.than, given.seed).into_lua_err()
        }
    },
    function! {
        /// Spearman's rank correlation, with its 95 % bootstrap interval over units. With groups, a pair's ranks are those in its group.
        "metric.rank_correlation" (lua, given: Ranked) -> Option<Correlation>: "the correlation; nil if all of one side are equal" {
            let units = given.units.as_deref().map_or_else(|| (0..given.values.len()).collect(), numbered);
            let groups = given.groups.as_deref().map(numbered);
            metrics::rank_correlation(&given.values, &given.with, &units, groups.as_deref(), given.seed).into_lua_err()
        }
    },
    function! {
        /// The mean score of each source and metric, and the averages over sources and over questions, with 95 % bootstrap intervals.
        "metric.summary" (lua, given: Results) -> Summary: "the figures" {
            if let Some(i) = given.results.iter().position(|result| !result.score.is_finite()) {
                return Err(mlua::Error::runtime(format!("'results[{}].score' must be a finite number", i + 1)));
            }
            Ok(metrics::summary(&given.results, given.seed))
        }
    },
];

/// A number from 0 for each name, the same for equal names.
fn numbered(names: &[Name]) -> Vec<usize> {
    let mut known = HashMap::new();
    names
        .iter()
        .map(|name| {
            let next = known.len();
            *known.entry(name.key()).or_insert(next)
        })
        .collect()
}
