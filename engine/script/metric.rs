//! `fm.metric`: scoring answers, and the figures that scores make.

use mlua::{ExternalResult, IntoLua, Lua, Table, Value};

use super::api::{Area, Args, Function, Kind, Need, Param, Record, default, optional, required};
use super::convert::list;
use super::reason::CHAT;
use finemem::metrics::{self, Judged, Mean, Metric, Scored};

pub(super) const AREA: Area = Area { constants: &[], functions: FUNCTIONS, objects: &[], records: &[&INTERVAL, &RESULT, &ROW, &SUMMARY] };

static INTERVAL: Record = Record {
    name: "Interval",
    doc: "A mean with its 95 % interval.",
    fields: &[
        required("mean", Kind::Number, "the mean of the scores"),
        required("low", Kind::Number, "the lower end"),
        required("high", Kind::Number, "the upper end"),
        required("n", Kind::Integer, "how many scores there are"),
    ],
    checked: false,
};

static RESULT: Record = Record {
    name: "Result",
    doc: "The score of one question; an `Asked` is one too.",
    fields: &[
        required("source", Kind::Text, "the source that the question is from"),
        required("metric", Kind::Text, "the metric that it was scored by"),
        required("score", Kind::Number, "the score"),
    ],
    checked: false,
};

static ROW: Record = Record {
    name: "SummaryRow",
    doc: "The mean score of a source by a metric.",
    fields: &[
        required("source", Kind::Text, "the source"),
        required("metric", Kind::Text, "the metric"),
        required("mean", Kind::Number, "the mean of the scores"),
        required("low", Kind::Number, "the lower end of its 95 % interval"),
        required("high", Kind::Number, "the upper end"),
        required("n", Kind::Integer, "how many questions there are"),
    ],
    checked: false,
};

static SUMMARY: Record = Record {
    name: "Summary",
    doc: "The figures of a table.",
    fields: &[
        required("rows", Kind::List(&Kind::Record(&ROW)), "a row for each source and metric, in order of first appearance"),
        optional(
            "over_sources",
            Kind::Record(&INTERVAL),
            "the mean of the rows' means: each source counts the same; `n` is the number of rows; none without scores",
        ),
        optional("over_questions", Kind::Record(&INTERVAL), "the mean of all scores: each question counts the same; none without scores"),
    ],
    checked: false,
};

const ANSWER: Param = required("answer", Kind::Text, "the answer that was given");
const GOLD: Param = required("gold", Kind::List(&Kind::Text), "the answers that are accepted");
const PARTS: Param = required("gold", Kind::List(&Kind::Text), "the parts of the gold answer");
const KIND: Param = optional("kind", Kind::Text, "the question's kind, such as LoCoMo's category or LongMemEval's question type");
const SEED: Param = default("seed", Kind::Integer, Need::Number(0.0), "what the resampling depends on");
const METRIC: Param = required("metric", Kind::Choice(&Metric::NAMES), "the metric's name");

const JUDGED: &[Param] = &[
    METRIC,
    required("question", Kind::Text, "the question"),
    ANSWER,
    required(
        "gold",
        Kind::List(&Kind::Text),
        "the accepted answers, or the rubric, or why the question cannot be answered, or an expert's summary and its key points",
    ),
    KIND,
    optional("id", Kind::Text, "the question's id; LongMemEval's with `_abs` cannot be answered"),
];
const RESULTS: Kind = Kind::List(&Kind::Record(&RESULT));

/// A metric that takes an answer and gold texts.
const fn metric(path: &'static str, doc: &'static str, params: &'static [Param], call: fn(&Lua, &Args) -> mlua::Result<Value>) -> Function {
    Function { path, doc, params, returns: Kind::Number, result: "the score", call }
}

