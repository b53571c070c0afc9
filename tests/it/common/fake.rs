//! A server in this process that speaks chat completions, and does what a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use finemem::reason::server::Settings;
use serde_json::{Value, json};

/// What the test server does with a request.
pub enum Act {
    Reply(u16, &'static str, String),
    /// Says so many bytes more than it sends.
    CutOff(String, usize),
    Wait(Duration),
    HangUp,
}

/// A request as it came: its head in lower case, and its body.
#[derive(Clone)]
pub struct Seen {
    pub head: String,
    pub body: Value,
    pub at: Instant,
}

/// The server.
pub struct Fake {
    pub address: String,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    /// A server that does what `act` says of the number of a request, from 0, and its body.
    pub fn new(act: impl Fn(usize, &Value) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (act, all) = (Arc::new(act), seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (act, all) = (act.clone(), all.clone());
                // A client that went away is no matter.
                thread::spawn(move || serve(stream, &*act, &all).ok());
            }
        });
        Self { address, seen }
    }

    /// One that answers every question with `answer(last message)`.
    pub fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::new(move |_, body| ok(&answer(body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap())))
    }

    /// Settings of a reasoner that asks it and does not wait long.
    pub fn settings(&self) -> Settings {
        Settings { timeout: Duration::from_secs(20), retries: 2, ..Settings::new(&self.address, "tiny") }
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn serve(mut stream: TcpStream, act: &(impl Fn(usize, &Value) -> Act + ?Sized), all: &Mutex<Vec<Seen>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body: Value = serde_json::from_slice(&body).unwrap();
    let number = {
        let mut all = all.lock().unwrap();
        all.push(Seen { head, body: body.clone(), at: Instant::now() });
        all.len() - 1
    };
    let (status, headers, text, more) = match act(number, &body) {
        Act::Reply(status, headers, text) => (status, headers, text, 0),
        Act::CutOff(text, more) => (200, "", text, more),
        Act::Wait(time) => {
            thread::sleep(time);
            return Ok(());
        }
        Act::HangUp => return Ok(()),
    };
    let length = text.len() + more;
    write!(stream, "HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{text}")
}

/// A chat completion.
pub fn completion(text: &str) -> String {
    ended(json!(text), "stop")
}

/// A chat completion of some content that ended for a reason.
pub fn ended(content: Value, reason: &str) -> String {
    json!({
        "id": "x", "object": "chat.completion", "choices": [{ "index": 0, "message": { "role": "assistant", "content": content }, "finish_reason": reason }],
        "usage": { "prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14 },
    })
    .to_string()
}

/// A reply that says `text`.
pub fn ok(text: &str) -> Act {
    Act::Reply(200, "", completion(text))
}
