//! The memory: store and journal, BM25 against the reference's numbers, tool calls and their schemas.

use finemem::memory::{Bm25, Entry, Operation, Store, Tool, bm25, parse, tools};
use serde_json::json;

fn filled() -> Store {
    let mut store = Store::new();
    store.insert("Mira Tolen lives in Oska.").unwrap();
    store.set_step(2);
    store.insert("Rufo is \"a dog\"\nof Mira Tolen.").unwrap();
    store.update(1, "Mira Tolen lives in Bem – naïvely.").unwrap();
    store.set_step(5);
    store.insert("It rained.").unwrap();
    store.delete(2).unwrap();
    store.update(1, "Mira Tolen lives in Tal.").unwrap();
    store
}

#[test]
fn items_know_who_wrote_them_when() {
    let store = filled();
    assert_eq!(store.items().iter().map(|item| item.id).collect::<Vec<_>>(), [1, 3]);
    let item = store.get(1).unwrap();
    assert_eq!((item.content.as_str(), item.created, item.step), ("Mira Tolen lives in Tal.", 0, 5));
    assert_eq!(item.writes(), [0, 2, 5]);
    assert_eq!(item.history[1].content, "Mira Tolen lives in Bem – naïvely.");
    assert_eq!(store.get(2), None);
    assert_eq!(store.view_recent(1)[0].id, 3);
    assert_eq!(store.view_recent(9).len(), 2);
}

#[test]
fn ids_are_never_used_again() {
    let mut store = Store::with_first_id(7);
    assert_eq!(store.insert("a").unwrap(), 7);
    store.delete(7).unwrap();
    assert_eq!(store.insert("a").unwrap(), 8);
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut store = filled();
    let before = store.clone();
    for error in [
        store.insert("It rained.").unwrap_err(),
        store.insert(" \n").unwrap_err(),
        store.update(1, "It rained.").unwrap_err(),
        store.update(1, "Mira Tolen lives in Tal.").unwrap_err(),
        store.update(3, "").unwrap_err(),
    ] {
        assert!(error.to_string().contains("already") || error.to_string().contains("empty"), "{error}");
    }
    let error = store.delete(2).unwrap_err().to_string();
    assert_eq!(error, "no item has id 2; the memory holds 2 items: 1, 3");
    assert_eq!(Store::new().update(1, "x").unwrap_err().to_string(), "no item has id 1; the memory is empty");
    assert_eq!(store, before);
}

#[test]
fn unknown_ids_are_answered_briefly() {
    let mut store = Store::new();
    (0..60).for_each(|n| assert_eq!(store.insert(&n.to_string()).unwrap(), n + 1));
    (1..=20).for_each(|n| store.delete(n * 2).unwrap());
    let error = store.delete(4).unwrap_err().to_string();
    assert_eq!(error, "no item has id 4; the memory holds 40 items: …, 27, 29, 31, 33, 35, 37, 39, 41-60");
}

#[test]
fn a_store_is_the_replay_of_its_journal() {
    let store = filled();
    assert_eq!(Store::replay(store.journal()).unwrap(), store);
    let mut late = Store::with_first_id(40);
    late.insert("x").unwrap();
    assert_eq!(Store::replay(late.journal()).unwrap(), late);
    let insert =
        |id| Entry { step: 0, operation: Operation::Insert { id, content: format!("{id}"), section: String::new(), replaces: None } };
    for broken in [vec![insert(1), insert(3)], vec![insert(2), insert(2)], vec![Entry { step: 0, operation: Operation::Delete { id: 1 } }]]
    {
        assert!(Store::replay(&broken).unwrap_err().to_string().contains("journal entry"));
    }
}