const FUNCTIONS: &[Function] = &[
    metric("metric.exact_match", "1 if the normalised answer equals an accepted one, else 0. SQuAD's.", &[ANSWER, GOLD], |lua, args| {
        plain(lua, args, metrics::exact_match)
    }),
    metric(
        "metric.substring_exact_match",
        "1 if the normalised answer contains an accepted one, else 0. MemoryAgentBench's.",
        &[ANSWER, GOLD],
        |lua, args| plain(lua, args, metrics::substring_exact_match),
    ),
    metric(
        "metric.substring_match",
        "1 if the answer contains the first accepted one, whatever their case, else 0. Mem-α's for SQuAD and HotpotQA.",
        &[ANSWER, GOLD],
        |lua, args| plain(lua, args, metrics::substring_match),
    ),
    metric(
        "metric.token_f1",
        "How far the words of the answer are those of an accepted one: the harmonic mean of precision and recall. SQuAD's.",
        &[ANSWER, GOLD],
        |lua, args| plain(lua, args, metrics::token_f1),
    ),
    metric(
        "metric.locomo_f1",
        "LoCoMo's score by the question's category: the F1 over stems, or whether the answer to an adversarial question knows nothing.",
        &[ANSWER, GOLD, required("kind", Kind::Text, "the category: 1 to 5, or multi-hop, temporal, open-domain, single-hop, adversarial")],
        |lua, args| {
            let (answer, gold, kind): (String, Vec<String>, String) =
                (args.get(lua, "answer")?, args.get(lua, "gold")?, args.get(lua, "kind")?);
            metrics::locomo_f1(&answer, &gold, &kind).into_lua_err()?.into_lua(lua)
        },
    ),
    metric(
        "metric.rouge_l",
        "The F-measure of the longest common subsequence of stemmed words, as `rouge_score` has it.",
        &[ANSWER, GOLD],
        |lua, args| plain(lua, args, metrics::rouge_l),
    ),
    metric(
        "metric.keyword_fraction",
        "The share of keywords in the answer; one gold text lists them between commas, of several each is one. Mem-α's.",
        &[ANSWER, required("gold", Kind::List(&Kind::Text), "the keywords")],
        |lua, args| plain(lua, args, metrics::keyword_fraction),
    ),
    metric(
        "metric.parts_fraction",
        "The share of the `;`-separated parts of an accepted answer that the answer contains. Mem-α's for PerLTQA.",
        &[ANSWER, GOLD],
        |lua, args| plain(lua, args, metrics::parts_fraction),
    ),
    metric(
        "metric.boxed_label_strict",
        "1 if what `\\boxed{}` holds, or the whole answer without one, is an accepted number and nothing else. Mem-α's for classes.",
        &[ANSWER, GOLD],
        |lua, args| plain(lua, args, metrics::boxed_label_strict),
    ),
    metric(
        "metric.boxed_label",
        "1 if the answer gives an accepted label, in whatever form. Of numbers: the one in `\\boxed{}`, after \"label:\" or the like, or the only \
         one, so that `label: 4`, `4.` and `The label is 4` count as 4. Of names: what is in `\\boxed{}`, behind \"label:\" or the like, or all.",
        &[ANSWER, GOLD],
        |lua, args| plain(lua, args, metrics::boxed_label),
    ),
    metric(
        "metric.recall_at_k",
        "The share of gold titles among k recommendations, each taken for the nearest title of a catalogue. MemoryAgentBench's.",
        &[
            ANSWER,
            required("gold", Kind::List(&Kind::Text), "the titles that are looked for"),
            optional("titles", Kind::List(&Kind::Text), "the catalogue; without one a recommendation stands for itself"),
            required("k", Kind::Integer, "how many recommendations count"),
        ],
        |lua, args| {
            let (answer, gold): (String, Vec<String>) = (args.get(lua, "answer")?, args.get(lua, "gold")?);
            let titles: Option<Vec<String>> = args.get(lua, "titles")?;
            metrics::recall_at_k(&answer, &gold, &titles.unwrap_or_default(), args.get(lua, "k")?).into_lua(lua)
        },
    ),
    metric(
        "metric.edit_distance",
        "The smallest number of characters to put in, take out or replace that makes the answer an accepted one. Lower is better.",
        &[ANSWER, GOLD],
        |lua, args| plain(lua, args, metrics::edit_distance),
    ),
    metric(
        "metric.all_recalled",
        "1 if the answer contains every part, else 0. MemoryAgentBench's for EventQA.",
        &[ANSWER, PARTS],
        |lua, args| plain(lua, args, metrics::all_recalled),
    ),
    metric("metric.score", "The score of an answer by the metric of that name.", &[METRIC, ANSWER, GOLD, KIND], |lua, args| {
        let (answer, gold, kind): (String, Vec<String>, Option<String>) =
            (args.get(lua, "answer")?, args.get(lua, "gold")?, args.get(lua, "kind")?);
        named(lua, args)?.score(&answer, &gold, kind.as_deref()).into_lua_err()?.into_lua(lua)
    }),
    Function {
        path: "metric.lenient",
        doc: "The metric that scores the same labels whatever form an answer gives them in. Of `exact_match` and `boxed_label_strict` it is \
              `boxed_label`; others have none.",
        params: &[METRIC],
        returns: Kind::Either(&[Kind::Text, Kind::Nil]),
        result: "its name for `fm.metric.score`; nil where there is none",
        call: |lua, args| named(lua, args)?.lenient().map(Metric::name).into_lua(lua),
    },
    Function {
        path: "metric.needs_judge",
        doc: "Whether a model gives the score: `fm.metric.judge` makes the chats, `fm.metric.verdict` reads the replies.",
        params: &[METRIC],
        returns: Kind::Boolean,
        result: "whether it does",
        call: |lua, args| named(lua, args)?.needs_judge().into_lua(lua),
    },
    Function {
        path: "metric.judge",
        doc: "What a judge is asked about an answer: by LongMemEval's protocol of the question's type, by Mem-α's whether it meets a rubric, by \
              HELMET's about the fluency, recall and precision of a summary.",
        params: JUDGED,
        returns: Kind::List(&CHAT),
        result: "the chats for `reasoner:complete`, at temperature 0; `fm.metric.verdict` reads the replies",
        call: chats,
    },
    Function {
        path: "metric.verdict",
        doc: "Reads a judge's replies.",
        params: &[METRIC, required("replies", Kind::List(&Kind::Text), "what the judge said to each chat"), GOLD],
        returns: Kind::Either(&[Kind::Number, Kind::Nil]),
        result: "the score; nil where the replies do not give one",
        call: |lua, args| {
            let (replies, gold): (Vec<String>, Vec<String>) = (args.get(lua, "replies")?, args.get(lua, "gold")?);
            named(lua, args)?.verdict(&replies, &gold).into_lua_err()?.into_lua(lua)
        },
    },
    Function {
        path: "metric.interval",
        doc: "The mean of scores with its 95 % bootstrap interval.",
        params: &[required("scores", Kind::List(&Kind::Number), "the scores"), SEED],
        returns: Kind::Record(&INTERVAL),
        result: "mean and interval",
        call: |lua, args| interval(lua, metrics::mean(&args.get::<Vec<f64>>(lua, "scores")?, seed(lua, args)?)).map(Value::Table),
    },
    Function {
        path: "metric.student_interval",
        doc: "The mean of a few independent values, such as one of each seed, with its 95 % interval by Student's t distribution.",
        params: &[required("values", Kind::List(&Kind::Number), "the values")],
        returns: Kind::Record(&INTERVAL),
        result: "mean and interval; that of a single value is everything from -inf to inf",
        call: |lua, args| interval(lua, metrics::student(&args.get::<Vec<f64>>(lua, "values")?)).map(Value::Table),
    },
    Function {
        path: "metric.paired_interval",
        doc: "How much better scores are than others of the same questions, with the 95 % bootstrap interval of the difference.",
        params: &[
            required("scores", Kind::List(&Kind::Number), "the scores"),
            required("than", Kind::List(&Kind::Number), "the scores of the same questions that they are compared with"),
            SEED,
        ],
        returns: Kind::Record(&INTERVAL),
        result: "the mean of the differences and its interval",
        call: |lua, args| {
            let (scores, than): (Vec<f64>, Vec<f64>) = (args.get(lua, "scores")?, args.get(lua, "than")?);
            interval(lua, metrics::paired(&scores, &than, seed(lua, args)?).into_lua_err()?).map(Value::Table)
        },
    },
    Function {
        path: "metric.summary",
        doc: "The mean score of each source and metric, and the averages over sources and over questions, with 95 % bootstrap intervals.",
        params: &[required("results", RESULTS, "a score for each question"), SEED],
        returns: Kind::Record(&SUMMARY),
        result: "the figures",
        call: summary,
    },
];

