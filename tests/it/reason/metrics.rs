//! Answer metrics beside their reference implementations, on what `tests/metrics/make.py` recorded; judges, aggregation and
//! their Lua side.

use finemem::metrics::*;
use serde_json::Value;

fn cases() -> Value {
    serde_json::from_str(include_str!("../../metrics/cases.json")).expect("JSON")
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

fn near(score: f64, reference: f64) -> bool {
    (score - reference).abs() <= 1e-9
}

#[test]
fn scores_equal_the_references() {
    let cases = cases();
    let pairs = cases["pairs"].as_array().expect("pairs");
    let (mut wrong, mut skipped) = (Vec::new(), 0);
    for (name, scores) in cases["scores"].as_object().expect("scores") {
        let (name, kind) = name.split_once(' ').map_or((name.as_str(), None), |(name, kind)| (name, Some(kind)));
        let metric: Metric = name.parse().expect("a metric");
        let scores = scores.as_array().expect("scores");
        assert_eq!(scores.len(), pairs.len());
        assert!(scores.iter().filter(|score| score.is_number()).count() > 250, "{name}");
        for (pair, reference) in pairs.iter().zip(scores) {
            let (answer, gold) = (pair[0].as_str().expect("an answer"), texts(&pair[1]));
            let score = metric.score(answer, &gold, kind).expect("a score");
            match reference.as_f64() {
                Some(reference) if !near(score, reference) => wrong.push(format!("{metric} {kind:?}: {score}, not {reference}, of {pair}")),
                Some(_) => {}
                None => skipped += 1,
            }
        }
    }
    assert!(wrong.is_empty(), "{} scores differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(skipped < 60, "{skipped} cases without a reference");
}

/// Where the references find an empty gold text in every answer, a score must be earned.
#[test]
fn nothing_earns_nothing() {
    for metric in [Metric::SubstringExactMatch, Metric::SubstringMatch, Metric::PartsFraction, Metric::KeywordFraction, Metric::AllRecalled]
    {
        assert_eq!(metric.score("anything", &[""], None).unwrap(), 0.0, "{metric}");
        assert_eq!(metric.score::<&str>("anything", &[], None).unwrap(), 0.0, "{metric}");
    }
    assert_eq!(substring_exact_match("anything", &["The"]), 0.0);
    assert_eq!((substring_exact_match("the", &["The"]), token_f1("", &["the"])), (1.0, 1.0));
    assert_eq!(parts_fraction("mira", &["Mira;", "; Mira ; Oska"]), 1.0);
    assert_eq!(keyword_fraction("a castle", &["castle, ,dragon,"]), 0.5);
    assert_eq!(keyword_fraction("a castle", &["castle", ""]), 1.0);
    assert_eq!(all_recalled("a castle", &["castle", " "]), 1.0);
    assert_eq!(edit_distance::<&str>("four", &[]), 4.0);
}

/// Mem-α's containment normalises nothing, and knows one accepted answer.
#[test]
fn a_substring_must_be_there_as_it_is() {
    for (answer, gold, score) in [
        ("beatles", vec!["The Beatles"], 0.0),
        ("it was THE BEATLES, then", vec!["The Beatles"], 1.0),
        ("status", vec!["U.S."], 0.0),
        ("in the u.s.", vec!["U.S."], 1.0),
        ("Lyon", vec!["Paris", "Lyon"], 0.0),
        ("red", vec!["red; blue"], 0.0),
    ] {
        assert_eq!(substring_match(answer, &gold), score, "{answer} {gold:?}");
    }
}

#[test]
fn labels_have_a_lenient_score() {
    for strict in [Metric::ExactMatch, Metric::BoxedLabelStrict] {
        let lenient = strict.lenient().unwrap();
        for answer in ["label: 4", "4.", "The label is 4"] {
            assert_eq!(lenient.score(answer, &["4"], None).unwrap(), 1.0, "{answer}");
        }
        assert_eq!(lenient.score("label: 14", &["4"], None).unwrap(), 0.0);
    }
    assert_eq!(Metric::BoxedLabelStrict.score("label: 4", &["4"], None).unwrap(), 0.0);
    assert_eq!(Metric::ALL.iter().filter(|metric| metric.lenient().is_some()).count(), 2);
}

#[test]
fn labels_equal_the_references() {
    let cases = cases();
    let cases = cases["labels"].as_array().expect("cases");
    assert!(cases.len() >= 200);
    for case in cases {
        let (answer, gold) = (case[0].as_str().expect("an answer"), texts(&case[1]));
        assert_eq!(boxed_label_strict(answer, &gold), case[2].as_f64().unwrap(), "strict: {case}");
        assert_eq!(boxed_label(answer, &gold), case[3].as_f64().unwrap(), "lenient: {case}");
    }
}

#[test]
fn recalls_equal_the_reference() {
    let cases = cases();
    let titles = texts(&cases["recalls"]["titles"]);
    let cases = cases["recalls"]["cases"].as_array().expect("cases");
    assert!(cases.len() >= 200);
    for case in cases {
        let (answer, gold) = (case[0].as_str().expect("an answer"), texts(&case[1]));
        for (at, k) in [1, 5, 10].into_iter().enumerate() {
            let recall = recall_at_k(answer, &gold, &titles, k);
            assert!(near(recall, case[at + 2].as_f64().unwrap()), "recall@{k}: {recall} of {case}");
        }
    }
    let none: &[&str] = &[];
    assert_eq!(recall_at_k("1. Red River (1948)\n2. Up", &["/resource/Red_River_(1948_film)"], none, 1), 1.0, "without a catalogue");
    assert_eq!(recall_at_k("1. Red River", none, none, 5), 0.0);
    assert_eq!(recall_at_k("", &["Up"], none, 5), 0.0);
}

#[test]
fn stems_equal_the_reference() {
    let cases = cases();
    let list = |name: &str| cases["stemmer"][name].as_str().expect("a text").split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (words, stems) = (list("words"), list("stems"));
    assert!(words.len() >= 20_000 && words.len() == stems.len());
    let number = |text: &str| {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        (text[..digits].parse::<usize>().expect("a number"), text[digits..].to_owned())
    };
    let mut before = String::new();
    for (listed, cut) in words.iter().zip(&stems) {
        let (kept, rest) = number(listed);
        let word: String = before.chars().take(kept).chain(rest.trim_start_matches('|').chars()).collect();
        let (cut, end) = number(cut);
        let expected: String = word.chars().take(word.chars().count() - cut).chain(end.chars()).collect();
        assert_eq!(stem(&word), expected, "{word}");
        before = word;
    }
}

#[test]
fn metrics_have_names() {
    for (metric, name) in Metric::ALL.iter().zip(Metric::NAMES) {
        assert_eq!(name.parse::<Metric>().unwrap(), *metric);
        assert_eq!(metric.to_string(), *name);
    }
    let error = "f1".parse::<Metric>().unwrap_err().to_string();
    assert!(error.contains("'f1'") && Metric::NAMES.iter().all(|name| error.contains(name)), "{error}");
    assert_eq!(Metric::default(), Metric::SubstringExactMatch);
    let error = Metric::LocomoF1.score("a", &["a"], None).unwrap_err().to_string();
    assert!(error.contains("category"), "{error}");
    let error = Metric::LocomoF1.score("a", &["a"], Some("6")).unwrap_err().to_string();
    assert!(error.contains("'6'") && error.contains("multi-hop"), "{error}");
    assert_eq!(Metric::LocomoF1.score("not mentioned", &[""; 0], Some("adversarial")).unwrap(), 1.0);
    let gold = ["a".to_owned()];
    for (metric, kind) in [(Metric::LocomoF1, None), (Metric::LocomoF1, Some("9")), (Metric::JudgeLongMemEval, Some("chat"))] {
        assert!(metric.check(&gold, kind, None).is_err(), "{metric} {kind:?}");
    }
    assert!(Metric::JudgeSummary.check(&[], None, None).is_err());
    assert!(Metric::ALL.iter().all(|metric| metric.check(&gold, Some("abstention"), None).is_ok() != (*metric == Metric::LocomoF1)));
}

#[test]
fn judges_are_asked_and_heard() {
    let gold = vec!["18 days".to_owned()];
    let judged = |kind, id| Judged { question: "How long?", answer: "19 days {}", gold: &gold, kind, id };
    let ask = |kind, id| judge_longmemeval(&judged(Some(kind), id)).unwrap();
    let kinds = ["multi-session", "temporal-reasoning", "knowledge-update", "single-session-preference"];
    let mut messages: Vec<String> = kinds.iter().map(|kind| ask(kind, Some("q1"))).collect();
    messages.push(ask("multi-session", Some("q1_abs")));
    for (i, message) in messages.iter().enumerate() {
        assert!(["How long?", "19 days {}", "18 days", "yes or no"].iter().all(|part| message.contains(part)), "{message}");
        assert!(messages[..i].iter().all(|other| other != message), "five variants");
    }
    assert_eq!(ask("single-session-user", None), messages[0]);
    assert!(messages[1].contains("off by one") && messages[2].contains("earlier") && messages[3].contains("Rubric: 18 days"));
    assert!(messages[4].contains("Explanation: 18 days") && messages[4].contains("cannot be answered"));
    assert_eq!(judge_memalpha(&judged(None, None)), messages[3]);
    assert_eq!(judge_longmemeval(&judged(None, None)).unwrap(), messages[0], "without a type");
    assert_eq!(ask("abstention", None), messages[4], "without an id");
    let error = judge_longmemeval(&judged(Some("chat"), None)).unwrap_err().to_string();
    assert!(error.contains("'chat'") && error.contains("knowledge-update"), "{error}");
    let verdict = |metric: Metric, reply| metric.verdict(&[reply], &["18 days"]).unwrap().unwrap();
    let verdicts = |reply| (verdict(Metric::JudgeLongMemEval, reply), verdict(Metric::JudgeMemAlpha, reply));
    assert_eq!((verdicts(" Yes."), verdicts("No"), verdicts("")), ((1.0, 1.0), (0.0, 0.0), (0.0, 0.0)));
    assert_eq!(verdicts("yes, not no"), (1.0, 0.0), "as the published code reads them");
    for metric in Metric::ALL {
        let messages = metric.judge(&judged(Some("multi-session"), None));
        assert_eq!(metric.needs_judge(), messages.is_ok());
        let replies = vec!["yes"; messages.map_or(1, |messages| messages.len())];
        assert_eq!(metric.needs_judge(), metric.verdict(&replies, &["18 days"]).is_ok());
        assert_eq!(metric.needs_judge(), metric.score("a", &["a"], Some("1")).is_err());
    }
}

#[test]
fn judged_summaries_equal_the_reference() {
    let cases = cases();
    let cases = cases["summaries"].as_array().expect("cases");
    assert!(cases.len() >= 200);
    let mut skipped = 0;
    for case in cases {
        let (points, replies) = (case[0].as_u64().expect("a number") as usize, texts(&case[1]));
        let score = verdict_summary(&replies, points);
        match &case[2] {
            Value::Number(reference) => assert!(score.is_some_and(|score| near(score, reference.as_f64().unwrap())), "{score:?} of {case}"),
            Value::Null => assert_eq!(score, None, "{case}"),
            _ => {
                skipped += 1;
                assert!((0.0..=1.0).contains(&score.expect("a score")), "{case}");
            }
        }
    }
    assert!((1..40).contains(&skipped), "{skipped} replies that count more than there is");

    let gold = ["It rains and Mira leaves.", "It rains.", "Mira leaves."].map(str::to_owned);
    let judged = Judged { question: "Summarise.", answer: " Mira left {}.\n", gold: &gold, kind: None, id: None };
    let [fluency, recall, precision] = judge_summary(&judged).unwrap();
    assert!(fluency.contains("Mira left {}.") && fluency.contains("\"fluency\"") && !fluency.contains("It rains"), "{fluency}");
    assert!(recall.contains("1. It rains.\n2. Mira leaves.\n") && !recall.contains("rains and"), "{recall}");
    assert!(precision.contains("It rains and Mira leaves.") && !precision.contains("1. "), "{precision}");
    let replies = ["So {\"fluency\": 1}", "{\"supported_key_points\": [2], \"recall\": 1}", "{\"precision\": 1, \"sentence_count\": 1}"];
    assert!(near(Metric::JudgeSummary.verdict(&replies, &["", "", ""]).unwrap().unwrap(), 2.0 / 3.0));
    assert_eq!(Metric::JudgeSummary.verdict(&["?", "?", "?"], &[""]).unwrap(), None);
    let error = Metric::JudgeSummary.verdict(&["yes"], &[""]).unwrap_err().to_string();
    assert!(error.contains("needs 3 replies"), "{error}");
    assert!(judge_summary(&Judged { gold: &[], ..judged }).is_err());
}

fn scored(source: &str, score: f64) -> Scored {
    Scored { source: source.into(), metric: "exact_match".into(), score }
}

#[test]
fn a_summary_has_both_averages() {
    let mut results: Vec<Scored> = (0..90).map(|i| scored("large", f64::from(i % 3 == 0))).collect();
    results.extend((0..10).map(|_| scored("small", 1.0)));
    results.push(Scored { metric: "token_f1".into(), ..scored("small", 0.25) });
    let only_one: Vec<Scored> = results[..100].to_vec();
    let figures = summary(&only_one, 1);
    assert_eq!(figures.rows.iter().map(|row| (row.source.as_str(), row.mean.n)).collect::<Vec<_>>(), [("large", 90), ("small", 10)]);
    let (over_questions, over_sources) = (figures.over_questions.unwrap(), figures.over_sources.unwrap());
    assert!(near(over_questions.mean, 0.4) && near(over_sources.mean, 2.0 / 3.0));
    // Of the average over sources only the large one varies: half its interval, p ± 1.96 √(p (1 - p) / 90).
    let half = 0.5 * 1.96 * (2.0 / 9.0 / 90.0f64).sqrt();
    assert!((over_sources.high - 2.0 / 3.0 - half).abs() < 0.01 && (2.0 / 3.0 - half - over_sources.low).abs() < 0.01);
    assert!(over_questions.low < 0.4 && over_questions.high > 0.4);
    assert_eq!((figures.rows[1].mean.low, figures.rows[1].mean.high), (1.0, 1.0));
    assert_eq!(summary(&results, 1).rows.len(), 3);
    assert_eq!(summary(&only_one, 1).over_sources, figures.over_sources);
    let empty = summary(&[], 1);
    assert!(empty.rows.is_empty() && empty.over_sources.is_none() && empty.over_questions.is_none());
}

#[test]
fn pairs_are_compared_question_by_question() {
    let hard: Vec<f64> = (0..100).map(|i| f64::from(i % 2 == 0)).collect();
    let better: Vec<f64> = (0..100).map(|i| f64::from(i % 2 == 0 || i % 10 == 1)).collect();
    let gain = paired(&better, &hard, 3).unwrap();
    assert!(near(gain.mean, 0.1) && gain.low > 0.0 && gain.high < 0.2 && gain.n == 100, "{gain:?}");
    let error = paired(&better, &hard[1..], 3).unwrap_err().to_string();
    assert!(error.contains("100") && error.contains("99"), "{error}");
}

#[test]
fn a_few_values_have_the_interval_of_student() {
    // scipy.stats.t.ppf(0.975, [4, 1]) = 2.7764451052, 12.7062047362.
    let five = student(&[1.0, 2.0, 3.0, 4.0, 5.0]);
    let half = 2.7764451052 * (2.5f64 / 5.0).sqrt();
    assert!(near(five.mean, 3.0) && (five.high - 3.0 - half).abs() < 1e-8 && (3.0 - five.low - half).abs() < 1e-8, "{five:?}");
    let two = student(&[0.0, 2.0]);
    assert!((two.high - 1.0 - 12.7062047362).abs() < 1e-8 && two.n == 2, "{two:?}");
    let (one, none) = (student(&[0.5]), student(&[]));
    assert_eq!((one.mean, one.low, one.high), (0.5, f64::NEG_INFINITY, f64::INFINITY));
    assert_eq!((none.mean, none.n), (0.0, 0));
}

#[test]
fn rank_correlations_agree_with_scipy() {
    // scipy.stats.spearmanr(a, b).statistic
    const RHO: f64 = 0.8679416943609326;
    let a = [0.1, 0.4, 0.4, 0.4, -2.0, 7.5, 7.5, 0.0];
    let b = [1.0, 3.0, 2.0, 2.0, -1.0, 2.0, 9.0, 0.5];
    let alone: Vec<usize> = (0..8).collect();
    let found = rank_correlation(&a, &b, &alone, None, 1).unwrap().unwrap();
    assert!(near(found.value, RHO) && found.n == 8, "{found:?}");
    assert!(found.low < found.value && found.value < found.high && found.high <= 1.0, "{found:?}");
    // One unit is drawn whole or not at all, so that nothing varies.
    let whole = rank_correlation(&a, &b, &[0; 8], None, 1).unwrap().unwrap();
    assert!(near(whole.low, RHO) && near(whole.high, RHO), "{whole:?}");
    // A unit that is drawn twice counts twice.
    let (twice_a, twice_b) = ([a, a].concat(), [b, b].concat());
    let units: Vec<usize> = (0..8).chain(0..8).collect();
    let twice = rank_correlation(&twice_a, &twice_b, &units, None, 1).unwrap().unwrap();
    assert!(near(twice.value, RHO) && near(twice.low, found.low) && near(twice.high, found.high), "{twice:?} {found:?}");
    // A constant side has no ranks.
    assert!(rank_correlation(&[1.0; 8], &b, &alone, None, 1).unwrap().is_none());
}

#[test]
fn groups_compare_only_their_own() {
    // Both groups order alike, and opposite to one another.
    let a = [1.0, 2.0, 3.0, 11.0, 12.0, 13.0];
    let b = [11.0, 12.0, 13.0, 1.0, 2.0, 3.0];
    let (units, groups) = ([0, 0, 0, 1, 1, 1], [5, 5, 5, 2, 2, 2]);
    let of = |groups: Option<&[usize]>| rank_correlation(&a, &b, &units, groups, 1).unwrap().unwrap();
    assert!(of(None).value < 0.0 && near(of(Some(&groups)).value, 1.0) && near(of(Some(&groups)).low, 1.0));
    // A group without order counts for nothing: ranks -1, 0, 1 beside 0, 0, 0.
    let level = [1.0, 2.0, 3.0, 4.0, 4.0, 4.0];
    assert!(near(rank_correlation(&level, &b, &units, Some(&groups), 1).unwrap().unwrap().value, 0.5f64.sqrt()));
    let wrong = |a: &[f64], units: &[usize]| rank_correlation(a, &b, units, Some(&groups), 1).unwrap_err().to_string();
    assert!(wrong(&a, &[0, 0, 1, 1, 1, 1]).contains("a group is in several units"));
    assert!(wrong(&a[1..], &units).contains("5 numbers need as many"));
    assert!(wrong(&[f64::NAN; 6], &units).contains("NaN has no rank"));
}
