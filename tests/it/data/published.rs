//! The real files, where the environment variable `FINEMEM_DATA` names their folder.

use std::path::PathBuf;

use finemem::data::{self, Episode, Options};
use serde_json::Value;

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("FINEMEM_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: FINEMEM_DATA is not set");
    }
    folder
}

/// Everything in a file; nothing may be skipped.
fn read(path: PathBuf) -> Vec<Episode> {
    data::read(path, &Options { strict: true, ..Options::default() }).unwrap().episodes
}

fn count(episodes: &[Episode], what: fn(&Episode) -> usize) -> usize {
    episodes.iter().map(what).sum()
}

/// Source, chunks, questions and questions about chunks of each episode.
fn shapes(episodes: &[Episode]) -> Vec<(&str, usize, usize, usize)> {
    let about = |e: &Episode| e.chunk_questions.iter().map(Vec::len).sum();
    episodes.iter().map(|e| (e.source.as_str(), e.chunks.len(), e.questions.len(), about(e))).collect()
}

#[test]
fn conflict_resolution_is_the_same_from_json_and_from_parquet() {
    let Some(folder) = folder() else { return };
    let episodes = read(folder.join("memoryagentbench/conflict_resolution_small.json"));
    assert_eq!(episodes, read(folder.join("memoryagentbench/conflict_resolution_small.parquet")));
    let found: Vec<_> = shapes(&episodes).into_iter().map(|(source, chunks, questions, _)| (source, chunks, questions)).collect();
    let wanted = [
        ("factconsolidation_mh_6k", 114, 100),
        ("factconsolidation_mh_32k", 578, 100),
        ("factconsolidation_sh_6k", 114, 100),
        ("factconsolidation_sh_32k", 578, 100),
    ];
    assert_eq!(found, wanted);
    assert!(episodes[2].chunks[0].starts_with("Thomas Kyd was born in the city of London.\nThe chairperson of Fatah is"));
    assert!(episodes.iter().all(|e| e.chunks.iter().rev().skip(1).all(|chunk| chunk.lines().count() == 4)));
    assert_eq!(episodes[2].questions[7].id.as_deref(), Some("factconsolidation_sh_6k_no7"));
    let first = &episodes[2].chunk_questions[0][0];
    assert_eq!((first.question.as_str(), first.answers[0].as_str()), ("Which city was Thomas Kyd born in?", "London"));
    // Each fact is asked for, unless a later one of its chunk overrules it.
    let (facts, asked) =
        (count(&episodes, |e| e.chunks.iter().map(|c| c.lines().count()).sum()), shapes(&episodes).iter().map(|s| s.3).sum::<usize>());
    assert_eq!(facts, 2 * (455 + 2310));
    assert!(asked > facts - 40 && asked <= facts, "{asked} of {facts}");
    let smaller = read(folder.join("memoryagentbench/factconsolidation_6k.json"));
    assert_eq!(shapes(&smaller).iter().map(|shape| shape.2).collect::<Vec<_>>(), [100, 100]);
}

/// The excerpts are no file of rows; rows are made of them here.
#[test]
fn excerpts_of_the_other_splits() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join("memoryagentbench/excerpts_ttl_lme.json")).unwrap();
    let mut excerpts: Value = serde_json::from_str(&text).unwrap();
    let mut row = |key: &str, context: &str| {
        let mut row = excerpts[key].take();
        row["context"] = row[context].take();
        row
    };
    let rows = Value::Array(vec![row("icl_trec_coarse_6600shot_balance", "context_excerpt"), row("longmemeval_s*", "context_fragment")]);
    let episodes = super::episodes(rows.to_string());
    assert_eq!(shapes(&episodes), [("icl_trec_coarse_6600shot_balance", 1, 17, 58), ("longmemeval_s*", 1, 11, 0)]);
    let example = &episodes[0].chunk_questions[0][57];
    assert_eq!(
        (example.question.as_str(), example.answers[0].as_str()),
        ("Why did several San Diego schools stop serving apples to students ?", "3")
    );
    let chunk = &episodes[1].chunks[0];
    assert!(chunk.starts_with("[Dialogue at 2023/05/20 (Sat) 19:19]\nuser: I'm trying to plan a self-care day"), "{chunk}");
    assert!(
        episodes[1].questions[0].question.contains("How many hours do I work") && episodes[1].questions.iter().all(|q| q.kind.is_none())
    );
    assert!(
        chunk.contains("assistant: What a lovely idea! Unfortunately, I'm a large") && chunk.contains("[Serenity Yoga studio address]")
    );
}