fn plain(lua: &Lua, args: &Args, metric: fn(&str, &[String]) -> f64) -> mlua::Result<Value> {
    let (answer, gold): (String, Vec<String>) = (args.get(lua, "answer")?, args.get(lua, "gold")?);
    metric(&answer, &gold).into_lua(lua)
}

fn named(lua: &Lua, args: &Args) -> mlua::Result<Metric> {
    args.get::<String>(lua, "metric")?.parse().into_lua_err()
}

fn seed(lua: &Lua, args: &Args) -> mlua::Result<u64> {
    Ok(args.get::<i64>(lua, "seed")? as u64)
}

fn chats(lua: &Lua, args: &Args) -> mlua::Result<Value> {
    let (question, answer, gold): (String, String, Vec<String>) =
        (args.get(lua, "question")?, args.get(lua, "answer")?, args.get(lua, "gold")?);
    let (kind, id): (Option<String>, Option<String>) = (args.get(lua, "kind")?, args.get(lua, "id")?);
    let judged = Judged { question: &question, answer: &answer, gold: &gold, kind: kind.as_deref(), id: id.as_deref() };
    let chat = |content: String| {
        let message = lua.create_table()?;
        message.raw_set("role", "user")?;
        message.raw_set("content", content)?;
        list(lua, [Ok(message)])
    };
    list(lua, named(lua, args)?.judge(&judged).into_lua_err()?.into_iter().map(chat))
}