#[test]
fn a_store_goes_back_and_on() {
    let mut store = filled();
    let (before, mark) = (store.clone(), store.mark());
    store.rewind(mark).unwrap();
    assert_eq!(store, before);
    store.set_step(9);
    let new = store.insert("Rufo sings.").unwrap();
    store.update(new, "Rufo is quiet.").unwrap();
    let first = store.items()[0].id;
    store.close(first).unwrap();
    let after = store.clone();
    store.rewind(mark).unwrap();
    assert_eq!(store, before);
    // The step at hand stays, and so does the id that comes next.
    assert_eq!((store.insert("Rufo sings.").unwrap(), store.items().last().unwrap().step), (new, 9));
    store.rewind(mark).unwrap();
    store.go_on(&after.journal()[before.journal().len()..]).unwrap();
    assert_eq!(store, after);
    assert!(store.go_on(after.journal()).unwrap_err().to_string().contains("journal entry 1"));
    let mut late = Store::with_first_id(40);
    let mark = late.mark();
    late.insert("x").unwrap();
    late.rewind(mark).unwrap();
    assert_eq!(late.insert("y").unwrap(), 40);
}

#[test]
fn a_closed_item_is_kept_but_not_found() {
    let mut store = filled();
    store.set_step(6);
    let new = store.insert_as("Mira Tolen lives in Ug.", None, Some(1)).unwrap();
    store.set_step(7);
    store.close(3).unwrap();
    assert_eq!(store.items().iter().map(|item| (item.id, item.replaces)).collect::<Vec<_>>(), [(new, Some(1))]);
    assert_eq!(store.closed().iter().map(|item| (item.id, item.closed)).collect::<Vec<_>>(), [(1, Some(6)), (3, Some(7))]);
    let old = store.get(1).unwrap();
    assert_eq!((old.content.as_str(), old.created, old.step), ("Mira Tolen lives in Tal.", 0, 5));
    assert_eq!(store.view_recent(9).len(), 1);
    assert!(store.retrieve("Mira Tolen rained", 9).iter().all(|(item, _)| item.id == new));
    let all: Vec<u64> = store.retrieve_among("Mira Tolen", 9, Some(""), true).iter().map(|(item, _)| item.id).collect();
    assert_eq!(all.len(), 3);
    let before = store.clone();
    for error in [store.update(1, "x").unwrap_err(), store.close(3).unwrap_err(), store.delete(3).unwrap_err()] {
        assert!(error.to_string().contains("is closed"), "{error}");
    }
    assert!(store.insert_as("y", None, Some(3)).unwrap_err().to_string().contains("item 3 is closed"));
    assert!(store.insert_as("Mira Tolen lives in Ug.", None, Some(new)).unwrap_err().to_string().contains("already"));
    assert_eq!(store, before);
    // What was closed may become true again.
    assert_eq!(store.insert("It rained.").unwrap(), 5);
}

#[test]
fn sections_are_apart() {
    let mut store = Store::new();
    store.insert_as("Ada paints.", Some("semantic"), None).unwrap();
    store.insert_as("Ada paints.", Some("episodic"), None).unwrap();
    store.insert_as("It rained.", Some("episodic"), None).unwrap();
    assert!(store.insert_as("Ada paints.", Some("semantic"), None).unwrap_err().to_string().contains("item 1 says exactly that"));
    assert!(store.update(3, "Ada paints.").unwrap_err().to_string().contains("item 2 says exactly that"));
    store.insert_as("Ada draws.", None, Some(1)).unwrap();
    assert_eq!(store.get(4).unwrap().section, "semantic", "a version stays in its section");
    assert_eq!(store.retrieve_among("Ada", 9, Some("semantic"), false).len(), 1);
    assert_eq!(store.retrieve_among("Ada", 9, Some("nothing"), true).len(), 0);
    assert_eq!(store.retrieve("Ada", 9).len(), 3);
}

