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

use crate::{Error, Result};

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

/// How often an interrupted download is resumed.
const TRIES: usize = 4;
/// A connection that delivers nothing for this long counts as broken.
const PATIENCE: Duration = Duration::from_secs(60);

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
    let hub = Hub { agent: agent(), base: endpoint.trim_end_matches('/').to_owned(), set, out };
    let listed = hub.list()?;
    listed.iter().map(|file| hub.get(file)).collect()
}

/// The names that [`fetch`] knows.
pub fn names() -> Vec<&'static str> {
    SETS.iter().map(|set| set.name).chain(ELSEWHERE.iter().map(|(name, _)| *name)).collect()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(PATIENCE))
        .user_agent(concat!("finemem-engine/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

struct Hub<'a> {
    agent: ureq::Agent,
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
        let mut response = self.agent.get(&url).call().map_err(|error| self.failed(&url, error))?;
        if !response.status().is_success() {
            return Err(self.failed(&url, format!("status {}", response.status())));
        }
        let list: Value = response.body_mut().read_json().map_err(|error| self.failed(&url, error))?;
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

    fn get(&self, file: &Listed) -> Result<PathBuf> {
        let path = self.out.join(&file.path);
        if std::fs::metadata(&path).is_ok_and(|there| there.len() == file.size) {
            return Ok(path);
        }
        let folder = path.parent().unwrap_or(self.out);
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let part = path.with_file_name(format!("{}.part", path.file_name().unwrap_or_default().to_string_lossy()));
        let url = format!("{}/datasets/{}/resolve/main/{}", self.base, self.set.repository, file.path);
        for again in (0..TRIES).rev() {
            match self.load(&url, file, &part) {
                Ok(()) => break,
                Err(Error::Io { path, .. }) if again > 0 && path == Path::new(&url) => std::thread::sleep(Duration::from_millis(500)),
                Err(error) => return Err(error),
            }
        }
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
    fn load(&self, url: &str, file: &Listed, part: &Path) -> Result<()> {
        let held = std::fs::metadata(part).map_or(0, |there| there.len());
        if held == file.size {
            return Ok(());
        }
        let mut request = self.agent.get(url);
        if (1..file.size).contains(&held) {
            request = request.header("range", format!("bytes={held}-"));
        }
        let mut response = request.call().map_err(|error| self.failed(url, error))?;
        let held = match response.status().as_u16() {
            206 => held,
            // Other servers resend the whole file.
            200 => 0,
            status => return Err(self.failed(url, format!("status {status}"))),
        };
        let mut to = OpenOptions::new();
        to.create(true).append(held > 0).write(true).truncate(held == 0);
        let mut to = to.open(part).map_err(|error| Error::io(part, error))?;
        let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}").expect("a valid template");
        let bar = ProgressBar::new(file.size).with_message(file.path.clone()).with_style(style).with_position(held);
        let mut from = response.body_mut().as_reader().take(file.size - held);
        let (mut block, mut all) = (vec![0; 1 << 16], held);
        loop {
            let read = from
                .read(&mut block)
                .map_err(|error| self.failed(url, format!("it broke off after {all} of {} bytes: {error}", file.size)))?;
            if read == 0 {
                break;
            }
            to.write_all(&block[..read]).map_err(|error| Error::io(part, error))?;
            all += read as u64;
            bar.set_position(all);
        }
        bar.finish_and_clear();
        to.sync_all().map_err(|error| Error::io(part, error))?;
        if all != file.size {
            return Err(self.failed(url, format!("it broke off after {all} of {} bytes", file.size)));
        }
        Ok(())
    }
}
