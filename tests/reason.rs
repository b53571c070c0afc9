//! The extractive reasoner, on sentences of many shapes and on a published file, and the answer metrics.

use std::collections::HashMap;

use finemem_engine::data::{self, Options};
use finemem_engine::memory::Bm25;
use finemem_engine::reason::metrics::{bootstrap_interval, exact_match, normalise, substring_exact_match, token_f1};
use finemem_engine::reason::{Extractive, UNKNOWN};

/// Substring exact match over questions, each answered from the ten items that BM25 ranks highest.
fn accuracy(memory: &[String], questions: &[data::Question]) -> f64 {
    let index = Bm25::new(memory);
    let score = |question: &data::Question| {
        let items: Vec<&str> = index.top_k(&question.question, 10).into_iter().map(|(item, _)| memory[item].as_str()).collect();
        let answer = Extractive.answer(&question.question, &items);
        let score = substring_exact_match(&answer.text, &question.answers);
        if score < 1.0 && std::env::var_os("FINEMEM_SHOW").is_some() {
            println!("  {} -> {} (gold {})", question.question, answer.text, question.answers[0]);
            println!("    {}", items.join(" | "));
        }
        score
    };
    questions.iter().map(score).sum::<f64>() / questions.len() as f64
}

/// What a perfect manager would keep: of facts that differ only in their last part, the newest.
/// The last part starts after " is ", "by", "of", … at the end of the words that two facts share.
fn newest(facts: &[String]) -> Vec<String> {
    const MARKS: &[&str] = &[
        " is a citizen of ",
        " the city of ",
        " the continent of ",
        " the country of ",
        " the sport of ",
        " the religion of ",
        " the position of ",
        " the language of ",
        " the field of ",
        " by ",
        " is married to ",
        " is famous for ",
        " plays is ",
        " is ",
    ];
    let stem = |fact: &str| {
        MARKS.iter().filter_map(|mark| fact.find(mark).map(|at| fact[..at + mark.len()].to_owned())).next().unwrap_or(fact.to_owned())
    };
    let last: HashMap<String, usize> = facts.iter().enumerate().map(|(at, fact)| (stem(fact), at)).collect();
    facts.iter().enumerate().filter(|(at, fact)| last[&stem(fact)] == *at).map(|(_, fact)| fact.clone()).collect()
}

#[test]
fn answers_a_published_file() {
    let Some(folder) = std::env::var_os("FINEMEM_DATA") else {
        println!("skipped: FINEMEM_DATA is not set");
        return;
    };
    let folder = std::path::PathBuf::from(folder).join("memoryagentbench");
    for file in ["factconsolidation_6k.json", "conflict_resolution_small.json"] {
        for episode in data::open(folder.join(file), &Options::default()).unwrap() {
            let facts: Vec<String> = episode.chunks.iter().flat_map(|chunk| chunk.lines().map(str::to_owned)).collect();
            let newest = newest(&facts);
            println!("{} facts {} kept {}", episode.id, facts.len(), newest.len());
            println!("newest wins {:.2}", accuracy(&newest, &episode.questions));
            println!("add everything {:.2}", accuracy(&facts, &episode.questions));
            println!("raw chunks {:.2}", accuracy(&episode.chunks, &episode.questions));
        }
    }
}