#[test]
fn any_operations_are_replayed_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.jsonl");
    for seed in 0..200u64 {
        let mut state = seed;
        let mut below = |bound: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % bound
        };
        let (mut store, mut last) = (Store::with_first_id(1 + below(9)), 0);
        for step in 0..60 {
            store.set_step(step);
            let before = store.clone();
            let (id, content, section) = (below(24), below(12).to_string(), ["", "core", "semantic"][below(3) as usize]);
            let done = match below(6) {
                0 | 1 => store.insert_as(&content, Some(section), None).map(drop),
                2 => store.insert_as(&content, None, Some(id)).map(drop),
                3 => store.update(id, &content),
                4 => store.delete(id),
                _ => store.close(id),
            };
            match done {
                Ok(()) => assert_eq!(store.journal().len(), before.journal().len() + 1),
                Err(_) => assert_eq!(store, before),
            }
            let ids: Vec<u64> = store.items().iter().map(|item| item.id).collect();
            assert!(ids.is_sorted() && store.items().iter().all(|item| item.closed.is_none()));
            assert!(store.closed().iter().all(|item| item.closed >= Some(item.step) && !ids.contains(&item.id)));
            assert!(store.closed().is_sorted_by_key(|item| item.id));
            for item in store.items().iter().chain(store.closed()) {
                assert_eq!(store.get(item.id), Some(item));
                assert!(item.replaces.is_none_or(|old| old < item.id && store.get(old).is_none_or(|old| old.closed == Some(item.created))));
            }
            last = last.max(ids.last().copied().unwrap_or(0));
        }
        assert_eq!(Store::replay(store.journal()).unwrap(), store);
        store.export(&path).unwrap();
        assert_eq!(Store::import(&path).unwrap(), store);
        assert!(store.insert("new").unwrap() > last);
    }
}

#[test]
fn a_journal_without_sections_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.jsonl");
    let old = "{\"step\":0,\"operation\":\"insert\",\"id\":1,\"content\":\"a\"}\n{\"step\":1,\"operation\":\"update\",\"id\":1,\"content\":\"b\"}\n";
    std::fs::write(&path, old).unwrap();
    let store = Store::import(&path).unwrap();
    assert_eq!((store.items()[0].section.as_str(), store.items()[0].replaces), ("", None));
    store.export(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), old, "a flat memory is written as before");
}

#[test]
fn export_and_import_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.jsonl");
    let store = filled();
    store.export(&path).unwrap();
    store.export(&path).unwrap();
    let mut read = Store::import(&path).unwrap();
    assert_eq!(read, store);
    assert_eq!(read.insert("next").unwrap(), 4);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    Store::new().export(&path).unwrap();
    assert_eq!(Store::import(&path).unwrap(), Store::new());
}

#[test]
fn a_broken_file_is_an_error_that_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.jsonl");
    filled().export(&path).unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    let cut = &whole[..whole.len() - 9];
    for (text, part) in [
        (cut, "line 6"),
        ("{}", "line 1"),
        ("[1]\n", "line 1"),
        ("{\"step\":-1,\"operation\":\"delete\",\"id\":1}", "line 1"),
        ("{\"step\":1,\"operation\":\"delete\",\"id\":1}", "journal entry 1"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Store::import(&path).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("memory.jsonl"), "{error}");
    }
    assert!(Store::import(folder.path().join("none")).is_err());
    assert!(filled().export(path.join("memory.jsonl")).is_err(), "a file is no folder");
}

/// Documents, and for each query the scores that `rank_bm25.BM25Okapi` 0.2.2 gives with tokens `re.findall(r"\b\w+\b", text.lower())`.
type Reference = (&'static [&'static str], &'static [(&'static str, &'static [f64])]);

