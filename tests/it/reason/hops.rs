//! Questions that take several items.

use std::path::PathBuf;

use finemem::Result;
use finemem::data::{self, Options, Question};
use finemem::memory::Store;
use finemem::reason::{Asked, Extractive, How, Message, Reason, Reply, Retrieval, UNKNOWN, Usage, ask};

const HOPS: Extractive = Extractive { hops: 4 };

fn store(items: &[&str]) -> Store {
    let mut store = Store::default();
    items.iter().for_each(|item| {
        store.insert(item).unwrap();
    });
    store
}

fn asked(reasoner: Extractive, store: &Store, question: &str, top_k: usize) -> Asked {
    let retrieval = Retrieval { retrieval: How::Bm25, top_k, max_question: None };
    let question = Question { question: question.into(), answers: vec!["x".into()], ..Question::default() };
    ask(&reasoner, retrieval, &[(store, &question)]).unwrap().remove(0)
}

const ITEMS: &[&str] = &[
    "The keeper of Arden lighthouse is Oda Brenk.",
    "Oda Brenk was taught by Ilse van Moor.",
    "Ilse van Moor plays the harp in the town of Greyhollow.",
    "Greyhollow lies on the river Senn.",
    "The tug Marigold belongs to Senn Towing Company.",
    "Senn Towing Company was founded by Piet Arden.",
    "Piet Arden is married to Lotte Arden.",
    "Lotte Arden was born in the village of Quist.",
    "The film The Salt Garden was directed by Piet Brenk.",
    "Piet Brenk is a citizen of Norland.",
    "The capital of Norland is Tarn.",
    "The mayor of Tarn is Una Holt.",
    "ice stock sport was invented in the country of Norland.",
    "Una Holt is fond of ice stock sport.",
];

#[test]
fn a_path_leads_from_the_name_to_the_answer() {
    for (question, expected, trace) in [
        ("Who taught the keeper of Arden lighthouse?", "Ilse van Moor", &[1, 2][..]),
        ("What is the birthplace of the wife of the founder of the owner of Marigold?", "Quist", &[5, 6, 7, 8]),
        ("Which country is the director of The Salt Garden a citizen of?", "Norland", &[9, 10]),
        ("What is the capital of the country whose citizenship the director of \"The Salt Garden\" has?", "Tarn", &[9, 10, 11]),
        ("Who is the mayor of the capital of the country where ice stock sport was invented?", "Una Holt", &[13, 11, 12]),
    ] {
        let store = store(ITEMS);
        let asked = asked(HOPS, &store, question, 3);
        assert_eq!(asked.answer, expected, "{question}");
        // Every item on the way is evidence, whether or not the question itself found it.
        let ids: Vec<u64> = asked.trace.iter().map(|at| asked.evidence[*at].id).collect();
        assert_eq!((ids.as_slice(), asked.used), (trace, asked.trace.last().copied()), "{question}");
    }
}

#[test]
fn without_a_way_no_path_is_made_up() {
    for (question, items) in [
        // The second statement is missing, or about somebody else.
        ("Who taught the keeper of Arden lighthouse?", &["The keeper of Arden lighthouse is Oda Brenk."][..]),
        (
            "Who taught the keeper of Arden lighthouse?",
            &["The keeper of Arden lighthouse is Oda Brenk.", "Oda Voss was taught by Ida Rao."],
        ),
        ("Who taught the keeper of Arden lighthouse?", &["The keeper of Bem lighthouse is Oda Brenk.", "Oda Brenk was taught by Ida Rao."]),
        // It says something else, or takes it back.
        ("Who taught the brother of Oda Brenk?", &["The brother of Oda Brenk is Piet Brenk.", "Piet Brenk was born in Tarn."]),
        ("Where was Piet Arden born?", &["Piet Arden is married to Lotte Arden.", "Lotte Arden was born in the village of Quist."]),
        ("Who taught the brother of Oda Brenk?", &["The brother of Oda Brenk is Piet Brenk.", "Piet Brenk was never taught by Ida Rao."]),
        ("Who taught the brother of Oda Brenk?", &[]),
    ] {
        // A statement that only leads to the answer is none, with one hop or several.
        for reasoner in [HOPS, Extractive::default()] {
            assert_eq!(asked(reasoner, &store(items), question, 10).answer, UNKNOWN, "{question} {items:?} {reasoner:?}");
        }
    }
}

#[test]
fn one_statement_is_answered_as_with_one_hop() {
    let store = store(ITEMS);
    for question in
        ["Who is the mayor of Tarn?", "Who is Piet Arden married to?", "Who is the keeper of Bem lighthouse?", "Where was Piet Arden born?"]
    {
        assert_eq!(asked(HOPS, &store, question, 5), asked(Extractive::default(), &store, question, 5), "{question}");
    }
}

/// A memory that keeps the newest of the facts that differ only in their last words, as far as a name or a small word begins these.
fn newest(chunks: &[String]) -> Store {
    const SMALL: &[&str] = &[" is ", " of ", " by ", " to ", " for "];
    let start =
        |fact: &str| SMALL.iter().filter_map(|small| fact.rfind(small).map(|at| at + small.len())).max().map(|at| fact[..at].to_owned());
    let facts: Vec<&str> = chunks.iter().flat_map(|chunk| chunk.lines()).collect();
    let mut store = Store::default();
    for (at, fact) in facts.iter().enumerate() {
        if !facts[at + 1..].iter().any(|later| start(later) == start(fact)) {
            store.insert(fact).ok();
        }
    }
    store
}

