//! The reasoner behind servers that others wrote, where `FINEMEM_PYTHON` names a Python that has them: that of transformers
//! (`pip install transformers[serving]`) and that of llama.cpp (`pip install xllamacpp gguf safetensors numpy`).

use std::fs::File;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::asked::{Running, chats, model, root, run};
use finemem::generate::SharedGenerator;
use finemem::reason::server::Settings;
use finemem::reason::{Local, Query, Reason, Server, local};
use serde_json::{Value, json};

/// The Python of `FINEMEM_PYTHON`, if it has some modules; else says that a server is not asked.
fn python(modules: &str) -> Option<String> {
    let has = |python: &String| {
        Command::new(python).args(["-c", &format!("import {modules}")]).output().is_ok_and(|output| output.status.success())
    };
    let found = std::env::var("FINEMEM_PYTHON").ok().filter(has);
    if found.is_none() {
        // Not eprintln, which the test harness hides.
        let _ = writeln!(std::io::stderr(), "SKIPPED: FINEMEM_PYTHON names no Python with {modules}, so no server of others is asked");
    }
    found
}

/// Starts a server and waits until it listens.
fn served(command: &mut Command, port: u16) -> Running {
    let mut running = Running(command.spawn().unwrap());
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(running.0.try_wait().unwrap().is_none(), "the server ended");
        assert!(began.elapsed() < Duration::from_secs(300), "the server does not listen");
        sleep(Duration::from_millis(200));
    }
    running
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server of the model says the same as the model in this process, and its refusal is told.
fn says_the_same(port: u16, name: &str) {
    let settings = Settings { max_tokens: 16, ..Settings::new(format!("http://127.0.0.1:{port}/v1"), name) };
    let server = Server::new(settings.clone()).unwrap();
    let local = Local::new(Rc::new(model()), SharedGenerator::default(), local::Settings { max_tokens: 16, ..Default::default() }).unwrap();
    let (theirs, ours) = (server.complete(&chats()).unwrap(), local.complete(&chats()).unwrap());
    for (theirs, ours) in theirs.iter().zip(&ours) {
        println!("{:?} {:?}", theirs.text, ours.text);
        assert_eq!((&theirs.text, theirs.usage.prompt_tokens), (&ours.text, ours.usage.prompt_tokens));
    }
    let query = Query::new("Where does Mira live?", ["Mira lives in Oska."]);
    assert_eq!(server.answer(std::slice::from_ref(&query)).unwrap()[0].text, local.answer(&[query]).unwrap()[0].text);
    // A request that it refuses.
    let mut bad = settings;
    bad.extra.insert("top_p".into(), json!("high"));
    bad.retries = 0;
    let text = Server::new(bad).unwrap().complete(&chats()[..1]).unwrap_err().to_string();
    println!("{text}");
    assert!(text.contains("status "), "{text}");
}

#[test]
fn transformers() {
    let Some(python) = python("fastapi, transformers, uvicorn") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    model().save(&path, "f32").unwrap();
    let port = free_port();
    let mut serve = Command::new(python);
    serve.args(["-c", "from transformers.cli.transformers import main; main()", "serve", "--host", "127.0.0.1", "--device", "cpu"]);
    serve.args(["--port", &port.to_string()]).arg(&path).envs([("HF_HUB_OFFLINE", "1"), ("CUDA_VISIBLE_DEVICES", "")]);
    let _serve = served(serve.stdout(Stdio::null()).stderr(Stdio::null()), port);
    says_the_same(port, path.to_str().unwrap());
}

/// How many requests llama.cpp's server began to answer.
fn begun(log: &Path) -> usize {
    std::fs::read_to_string(log).unwrap().matches("processing task").count()
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// What was answered: of each line of results, the question and the answer.
fn answers(run: &Path) -> Vec<(Value, Value)> {
    let text = std::fs::read_to_string(run.join("results.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).map(|line| (line["id"].clone(), line["answer"].clone())).collect()
}

/// llama.cpp's server says the same too; an evaluation that it answers is killed half-way and goes on, and is replayed without it.
#[test]
fn llama_cpp() {
    let Some(python) = python("gguf, safetensors, xllamacpp") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, log) = (folder.path().join("model"), folder.path().join("server.log"));
    model().save(&path, "f32").unwrap();
    let port = free_port();
    let mut serve = Command::new(python);
    serve.arg(root().join("tests/servers/llama_cpp.py")).arg(&path).arg(port.to_string());
    let serve = served(serve.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(File::create(&log).unwrap()), port);
    says_the_same(port, "tiny");

    // 30 episodes of two questions, most of which take the longest reply that is allowed.
    let (data, out) = (folder.path().join("data.jsonl"), folder.path().join("run"));
    let episode = |i: usize| {
        let question = |what: &str, answer: &str| json!({ "question": format!("{what} {i}?"), "answers": [answer] });
        let questions = [question("Where lives Mira", "Oska"), question("How old is Rufo", "7")];
        json!({ "id": format!("e{i}"), "source": "test", "chunks": [format!("Mira {i} lives in Oska. Rufo {i} is 7 years old.")], "questions": questions })
    };
    std::fs::write(&data, (0..30).map(|i| format!("{}\n", episode(i))).collect::<String>()).unwrap();
    let (script, replies, word) = (root().join("scripts/eval.lua"), out.join("replies.jsonl"), format!("tiny@http://127.0.0.1:{port}/v1"));
    let arguments = [
        ["--data", data.to_str().unwrap()],
        ["--policy", "none"],
        ["--baselines", "add_everything"],
        ["--reasoner", &word],
        ["--reply_tokens", "150"],
        ["--out", out.to_str().unwrap()],
    ];
    let before = begun(&log);
    let mut child = Running(run(&script, &arguments.concat()).spawn().unwrap());
    let began = Instant::now();
    while lines(&replies) < 20 {
        assert!(child.0.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(120), "{} replies", lines(&replies));
        sleep(Duration::from_millis(5));
    }
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    let kept = lines(&replies);
    // Those that were on their way end at the server.
    sleep(Duration::from_secs(2));
    let killed = begun(&log);
    assert!((20..52).contains(&kept) && !out.join("results.jsonl").exists(), "{kept} replies were kept");
    // As many as are asked at a time were on their way.
    assert!(killed - before - kept <= 8, "{kept} replies to {} requests", killed - before);

    let resume = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_finemem-engine"));
        let output = command.args(["run", "--device", "cpu", "--resume"]).arg(&out).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    resume(&[]);
    // The questions of the file, and those for the figures of harm.
    let all = lines(&replies);
    assert!(all >= 60, "{all} replies");
    assert_eq!(begun(&log) - killed, all - kept, "nothing that was answered is asked twice");
    let found = answers(&out);
    assert_eq!(found.len(), 60);

    drop(serve);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    std::fs::remove_file(out.join("results.jsonl")).unwrap();
    resume(&["--", "--offline", "yes"]);
    assert_eq!(answers(&out), found, "replayed without the server");
}
