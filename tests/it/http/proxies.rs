//! Proxies, compared with curl (`tests/servers/proxies.py`), and who is named when one refuses.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use finemem::http::proxy::Proxy;
use serde::Deserialize;

use crate::common::fake::{Fake, completion};

/// What curl did with some variables and an address.
#[derive(Deserialize)]
struct Case {
    env: BTreeMap<String, String>,
    url: String,
    /// The variable that named the proxy.
    variable: Option<String>,
    /// The same in a newer version, where that differs.
    #[serde(default, deserialize_with = "given")]
    newer: Option<Option<String>>,
    refused: Option<String>,
    address: Option<String>,
    /// How its request began.
    first: Option<String>,
    credentials: Option<String>,
}

/// A field that may be null is not the same as one that is not there.
fn given<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

#[test]
fn the_proxy_is_the_one_that_curl_asks() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../servers/proxies.json")).unwrap();
    let (mut equal, mut refused) = (0, 0);
    for case in &cases {
        let Case { env, url, variable, newer, .. } = case;
        let found = Proxy::of(&url.parse().unwrap(), &|name| env.get(name).cloned());
        if case.refused.is_some() {
            let text = found.err().unwrap();
            assert!(text.contains(variable.as_ref().unwrap()) && !text.contains("secret") && !text.contains("p@ss"), "{env:?}: {text}");
            refused += 1;
            continue;
        }
        let found = found.unwrap_or_else(|text| panic!("{env:?}: {text}"));
        // Versions since 8 end the list at a blank, as this client does not; else they are the ones to go by.
        let blanks = env.get("no_proxy").is_some_and(|list| list == "localhost 127.0.0.1");
        let expected = newer.as_ref().filter(|_| !blanks).unwrap_or(variable);
        assert_eq!(found.as_ref().map(|proxy| proxy.variable), expected.as_deref(), "{env:?} {url}");
        if let (Some(proxy), Some(address)) = (&found, &case.address) {
            assert_eq!(&format!("{}:{}", proxy.host, proxy.port), address, "{env:?}");
            let credentials = proxy.credentials.as_ref().map(|(user, password)| format!("{user}:{password}"));
            let protocol = format!("{:?}", proxy.protocol).to_uppercase();
            match case.first.as_deref() {
                Some(first) if first.starts_with("SOCKS") => assert!(protocol.starts_with(first), "{env:?}: {protocol}"),
                Some(_) => assert_eq!((protocol.as_str(), &credentials), ("HTTP", &case.credentials), "{env:?}"),
                None => {}
            }
            let shown = proxy.to_string();
            assert!(!credentials.is_some_and(|_| shown.contains("secret") || shown.contains("me") && shown.contains("@")), "{shown}");
        }
        equal += 1;
    }
    println!("{equal} equal, {refused} refused by name");
    assert!(equal >= 90 && refused >= 6);
}

/// The first line of a request, its credentials, and the number of its connection.
type Seen = (String, Option<String>, usize);

/// A proxy for one test. It keeps connections open.
struct Relay {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Relay {
    /// Replies to every request with this, or to the greeting of SOCKS 5 as a proxy that then speaks for the server.
    fn new(status: u16, body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = seen.clone();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let (all, body) = (all.clone(), body.clone());
                thread::spawn(move || relay(stream, number, status, &body, &all).ok());
            }
        });
        Self { address, seen }
    }
}