#[test]
fn most_questions_of_a_published_file_are_answered() {
    let Some(folder) = std::env::var_os("FINEMEM_DATA") else {
        println!("SKIPPED: FINEMEM_DATA is not set");
        return;
    };
    let path = PathBuf::from(folder).join("memoryagentbench/conflict_resolution_small.json");
    for episode in data::read(path, &Options::default()).unwrap().episodes {
        let store = newest(&episode.chunks);
        let asking: Vec<_> = episode.questions.iter().map(|question| (&store, question)).collect();
        let retrieval = Retrieval { retrieval: How::Bm25, top_k: 10, max_question: None };
        let score = |hops| {
            let asked = ask(&Extractive { hops }, retrieval, &asking).unwrap();
            asked.iter().filter_map(|asked| asked.score).sum::<f64>() / asked.len() as f64
        };
        let (one, four) = (score(1), score(4));
        println!("{}: one hop {one:.2}, four {four:.2}", episode.source);
        if episode.source.contains("_mh_") {
            assert!(one < 0.05 && four >= 0.52, "{one} {four}");
        } else {
            assert!(four >= one, "{one} {four}");
        }
    }
}

/// A model that says what a function makes of the chat.
struct Stub<F>(usize, F);

impl<F: Fn(&str) -> String> Reason for Stub<F> {
    fn describe(&self) -> String {
        "a stub".into()
    }

    fn hops(&self) -> usize {
        self.0
    }

    fn complete(&self, chats: &[Vec<Message>]) -> Result<Vec<Reply>> {
        let usage = Usage { prompt_tokens: 10, completion_tokens: 2, requests: 1, ..Usage::default() };
        Ok(chats.iter().map(|chat| Reply { text: self.1(&chat[0].content), usage }).collect())
    }
}

const QUESTION: &str = "Who is the mayor of the capital of the country of the director of The Salt Garden?";

fn asked_by(reasoner: &dyn Reason, how: How) -> Asked {
    let question = Question { question: QUESTION.into(), answers: vec!["Una Holt".into()], ..Question::default() };
    let retrieval = Retrieval { retrieval: how, top_k: 1, max_question: None };
    ask(reasoner, retrieval, &[(&store(ITEMS), &question)]).unwrap().remove(0)
}

/// Asks for the first fact of the path that it does not see.
fn follows(system: &str) -> String {
    let steps = [
        ("directed by Piet Brenk", "SEARCH: The Salt Garden directed"),
        ("citizen of Norland", "I need more.\nSEARCH: Piet Brenk citizen"),
        ("capital of Norland", "**SEARCH: capital of Norland**"),
        ("mayor of Tarn is", "SEARCH: mayor of Tarn"),
    ];
    steps.iter().find(|(fact, _)| !system.contains(fact)).map_or("Una Holt", |(_, said)| said).into()
}

#[test]
fn a_model_looks_up_what_it_is_missing() {
    let asked = asked_by(&Stub(4, follows), How::Bm25);
    assert_eq!((asked.answer.as_str(), asked.score), ("Una Holt", Some(1.0)));
    assert!(asked.searched.len() >= 2 && asked.searched.contains(&"Piet Brenk citizen".to_owned()), "{asked:?}");
    // What it asked for is evidence.
    let found: Vec<u64> = asked.evidence.iter().map(|item| item.id).collect();
    assert!([9, 10, 11, 12].iter().all(|id| found.contains(id)), "{found:?}");
    let requests = asked.searched.len() as u64 + 1;
    assert_eq!((asked.usage.requests, asked.usage.prompt_tokens), (requests, 10 * requests));
    assert_eq!(asked, asked_by(&Stub(4, follows), How::Bm25));
}

#[test]
fn a_model_has_to_answer_after_its_last_lookup() {
    let rule = |system: &str| system.contains("SEARCH: ");
    for (hops, times) in [(1, 0), (2, 2), (3, 3)] {
        // One that searches whether or not it may, for something else each time.
        let stub = Stub(hops, |system: &str| format!("SEARCH: {}", ITEMS[system.matches(". ").count() % ITEMS.len()]));
        let asked = asked_by(&stub, How::Bm25);
        assert!(asked.searched.len() <= times && asked.answer == "not in memory", "{hops} {asked:?}");
        assert!(asked.usage.requests <= times as u64 + 1);
        // A prompt that allows no lookup is the same as without them.
        let last = Stub(hops, |system: &str| if rule(system) { "SEARCH: Una Holt".into() } else { "Oda\nSEARCH: more".to_owned() });
        assert_eq!(asked_by(&last, How::Bm25).answer, "Oda");
        assert!(asked_by(&last, How::Whole).searched.is_empty());
    }
    // A lookup that finds nothing new is the last.
    let again = Stub(9, |system: &str| if rule(system) { "SEARCH: Una Holt".into() } else { "Oda".to_owned() });
    let asked = asked_by(&again, How::Bm25);
    assert_eq!((asked.searched.as_slice(), asked.answer.as_str()), (&["Una Holt".to_owned(), "Una Holt".to_owned()][..], "Oda"));
}
