//! A run's folder: `run.json`, `metrics.jsonl`, `rollouts.jsonl`, a TensorBoard event file and `checkpoints/step-000050/`.
//!
//! A checkpoint is written to a temporary folder, synced, described by a manifest of hashes that is written last, and then renamed. So a
//! folder with its final name and a matching manifest is complete, whenever the process was stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::tensorboard::EventFile;
use crate::{Error, Result, files};

/// The content of a checkpoint: a trainer with its policy and optimiser.
pub trait Checkpoint {
    /// Writes everything that is needed to resume into an empty folder.
    fn save(&self, folder: &Path) -> Result<()>;
    /// Restores the saved state.
    fn load(&mut self, folder: &Path) -> Result<()>;
}

/// The content of `run.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The script that was run.
    pub script: PathBuf,
    /// Its command-line arguments.
    pub arguments: Vec<String>,
    /// The settings that the script recorded.
    pub settings: Value,
    /// The seed of the run, if it has one.
    pub seed: Option<u64>,
    /// The description of the device.
    pub device: String,
    /// The build: the engine's version, the target.
    pub versions: Map<String, Value>,
    /// The SHA-256 of every script loaded when the run was opened.
    pub scripts: Map<String, Value>,
    /// The steps after which the run was resumed.
    #[serde(default)]
    pub resumed: Vec<u64>,
    /// The scripts that were reloaded during the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reloaded: Vec<Reloaded>,
}

/// A reload of scripts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The first step for which they count, if known.
    pub step: Option<u64>,
    /// The SHA-256 of each.
    pub scripts: Map<String, Value>,
}

/// An open run. Only one process at a time can have it open.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    description: Description,
    metrics: File,
    rollouts: File,
    events: EventFile,
    newest: Option<(u64, PathBuf)>,
    passed_over: Vec<String>,
    _lock: File,
}

/// The number of checkpoints that a run keeps. Older ones are removed.
const KEEP: usize = 2;

