//! Replies of servers in a file.

use std::sync::Arc;

use finemem::reason::cache::{Cache, Kept, key};
use serde_json::json;

fn kept(text: &str) -> Kept {
    Kept { text: text.into(), prompt_tokens: 3, completion_tokens: 1, cut: true, tries: 2, seconds: 0.5 }
}

#[test]
fn a_cut_off_line_is_dropped_and_the_next_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/replies.jsonl");
    let cache = Cache::open(&path, false).unwrap();
    cache.put("a", &kept("Oska")).unwrap();
    cache.put("b", &kept("line\nbreak")).unwrap();
    assert!(Arc::ptr_eq(&cache, &Cache::open(&path, false).unwrap()), "shared inside a process");
    drop(cache);
    let whole = std::fs::read(&path).unwrap();
    for cut in 1..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let cache = Cache::open(&path, false).unwrap();
        cache.put("c", &kept("Bem")).unwrap();
        drop(cache);
        let cache = Cache::open(&path, true).unwrap();
        assert_eq!(cache.take("c"), Some((kept("Bem"), true)));
        assert_eq!(cache.has("a"), cut > whole.iter().position(|b| *b == b'\n').unwrap());
    }
    std::fs::write(&path, "{\"key\":1}\n").unwrap();
    assert!(Cache::open(&path, false).err().unwrap().to_string().contains("line 1"));
    assert!(Cache::open(&folder.path().join("none"), true).is_err());
}

#[test]
fn the_first_to_take_a_reply_pays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replies.jsonl");
    let paid = Kept { tries: 0, seconds: 0.0, ..kept("Oska") };
    let cache = Cache::open(&path, false).unwrap();
    cache.put("a", &kept("Oska")).unwrap();
    assert_eq!([cache.take("a"), cache.take("a")], [Some((kept("Oska"), false)), Some((paid.clone(), true))]);
    drop(cache);
    // A line that says no more than a text and its tokens.
    let old = "{\"key\":\"b\",\"text\":\"Bem\",\"prompt_tokens\":3}\n";
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + old).unwrap();
    let cache = Cache::open(&path, true).unwrap();
    assert_eq!([cache.take("a"), cache.take("a")], [Some((kept("Oska"), true)), Some((paid, true))]);
    assert_eq!(cache.take("b"), Some((Kept { text: "Bem".into(), prompt_tokens: 3, ..Kept::default() }, true)));
}

#[test]
fn a_key_depends_on_content_and_not_on_order() {
    let (a, b) = (json!({ "model": "m", "x": { "a": 1, "b": 2 } }), json!({ "x": { "b": 2, "a": 1 }, "model": "m" }));
    assert_eq!(key(&a), key(&b));
    assert_ne!(key(&a), key(&json!({ "model": "m", "x": { "a": 1, "b": 3 } })));
}
