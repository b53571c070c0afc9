//! `fm.metric`: scoring answers, and the figures that scores make.

use mlua::ExternalResult;

use crate::api::{Area, Function, Kind, function};
use finemem::metrics::{self, Judged, Mean, Metric, Scored, Summary};
use finemem::reason::{Message, Role};
use finemem::record;

pub(crate) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[] };

record! {
    struct Answered {
        /// the answer that was given
        answer: String,
        /// the answers that are accepted
        gold: Vec<String>,
    }

    struct OfCategory {
        /// the answer that was given
        answer: String,
        /// the answers that are accepted
        gold: Vec<String>,
        /// the category: 1 to 5, or multi-hop, temporal, open-domain, single-hop, adversarial
        kind: String,
    }

    struct WithKeywords {
        /// the answer that was given
        answer: String,
        /// the keywords
        gold: Vec<String>,
    }

    struct InParts {
        /// the answer that was given
        answer: String,
        /// the parts of the gold answer
        gold: Vec<String>,
    }

    struct Recommended {
        /// the answer that was given
        answer: String,
        /// the titles that are looked for
        gold: Vec<String>,
        /// the catalogue; without one a recommendation stands for itself
        titles: Vec<String> => OrDefault,
        /// how many recommendations count
        k: usize,
    }

    struct Score {
        /// the metric's name
        metric: Metric,
        /// the answer that was given
        answer: String,
        /// the answers that are accepted
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
        /// the answer that was given
        answer: String,
        /// the accepted answers, or the rubric, or why the question cannot be answered, or an expert's summary and its key points
        gold: Vec<String>,
        /// the question's kind, such as LoCoMo's category or LongMemEval's question type
        kind: Option<String>,
        /// the question's id; LongMemEval's with `_abs` cannot be answered
        id: Option<String>,
    }

    struct Verdict {
        /// the metric's name
        metric: Metric,
        /// what the judge said to each chat
        replies: Vec<String>,
        /// the answers that are accepted
        gold: Vec<String>,
    }

    struct Scores {
        /// the scores
        scores: Vec<f64>,
        /// what the resampling depends on
        seed: u64 => Seed = 0,
    }

    struct Values {
        /// the values
        values: Vec<f64>,
    }

    struct Paired {
        /// the scores
        scores: Vec<f64>,
        /// the scores of the same questions that they are compared with
        than: Vec<f64>,
        /// what the resampling depends on
        seed: u64 => Seed = 0,
    }

    struct Results {
        /// a score for each question
        results: Vec<Scored>,
        /// what the resampling depends on
        seed: u64 => Seed = 0,
    }
}

const NAME_OR_NIL: Kind = Kind::Either(&[Kind::Text, Kind::Nil]);
const SCORE_OR_NIL: Kind = Kind::Either(&[Kind::Number, Kind::Nil]);

