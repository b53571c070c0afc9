//! The extractive reasoner, on sentences of many shapes and on a published file, and the answer metrics.

use std::collections::HashMap;

use finemem::data::{self, Options};
use finemem::memory::Bm25;
use finemem::metrics::{bootstrap_interval, exact_match, normalise, substring_exact_match, token_f1};
use finemem::reason::{Extractive, UNKNOWN};

fn answer(question: &str, contents: &[&str]) -> String {
    Extractive::default().answer(question, contents).text
}

#[test]
fn answers_are_tight() {
    for (question, content, expected) in [
        ("Who founded Chanel?", "Chanel was founded by Coco Chanel.", "Coco Chanel"),
        ("Who founded Chanel?", "Coco Chanel founded Chanel.", "Coco Chanel"),
        ("Who is Bem & Sons founded by?", "The founder of Bem & Sons is Mira Tolen.", "Mira Tolen"),
        (
            "Which university was Joan Didion educated at?",
            "The univeristy where Joan Didion was educated is University of California, Berkeley.",
            "University of California, Berkeley",
        ),
        ("Which city did Ida Rao work in?", "Ida Rao worked in the city of Washington, D.C..", "Washington, D.C."),
        ("Who is Walter Rao's child?", "Walter Rao's child is Walter Percy Rao Jr..", "Walter Percy Rao Jr."),
        ("Where does Mira Tolen live?", "Mira Tolen lives in Oska and works as a baker.", "Oska"),
        ("What does Mira Tolen work as?", "Mira Tolen lives in Oska and works as a baker.", "baker"),
        ("Where is the home of Mira Tolen?", "Mira Tolen's home is Oska, where it rains a lot.", "Oska"),
        ("What is Mira Tolen's dog called?", "Mira Tolen has a dog called Rufo.", "Rufo"),
        ("What is the name of Mira Tolen's dog?", "Rufo is the dog of Mira Tolen.", "Rufo"),
        ("What colour is Mira Tolen's car?", "The colour of Mira Tolen's car is dark green.", "dark green"),
        ("How old is Mira Tolen?", "Mira Tolen is 30 years old.", "30 years"),
        ("When was Mira Tolen born?", "Mira Tolen was born in Oska in May 1984.", "Oska in May 1984"),
        (
            "Which sport is Oska national football team associated with?",
            "Oska national football team is associated with the sport of association football.",
            "association football",
        ),
        ("What type of music does Ida Rao play?", "The type of music that Ida Rao plays is country music.", "country music"),
        ("Which sport is goaltender associated with?", "goaltender is associated with the sport of ice hockey.", "ice hockey"),
        ("Which country was rap rock created in?", "rap rock was created in the country of Tal.", "Tal"),
        ("Who performed Born in the U.S.A.?", "Born in the U.S.A. was performed by T. S. Rao.", "T. S. Rao"),
        ("What is the capital of Tang Empire?", "The capital of Tang Empire is Chang'an.", "Chang'an"),
        ("Who is the president of Tal?", "Ida Rao is the President of Tal.", "Ida Rao"),
        ("Who employs Mira Tolen?", "Bem Works employs Mira Tolen as a clerk.", "Bem Works"),
        ("Which company is AP1000 produced by?", "The company that produced AP1000 is Bem Works.", "Bem Works"),
        ("What is the employer of Ida Rao?", "By the way: Ida Rao is now employed by Bem Works.", "Bem Works"),
        ("Where does Mira Tolen work?", "In Oska, Mira Tolen works as a baker.", "Oska"),
        ("Which club does Mira Tolen support?", "The club that Mira Tolen cheers for is 1. FC Oska.", "1. FC Oska"),
        ("What is the anthem of Oska?", "12. The anthem of Oska is Night and the River.", "Night and the River"),
        ("What is the country of citizenship of Mira Tolen?", "Mira Tolen is a citizen of Tal.", "Tal"),
        ("Who is Mira Tolen married to?", "Mira Tolen’s spouse is Ida Rao.", "Ida Rao"),
        ("Which festival draws crowds to Oska?", "The Night of Swans draws crowds to Oska each year.", "Night of Swans"),
        ("Which brewery founded Oska?", "Tarn & Sons founded Oska in the spring.", "Tarn & Sons"),
        ("Which brewery founded Oska?", "Oska was founded by Tarn & Sons.", "Tarn & Sons"),
        ("Which club is Mira Tolen a member of?", "Mira Tolen is a member of Oska Rovers.", "Oska Rovers"),
        ("Which club is Mira Tolen a member of?", "Oska Rovers is a member of Mira Tolen.", UNKNOWN),
    ] {
        assert_eq!(answer(question, &[content]), expected, "{question} {content}");
    }
}