#[test]
fn locomo() {
    let Some(folder) = folder() else { return };
    let episodes = read(folder.join("locomo/locomo5.json"));
    let found: Vec<_> = episodes.iter().map(|e| (e.id.as_str(), e.chunks.len(), e.questions.len())).collect();
    assert_eq!(found, [("conv-26", 19, 199), ("conv-30", 19, 105), ("conv-41", 32, 193), ("conv-42", 29, 260), ("conv-43", 29, 242)]);
    let turns = count(&episodes, |e| e.chunks.iter().map(|chunk| chunk.lines().filter(|line| !line.is_empty()).count() - 1).sum());
    assert!(turns >= 419 + 369 + 663 + 629 + 680, "{turns}");
    let all = || episodes.iter().flat_map(|e| &e.questions);
    // Two questions have no evidence; every other is proved by a session, also where an id is misspelt.
    assert_eq!(all().filter(|q| q.evidence.is_empty()).count(), 2);
    let misspelt = all().find(|q| q.question == "What did Melanie paint recently?").unwrap();
    assert_eq!(misspelt.evidence, [7, 8]);
    assert!(all().any(|q| q.answers == ["2022"]));
    assert!(all().all(|q| q.instruction.is_some() == (q.kind.as_deref() == Some("2"))));
    let about: Vec<_> = episodes.iter().flat_map(|e| e.chunk_questions.iter().enumerate()).collect();
    assert!(
        about
            .iter()
            .flat_map(|(at, list)| list.iter().map(move |q| (at, q)))
            .all(|(at, q)| q.evidence == [*at] && q.kind.as_deref() != Some("5"))
    );
    assert!(about.iter().map(|(_, list)| list.len()).sum::<usize>() > 400);
    assert!(episodes[0].chunks[0].starts_with("[Dialogue at 1:56 pm on 8 May, 2023]\nCaroline: Hey Mel! Good to see you!"));
    let smaller =
        data::read(folder.join("locomo/locomo5.json"), &Options { chunk_tokens: Some(256), ..Options::default() }).unwrap().episodes;
    assert!(smaller[0].chunks.len() > 2 * 19 && smaller[0].questions.len() == 199);
}

#[test]
fn squad() {
    let Some(folder) = folder() else { return };
    let episodes = read(folder.join("squad_xquad/xquad.en.first24.json"));
    assert_eq!((episodes.len(), count(&episodes, |e| e.chunks.len()), count(&episodes, |e| e.questions.len())), (24, 120, 632));
    for episode in &episodes {
        let mut asked = episode.chunk_questions.iter().zip(&episode.chunks).flat_map(|(list, chunk)| list.iter().map(move |q| (q, chunk)));
        assert!(asked.all(|(question, chunk)| question.answers.iter().all(|answer| chunk.contains(answer))), "{}", episode.id);
    }
}

#[test]
fn intents() {
    let Some(folder) = folder() else { return };
    let shape = |path: &str| {
        let episodes = read(folder.join(path));
        let labels: std::collections::HashSet<_> = episodes[0].chunk_questions.iter().flatten().map(|q| q.answers[0].clone()).collect();
        (episodes[0].source.clone(), episodes[0].questions.len(), episodes[0].chunk_questions.iter().flatten().count(), labels.len())
    };
    assert_eq!(shape("banking77/train.csv"), ("banking77".to_owned(), 10_003, 10_003, 77));
    assert_eq!(shape("banking77/test.csv"), ("banking77".to_owned(), 3_080, 3_080, 77));
    assert_eq!(shape("banking77"), ("banking77".to_owned(), 3_080, 10_003, 77));
    assert_eq!(shape("hwu64/KFold_1_testset_csv"), ("hwu64".to_owned(), 1_076, 1_076, 64));
}

#[test]
fn membuilder() {
    let Some(folder) = folder() else { return };
    let shape = |name: &str| {
        let episodes = read(folder.join("membuilder").join(name));
        (episodes.len(), count(&episodes, |e| e.chunks.len()), count(&episodes, |e| e.questions.len()))
    };
    assert_eq!(shape("rl_training_example.jsonl"), (1, 2, 4));
    assert_eq!(shape("verl_training_example.parquet"), (1, 2, 0));
    assert_eq!(shape("evaluation_sample.json"), (2, 5, 10));
    assert_eq!(shape("sft_example.json"), (4, 4, 0));
}

/// Not an original file of Mem-α, but one in its layout that another program wrote.
#[test]
fn memalpha_layout() {
    let Some(folder) = folder() else { return };
    let episodes = read(folder.join("memalpha_layout_sample/test.parquet"));
    let found: Vec<_> = shapes(&episodes).into_iter().map(|(source, chunks, questions, _)| (source, chunks, questions)).collect();
    let (squad, intents) = ("squad", "icl_banking77_sample");
    assert_eq!(found, [(squad, 10, 100), (squad, 13, 100), (squad, 13, 100), (squad, 12, 100), (intents, 10, 100), (intents, 10, 100)]);
    let asked = &episodes[4].chunk_questions[0][0];
    assert_eq!(
        (asked.question.as_str(), asked.answers[0].as_str()),
        ("Sentence: I want to use auto top-up. Is there a limit?\nWhich label does this sentence have?", "8")
    );
    assert_eq!(asked.metric, Some(finemem::metrics::Metric::BoxedLabelStrict));
    assert!(episodes[0].questions[0].answers == ["Kurt Coleman"] && episodes[0].chunk_questions.iter().all(Vec::is_empty));
}

#[test]
fn files_that_hold_no_episodes_are_refused() {
    let Some(folder) = folder() else { return };
    for (name, part) in [
        // A list of the names of intents.
        ("banking77/categories.json", "not in a known format"),
        // Lists of the ids of conversations.
        ("membuilder/longmemeval_splits.json", "not in a known format"),
        // Excerpts of rows and notes about them, see excerpts_of_the_other_splits.
        ("memoryagentbench/excerpts_ttl_lme.json", "not in a known format"),
        ("README.md", "not in a known format"),
        // Its tables are one folder further down.
        ("hwu64", "without CSV files; name the one in it that has some: KFold_1_testset_csv"),
    ] {
        let error = data::read(folder.join(name), &Options::default()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(part), "{error}");
    }
}
