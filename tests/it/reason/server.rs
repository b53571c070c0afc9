//! The reasoner behind a server: faults of every kind from a server in this process, and the cache.

use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::fake::{Act, Fake, completion, ended, ok};
use finemem::Error;
use finemem::data::Question;
use finemem::memory::Store;
use finemem::reason::server::Settings;
use finemem::reason::{How, Message, Query, Reason, Retrieval, Role, Server, UNKNOWN, ask, fit};
use serde_json::json;

fn chat(text: &str) -> Vec<Message> {
    vec![Message::new(Role::User, text)]
}

/// A reasoner that tries again soon.
fn asking(settings: Settings) -> finemem::Result<Server> {
    Server::with_pause(settings, Duration::from_millis(5))
}

fn said(server: &Server, text: &str) -> String {
    server.complete(&[chat(text)]).unwrap().remove(0).text
}

fn complaint(server: &Server) -> String {
    match server.complete(&[chat("Where?")]) {
        Err(Error::Server(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_come_in_order_and_equal_chats_are_asked_once() {
    let fake = Fake::answering(|text| {
        thread::sleep(Duration::from_millis(if text == "0" { 100 } else { 1 }));
        format!("<think>hm</think> answer {text}")
    });
    let server = asking(Settings { seed: Some(7), max_tokens: 9, ..fake.settings() }).unwrap();
    let chats: Vec<_> = (0..40).map(|i| chat(&(i % 20).to_string())).collect();
    let replies = server.complete(&chats).unwrap();
    for (i, reply) in replies.iter().enumerate() {
        assert_eq!(reply.text, format!("answer {}", i % 20));
        let usage = reply.usage;
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (11, 3));
        assert_eq!((usage.requests, usage.cached), if i < 20 { (1, 0) } else { (0, 1) });
    }
    assert_eq!(fake.count(), 20);
    assert_eq!(server.complete(&chats[..3]).unwrap()[2].text, "answer 2");
    assert_eq!(fake.count(), 20, "the second time from memory");
    let seen = fake.seen.lock().unwrap()[0].clone();
    assert!(seen.head.starts_with("post /v1/chat/completions http/1.1"), "{}", seen.head);
    assert!(!seen.head.contains("authorization"));
    let body = seen.body;
    assert_eq!(
        [&body["model"], &body["temperature"], &body["max_tokens"], &body["seed"]],
        [&json!("tiny"), &json!(0.0), &json!(9), &json!(7)]
    );
    assert!(server.complete(&[]).unwrap().is_empty());
    let extra = json!({ "max_tokens": null, "max_completion_tokens": 5, "chat_template_kwargs": { "enable_thinking": false } });
    said(&asking(Settings { extra: extra.as_object().unwrap().clone().into_iter().collect(), ..fake.settings() }).unwrap(), "x");
    let body = fake.seen.lock().unwrap()[20].body.clone();
    assert_eq!((body.get("max_tokens"), &body["max_completion_tokens"]), (None, &json!(5)));
    assert_eq!(body["chat_template_kwargs"]["enable_thinking"], json!(false));
}

#[test]
fn requests_run_side_by_side_and_no_more_than_allowed() {
    let running = Arc::new(Mutex::new((0, 0)));
    let (at_a_time, most) = (running.clone(), running);
    let fake = Fake::answering(move |text| {
        {
            let mut running = at_a_time.lock().unwrap();
            running.0 += 1;
            running.1 = running.1.max(running.0);
        }
        thread::sleep(Duration::from_millis(30));
        at_a_time.lock().unwrap().0 -= 1;
        text.into()
    });
    let server = asking(Settings { concurrency: 4, ..fake.settings() }).unwrap();
    server.complete(&(0..32).map(|i| chat(&i.to_string())).collect::<Vec<_>>()).unwrap();
    assert_eq!(most.lock().unwrap().1, 4);
}

#[test]
fn faults_that_pass_are_waited_for() {
    for (name, fault) in [
        ("500", (|| Act::Reply(500, "", "{\"error\":\"busy\"}".into())) as fn() -> Act),
        ("503 without a body", || Act::Reply(503, "", String::new())),
        ("429", || Act::Reply(429, "", "slow down".into())),
        ("hung up", || Act::HangUp),
        ("cut off", || Act::CutOff(completion("Oska")[..40].into(), 60)),
        ("cut off, but JSON", || Act::CutOff(completion("Oska"), 5)),
        ("garbage", || Act::Reply(200, "", "<html>Bad gateway</html>".into())),
        ("half a JSON", || Act::Reply(200, "", completion("Oska")[..40].into())),
        ("not UTF-8 in an error", || Act::Reply(502, "", "\u{fffd}\u{0}".into())),
    ] {
        let fake = Fake::new(move |number, _| if number < 2 { fault() } else { ok("Bem") });
        let server = asking(fake.settings()).unwrap();
        let reply = server.complete(&[chat("Where?")]).unwrap().remove(0);
        assert_eq!((reply.text.as_str(), reply.usage.requests, fake.count()), ("Bem", 3, 3), "{name}");
        let server = asking(Settings { retries: 1, ..Fake::new(move |_, _| fault()).settings() }).unwrap();
        let text = complaint(&server);
        assert!(text.contains("/v1/chat/completions failed after 2 tries: "), "{name}: {text}");
        println!("{name}: {text}");
    }
}

#[test]
fn what_the_server_asks_to_wait_is_waited() {
    let fake = Fake::new(|number, _| if number == 0 { Act::Reply(429, "retry-after: 1\r\n", "slow".into()) } else { ok("Bem") });
    said(&asking(fake.settings()).unwrap(), "Where?");
    let seen = fake.seen.lock().unwrap();
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(1));
    let fake = Fake::new(|_, _| Act::Reply(503, "retry-after: 2.5\r\n", "slow".into()));
    let text = complaint(&asking(Settings { retries: 0, ..fake.settings() }).unwrap());
    assert!(text.ends_with("failed after 1 try: status 503 Service Unavailable: slow. The server asks to wait 3 seconds"), "{text}");
}

#[test]
fn faults_that_stay_are_not_tried_again() {
    let long = "x".repeat(10 << 20);
    for (act, said) in [
        (Act::Reply(401, "", "{\"error\": \"no such key\"}".into()), "failed after 1 try: status 401 Unauthorized: no such key"),
        (Act::Reply(404, "", "no model".into()), "404"),
        (Act::Reply(302, "", String::new()), "status 302"),
        (
            Act::Reply(429, "retry-after: 601\r\n", "slow".into()),
            "slow. The server asks to wait 601 seconds, and more than 600 are not waited",
        ),
        (Act::Reply(200, "content-encoding: gzip\r\n", "\u{1f}".into()), "the reply is encoded as \"gzip\", which was not asked for"),
        (Act::Reply(200, "", "{}".into()), "the reply is not a chat completion, it has no 'choices'"),
        (Act::Reply(200, "", "[1, 2]".into()), "the reply is not a chat completion"),
        (Act::Reply(200, "", "{\"choices\": []}".into()), "'choices' is empty"),
        (Act::Reply(200, "", "{\"choices\": [{\"text\": \"x\"}]}".into()), "its choice has no 'message'"),
        (Act::Reply(200, "", completion(&long)), "longer than 4194304 bytes"),
        (Act::Reply(400, "", long), "…"),
    ] {
        let act = Mutex::new(Some(act));
        let fake = Fake::new(move |_, _| act.lock().unwrap().take().unwrap_or(Act::HangUp));
        let text = complaint(&asking(fake.settings()).unwrap());
        assert!(text.contains(said) && text.contains(&fake.address) && text.len() < 600, "{text}");
        assert_eq!(fake.count(), 1, "{text}");
    }
}

#[test]
fn no_reply_in_time_and_nobody_there() {
    let fake = Fake::new(|_, _| Act::Wait(Duration::from_secs(5)));
    let server = asking(Settings { timeout: Duration::from_millis(200), retries: 1, ..fake.settings() }).unwrap();
    let text = complaint(&server);
    assert!(text.contains("failed after 2 tries: no reply within 0.2 seconds"), "{text}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = asking(Settings { url: format!("http://{free}/v1"), ..fake.settings() }).unwrap();
    let text = complaint(&server);
    assert!(text.contains("failed after 3 tries") && text.contains("is the server running?"), "{text}");
}

#[test]
fn contents_of_other_shapes() {
    for (content, text) in [(json!(null), ""), (json!([{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }]), "ab")] {
        let fake = Fake::new(move |_, _| Act::Reply(200, "", json!({ "choices": [{ "message": { "content": content } }] }).to_string()));
        assert_eq!(said(&asking(fake.settings()).unwrap(), "Where?"), text);
    }
}

#[test]
fn a_reply_that_was_cut_off_says_so() {
    for (content, reason, text, cut, answer, known) in [
        (json!("Oska"), "stop", "Oska", false, "Oska", true),
        (json!("Oska and"), "length", "Oska and", true, "Oska and", true),
        (json!("<think>Is it Oska?"), "length", "", true, "", false),
        (json!(null), "length", "", true, "", false),
        (json!(null), "content_filter", "", true, "", false),
        (json!(""), "stop", "", false, "", false),
        (json!("Not in memory."), "stop", "Not in memory.", false, UNKNOWN, false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let said = content.clone();
        let fake = Fake::new(move |_, _| Act::Reply(200, "", ended(said.clone(), reason)));
        let settings = || Settings { cache: Some(folder.path().join("replies.jsonl")), ..fake.settings() };
        // Asked, and from the cache.
        for offline in [false, true] {
            let server = asking(Settings { offline, ..settings() }).unwrap();
            let query = Query::new("Where?", []);
            let reply = server.complete(&[server.chat(&query).unwrap()]).unwrap().remove(0);
            assert_eq!((reply.text.as_str(), reply.usage.cut), (text, cut), "{content} {reason}");
            let found = server.answer(&[query]).unwrap().remove(0);
            assert_eq!((found.text.as_str(), found.known, found.usage.cut), (answer, known, cut), "{content} {reason}");
        }
    }
}

#[test]
fn a_later_process_reports_what_replies_took_once() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(|number, _| if number < 2 { Act::Reply(503, "", String::new()) } else { ok("Bem") });
    let settings = || Settings { cache: Some(folder.path().join("replies.jsonl")), concurrency: 1, ..fake.settings() };
    let took = |server: &Server, texts: &[&str]| -> Vec<(u64, bool, u64)> {
        let chats: Vec<_> = texts.iter().map(|text| chat(text)).collect();
        let replies = server.complete(&chats).unwrap();
        replies.iter().map(|reply| (reply.usage.requests, reply.usage.seconds > 0.0, reply.usage.cached)).collect()
    };
    let server = asking(settings()).unwrap();
    assert_eq!(took(&server, &["a", "a", "b"]), [(3, true, 0), (0, false, 1), (1, true, 0)]);
    // Another reasoner of this process.
    assert_eq!(took(&asking(settings()).unwrap(), &["a", "c"]), [(0, false, 1), (1, true, 0)]);
    drop(server);
    for offline in [false, true] {
        let server = asking(Settings { offline, ..settings() }).unwrap();
        assert_eq!(took(&server, &["b", "a", "a"]), [(1, true, 1), (3, true, 1), (0, false, 1)], "as a process that goes on, or replays");
        assert_eq!(took(&server, &["b", "c"]), [(0, false, 1), (1, true, 1)]);
    }
    assert_eq!(fake.count(), 5);
}

#[test]
fn what_a_context_has_no_room_for_is_left_out() {
    let refusal = "{\"message\":\"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens\"}";
    let fake = Fake::new(move |_, body| match body.to_string().len() {
        0..4000 => ok("Oska"),
        _ => Act::Reply(400, "", refusal.into()),
    });
    let items = vec!["Mira lives in Oska, where she has been since she was a child."; 100];
    let query = Query::new("Where?", items.iter().copied());
    let text = asking(fake.settings()).unwrap().answer(std::slice::from_ref(&query)).unwrap_err().to_string();
    assert!(text.contains("maximum context length is 4096") && text.contains("--context"), "{text}");
    let server = asking(Settings { context: Some(700), max_tokens: 100, ..fake.settings() }).unwrap();
    let mut short = query.clone();
    let left_out = fit(&server, &mut short, None).unwrap();
    assert!((50..100).contains(&left_out) && short.items.len() == 100 - left_out, "{left_out}");
    assert!(server.count(&server.chat(&short).unwrap()).unwrap() <= 600);
    assert_eq!(server.answer(&[short]).unwrap()[0].text, "Oska");
}

#[test]
fn settings_that_cannot_be() {
    let settings = || Settings::new("http://127.0.0.1:9/v1", "tiny");
    let extra = |name: &str| Settings { extra: [(name.to_string(), json!(1))].into_iter().collect(), ..settings() };
    for (settings, said) in [
        (Settings::new("127.0.0.1:9", "m"), "'url'"),
        (Settings::new("ftp://127.0.0.1/v1", "m"), "'url'"),
        (Settings::new("http://me:secret@127.0.0.1/v1", "m"), "key_env"),
        (Settings::new("http://127.0.0.1/v1?key=secret", "m"), "key_env"),
        (Settings { key_env: Some("FINEMEM_NOT_SET".into()), ..settings() }, "FINEMEM_NOT_SET is not set"),
        (Settings { concurrency: 0, ..settings() }, "concurrency"),
        (Settings { temperature: f64::NAN, ..settings() }, "temperature"),
        (Settings { context: Some(1024), ..settings() }, "no room for a prompt"),
        (Settings { offline: true, ..settings() }, "cache"),
        (extra("messages"), "may not change \"messages\""),
    ] {
        let text = asking(settings).err().unwrap().to_string();
        assert!(text.contains(said) && !text.contains("secret"), "{text}");
    }
}

#[test]
fn a_cache_is_replayed_offline_and_nothing_is_asked_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replies.jsonl");
    // The sixth request fails for good: what came before is kept.
    let fake = Fake::new(
        |number, body| if number == 5 { Act::Reply(400, "", "no".into()) } else { ok(body["messages"][0]["content"].as_str().unwrap()) },
    );
    let chats: Vec<_> = (0..12).map(|i| chat(&i.to_string())).collect();
    let settings = || Settings { cache: Some(path.clone()), concurrency: 1, ..fake.settings() };
    assert!(asking(settings()).unwrap().complete(&chats).is_err());
    assert_eq!(fake.count(), 6);
    let replies = asking(settings()).unwrap().complete(&chats).unwrap();
    assert_eq!((fake.count(), replies[4].usage.cached, replies[5].usage.requests), (13, 1, 1));
    // Another address, offline.
    let offline = Settings { offline: true, url: "http://127.0.0.1:9/v1".into(), ..settings() };
    let server = asking(offline.clone()).unwrap();
    assert_eq!(
        server.complete(&chats).unwrap().iter().map(|reply| reply.text.as_str()).collect::<Vec<_>>(),
        (0..12).map(|i| i.to_string()).collect::<Vec<_>>()
    );
    let text = server.complete(&[chat("1"), chat("new")]).unwrap_err().to_string();
    assert!(text.contains("1 of 2 requests") && text.contains("\"new\"") && text.contains("replies.jsonl"), "{text}");
    // Other parameters are other requests.
    assert!(asking(Settings { temperature: 0.5, ..offline }).unwrap().complete(&chats).is_err());
    assert_eq!(fake.count(), 13);
}

#[test]
fn the_key_is_sent_and_never_kept() {
    const KEY: &str = "sk-test-4242424242";
    if std::env::var_os("FINEMEM_TEST_KEY").is_none() {
        // In a process of its own, because other threads read the environment of this one.
        let mut alone = Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "reason::server::the_key_is_sent_and_never_kept"]).env("FINEMEM_TEST_KEY", KEY);
        let output = alone.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("replies.jsonl");
    let fake = Fake::new(|number, _| match number {
        0 => ok(&format!("Your key is {KEY}.")),
        _ => Act::Reply(401, "", format!("Incorrect API key provided: {KEY}")),
    });
    let server = asking(Settings { key_env: Some("FINEMEM_TEST_KEY".into()), cache: Some(cache.clone()), ..fake.settings() }).unwrap();
    assert_eq!(said(&server, "a"), "Your key is (the key).");
    let text = complaint(&server);
    assert!(text.contains("Incorrect API key provided: (the key)"), "{text}");
    assert!(fake.seen.lock().unwrap().iter().all(|seen| seen.head.contains(&format!("authorization: bearer {KEY}"))));
    assert!(!std::fs::read_to_string(cache).unwrap().contains(KEY));
    assert!(!server.describe().contains(KEY));
}

#[test]
fn questions_are_answered_from_memory() {
    // A model that reads: it says the item that has the question's last word.
    let fake = Fake::new(|_, body| {
        let text = |i: usize| body["messages"][i]["content"].as_str().unwrap().to_owned();
        let (system, question) = (text(0), text(1));
        let word = question.trim_end_matches('?').rsplit(' ').next().unwrap().to_owned();
        ok(system.lines().find(|line| line.contains(&word)).map_or(UNKNOWN, |line| line.split_once(". ").unwrap().1))
    });
    let server = asking(fake.settings()).unwrap();
    let mut store = Store::new();
    for (step, text) in ["Mira lives in Oska", "Rufo is a dog", "Mira lives in Bem"].iter().enumerate() {
        store.set_step(step);
        store.insert(text).unwrap();
    }
    let question = |text: &str| Question { question: text.into(), ..Question::default() };
    let (rufo, ida, mira) = (question("Where is Rufo?"), question("Where is Ida?"), question("Where is Mira?"));
    let retrieval = |retrieval, top_k, max_question| Retrieval { retrieval, top_k, max_question };
    let asked = ask(&server, retrieval(How::Bm25, 2, None), &[(&store, &rufo), (&store, &ida)]).unwrap();
    assert_eq!((asked[0].answer.as_str(), asked[0].used, asked[0].evidence.len()), ("Rufo is a dog", None, 2));
    assert!(asked[0].evidence[0].score > asked[0].evidence[1].score);
    assert_eq!(asked[1].answer, UNKNOWN);
    // The whole memory in order of creation; without room the newest.
    let asked = ask(&server, retrieval(How::Whole, 0, None), &[(&store, &mira)]).unwrap();
    assert_eq!((asked[0].answer.as_str(), asked[0].evidence.len()), ("Mira lives in Oska", 3));
    assert_eq!(asked[0].evidence.iter().map(|item| (item.id, item.score)).collect::<Vec<_>>(), [(3, None), (2, None), (1, None)]);
    let bare = server.count(&server.chat(&Query::new("Where is Mira?", [])).unwrap()).unwrap();
    let asked = ask(&server, retrieval(How::Whole, 0, Some(bare + 6)), &[(&store, &mira)]).unwrap();
    assert_eq!((asked[0].answer.as_str(), asked[0].evidence.len(), asked[0].usage.left_out), ("Mira lives in Bem", 1, 2));
    let text = ask(&server, retrieval(How::Bm25, 3, Some(bare - 20)), &[(&store, &mira)]).unwrap_err().to_string();
    assert!(text.contains("without any item"), "{text}");
}

#[test]
fn sections_are_chosen_alike_and_core_is_always_there() {
    let fake = Fake::answering(|_| "Oska".into());
    let server = asking(fake.settings()).unwrap();
    let mut store = Store::new();
    for (section, text) in
        [("semantic", "a mira"), ("core", "who"), ("semantic", "b"), ("episodic", "c"), ("episodic", "d mira"), ("semantic", "e mira mira")]
    {
        store.insert_as(text, Some(section), None).unwrap();
    }
    let question = Question { question: "Where?".into(), instruction: Some("Mira!".into()), ..Question::default() };
    let chosen = |top_k, max_question| {
        let asked = ask(&server, Retrieval { retrieval: How::Sections, top_k, max_question }, &[(&store, &question)]).unwrap().remove(0);
        asked.evidence.iter().map(|item| item.content.clone()).collect::<Vec<_>>()
    };
    // Best first, rank by rank; the query has the instruction in it. With two items an idf is 0, and the first comes first.
    assert_eq!(chosen(20, None), ["who", "c", "e mira mira", "d mira", "a mira", "b"]);
    assert_eq!(chosen(1, None), ["who", "c", "e mira mira"]);
    let chat = fake.seen.lock().unwrap()[0].body["messages"].clone();
    let system = chat[0]["content"].as_str().unwrap();
    let blocks = "<core_memory>\n1. who\n</core_memory>\n<episodic_memory>\n1. c\n2. d mira\n</episodic_memory>\n<semantic_memory>\n1. a mira\n2. b\n3. e mira mira\n</semantic_memory>";
    assert!(system.contains(blocks), "{system}");
    assert_eq!(chat[1]["content"], "Mira!\n\nWhere?");
    // Without room the last items of both sections go together.
    let whole = system.len().div_ceil(4) + "Mira!\n\nWhere?".len().div_ceil(4);
    assert_eq!(chosen(20, Some(whole)).len(), 6);
    assert_eq!(chosen(20, Some(whole - 1)), ["who", "c", "e mira mira", "d mira", "a mira"]);
    assert_eq!(chosen(20, Some(whole - 4)), ["who", "c", "e mira mira"]);
}

/// Every number of items is tried by the search as by trying one after the other.
#[test]
fn as_many_items_as_fit() {
    let server = asking(Settings::new("http://127.0.0.1:9/v1", "tiny")).unwrap();
    for total in [0, 1, 2, 63, 64, 65, 200, 1000] {
        let mut store = Store::new();
        (0..total).for_each(|i| drop(store.insert(&format!("item {i:04}"))));
        let contents: Vec<&str> = store.items().iter().map(|item| item.content.as_str()).collect();
        let tokens = |n: usize| server.count(&server.chat(&Query::new("Where?", contents[..n].iter().copied())).unwrap()).unwrap();
        for keep in [0, 1, 2, 5, 63, 64, 65, 127, 128, 129, 199, 700, 1000].into_iter().filter(|keep| *keep <= total) {
            let mut query = Query::new("Where?", contents.iter().copied());
            let left_out = fit(&server, &mut query, Some(tokens(keep))).unwrap();
            assert!(query.items.len() >= keep && tokens(query.items.len()) <= tokens(keep));
            assert!(query.items.len() == total || tokens(query.items.len() + 1) > tokens(keep), "{keep} of {total}");
            assert_eq!(left_out, total - query.items.len());
        }
    }
}
