//! Downloads published data sets from the Hugging Face hub.
//!
//! A file is first written to `FILE.part`, which a later call resumes, and gets its final name once its size and SHA-256 match the hub's.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::http::{self, Body, Client, Fault, Limits, Patience, Request, Response, Uri};
use crate::{Error, Result, stop};

/// A data set on the hub.
struct Set {
    name: &'static str,
    repository: &'static str,
    /// Which of its files to download: those with one of these in their path.
    wanted: &'static [&'static str],
}

const SETS: &[Set] = &[
    Set { name: "memalpha", repository: "YuWangX/Memalpha", wanted: &[".parquet"] },
    Set { name: "memalpha-full", repository: "YuWangX/Memalpha-full", wanted: &[".parquet"] },
    Set { name: "memalpha-memoryagentbench", repository: "YuWangX/Memalpha-Memoryagentbench", wanted: &[".parquet"] },
    Set { name: "memoryagentbench", repository: "ai-hyz/MemoryAgentBench", wanted: &[".parquet", "entity2id.json"] },
    Set { name: "longmemeval", repository: "xiaowu0162/longmemeval-cleaned", wanted: &["_oracle.json", "_s_cleaned.json"] },
    Set { name: "longmemeval-m", repository: "xiaowu0162/longmemeval-cleaned", wanted: &["_m_cleaned.json"] },
];

/// Data sets published elsewhere, and where.
const ELSEWHERE: &[(&str, &str)] = &[
    ("locomo", "https://github.com/snap-research/locomo/blob/main/data/locomo10.json"),
    ("squad", "https://rajpurkar.github.io/SQuAD-explorer/"),
    ("banking77", "https://github.com/PolyAI-LDN/task-specific-datasets/tree/master/banking_data"),
    ("clinc150", "https://github.com/clinc/oos-eval/tree/master/data"),
    ("hwu64", "https://github.com/xliuhw/NLU-Evaluation-Data"),
];

/// How often an interrupted download is resumed, and the pause before that.
const PATIENCE: Patience = Patience { retries: 3, pause: Duration::from_millis(500) };
const LIMITS: Limits = Limits { connect: Duration::from_secs(20), reply: Some(Duration::from_secs(60)), whole: None, connections: 1 };
/// The longest list of files.
const LONGEST_LIST: u64 = 16 << 20;

/// A file as the hub lists it.
struct Listed {
    path: String,
    size: u64,
    sha256: Option<String>,
}

/// Downloads a data set by name into a folder and returns its files, including those that were already there. The environment variable
/// `HF_ENDPOINT` sets the hub's address, by default `https://huggingface.co`.
pub fn fetch(name: &str, out: &Path) -> Result<Vec<PathBuf>> {
    let Some(set) = SETS.iter().find(|set| set.name == name) else {
        return Err(Error::argument(match ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == name) {
            Some((_, page)) => format!("{name} is not on the hub: get it from {page}, and pass its file or folder to fm.data.open"),
            None => format!("no data set is called {name:?}; there are {}", names().join(", ")),
        }));
    };
    let endpoint = std::env::var("HF_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
    let endpoint = endpoint.unwrap_or_else(|| "https://huggingface.co".to_owned());
    let hub = Hub { client: Client::new(LIMITS), base: endpoint.trim_end_matches('/').to_owned(), set, out };
    let listed = hub.list()?;
    listed.iter().map(|file| hub.download(file)).collect()
}

/// The names that [`fetch`] knows.
pub fn names() -> Vec<&'static str> {
    SETS.iter().map(|set| set.name).chain(ELSEWHERE.iter().map(|(name, _)| *name)).collect()
}

struct Hub<'a> {
    client: Client,
    base: String,
    set: &'a Set,
    out: &'a Path,
}

