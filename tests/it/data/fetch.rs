//! `finemem-engine fetch` against a small server that stands in for the hub.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

const FILE: &str = "data/train.parquet";

/// What the server does with a request for the file.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Whole,
    /// Sends half of what is asked for, then closes the connection, so often.
    Breaks(usize),
    Changed,
    Escapes,
}

/// A hub with one file, and what it was asked.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

fn content() -> Vec<u8> {
    (0..200_000u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect()
}

fn server(way: Way) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    std::thread::spawn(move || {
        let mut breaks = if let Way::Breaks(times) = way { times } else { 0 };
        for stream in listener.incoming() {
            answer(stream.unwrap(), way, &mut breaks, &heard);
        }
    });
    Server { address, asked }
}

fn answer(mut stream: TcpStream, way: Way, breaks: &mut usize, heard: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let range = lines
        .map(|line| line.to_lowercase())
        .filter_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let from = range.last();
    heard.lock().unwrap().push(format!("{first} from {}", from.unwrap_or(0)));
    let all = content();
    if first.starts_with("GET /api/datasets/YuWangX/Memalpha/tree/main") {
        let path = if way == Way::Escapes { "../train.parquet" } else { FILE };
        let hash: String = Sha256::digest(&all).iter().map(|byte| format!("{byte:02x}")).collect();
        let list = format!(
            "[{{\"type\":\"file\",\"path\":\"README.md\",\"size\":3}},{{\"type\":\"file\",\"path\":\"{path}\",\"size\":{},\"lfs\":{{\"oid\":\"{hash}\",\"size\":{0}}}}}]",
            all.len()
        );
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{list}",
            list.len()
        )
        .unwrap();
    } else if first.starts_with("GET /datasets/YuWangX/Memalpha/resolve/main/data/train.parquet") {
        let mut rest = all[from.unwrap_or(0)..].to_vec();
        let status = if from.is_some() { "206 Partial Content" } else { "200 OK" };
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", rest.len()).unwrap();
        if *breaks > 0 {
            *breaks -= 1;
            rest.truncate(rest.len() / 2);
        }
        if way == Way::Changed {
            rest[5] ^= 1;
        }
        // The other side may have gone.
        let _ = stream.write_all(&rest);
    } else {
        write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    }
}

fn fetch(name: &str, endpoint: &str, out: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_finemem-engine"));
    command.args(["fetch", name, "--out"]).arg(out).env("HF_ENDPOINT", endpoint).output().unwrap()
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_data_set_is_fetched_once() {
    let (server, folder) = (server(Way::Whole), tempfile::tempdir().unwrap());
    for _ in 0..2 {
        let output = fetch("memalpha", &server.address, folder.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8(output.stdout).unwrap().contains("train.parquet"));
        assert!(std::fs::read(folder.path().join(FILE)).unwrap() == content());
    }
    let asked = server.asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|line| line.contains("resolve")).count(), 1, "{asked:?}");
}

#[test]
fn a_download_that_breaks_off_goes_on() {
    let (server, folder) = (server(Way::Breaks(2)), tempfile::tempdir().unwrap());
    assert!(fetch("memalpha", &server.address, folder.path()).status.success());
    assert!(std::fs::read(folder.path().join(FILE)).unwrap() == content());
    let asked = server.asked.lock().unwrap();
    let all = content().len();
    let from: Vec<String> = [0, all / 2, all / 2 + all / 4].iter().map(|from| format!(" from {from}")).collect();
    let loads: Vec<&String> = asked.iter().filter(|line| line.contains("resolve")).collect();
    assert!(loads.len() == 3 && loads.iter().zip(&from).all(|(line, from)| line.ends_with(from)), "{asked:?}");
}

#[test]
fn a_later_call_goes_on_with_what_is_there() {
    let (broken, folder) = (server(Way::Breaks(99)), tempfile::tempdir().unwrap());
    let error = complaint(&fetch("memalpha", &broken.address, folder.path()));
    assert!(error.contains("broke off after") && error.contains("Call again"), "{error}");
    assert!(!folder.path().join(FILE).exists() && folder.path().join(format!("{FILE}.part")).exists());
    let whole = server(Way::Whole);
    assert!(fetch("memalpha", &whole.address, folder.path()).status.success());
    assert!(std::fs::read(folder.path().join(FILE)).unwrap() == content() && !folder.path().join(format!("{FILE}.part")).exists());
    assert!(!whole.asked.lock().unwrap().iter().any(|line| line.contains("resolve") && line.ends_with(" from 0")));
}

#[test]
fn what_goes_wrong_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let error = complaint(&fetch("memalpha", &server(Way::Changed).address, folder.path()));
    assert!(error.contains("the SHA-256 is") && !folder.path().join(FILE).exists(), "{error}");
    let error = complaint(&fetch("memalpha", &server(Way::Escapes).address, folder.path()));
    assert!(error.contains("not a path inside the folder"), "{error}");
    let error = complaint(&fetch("memalpha-full", &server(Way::Whole).address, folder.path()));
    assert!(error.contains("status 404") && error.contains("/datasets/YuWangX/Memalpha-full/tree/main"), "{error}");
    // Nobody listens on a port that was just given back.
    let closed = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let error = complaint(&fetch("memoryagentbench", &closed, folder.path()));
    assert!(error.contains("/datasets/ai-hyz/MemoryAgentBench/tree/main") && error.contains("put them into"), "{error}");
    let error = complaint(&fetch("locomo", &closed, folder.path()));
    assert!(error.contains("locomo is not on the hub: get it from https://github.com/snap-research"), "{error}");
    let error = complaint(&fetch("nothing", &closed, folder.path()));
    assert!(error.contains("no data set is called \"nothing\"; there are memalpha, memalpha-full"), "{error}");
}
