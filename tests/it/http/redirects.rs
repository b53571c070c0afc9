//! Redirects, compared with `curl --location --post301 --post302` (`tests/servers/redirects.py`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use finemem::Error;
use finemem::reason::server::Settings;
use finemem::reason::{Message, Reason, Role, Server};
use serde_json::Value;

use crate::common::fake::{Act, Fake, completion, ok};

/// What a server said to redirect, and what it was asked.
type Replies = Vec<(u16, Option<String>)>;

/// Two servers; what they reply in turn, whoever is asked.
struct Two {
    a: Fake,
    b: Fake,
}

impl Two {
    fn new(replies: Replies, endless: bool) -> Self {
        let (asked, addresses, replies) = (Arc::new(AtomicUsize::new(0)), Arc::new(OnceLock::<[String; 2]>::new()), Arc::new(replies));
        let server = || {
            let (asked, addresses, replies) = (asked.clone(), addresses.clone(), replies.clone());
            Fake::new(move |_, _| {
                let number = asked.fetch_add(1, Ordering::SeqCst);
                let Some((status, place)) = replies.get(if endless { 0 } else { number }) else { return ok("Oska") };
                let [a, b] = addresses.get().unwrap();
                let header =
                    place.as_ref().map_or(String::new(), |place| format!("location: {}\r\n", place.replace("{a}", a).replace("{b}", b)));
                let said = if *status < 300 { completion("Oska") } else { "moved".into() };
                Act::Reply(*status, header.leak(), said)
            })
        };
        let two = Self { a: server(), b: server() };
        let port = |fake: &Fake| fake.address.trim_end_matches("/v1").rsplit(':').next().unwrap().to_owned();
        addresses.set([port(&two.a), port(&two.b)]).unwrap();
        two
    }

    /// Every request in order: the server, method and target in lower case, and whether it had a key.
    fn requests(&self) -> Vec<(char, String, bool)> {
        let of = |name: char, fake: &Fake| -> Vec<_> {
            fake.seen.lock().unwrap().iter().map(|seen| (seen.at, name, seen.head.clone())).collect()
        };
        let mut all = [of('a', &self.a), of('b', &self.b)].concat();
        all.sort_by_key(|(at, ..)| *at);
        all.into_iter()
            .map(|(_, name, head)| (name, head.split(" http/1.1").next().unwrap().to_owned(), head.contains("\nauthorization:")))
            .collect()
    }
}

/// A variable that every process of cargo has, so that the environment need not be changed while other threads read it.
const KEY: &str = "CARGO_PKG_NAME";

#[test]
fn what_curl_follows_is_followed_or_refused_by_name() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../servers/redirects.json")).unwrap();
    let (mut equal, mut refused) = (0, 0);
    for case in &cases {
        let replies: Replies = case["replies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|reply| (reply[0].as_u64().unwrap() as u16, reply[1].as_str().map(str::to_owned)))
            .collect();
        let key = case["key"] == true;
        let two = Two::new(replies, case["endless"] == true);
        let settings = Settings { retries: 0, key_env: key.then(|| KEY.to_owned()), ..two.a.settings() };
        let server = Server::with_pause(settings, Duration::from_millis(5)).unwrap();
        let said = server.complete(&[vec![Message::new(Role::User, "Where?")]]);
        let ours = two.requests();
        let curls: Vec<(char, String, bool)> = case["requests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|request| {
                let text = |at: usize| request[at].as_str().unwrap().to_lowercase();
                (text(0).chars().next().unwrap(), format!("{} {}", text(1), text(2)), request[3] == true)
            })
            .collect();
        assert!(ours.iter().all(|(server, _, keyed)| *server == 'a' || !keyed), "{case}: the key went to another server");
        match said {
            Ok(replies) => {
                assert_eq!((replies[0].text.as_str(), &ours), ("Oska", &curls), "{case}");
                equal += 1;
            }
            Err(Error::Server(text)) if case["status"].as_u64().is_some_and(|status| status >= 300) => {
                // No place to go: the status is what both report.
                assert!(text.contains(&format!("status {}", case["status"])) && ours == curls, "{case}: {text}");
                equal += 1;
            }
            Err(Error::Server(text)) => {
                let named = ["redirects to ", "redirects, one after the other"].iter().any(|words| text.contains(words));
                assert!(named && !text.contains("secret"), "{case}: {text}");
                assert!(ours.len() > 9 || ours == curls[..ours.len()], "{case}: {ours:?}");
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    println!("{equal} equal, {refused} refused by name");
    assert!(equal + refused == cases.len() && equal >= 28, "{equal} {refused}");
}

#[test]
fn refusals_say_why() {
    for (status, place, key, why) in [
        (303, "/other", false, "to be read there with GET"),
        (305, "/other", false, "which this status does not make a redirect to follow"),
        (307, "http://127.0.0.1:{b}/v1", true, "the key is only sent to the address that was named"),
        (307, "ftp://127.0.0.1/", false, "which is neither http:// nor https://"),
        (307, "http://me:secret@127.0.0.1:{b}/v1", false, "with a user in it"),
        (307, "http://[::1/", false, "which is not an address"),
    ] {
        let two = Two::new(vec![(status, Some(place.into()))], false);
        let settings = Settings { key_env: key.then(|| KEY.to_owned()), ..two.a.settings() };
        let text = Server::new(settings).unwrap().complete(&[vec![Message::new(Role::User, "Where?")]]).unwrap_err().to_string();
        assert!(text.contains(&format!("failed after 1 try: status {status}")) && text.contains(why), "{text}");
        assert_eq!(two.requests().len(), 1, "{text}");
    }
    // Both in one reply.
    let fake = Fake::new(|_, _| Act::Reply(307, "location: /a\r\nlocation: /b\r\n", String::new()));
    let text = Server::new(fake.settings()).unwrap().complete(&[vec![Message::new(Role::User, "Where?")]]).unwrap_err().to_string();
    assert!(text.contains("redirects to /a, and to another address"), "{text}");
}