fn relay(
    mut stream: TcpStream,
    number: usize,
    status: u16,
    body: &str,
    all: &Mutex<Vec<(String, Option<String>, usize)>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    if reader.fill_buf()?.first() == Some(&5) {
        // Greeting, no authentication; a request for a name, granted.
        let mut bytes = [0; 2];
        reader.read_exact(&mut bytes)?;
        reader.read_exact(&mut vec![0; bytes[1].into()])?;
        stream.write_all(&[5, 0])?;
        let mut head = [0; 5];
        reader.read_exact(&mut head)?;
        let mut name = vec![0; usize::from(head[4]) + 2];
        reader.read_exact(&mut name)?;
        all.lock().unwrap().push((format!("SOCKS {}", String::from_utf8_lossy(&name[..name.len() - 2])), None, number));
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    }
    loop {
        let (mut first, mut length, mut credentials) = (String::new(), 0, None);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let (lower, line) = (line.to_lowercase(), line.trim());
            if first.is_empty() {
                first = line.trim_end_matches(" HTTP/1.1").to_owned();
            }
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if lower.starts_with("proxy-authorization: basic") {
                credentials = line.rsplit(' ').next().map(str::to_owned);
            }
            if line.is_empty() {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        all.lock().unwrap().push((first, credentials, number));
        write!(stream, "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    }
}

/// The program, without the proxies of whoever runs the tests.
fn finemem(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_finemem-engine"));
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.args(arguments).envs(env.iter().copied()).output().unwrap()
}

/// What a reasoner at `url` answers to some questions, one line each, or the error.
fn asked(folder: &Path, url: &str, questions: usize, env: &[(&str, &str)]) -> String {
    let script = folder.join("ask.lua");
    let text = "local fm = require 'finemem'
        local reasoner = fm.reasoner.server { url = fm.args[1], model = 'm', retries = 0, timeout = 20, concurrency = 1 }
        for i = 1, tonumber(fm.args[2]) do print(reasoner:complete { chats = { { { role = 'user', content = 'Q' .. i } } } }[1].text) end";
    std::fs::write(&script, text).unwrap();
    let output = finemem(&["run", "--device", "cpu", script.to_str().unwrap(), "--", url, &questions.to_string()], env);
    let said = if output.status.success() { output.stdout } else { output.stderr };
    let said = String::from_utf8(said).unwrap();
    assert!(!said.contains("secret") && !said.contains("panicked"), "{said}");
    said
}

/// A port on which nobody listens.
fn closed() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_proxy_is_told_the_whole_address() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Relay::new(200, completion("Oska"));
    let variable = format!("http://me:secret@{}", proxy.address);
    assert_eq!(asked(folder.path(), "http://models.example.com:8000/v1", 3, &[("http_proxy", &variable)]), "Oska\nOska\nOska\n");
    // base64 of me:secret, and one connection for all of them.
    let line = ("POST http://models.example.com:8000/v1/chat/completions".to_owned(), Some("bWU6c2VjcmV0".to_owned()), 0);
    assert_eq!(*proxy.seen.lock().unwrap(), [line.clone(), line.clone(), line]);
    let proxy = Relay::new(200, completion("Oska"));
    let variable = format!("socks5h://{}", proxy.address);
    assert_eq!(asked(folder.path(), "http://models.example.com:8000/v1", 1, &[("all_proxy", &variable)]), "Oska\n");
    let seen: Vec<String> = proxy.seen.lock().unwrap().iter().map(|(first, ..)| first.clone()).collect();
    assert_eq!(seen, ["SOCKS models.example.com", "POST /v1/chat/completions"]);
}

#[test]
fn hosts_without_a_proxy_are_asked_directly() {
    let (folder, closed) = (tempfile::tempdir().unwrap(), format!("http://{}", closed()));
    let fake = Fake::answering(|_| "Oska".into());
    for (name, list) in [("NO_PROXY", "localhost, 127.0.0.1"), ("no_proxy", "127.0.0.0/8"), ("no_proxy", "*")] {
        assert_eq!(asked(folder.path(), &fake.address, 1, &[("http_proxy", &closed), (name, list)]), "Oska\n", "{name}={list}");
    }
    assert_eq!(asked(folder.path(), &fake.address, 1, &[("HTTP_PROXY", &closed)]), "Oska\n", "a name that curl does not read");
    let said = asked(folder.path(), &fake.address, 1, &[("http_proxy", &closed), ("no_proxy", "localhost")]);
    assert!(said.contains(&format!("the proxy {closed} (the environment variable http_proxy) cannot be reached")), "{said}");
}

#[test]
fn errors_name_who_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (http, https) = ("http://models.example.com/v1", "https://models.example.com/v1");
    for (status, url, said) in [
        (407, http, "refuses, status 407 Proxy Authentication Required: write user and password into its address"),
        (407, https, "refuses, status 407 Proxy Authentication Required: write user and password into its address"),
        (403, https, "refuses, status 403 Forbidden. The server was not asked"),
        (502, https, "refuses, status 502 Bad Gateway. The server was not asked"),
        (502, http, "status 502 Bad Gateway, through the proxy"),
        (403, http, "status 403 Forbidden, through the proxy"),
    ] {
        let proxy = Relay::new(status, "blocked".into());
        let variable = format!("http://me:secret@{}", proxy.address);
        let text = asked(folder.path(), url, 1, &[("http_proxy", &variable), ("HTTPS_PROXY", &variable)]);
        let named = format!("the proxy http://{} (the environment variable ", proxy.address);
        assert!(text.contains(said) && text.contains(&named), "{status} {url}: {text}");
    }
    for (scheme, said) in [
        ("http", "the host of the proxy http://"),
        ("socks5h", "the host of the proxy socks5h://"),
        ("socks5", "the server's host, or that of the proxy"),
    ] {
        let variable = format!("{scheme}://me:secret@nowhere.invalid:3128");
        let text = asked(folder.path(), http, 1, &[("all_proxy", &variable)]);
        assert!(
            text.contains(said) && text.contains("nowhere.invalid:3128 (the environment variable all_proxy)") && text.contains("not found"),
            "{text}"
        );
    }
    for (variable, value, said) in [
        (
            "all_proxy",
            "ftp://me:secret@127.0.0.1",
            "the environment variable all_proxy is not the address of a proxy: it begins with none of",
        ),
        ("http_proxy", "http://me:secret@127.0.0.1:port", "http_proxy is not the address of a proxy: its port is not a number"),
        ("http_proxy", "http://me:secret@x@127.0.0.1", "it has two @; write one in a user or password as %40"),
        ("http_proxy", "http://me:secret@", "it has no valid host"),
    ] {
        let text = asked(folder.path(), http, 1, &[(variable, value)]);
        assert!(text.contains("failed after 1 try") && text.contains(said), "{text}");
    }
}

#[test]
fn a_download_goes_through_the_same_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let fetch = |env: &[(&str, &str)]| {
        let output = finemem(&["fetch", "memalpha", "--out", folder.path().to_str().unwrap()], env);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let hub = ("HF_ENDPOINT", "http://hub.example.com");
    let closed = format!("http://me:secret@{}", closed());
    let text = fetch(&[hub, ("http_proxy", &closed)]);
    assert!(text.contains("failed after 4 tries: the proxy ") && text.contains("cannot be reached") && !text.contains("secret"), "{text}");
    let proxy = Relay::new(404, String::new());
    let text = fetch(&[hub, ("ALL_PROXY", &format!("http://{}", proxy.address))]);
    assert!(text.contains("status 404 Not Found, through the proxy"), "{text}");
    assert!(proxy.seen.lock().unwrap()[0].0.starts_with("GET http://hub.example.com/api/datasets/YuWangX/Memalpha/tree/main"));
}
