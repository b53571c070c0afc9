//! Statements that say what a question asks in other words.

use finemem::reason::{Extractive, UNKNOWN};

const LONELY: &[&str] = &["Negu lies in Tarn.", "The champion of Negu is Meffzan Bor.", "Meffzan Bor was born in Tarn."];

#[test]
fn words_of_one_meaning_answer() {
    for (question, contents, expected) in [
        ("Who rules the isle of Bem?", &["The monarch of the isle of Bem is Ida Rao."][..], "Ida Rao"),
        ("Who constructed the Ilse tower?", &["The builder of the Ilse tower was Piet Holt."], "Piet Holt"),
        (
            "Who edits the Tarn Gazette?",
            &["The Tarn Gazette is printed by Bem Works.", "Mira Voss is the editor of the Tarn Gazette."],
            "Mira Voss",
        ),
        ("What is the wage of Ada Lind?", &["Ada Lind earns a salary of 40 crowns."], "40 crowns"),
        ("Who is the mother of Ada Lind?", &["Ada Lind is the mother of Una Holt.", "Ida Rao is the mother of Ada Lind."], "Ida Rao"),
        // The kind of thing that is asked for tells which statement is meant, or which part of it.
        (
            "Which tree stands in the yard of Tarn school?",
            &["The head of Tarn school is Una Holt.", "An oak grows in the yard of Tarn school."],
            "oak",
        ),
        ("Which disease does Ada Lind have?", &["Ada Lind suffers from Holt disease."], "Holt disease"),
    ] {
        let answer = Extractive::default().answer(question, contents);
        assert!(answer.text.ends_with(expected), "{question} {contents:?} {answer:?}");
    }
}

#[test]
fn several_statements_may_each_be_reworded() {
    let contents = [
        "The Blue Boar belongs to Piet Holt.",
        "Piet Holt earns 40 crowns.",
        "Ada Lind is a patient of the doctor Una Holt.",
        "Una Holt lives in Tarn.",
    ];
    let hops = Extractive::new(3).unwrap();
    for (question, expected, trace) in [
        ("What is the salary of the owner of the Blue Boar?", "40 crowns", [0, 1]),
        ("Which town is the home of the physician of Ada Lind?", "Tarn", [2, 3]),
    ] {
        let answer = hops.answer(question, &contents);
        assert_eq!((answer.text.as_str(), answer.trace.as_slice()), (expected, &trace[..]), "{question}");
    }
}

#[test]
fn other_words_of_the_same_thing_do_not() {
    for (question, contents) in [
        ("Who is the translator of Negu?", LONELY),
        ("Who is the mother of Ada Lind?", &["Ada Lind is the mother of Una Holt."]),
        ("Who taught the keeper of Arden lighthouse?", &["The keeper of Arden lighthouse is Oda Brenk."]),
        ("Where was the keeper of Arden lighthouse born?", &["The keeper of Arden lighthouse is Oda Brenk."]),
        ("Who taught the brother of Oda Brenk?", &["The brother of Oda Brenk is Piet Brenk.", "Piet Brenk was born in Tarn."]),
        ("Where was Piet Arden born?", &["Piet Arden is married to Lotte Arden.", "Lotte Arden was born in the village of Quist."]),
    ] {
        for hops in [1, 4] {
            let answer = Extractive::new(hops).unwrap().answer(question, contents);
            assert_eq!(answer.text, UNKNOWN, "{question} {contents:?} {hops} {answer:?}");
        }
    }
}
