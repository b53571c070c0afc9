//! What the statements of a memory have in common tells what a question may mean.

use finemem::data::Question;
use finemem::memory::Store;
use finemem::reason::{Extractive, Frames, How, Retrieval, UNKNOWN, ask};

/// People with a trade, which is said in two ways, a boat and a song.
const MEMORY: &[&str] = &[
    "Oda Brenk earns a living with pots.",
    "Piet Vossk earns a living with rope.",
    "The apron of Ilsa Grendt is full of candles.",
    "The apron of Meffo Bortz is full of pots.",
    "Oda Brenk rows the Tarnik Zell.",
    "Ilsa Grendt rows the Vrell Omu.",
    "Piet Vossk rows the Kond Assi.",
    "Meffo Bortz rows the Dumm Orre.",
    "The song of Oda Brenk is Hullo Mirr.",
    "The song of Ilsa Grendt is Jann Okk.",
    "The song of Piet Vossk is Sorr Vint.",
    "The song of Meffo Bortz is Belk Ummo.",
];
const APRON: &str = MEMORY[2];
const QUESTION: &str = "What does Ilsa Grendt earn a living with?";

fn among(question: &str, contents: &[&str], memory: &[&str]) -> String {
    Extractive::default().answer_among(question, contents, &Frames::of(memory.iter().copied())).text
}

#[test]
fn other_statements_tell_what_a_statement_in_other_words_says() {
    assert_eq!(among(QUESTION, MEMORY, MEMORY), "candles");
    // By itself it does not: an apron is no living.
    assert_eq!(among(QUESTION, MEMORY, &[APRON]), UNKNOWN);
    // Only the retrieved items answer.
    assert_eq!(among(QUESTION, &MEMORY[4..], MEMORY), UNKNOWN);
}

#[test]
fn values_of_another_kind_do_not_answer() {
    let rest: Vec<&str> = MEMORY.iter().copied().filter(|item| *item != APRON).collect();
    assert_eq!(among(QUESTION, &rest, &rest), UNKNOWN);
}

#[test]
fn frames_do_not_depend_on_the_order_of_items() {
    let reversed: Vec<&str> = MEMORY.iter().rev().copied().collect();
    assert_eq!(among(QUESTION, MEMORY, &reversed), "candles");
    let numbered: Vec<String> = MEMORY.iter().enumerate().map(|(at, item)| format!("{at}. {item}")).collect();
    let numbered: Vec<&str> = numbered.iter().map(String::as_str).collect();
    assert_eq!(among(QUESTION, &numbered, &numbered), "candles");
}

#[test]
fn what_may_say_it_is_looked_up() {
    let mut store = Store::default();
    let others = ["Ilsa Grendt is tall.", "Ilsa Grendt is calm."];
    for item in MEMORY.iter().chain(&others) {
        store.insert(item).unwrap();
    }
    let retrieval = Retrieval { retrieval: How::Bm25, top_k: 3, max_question: None };
    let question = Question { question: QUESTION.into(), answers: vec!["candles".into()], ..Question::default() };
    assert!(store.retrieve(QUESTION, 3).iter().all(|(item, _)| item.content != APRON), "the question itself does not find it");
    let asked = ask(&Extractive { hops: 2 }, retrieval, &[(&store, &question)]).unwrap().remove(0);
    assert_eq!((asked.answer.as_str(), asked.evidence[asked.used.unwrap()].content.as_str()), ("candles", APRON));
}
