//! What a model is told about a question, and what its reply means.

use finemem::reason::prompt::{answer, messages, without_thought};
use finemem::reason::{Message, Query, Reply, Role, UNKNOWN};

#[test]
fn thoughts_are_left_out() {
    for (text, rest) in [
        ("Oska", "Oska"),
        ("<think>\nhm\n</think>\n\nOska \n", "Oska"),
        ("hm</think>Oska", "Oska"),
        ("<think>a</think><think>b</think>Oska", "Oska"),
        ("<think>hm", ""),
        ("<think>a</think><think>b", ""),
        ("", ""),
    ] {
        assert_eq!(without_thought(text), rest, "{text}");
    }
}

#[test]
fn replies_that_know_nothing() {
    let read = |text: &str| answer(Reply { text: text.into(), usage: Default::default() }, false);
    for text in ["not in memory", "Not in memory.", "\"Not in the memory\"", "not in memory, I am afraid"] {
        assert_eq!((read(text).text.as_str(), read(text).known), (UNKNOWN, false), "{text}");
    }
    assert_eq!((read("").text.as_str(), read("").known), ("", false));
    assert!(read("Oska, not in memory of Bem").known);
}

#[test]
fn chats_show_items_in_their_order() {
    let query = Query { instruction: Some("Be brief. "), ..Query::new("Where?", ["first", "second"]) };
    let chat = messages(&query);
    assert!(chat[0].content.contains("<memory>\n1. first\n2. second\n</memory>"));
    assert_eq!(chat[1], Message::new(Role::User, "Be brief.\n\nWhere?"));
    // The best fit, or the item with the higher number, may be the older one.
    let mut ranked = query.clone();
    (ranked.items[0].written, ranked.items[1].written) = ((3, 1), (2, 5));
    assert!(messages(&ranked)[0].content.contains("1. second\n2. first\n"));
    assert!(messages(&Query::new("Where?", []))[0].content.contains("<memory>\n(no item)\n</memory>"));
    let mut layered = Query::new("Where?", ["what", "who", "when"]);
    for (entry, section) in layered.items.iter_mut().zip(["semantic", "core", "semantic"]) {
        entry.section = section;
    }
    let text = &messages(&layered)[0].content;
    assert!(text.contains("<core_memory>\n1. who\n</core_memory>\n<semantic_memory>\n1. what\n2. when\n</semantic_memory>"), "{text}");
}