/// A function whose score depends on the answer and the gold texts alone.
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
        /// 1 if the normalised answer equals an accepted one, else 0. SQuAD's.
        "metric.exact_match" (Answered) = metrics::exact_match
    },
    plain! {
        /// 1 if the normalised answer contains an accepted one, else 0. MemoryAgentBench's.
        "metric.substring_exact_match" (Answered) = metrics::substring_exact_match
    },
    plain! {
        /// 1 if the answer contains the first accepted one, whatever their case, else 0. Mem-α's for SQuAD and HotpotQA.
        "metric.substring_match" (Answered) = metrics::substring_match
    },
    plain! {
        /// How far the words of the answer are those of an accepted one: the harmonic mean of precision and recall. SQuAD's.
        "metric.token_f1" (Answered) = metrics::token_f1
    },
    function! {
        /// LoCoMo's score by the question's category: the F1 over stems, or whether the answer to an adversarial question knows nothing.
        "metric.locomo_f1" (lua, given: OfCategory) -> f64: "the score" {
            metrics::locomo_f1(&given.answer, &given.gold, &given.kind).into_lua_err()
        }
    },
    plain! {
        /// The F-measure of the longest common subsequence of stemmed words, as `rouge_score` has it.
        "metric.rouge_l" (Answered) = metrics::rouge_l
    },
    plain! {
        /// The share of keywords in the answer; one gold text lists them between commas, of several each is one. Mem-α's.
        "metric.keyword_fraction" (WithKeywords) = metrics::keyword_fraction
    },
    plain! {
        /// The share of the `;`-separated parts of an accepted answer that the answer contains. Mem-α's for PerLTQA.
        "metric.parts_fraction" (Answered) = metrics::parts_fraction
    },
    plain! {
        /// 1 if what `\boxed{}` holds, or the whole answer without one, is an accepted number and nothing else. Mem-α's for classes.
        "metric.boxed_label_strict" (Answered) = metrics::boxed_label_strict
    },
    plain! {
        /// 1 if the answer gives an accepted label, in whatever form. Of numbers: the one in `\boxed{}`, after "label:" or the like, or the only
        /// one, so that `label: 4`, `4.` and `The label is 4` count as 4. Of names: what is in `\boxed{}`, behind "label:" or the like, or all.
        "metric.boxed_label" (Answered) = metrics::boxed_label
    },
    function! {
        /// The share of gold titles among k recommendations, each taken for the nearest title of a catalogue. MemoryAgentBench's.
        "metric.recall_at_k" (lua, given: Recommended) -> f64: "the score" {
            Ok(metrics::recall_at_k(&given.answer, &given.gold, &given.titles, given.k))
        }
    },
    plain! {
        /// The smallest number of characters to put in, take out or replace that makes the answer an accepted one. Lower is better.
        "metric.edit_distance" (Answered) = metrics::edit_distance
    },
    plain! {
        /// 1 if the answer contains every part, else 0. MemoryAgentBench's for EventQA.
        "metric.all_recalled" (InParts) = metrics::all_recalled
    },
    function! {
        /// The score of an answer by the metric of that name.
        "metric.score" (lua, given: Score) -> f64: "the score" {
            given.metric.score(&given.answer, &given.gold, given.kind.as_deref()).into_lua_err()
        }
    },
    function! {
        /// The metric that scores the same labels whatever form an answer gives them in. Of `exact_match` and `boxed_label_strict` it is
        /// `boxed_label`; others have none.
        "metric.lenient" (lua, given: OfMetric) -> Option<Metric> as NAME_OR_NIL: "its name for `fm.metric.score`; nil where there is none" {
            Ok(given.metric.lenient())
        }
    },
    function! {
        /// Whether a model gives the score: `fm.metric.judge` makes the chats, `fm.metric.verdict` reads the replies.
        "metric.needs_judge" (lua, given: OfMetric) -> bool: "whether it does" {
            Ok(given.metric.needs_judge())
        }
    },
    function! {
        /// What a judge is asked about an answer: by LongMemEval's protocol of the question's type, by Mem-α's whether it meets a rubric, by
        /// HELMET's about the fluency, recall and precision of a summary.
        "metric.judge" (lua, given: Judge) -> Vec<Vec<Message>>: "the chats for `reasoner:complete`, at temperature 0; `fm.metric.verdict` reads the replies" {
            let Judge { question, answer, gold, kind, id, .. } = &given;
            let judged = Judged { question, answer, gold, kind: kind.as_deref(), id: id.as_deref() };
            let messages = given.metric.judge(&judged).into_lua_err()?;
            Ok(messages.into_iter().map(|message| vec![Message::new(Role::User, message)]).collect())
        }
    },
    function! {
        /// Reads a judge's replies.
        "metric.verdict" (lua, given: Verdict) -> Option<f64> as SCORE_OR_NIL: "the score; nil where the replies do not give one" {
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
        /// The mean of a few independent values, such as one of each seed, with its 95 % interval by Student's t distribution.
        "metric.student_interval" (lua, given: Values) -> Mean: "mean and interval; that of a single value is everything from -inf to inf" {
            Ok(metrics::student(&given.values))
        }
    },
    function! {
        /// How much better scores are than others of the same questions, with the 95 % bootstrap interval of the difference.
        "metric.paired_interval" (lua, given: Paired) -> Mean: "the mean of the differences and its interval" {
            metrics::paired(&given.scores, &given.than, given.seed).into_lua_err()
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