#[test]
fn it_says_when_it_does_not_know() {
    for (question, content) in [
        // Namesakes, longer names, shorter names.
        ("Where does Mira Tolen live?", "Mira Voss lives in Oska."),
        ("Where does Mira live?", "Mira Tolen lives in Oska."),
        ("Where does Mira Tolen live?", "Mira lives in Oska."),
        ("What is the capital of England?", "The capital of New England is Bem."),
        ("Which city is University of California located in?", "University of California, Berkeley is located in the city of Berkeley."),
        ("Which sport is receiver associated with?", "wide receiver is associated with the sport of American football."),
        ("Which sport is football associated with?", "American football is associated with the sport of football."),
        ("What is the anthem of Bank of Oska?", "The anthem of Oska is Night."),
        ("What is the anthem of Oska?", "The anthem of Bank of Oska is Night."),
        // Another relation.
        ("Where was Mira Tolen born?", "Mira Tolen lives in Oska."),
        ("What is the country of citizenship of Sable?", "Sable was created in the country of Tal."),
        ("What is the name of the current head of the Tal government?", "The name of the current head of state in Tal is Ida Rao."),
        ("Where does Mira Tolen live?", "Mira Tolen's brother lives in Oska."),
        ("Where does Mira Tolen live?", "The brother of Mira Tolen lives in Oska."),
        // The wrong kind of answer.
        ("Where does Mira Tolen work?", "Mira Tolen works as a baker."),
        ("What does Mira Tolen work as?", "Mira Tolen works in Oska."),
        ("Who founded Bem?", "Bem was founded in the city of Oska."),
        ("Where was Bem founded?", "Bem was founded by Mira Tolen."),
        ("Which continent is Bem located in?", "Bem is located in the country of Tal."),
        ("When was Mira Tolen born?", "Mira Tolen was born in Oska."),
        // The other way round.
        ("Who was Ida Rao created by?", "Rufo was created by Ida Rao."),
        ("Who founded Bem?", "Bem founded Tal."),
        ("What did Bem found?", "Bem was founded by Ida Rao."),
        ("Who is the brother of Ida Rao?", "The brother of Mira Tolen is Ida Rao."),
        ("Who is the brother of Ida Rao?", "Ida Rao is the brother of Mira Tolen."),
        ("What is the twin town of Oska?", "Bem has a twin town in Oska."),
        ("Which sport is rugby associated with?", "Oska RFC is associated with the sport of rugby."),
        // Taken back.
        ("Where does Mira Tolen live?", "Mira Tolen no longer lives in Oska."),
        ("Where does Mira Tolen live?", "Mira Tolen doesn't live in Oska."),
        // Nothing there.
        ("Where does Mira Tolen live?", ""),
        ("Where does Mira Tolen live?", "Mira Tolen lives."),
        ("", "Mira Tolen lives in Oska."),
        ("???", "???"),
        ("Which", "Which"),
    ] {
        let answer = Extractive::default().answer(question, &[content]);
        assert_eq!((answer.text.as_str(), answer.known, answer.trace.len()), (UNKNOWN, false, 0), "{question} {content}");
    }
    assert!(!Extractive::default().answer("Where does Mira Tolen live?", &[]).known);
}

#[test]
fn of_equal_sentences_the_first_wins_and_a_better_one_before_any() {
    let (old, new) = ("Mira Tolen lives in Oska.", "Mira Tolen lives in Bem.");
    let question = "Where does Mira Tolen live?";
    assert_eq!(Extractive::default().answer(question, &[old, new]).trace, [0]);
    assert_eq!(answer(question, &[new, old]), "Bem");
    let vague = "Mira Tolen, who was a baker, lives today with her sister in Tal.";
    let better = Extractive::default().answer(question, &[vague, "Rufo is a dog.", new]);
    assert_eq!((better.text.as_str(), better.trace.as_slice()), ("Bem", &[2][..]));
}

#[test]
fn an_item_may_hold_many_sentences() {
    let chunk = "7. The capital of Tal is Bem.\n8. Bem was founded by J. R. Rao. goaltender is associated with the sport of rugby! \
                 Mira Tolen works at Oska Inc. The boss of Mira Tolen is Dr. Ida Rao.\nMira Tolen was born in Washington, D.C.. Rufo is a dog.";
    for (question, expected) in [
        ("What is the capital of Tal?", "Bem"),
        ("Who founded Bem?", "J. R. Rao"),
        ("Which sport is goaltender associated with?", "rugby"),
        ("Where does Mira Tolen work?", "Oska Inc."),
        ("Who is the boss of Mira Tolen?", "Dr. Ida Rao"),
        ("Where was Mira Tolen born?", "Washington, D.C."),
    ] {
        assert_eq!(answer(question, &[chunk]), expected, "{question}");
    }
}