#[rustfmt::skip]
const REFERENCES: &[Reference] = &[
    (&["Mira Tolen lives in Oska."], &[
        ("Where does Mira Tolen live?", &[-0.5493061443340548]),
        ("nothing here", &[0.0]),
    ]),
    (&["Mira Tolen lives in Oska.", "Mira Voss works as a baker."], &[
        ("Mira", &[-0.04195217307292679, -0.038654622351037345]),
        ("Where does Mira Tolen live?", &[-0.04195217307292679, -0.038654622351037345]),
        ("baker baker", &[0.0, 0.0]),
    ]),
    (&["the cat sat", "the dog sat", "the bird sang", "a fish swam the river"], &[
        ("the", &[0.12239735931423612, 0.12239735931423612, 0.12239735931423612, 0.09601229982134689]),
        ("the the cat", &[1.1503038824010563, 0.24479471862847224, 0.24479471862847224, 0.19202459964269378]),
        ("sat sat bird", &[0.0, 0.0, 0.9055091637725841, 0.0]),
        ("fish", &[0.0, 0.0, 0.0, 0.7103095835581348]),
    ]),
    (&["Tea, tea and TEA_1!", "tea for two", "", "İstanbul'da çay – ÇAY", "naïve café no. 5", "tea for two"], &[
        ("tea", &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ("ÇAY İstanbul", &[0.0, 0.0, 0.0, 3.6263978554512604, 0.0, 0.0]),
        ("two tea two", &[0.0, 1.2040912812011062, 0.0, 0.0, 0.0, 1.2040912812011062]),
        ("CAFÉ 5", &[0.0, 0.0, 0.0, 0.0, 2.3234236892682314, 0.0]),
        ("for", &[0.0, 0.6020456406005531, 0.0, 0.0, 0.0, 0.6020456406005531]),
    ]),
    (&["x²  is ½", "नमस्ते दुनिया", "東京 タワー", "東京"], &[
        ("x² ½", &[1.627995888953579, 0.0, 0.0, 0.0]),
        ("नमस्ते", &[0.0, 1.2385749454165105, 0.0, 0.0]),
        ("東京", &[0.0, 0.0, 0.0, 0.0]),
    ]),
    (&["Bem is the capital of Tal.", "Oska is the capital of Rin.", "The capital of Tal is Oska.", "Rufo is a dog.", "Rufo likes Bem.",
       "Tal has two rivers.", "Rin is small."], &[
        ("What is the capital of Tal?", &[1.0681025056942792, 0.8477720480233479, 1.0681025056942792, 0.225744855559113, 0.0,
                                          0.26629343394003296, 0.252033073489287]),
        ("Who likes Bem?", &[0.6912502885385382, 0.0, 0.0, 0.0, 2.6674093062124333, 0.0, 0.0]),
        ("dog", &[0.0, 0.0, 0.0, 1.5537346424301215, 0.0, 0.0, 0.0]),
        ("capital capital of Rin", &[0.6609913730127941, 1.3522416615513322, 0.6609913730127941, 0.0, 0.0, 0.0, 0.9327406850889703]),
    ]),
];

#[test]
fn bm25_equals_the_reference() {
    for (documents, queries) in REFERENCES {
        let index = Bm25::new(documents);
        for (query, expected) in *queries {
            let scores = index.scores(query);
            assert_eq!(scores.len(), expected.len());
            for (score, expected) in scores.iter().zip(*expected) {
                assert!((score - expected).abs() <= 1e-14 * expected.abs().max(1.0), "{query}: {score} is not {expected}");
            }
        }
    }
}

#[test]
fn equal_scores_keep_the_order_of_the_documents() {
    let index = Bm25::new(&["b", "a x", "c", "a y", "d", "e", "a z"]);
    let order: Vec<usize> = index.top_k("a", 6).into_iter().map(|(document, _)| document).collect();
    assert_eq!(order, [1, 3, 6, 0, 2, 4]);
    assert_eq!(index.top_k("a", 99).len(), 7, "nothing is left out for scoring zero");
    // Below three documents the floor is negative: the document that matches comes last.
    assert_eq!(Bm25::new(&["the cat", "rain"]).top_k("cat", 2)[0], (0, 0.0));
    assert_eq!(Bm25::new(&["cat", "cat, rain"]).top_k("cat rain", 1)[0].0, 1);
}

#[test]
fn bm25_takes_anything() {
    assert!(Bm25::new::<&str>(&[]).top_k("a", 3).is_empty());
    assert_eq!(Bm25::new(&["", "?!"]).scores("a"), [0.0, 0.0]);
    assert_eq!(bm25::words("It's D.C. – snake_case 3.5"), ["it", "s", "d", "c", "snake_case", "3", "5"]);
    let mut store = filled();
    store.insert("Bem is small.").unwrap();
    assert_eq!(store.retrieve("Did it rain? It rained", 1)[0].0.id, 3);
}

#[test]
fn calls_are_read_in_order() {
    let text = "I store this.<tool_call>{\"name\": \"memory_insert\", \"arguments\": {\"content\": \"a </tool_call> b <tool_call>\"}}</tool_call>\n\
                <tool_call>\n{\"name\": \"memory_skip\"}\n</tool_call> done";
    let parsed = parse(text);
    assert_eq!(parsed.stray, 2);
    assert_eq!(parsed.calls.len(), 2);
    assert_eq!(parsed.calls[0].name.as_deref(), Some("memory_insert"));
    assert_eq!(parsed.calls[0].arguments, json!({"content": "a </tool_call> b <tool_call>"}));
    assert_eq!(parsed.calls[0].error, None);
    assert_eq!((parsed.calls[1].name.as_deref(), &parsed.calls[1].arguments), (Some("memory_skip"), &json!({})));
    assert!(text.contains(&parsed.calls[1].raw) && parsed.calls[1].raw.ends_with("</tool_call>"));
    assert_eq!(parse(" \n").calls.len() + parse("").stray, 0);
}

#[test]
fn no_call_is_lost_silently() {
    let good = "<tool_call>{\"name\":\"s\",\"arguments\":{}}</tool_call>";
    for (text, reason) in [
        ("<tool_call>{\"name\":\"s\",\"arguments\":{}}", "not closed"),
        ("<tool_call>{\"name\":\"s\",\"argum", "not closed"),
        ("<tool_call>", "empty"),
        ("<tool_call> </tool_call>", "not JSON"),
        ("<tool_call>{\"name\":\"s\",\"arguments\":{}} so</tool_call>", "after"),
        ("<tool_call>{name: s}</tool_call>", "not JSON"),
        ("<tool_call>[1]</tool_call>", "not a JSON object"),
        ("<tool_call>{\"arguments\":{}}</tool_call>", "names no tool"),
        ("<tool_call>{\"name\":3,\"arguments\":{}}</tool_call>", "names no tool"),
        ("<tool_call>{\"name\":\"s\",\"arguments\":\"{}\"}</tool_call>", "arguments"),
        ("{ \"name\": \"s\", \"arguments\": {}}", "outside"),
        ("<tool_call {\"a\"", "outside"),
        ("</tool_call>", "outside"),
        ("<tool_call>{\"name\":\"s\",\"arguments\":{\"content\":\"\\ud800\"}}</tool_call>", "not JSON"),
    ] {
        let alone = parse(text);
        assert!(alone.calls[0].error.as_ref().unwrap().contains(reason), "{text}: {alone:?}");
        for text in [text.to_owned(), format!("{good}{text}{good}"), format!("{text}\n{good}")] {
            let parsed = parse(&text);
            let bad: Vec<_> = parsed.calls.iter().filter(|call| call.error.is_some()).collect();
            assert_eq!(bad.len(), 1, "{text}: {parsed:?}");
            assert_eq!(parsed.calls.len() - 1, text.matches(good).count(), "{text}: {parsed:?}");
        }
    }
}

#[test]
fn calls_survive_any_text() {
    let text = "x<tool_call>{\"name\":\"é\",\"arguments\":{\"a\":[1,\"</tool_call>\"]}}</tool_call><tool_call>ß{</tool_call>…";
    for (end, _) in text.char_indices() {
        for (start, _) in text[..end].char_indices() {
            parse(&text[start..end]);
        }
    }
    let deep = format!("<tool_call>{}</tool_call>", "[".repeat(100_000));
    assert!(parse(&deep).calls[0].error.is_some());
}

#[test]
fn arguments_are_checked_against_the_schema() {
    let schema = json!({"type": "object", "properties": {"memory_id": {"type": "integer"}, "new_content": {"type": "string", "minLength": 1}},
                        "required": ["memory_id", "new_content"], "additionalProperties": false});
    let tool = Tool::new("memory_update", "Changes an item.", schema.clone()).unwrap();
    assert!(tool.check(&json!({"memory_id": 3, "new_content": "x"})).is_ok());
    for (arguments, part) in [
        (json!({"memory_id": "3", "new_content": "x"}), "/memory_id"),
        (json!({"memory_id": 3}), "new_content"),
        (json!({"memory_id": 3, "new_content": ""}), "/new_content"),
        (json!({"memory_id": 3, "new_content": "x", "step": 1}), "step"),
        (json!(null), "object"),
    ] {
        let error = tool.check(&arguments).unwrap_err().to_string();
        assert!(error.starts_with("memory_update: ") && error.contains(part), "{error}");
    }
    assert_eq!(tools::find(std::slice::from_ref(&tool), "memory_update").unwrap().parameters(), &schema);
    let error = tools::find(&[tool], "memory_forget").unwrap_err().to_string();
    assert_eq!(error, "no tool is called \"memory_forget\"; there are memory_update");
    assert!(Tool::new("a b", "", schema).is_err());
    assert!(Tool::new("a", "", json!([])).is_err());
    assert!(Tool::new("a", "", json!({"type": "nonsense"})).is_err());
}

/// A store's index follows its changes; a new one over the same items must say the same.
#[test]
fn an_index_that_followed_changes_equals_a_new_one() {
    let names = ["Mira", "Oska", "the", "the", "dog", "lives", "in", "Tal", "東京", "likes", "river", "old"];
    let mut rng = finemem::random::Rng::new(&[5]);
    let mut pick = |count: usize| rng.next_u32() as usize % count;
    let mut store = Store::new();
    for round in 0..400 {
        let content = (0..1 + pick(9)).map(|_| names[pick(names.len())]).collect::<Vec<_>>().join(" ");
        let ids: Vec<u64> = store.items().iter().map(|item| item.id).collect();
        // What is there already is refused; the index then stays as it is.
        let _ = match (pick(8), ids.len()) {
            (0, count @ 1..) => store.delete(ids[pick(count)]),
            (1, count @ 1..) => store.close(ids[pick(count)]),
            (2, count @ 1..) => store.insert_as(&content, None, Some(ids[pick(count)])).map(drop),
            (3..5, count @ 1..) => store.update(ids[pick(count)], &content),
            _ => store.insert(&content).map(drop),
        };
        let contents: Vec<&str> = store.items().iter().map(|item| item.content.as_str()).collect();
        let fresh = Bm25::new(&contents);
        let query = [names[pick(names.len())], names[pick(names.len())], "the"].join(" ");
        let (found, expected) = (store.retrieve(&query, contents.len()), fresh.scores(&query));
        assert_eq!(found.len(), contents.len());
        for (item, score) in found {
            let at = contents.iter().position(|content| *content == item.content).unwrap();
            assert!((score - expected[at]).abs() <= 1e-12, "round {round}, {query}: {score} is not {}", expected[at]);
        }
    }
    assert!(store.items().len() > 20);
}

#[test]
fn the_best_few_are_the_first_of_all() {
    let words = ["a", "b", "c", "d", "e"];
    let mut rng = finemem::random::Rng::new(&[6]);
    let documents: Vec<String> =
        (0..1000).map(|_| (0..4).map(|_| words[rng.next_u32() as usize % 5]).collect::<Vec<_>>().join(" ")).collect();
    let index = Bm25::new(&documents);
    let mut all: Vec<(usize, f64)> = index.scores("a b b").into_iter().enumerate().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    for k in [0, 1, 2, 10, 31, 32, 33, 64, 500, 999, 1000, 1001, usize::MAX] {
        assert_eq!(index.top_k("a b b", k), all[..k.min(1000)], "{k}");
    }
}