impl Hub<'_> {
    /// An error, with advice for machines that cannot reach the hub.
    fn failed(&self, url: &str, reason: impl std::fmt::Display) -> Error {
        let Set { repository, wanted, .. } = self.set;
        Error::Io {
            path: PathBuf::from(url),
            reason: format!(
                "{reason}. Call again to resume, or name a mirror of the hub in HF_ENDPOINT. Without a way to either, open \
                 {}/datasets/{repository}/tree/main where there is one, get the files with {} in their names, and put them into {}",
                self.base,
                wanted.join(" or "),
                self.out.display()
            ),
        }
    }

    fn list(&self) -> Result<Vec<Listed>> {
        let url = format!("{}/api/datasets/{}/tree/main?recursive=true", self.base, self.set.repository);
        let list = self.tried(&url, || {
            let mut text = Vec::new();
            let mut body = self.get(&url, &[])?;
            body.body_mut().as_reader().take(LONGEST_LIST).read_to_end(&mut text).map_err(|error| Fault::Again(error.to_string(), None))?;
            serde_json::from_slice::<Value>(&text).map_err(|error| Fault::Again(format!("the list is not JSON: {error}"), None))
        })?;
        let file = |entry: &Value| {
            let path = entry.get("path")?.as_str()?.to_owned();
            let sha256 = entry.get("lfs").and_then(|lfs| lfs.get("oid")?.as_str().map(str::to_owned));
            Some(Listed { path, size: entry.get("size")?.as_u64()?, sha256 })
        };
        let files = list.as_array().into_iter().flatten().filter_map(file);
        let files: Vec<Listed> = files.filter(|file| self.set.wanted.iter().any(|part| file.path.contains(part))).collect();
        if files.is_empty() {
            return Err(self.failed(&url, "the list has none of the files"));
        }
        if let Some(file) = files.iter().find(|file| !Path::new(&file.path).components().all(|part| matches!(part, Component::Normal(_)))) {
            return Err(self.failed(&url, format!("{:?} is not a path inside the folder", file.path)));
        }
        Ok(files)
    }

    /// Tries until there is a result.
    fn tried<T>(&self, url: &str, attempt: impl FnMut() -> Result<T, Fault>) -> Result<T> {
        match PATIENCE.until(&stop::pending, attempt) {
            Ok(Some((result, _))) => Ok(result),
            Ok(None) => Err(Error::Stopped(None)),
            Err(reason) => Err(self.failed(url, reason)),
        }
    }

    /// A reply with status 200 or 206.
    fn get(&self, url: &str, headers: &[(&'static str, String)]) -> Result<Response<Body>, Fault> {
        let parsed: Uri = url.parse().map_err(|error| Fault::Final(format!("not an address: {error}")))?;
        let (response, way) = self.client.send(&Request { url: &parsed, body: None, headers, key: None })?;
        let status = response.status();
        let reason = || way.told(&format!("status {status}{}", way.through()));
        match status.as_u16() {
            200 | 206 => Ok(response),
            408 | 429 | 500.. => Err(Fault::Again(reason(), http::asked(response.headers()))),
            _ => Err(Fault::Final(reason())),
        }
    }

    fn download(&self, file: &Listed) -> Result<PathBuf> {
        let path = self.out.join(&file.path);
        if std::fs::metadata(&path).is_ok_and(|there| there.len() == file.size) {
            return Ok(path);
        }
        let folder = path.parent().unwrap_or(self.out);
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let part = path.with_file_name(format!("{}.part", path.file_name().unwrap_or_default().to_string_lossy()));
        let url = format!("{}/datasets/{}/resolve/main/{}", self.base, self.set.repository, file.path);
        self.tried(&url, || self.load(&url, file, &part))?;
        if let Some(wanted) = &file.sha256 {
            let mut hash = Sha256::new();
            let mut stored = File::open(&part).map_err(|error| Error::io(&part, error))?;
            let mut block = vec![0; 1 << 16];
            loop {
                match stored.read(&mut block).map_err(|error| Error::io(&part, error))? {
                    0 => break,
                    count => hash.update(&block[..count]),
                }
            }
            let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            if found != *wanted {
                std::fs::remove_file(&part).map_err(|error| Error::io(&part, error))?;
                return Err(self.failed(&url, format!("the SHA-256 is {found}, not {wanted}")));
            }
        }
        std::fs::rename(&part, &path).map_err(|error| Error::io(&path, error))?;
        Ok(path)
    }

    /// Downloads the missing part of a file.
    fn load(&self, url: &str, file: &Listed, part: &Path) -> Result<(), Fault> {
        let held = std::fs::metadata(part).map_or(0, |there| there.len());
        if held == file.size {
            return Ok(());
        }
        let resumes = (1..file.size).contains(&held);
        let mut response = self.get(url, &[("range", format!("bytes={held}-"))][..usize::from(resumes)])?;
        // A server that does not know ranges resends the whole file.
        let held = if response.status() == 206 { held } else { 0 };
        let unwritable = |error| Fault::Final(format!("{} cannot be written: {error}", part.display()));
        let mut to = OpenOptions::new();
        to.create(true).append(held > 0).write(true).truncate(held == 0);
        let mut to = to.open(part).map_err(unwritable)?;
        let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}").expect("a valid template");
        let bar = ProgressBar::new(file.size).with_message(file.path.clone()).with_style(style).with_position(held);
        let mut from = response.body_mut().as_reader().take(file.size - held);
        let (mut block, mut all) = (vec![0; 1 << 16], held);
        let broke_off = |all: u64, why: &str| Fault::Again(format!("it broke off after {all} of {} bytes{why}", file.size), None);
        loop {
            let read = from.read(&mut block).map_err(|error| broke_off(all, &format!(": {error}")))?;
            if read == 0 {
                break;
            }
            to.write_all(&block[..read]).map_err(unwritable)?;
            all += read as u64;
            bar.set_position(all);
        }
        bar.finish_and_clear();
        to.sync_all().map_err(unwritable)?;
        if all == file.size { Ok(()) } else { Err(broke_off(all, "")) }
    }
}