#[test]
fn it_takes_any_text() {
    let text = "What’s «Ida» Rao's … 1. & É's name's, D.C.? Who of the is 's of a Mira (Tolen) – 12. \u{301}x’s";
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    for (i, &start) in ends.iter().enumerate() {
        for &end in &ends[i..] {
            Extractive::default().answer(&text[start..end], &[&text[start..], &text[..end]]);
            Extractive::default().answer(text, &[&text[start..end]]);
        }
    }
}

/// Substring exact match over questions, each answered from the ten items that BM25 ranks highest.
fn accuracy(memory: &[String], questions: &[data::Question]) -> f64 {
    let index = Bm25::new(memory);
    let score = |question: &data::Question| {
        let items: Vec<&str> = index.top_k(&question.question, 10).into_iter().map(|(item, _)| memory[item].as_str()).collect();
        let answer = Extractive::default().answer(&question.question, &items);
        substring_exact_match(&answer.text, &question.answers)
    };
    questions.iter().map(score).sum::<f64>() / questions.len() as f64
}

/// What a perfect manager would keep: of facts that say the same of the same, the newest. The facts of this file that do so differ
/// only behind one of the phrases that lead up to what they say.
fn newest(facts: &[String]) -> Vec<String> {
    const LEADS: &[&str] = &[
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
    let start = |fact: &str| LEADS.iter().find_map(|lead| fact.find(lead).map(|at| fact[..at + lead.len()].to_owned()));
    let last: HashMap<Option<String>, usize> = facts.iter().enumerate().map(|(at, fact)| (start(fact), at)).collect();
    facts.iter().enumerate().filter(|(at, fact)| last[&start(fact)] == *at).map(|(_, fact)| fact.clone()).collect()
}

#[test]
fn a_clean_memory_answers_a_published_file() {
    let Some(folder) = std::env::var_os("FINEMEM_DATA") else {
        println!("skipped: FINEMEM_DATA is not set");
        return;
    };
    let path = std::path::PathBuf::from(folder).join("memoryagentbench/factconsolidation_6k.json");
    for episode in data::read(path, &Options::default()).unwrap().episodes {
        let facts: Vec<String> = episode.chunks.iter().flat_map(|chunk| chunk.lines().map(str::to_owned)).collect();
        let kept = newest(&facts);
        let [clean, everything, raw] = [&kept, &facts, &episode.chunks].map(|memory| accuracy(memory, &episode.questions));
        println!("{}: newest wins {clean:.2}, add everything {everything:.2}, raw chunks {raw:.2}", episode.source);
        if episode.source.contains("_sh_") {
            assert!(clean >= 0.95 && everything < clean && raw < clean);
        }
    }
}

#[test]
fn metrics_normalise() {
    assert_eq!(normalise("  The U.S.A.'s  an   Éclair, a"), "usas éclair");
    assert_eq!(exact_match("The Oska!", &["bem", "oska"]), 1.0);
    assert_eq!(exact_match("in Oska", &["Oska"]), 0.0);
    assert_eq!(substring_exact_match("It is in Oska, I think", &["oska"]), 1.0);
    assert_eq!(substring_exact_match("anything", &["The"]), 0.0);
    assert_eq!(substring_exact_match("the", &["The"]), 1.0);
    assert_eq!(exact_match::<&str>("Oska", &[]), 0.0);
    assert!((token_f1("the red red car", &["a red car of Bem", "x"]) - 4.0 / 7.0).abs() < 1e-12);
    assert_eq!(token_f1("yes it is", &["yes"]), 0.5);
    assert_eq!((token_f1("", &["the"]), token_f1("x", &[""])), (1.0, 0.0));
}

#[test]
fn intervals_are_seeded_and_hold_the_mean() {
    let scores: Vec<f64> = (0..200).map(|i| f64::from(i % 4 == 0)).collect();
    let (low, high) = bootstrap_interval(&scores, 7);
    assert_eq!((low, high), bootstrap_interval(&scores, 7));
    // Of a share p of n the interval is about p ± 1.96 √(p (1 - p) / n).
    assert!((low - 0.19).abs() < 0.015 && (high - 0.31).abs() < 0.015, "{low} {high}");
    assert_eq!(bootstrap_interval(&[0.5; 3], 1), (0.5, 0.5));
    assert_eq!(bootstrap_interval(&[], 1), (0.0, 0.0));
}