fn interval(lua: &Lua, mean: Mean) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("mean", mean.mean)?;
    table.raw_set("low", mean.low)?;
    table.raw_set("high", mean.high)?;
    table.raw_set("n", mean.count)?;
    Ok(table)
}

fn summary(lua: &Lua, args: &Args) -> mlua::Result<Value> {
    let read = |(i, result): (usize, Table)| -> mlua::Result<Scored> {
        let wrong = |key: &str, kind: &str| mlua::Error::runtime(format!("'results[{}].{key}' must be {kind}", i + 1));
        Ok(Scored {
            source: result.get("source").map_err(|_| wrong("source", "a string"))?,
            metric: result.get("metric").map_err(|_| wrong("metric", "a string"))?,
            score: result.get("score").ok().filter(|score: &f64| score.is_finite()).ok_or_else(|| wrong("score", "a finite number"))?,
        })
    };
    let results = args.get::<Vec<Table>>(lua, "results")?.into_iter().enumerate().map(read).collect::<mlua::Result<Vec<_>>>()?;
    let summary = metrics::summary(&results, seed(lua, args)?);
    let row = |(source, metric, mean): (String, String, Mean)| {
        let row = interval(lua, mean)?;
        row.raw_set("source", source)?;
        row.raw_set("metric", metric)?;
        Ok(row)
    };
    let table = lua.create_table()?;
    table.raw_set("rows", list(lua, summary.rows.into_iter().map(row))?)?;
    let if_any = |mean: Option<Mean>| mean.map(|mean| interval(lua, mean)).transpose();
    table.raw_set("over_sources", if_any(summary.over_sources)?)?;
    table.raw_set("over_questions", if_any(summary.over_questions)?)?;
    Ok(Value::Table(table))
}