impl Run {
    /// Starts a run in a folder that does not exist yet, or is empty.
    pub fn create(folder: &Path, description: Description) -> Result<Self> {
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
            let resume =
                if folder.join(DESCRIPTION).is_file() { format!(", resume it with --resume {}", folder.display()) } else { String::new() };
            return Err(Error::io(folder, format!("exists already and is not overwritten; choose another folder{resume}, or remove it")));
        }
        fs::create_dir_all(folder.join(CHECKPOINTS)).map_err(|e| Error::io(folder, e))?;
        Self::open(folder, description, None)
    }

    /// Resumes a run after its newest whole checkpoint, or from the start if it has none. Later lines of its logs are removed. Damaged
    /// checkpoints are passed over, and [`Run::passed_over`] says so.
    pub fn resume(folder: &Path) -> Result<Self> {
        let mut description = Self::description_of(folder)?;
        let (mut newest, mut faults) = (None, Vec::new());
        for (step, path) in checkpoints(folder)?.into_iter().rev() {
            match fault(step, &path) {
                Some(fault) => faults.push(fault.to_string()),
                None => {
                    newest = Some((step, path));
                    break;
                }
            }
        }
        let step = newest.as_ref().map_or(0, |(step, _)| *step);
        let goes_on = if step > 0 { format!("after step {step}") } else { "from the start".to_owned() };
        description.resumed.push(step);
        let mut run = Self::open(folder, description, newest)?;
        run.passed_over = faults.into_iter().map(|fault| format!("{fault}; the run goes on {goes_on}")).collect();
        Ok(run)
    }

    /// For each damaged checkpoint that was passed over: which file of it is damaged and how, and from where the run goes on.
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    /// Reads the `run.json` of a folder.
    pub fn description_of(folder: &Path) -> Result<Description> {
        let path = folder.join(DESCRIPTION);
        let text = fs::read(&path).map_err(|e| Error::io(&path, format!("cannot be read, so this folder cannot be resumed: {e}")))?;
        serde_json::from_slice(&text).map_err(|e| Error::format(&path, format!("does not describe a run: {e}")))
    }

    fn open(folder: &Path, description: Description, newest: Option<(u64, PathBuf)>) -> Result<Self> {
        let lock_path = folder.join(".lock");
        let lock = File::create(&lock_path).map_err(|e| Error::io(&lock_path, e))?;
        if lock.try_lock().is_err() {
            return Err(Error::io(folder, "is in use by another process"));
        }
        let step = newest.as_ref().map_or(0, |(step, _)| *step);
        let metrics = open_lines(&folder.join("metrics.jsonl"), step)?;
        let rollouts = open_lines(&folder.join("rollouts.jsonl"), step)?;
        let events = EventFile::create(folder, step + 1)?;
        let run =
            Self { folder: folder.to_path_buf(), description, metrics, rollouts, events, newest, passed_over: Vec::new(), _lock: lock };
        run.write_description()?;
        Ok(run)
    }

    fn write_description(&self) -> Result<()> {
        let path = self.folder.join(DESCRIPTION);
        let text = serde_json::to_string_pretty(&self.description).map_err(|e| Error::io(&path, e))?;
        files::write(&path, format!("{text}\n").as_bytes())
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The content of `run.json`.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Records in `run.json` that scripts were reloaded.
    pub fn reloaded(&mut self, step: Option<u64>, scripts: Map<String, Value>) -> Result<()> {
        self.description.reloaded.push(Reloaded { step, scripts });
        self.write_description()
    }

    /// Appends a line to `metrics.jsonl` and its numbers to the event file.
    pub fn log(&mut self, step: u64, values: &Map<String, Value>) -> Result<()> {
        self.append(step, values, |run| (&run.metrics, "metrics.jsonl"))?;
        self.events.log(step, values.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?))))
    }

    /// Appends a line to `rollouts.jsonl`.
    pub fn rollout(&mut self, step: u64, values: &Map<String, Value>) -> Result<()> {
        self.append(step, values, |run| (&run.rollouts, "rollouts.jsonl"))
    }

    fn append(&self, step: u64, values: &Map<String, Value>, file: impl Fn(&Self) -> (&File, &str)) -> Result<()> {
        let mut line = Map::from_iter([("step".to_string(), Value::from(step))]);
        line.extend(values.iter().filter(|(name, _)| *name != "step").map(|(name, value)| (name.clone(), value.clone())));
        let (mut file, name) = file(self);
        let wrong = |reason: String| Error::io(self.folder.join(name), reason);
        let text = serde_json::to_string(&line).map_err(|e| wrong(e.to_string()))? + "\n";
        file.write_all(text.as_bytes()).map_err(|e| wrong(e.to_string()))
    }

    /// Writes a checkpoint. `save` gets an empty folder to fill.
    pub fn checkpoint(&mut self, step: u64, save: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let all = self.folder.join(CHECKPOINTS);
        let path = all.join(format!("step-{step:06}"));
        let (new, old) = (all.join(".new"), all.join(".old"));
        for left in [&new, &old].into_iter().filter(|left| left.exists()) {
            fs::remove_dir_all(left).map_err(|e| Error::io(left, e))?;
        }
        fs::create_dir(&new).map_err(|e| Error::io(&new, e))?;
        save(&new)?;
        let files = hashes(&new)?;
        for name in files.keys() {
            sync(&new.join(name))?;
        }
        let manifest = new.join(MANIFEST);
        let text = serde_json::to_string_pretty(&Manifest { step, files }).map_err(|e| Error::io(&manifest, e))?;
        files::write(&manifest, text.as_bytes())?;
        sync(&new)?;
        self.metrics.sync_all().map_err(|e| Error::io(self.folder.join("metrics.jsonl"), e))?;
        if path.exists() {
            fs::rename(&path, &old).map_err(|e| Error::io(&path, e))?;
        }
        fs::rename(&new, &path).map_err(|e| Error::io(&path, e))?;
        sync(&all)?;
        if old.exists() {
            fs::remove_dir_all(&old).map_err(|e| Error::io(&old, e))?;
        }
        let earlier: Vec<_> = checkpoints(&self.folder)?.into_iter().filter(|(other, _)| *other < step).collect();
        for (_, path) in &earlier[..earlier.len().saturating_sub(KEEP - 1)] {
            fs::remove_dir_all(path).map_err(|e| Error::io(path, e))?;
        }
        self.newest = Some((step, path.clone()));
        Ok(path)
    }

    /// The newest whole checkpoint: its step and its folder.
    pub fn newest_checkpoint(&self) -> Option<(u64, &Path)> {
        self.newest.as_ref().map(|(step, path)| (*step, path.as_path()))
    }
}

const DESCRIPTION: &str = "run.json";
const CHECKPOINTS: &str = "checkpoints";
const MANIFEST: &str = "manifest.json";

/// The contents of a checkpoint: each file's SHA-256.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    step: u64,
    files: Map<String, Value>,
}

/// The checkpoints of a run, whole or not, oldest first.
fn checkpoints(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let all = folder.join(CHECKPOINTS);
    let entries = fs::read_dir(&all).map_err(|e| Error::io(&all, e))?;
    let step = |path: &Path| path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok();
    let mut found: Vec<_> = entries.flatten().filter_map(|entry| Some((step(&entry.path())?, entry.path()))).collect();
    found.sort();
    Ok(found)
}

/// What is wrong with a checkpoint, with the file; `None` if it is whole.
fn fault(step: u64, path: &Path) -> Option<Error> {
    let at = path.join(MANIFEST);
    let read = fs::read(&at).map_err(|e| Error::io(&at, format!("the checkpoint's list of files cannot be read: {e}")));
    let manifest = read.and_then(|text| {
        let wrong = |e| Error::format(&at, format!("is no list of a checkpoint's files: {}", files::brief(&e)));
        serde_json::from_slice::<Manifest>(&text).map_err(wrong)
    });
    let (manifest, found) = match (manifest, hashes(path)) {
        (Ok(manifest), Ok(found)) => (manifest, found),
        (Err(error), _) | (_, Err(error)) => return Some(error),
    };
    if manifest.step != step {
        return Some(Error::format(&at, format!("is of step {}, not of step {step}", manifest.step)));
    }
    let changed = manifest.files.iter().find_map(|(name, hash)| match found.get(name) {
        None => Some((name, "is missing from the checkpoint")),
        Some(other) => (other != hash).then_some((name, "is not what the checkpoint was saved with: its SHA-256 differs")),
    });
    let more = || found.keys().find(|name| !manifest.files.contains_key(*name)).map(|name| (name, "is not part of the checkpoint"));
    changed.or_else(more).map(|(name, wrong)| Error::format(path.join(name), wrong))
}

/// The SHA-256 of every file below a folder except the manifest, by relative path.
fn hashes(folder: &Path) -> Result<Map<String, Value>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(|e| Error::io(&next, e))?.flatten() {
            let path = entry.path();
            let name = path.strip_prefix(folder).map_err(|e| Error::io(&path, e))?.to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                folders.push(path);
            } else if name != MANIFEST {
                found.push((name, Value::from(sha256_of(&path)?)));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found.into_iter().collect())
}

fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(|e| Error::io(path, e))? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Opens a file of lines for appending, after removing the lines of steps after `step` and an unfinished last line.
fn open_lines(path: &Path, step: u64) -> Result<File> {
    if let Ok(file) = File::open(path) {
        #[derive(Deserialize)]
        struct Line {
            step: u64,
        }
        let mut kept = Vec::new();
        let mut reader = BufReader::new(file);
        loop {
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line).map_err(|e| Error::io(path, e))?;
            let whole = line.ends_with(b"\n") && serde_json::from_slice::<Line>(&line).is_ok_and(|line| line.step <= step);
            if !whole {
                break;
            }
            kept.extend(line);
        }
        files::write(path, &kept)?;
    }
    OpenOptions::new().create(true).append(true).open(path).map_err(|e| Error::io(path, e))
}

/// Syncs a file or a folder, so that it survives a power cut. Some systems cannot open folders, and there they are not synced.
fn sync(path: &Path) -> Result<()> {
    match File::open(path).and_then(|file| file.sync_all()) {
        Err(e) if path.is_file() => Err(Error::io(path, e)),
        _ => Ok(()),
    }
}
