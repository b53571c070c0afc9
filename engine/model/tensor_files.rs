//! Files of tensors, memory-mapped and read tensor by tensor: safetensors, which are also written in chunks from the device, and those of
//! [`super::gguf`].
//!
//! A safetensors file is eight bytes with the length of its header, the header in JSON (for each tensor: element type, shape and range of bytes), and
//! the bytes of all tensors without gaps. A model may be split into several files, *shards*, with an index that says which shard has which
//! tensor. Files are not trusted: what they say is checked against their real size before memory is allocated.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::tensor::{Dtype, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value, json};

use crate::device::{DType, Device, Quant, Tensor};
use crate::error::{Error, Result};
use crate::files;

/// A model in one file.
pub(super) const SINGLE: &str = "model.safetensors";
/// The index of a model in several.
pub(super) const INDEX: &str = "model.safetensors.index.json";
/// The default size of a shard in bytes, as Python tools split models.
pub const LARGEST_SHARD: u64 = 5_000_000_000;
/// A longer header or index means a broken file; published models of these types need about a tenth.
const LARGEST_HEADER: usize = 1 << 20;
/// A longer tensor name means a broken file.
const LONGEST_NAME: usize = 256;
/// Elements converted at a time (16 MiB in f32).
const CHUNK: usize = 4 << 20;

/// How the numbers of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 32-bit floats.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper halves of 32-bit floats.
    BF16,
    /// Blocks of whole numbers with scales.
    Quant(Quant),
    /// Something else, which is not read.
    Other(Dtype),
}

impl Encoding {
    /// That of a safetensors file.
    pub(super) fn of(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::BF16 => Self::BF16,
            other => Self::Other(other),
        }
    }

    /// The encoding of this name that can be written to a GGUF file: `f32`, `f16`, `bf16` or `q8_0`.
    pub(super) fn of_gguf(name: &str) -> Result<Self> {
        match name {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            "bf16" => Ok(Self::BF16),
            "q8_0" => Ok(Self::Quant(Quant::Q8_0)),
            other => Err(Error::argument(format!("GGUF files are written in f32, f16, bf16 or q8_0, not {other}"))),
        }
    }

    /// How a GGUF file has a tensor of this shape if its matrices have this encoding: a vector in F32, and a matrix whose rows have no whole
    /// blocks in F16.
    pub(super) fn in_gguf(self, shape: &[usize]) -> Self {
        match shape {
            [_] => Self::F32,
            [.., cols] if cols.is_multiple_of(self.block()) => self,
            _ => Self::F16,
        }
    }

    /// What is left of numbers that are written.
    pub(super) fn rounded(self, values: &[f32]) -> Result<Vec<f32>> {
        self.narrow(values).map(|bytes| self.widen(&bytes))
    }

    /// Numbers that are stored together.
    pub(super) fn block(self) -> usize {
        if let Self::Quant(quant) = self { quant.block() } else { 1 }
    }

    /// Bytes of a block.
    pub(super) fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Quant(quant) => quant.bytes(),
            Self::Other(dtype) => dtype.bitsize().div_ceil(8),
        }
    }

    /// Bytes of so many numbers, in whole blocks.
    pub(super) fn bytes(self, numbers: usize) -> usize {
        numbers / self.block() * self.block_bytes()
    }

    /// The device's type for weights in their stored type.
    fn of_weights(self) -> DType {
        match self {
            Self::F16 => DType::F16,
            Self::BF16 => DType::BF16,
            Self::Quant(quant) => DType::Quant(quant),
            _ => DType::F32,
        }
    }

    /// The bytes of numbers, which are rounded to what is nearest.
    pub(super) fn narrow(self, values: &[f32]) -> Result<Vec<u8>> {
        Ok(match self {
            Self::F32 => values.iter().map(|v| v.to_le_bytes()).collect::<Vec<_>>().into_flattened(),
            Self::F16 => values.iter().map(|v| half::f16::from_f32(*v).to_le_bytes()).collect::<Vec<_>>().into_flattened(),
            Self::BF16 => values.iter().map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect::<Vec<_>>().into_flattened(),
            Self::Quant(quant) => quant.quantise(values)?,
            Self::Other(other) => return Err(Error::argument(format!("nothing is written in {other:?}"))),
        })
    }

    fn widen(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F16 => pairs(bytes).map(|b| half::f16::from_le_bytes(b).to_f32()).collect(),
            Self::BF16 => pairs(bytes).map(|b| half::bf16::from_le_bytes(b).to_f32()).collect(),
            Self::Quant(quant) => quant.numbers(bytes),
            _ => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        }
    }
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::F32 => f.write_str("F32"),
            Self::F16 => f.write_str("F16"),
            Self::BF16 => f.write_str("BF16"),
            Self::Quant(quant) => f.write_str(&quant.name().to_uppercase()),
            Self::Other(dtype) => write!(f, "{dtype:?}"),
        }
    }
}

/// The place of a tensor.
pub(super) struct Entry {
    pub(super) file: usize,
    pub(super) dtype: Encoding,
    pub(super) shape: Vec<usize>,
    /// Bytes of the file.
    pub(super) range: Range<usize>,
    /// If so many heads have the two rows of each pair of elements side by side, instead of half a head apart.
    pub(super) interleaved: Option<usize>,
}

/// One or several mapped files; each tensor is in one of them.
pub struct TensorFiles {
    /// The one file, or the index.
    path: PathBuf,
    files: Vec<(PathBuf, Mmap)>,
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

impl TensorFiles {
    /// `model.safetensors` in `folder` if it is there, else the shards that `model.safetensors.index.json` names.
    pub fn open_model(folder: &Path) -> Result<Self> {
        let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
        match (single.exists(), index.exists()) {
            (true, _) => return Self::open(&single),
            (false, false) => return Err(Error::io(&single, format!("no such file, and no {INDEX} that names shards"))),
            _ => {}
        }
        let text = files::read_small(&index, LARGEST_HEADER)?;
        let Index { weight_map } = serde_json::from_slice(&text).map_err(|e| Error::format(&index, files::brief(&e)))?;
        let fail = |reason: String| Err(Error::format(&index, reason));
        let mut all = Self { path: index.clone(), files: Vec::new(), entries: BTreeMap::new(), metadata: BTreeMap::new() };
        for shard in weight_map.0.values().collect::<BTreeSet<_>>() {
            if Path::new(shard).file_name().is_none_or(|name| name != shard.as_str()) || shard.len() > LONGEST_NAME {
                return fail("weight_map names a shard that is not the name of a file in this folder".into());
            }
            let path = folder.join(shard);
            if !path.is_file() {
                return Err(Error::io(&path, format!("{INDEX} names this shard, but there is no such file")));
            }
            all.add(&path)?;
        }
        for (name, entry) in &all.entries {
            let path = &all.files[entry.file].0;
            let told = weight_map.0.get(name);
            if told.is_none_or(|shard| path.file_name().is_none_or(|file| file != shard.as_str())) {
                let told = told.map_or("names no shard for it".into(), |shard| format!("says that it is in {shard}"));
                return Err(Error::format(path, format!("tensor {name} is here, but {INDEX} {told}")));
            }
        }
        match weight_map.0.iter().find(|(name, _)| !all.entries.contains_key(*name)) {
            Some((name, shard)) => fail(format!("tensor {name} is not in {shard}, where weight_map says it is")),
            None => Ok(all),
        }
    }

    /// Tensors in mapped files, whose entries have been checked.
    pub(super) fn of(files: Vec<(PathBuf, Mmap)>, entries: BTreeMap<String, Entry>) -> Self {
        let path = files.first().map(|(path, _)| path.clone()).unwrap_or_default();
        Self { path, files, entries, metadata: BTreeMap::new() }
    }

    /// One file.
    pub fn open(path: &Path) -> Result<Self> {
        let mut one = Self { path: path.to_path_buf(), files: Vec::new(), entries: BTreeMap::new(), metadata: BTreeMap::new() };
        one.add(path)?;
        Ok(one)
    }

    /// Maps a file, checks its header and adds its tensors.
    fn add(&mut self, path: &Path) -> Result<()> {
        let map = map(path)?;
        let broken = |reason: String| Error::format(path, format!("not a whole safetensors file: {reason}"));
        let length = map.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        let header = length.and_then(|length| usize::try_from(length).ok()).and_then(|length| map[8..].get(..length));
        let header = header.ok_or_else(|| broken(format!("it has {} bytes, which its header does not fit in", map.len())))?;
        if header.len() > LARGEST_HEADER {
            return Err(broken(format!("its header has {} bytes, which is more than {LARGEST_HEADER}", header.len())));
        }
        let Header { tensors, metadata } =
            serde_json::from_slice(header).map_err(|e| broken(format!("its header: {}", files::brief(&e))))?;
        let start = 8 + header.len();
        let mut spans: Vec<(usize, usize, &str)> = Vec::new();
        for (name, info) in &tensors {
            let elements = info.shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
            let bytes = elements.and_then(|elements| elements.checked_mul(info.dtype.bitsize())).map(|bits| bits.div_ceil(8));
            let (from, to) = info.data_offsets;
            if bytes.is_none() || bytes != to.checked_sub(from) {
                let (dtype, shape) = (info.dtype, short(&info.shape));
                return Err(broken(format!("tensor {name} of type {dtype:?} and shape {shape} does not fill bytes {from} to {to}")));
            }
            if to > map.len() - start {
                return Err(broken(format!("tensor {name} ends at byte {to} of {}; the file was cut short", map.len() - start)));
            }
            spans.push((from, to, name));
        }
        spans.sort_unstable();
        let mut end = 0;
        for (from, to, name) in spans {
            if from != end {
                return Err(broken(format!("tensor {name} starts at byte {from}, but those before it end at {end}")));
            }
            end = to;
        }
        if end != map.len() - start {
            return Err(broken(format!("{} bytes belong to no tensor", map.len() - start - end)));
        }
        let file = self.files.len();
        for (name, info) in tensors {
            let range = start + info.data_offsets.0..start + info.data_offsets.1;
            match self.entries.entry(name) {
                Slot::Vacant(slot) => {
                    slot.insert(Entry { file, dtype: Encoding::of(info.dtype), shape: info.shape, range, interleaved: None });
                }
                Slot::Occupied(slot) => {
                    let (name, other) = (slot.key(), self.files[slot.get().file].0.display());
                    return Err(Error::format(path, format!("tensor {name} is here and in {other}")));
                }
            }
        }
        self.metadata.extend(metadata);
        self.files.push((path.to_path_buf(), map));
        Ok(())
    }

    /// Gives every tensor the name that `rename` returns for it, or removes it.
    pub(super) fn rename(&mut self, rename: impl Fn(&str) -> Option<String>) -> Result<()> {
        let mut olds = BTreeMap::new();
        for (old, entry) in std::mem::take(&mut self.entries) {
            let Some(new) = rename(&old) else { continue };
            if let Some(other) = olds.insert(new.clone(), old.clone()) {
                return Err(Error::format(&self.files[entry.file].0, format!("tensors {other} and {old} are both {new}")));
            }
            self.entries.insert(new, entry);
        }
        Ok(())
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The file that holds a tensor. If none does, the single file, or the index.
    pub fn path_of(&self, name: &str) -> &Path {
        self.entries.get(name).map_or(&self.path, |entry| &self.files[entry.file].0)
    }

    /// The metadata under `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        self.entries.get(name).ok_or_else(|| {
            let longer = self.names().find(|other| other.ends_with(name)).map(|other| format!("; rename {other}, if that is it"));
            Error::format(&self.path, format!("tensor {name} is missing{}", longer.unwrap_or_default()))
        })
    }

    /// Whether both tensors are there.
    pub(super) fn have(&self, names: [&str; 2]) -> bool {
        names.iter().all(|name| self.entries.contains_key(*name))
    }

    /// Whether two tensors have the same numbers; they must have the same shape.
    pub(super) fn equal(&self, a: &str, b: &str) -> Result<bool> {
        let [x, y] = [self.entry(a)?, self.entry(b)?];
        let chunks = |entry: &Entry| self.files[entry.file].1[entry.range.clone()].chunks(entry.dtype.bytes(CHUNK));
        Ok(chunks(x).zip(chunks(y)).all(|(p, q)| if x.dtype == y.dtype { p == q } else { x.dtype.widen(p) == y.dtype.widen(q) }))
    }

    /// Fails unless there is a tensor `name` of this shape with a supported element type.
    pub fn expect(&self, name: &str, shape: &[usize]) -> Result<()> {
        let entry = self.entry(name)?;
        let fail = |reason: String| Err(Error::format(self.path_of(name), format!("tensor {name} has {reason}")));
        if entry.shape != shape {
            return fail(format!("shape {}, expected {shape:?} by the configuration", short(&entry.shape)));
        }
        match entry.dtype {
            Encoding::Other(other) => fail(format!("element type {other:?}, which is not supported; supported: F32, F16, BF16")),
            _ => Ok(()),
        }
    }

    /// The element type in which [`TensorFiles::load`] keeps a tensor. A matrix gets the type that is `wanted`, or that it is stored in if
    /// none is wanted. Everything else is f32: vectors are small. So is a matrix whose rows the type cannot have: 16-bit rows cannot have an
    /// odd length, nor quantised ones a part of a block.
    pub fn kept(&self, name: &str, wanted: Option<DType>) -> Result<DType> {
        let Entry { dtype, shape, .. } = self.entry(name)?;
        let wanted = wanted.unwrap_or(dtype.of_weights());
        Ok(wanted.of_parameter(shape))
    }

    /// The tensor `name` on `device`.
    pub fn load(&self, name: &str, device: &Device, wanted: Option<DType>) -> Result<Tensor> {
        let tensor = device.zeros(self.kept(name, wanted)?, &self.entry(name)?.shape)?;
        self.read(name, &tensor)?;
        Ok(tensor)
    }

    /// Fills `tensor` with the numbers of the tensor `name`, a chunk at a time.
    pub fn read(&self, name: &str, tensor: &Tensor) -> Result<()> {
        self.expect(name, tensor.shape())?;
        let Entry { file, dtype, range, shape, interleaved } = self.entry(name)?;
        let map = &self.files[*file].1;
        let flat = tensor.view(&[tensor.len()])?;
        let put = |first: usize, bytes: &[u8]| {
            let part = flat.slice(first..first + bytes.len() / dtype.block_bytes() * dtype.block())?;
            if part.dtype() != DType::F32 && part.dtype() == dtype.of_weights() {
                part.write_bits(&pairs(bytes).map(u16::from_le_bytes).collect::<Vec<_>>())
            } else {
                part.write(&dtype.widen(bytes))
            }
        };
        match interleaved {
            None => {
                for (i, bytes) in map[range.clone()].chunks(dtype.bytes(CHUNK)).enumerate() {
                    put(i * CHUNK, bytes)?;
                }
            }
            Some(heads) => {
                let (rows, row) = (shape[0] / heads.max(&1), range.len() / shape[0].max(1));
                for (i, head) in map[range.clone()].chunks((rows * row).max(1)).enumerate() {
                    let halves = (0..2).flat_map(|half| (0..rows / 2).map(move |pair| 2 * pair + half));
                    let bytes: Vec<u8> = halves.flat_map(|at| &head[at * row..][..row]).copied().collect();
                    put(i * tensor.len() / heads.max(&1), &bytes)?;
                }
            }
        }
        // Gives the pages back to the system, so that the map only counts as memory of this process while it is used.
        #[cfg(unix)]
        // SAFETY: the map is of a file and only read, so a page that was given back is read from the file again.
        let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len()) };
        Ok(())
    }
}

/// A file as it lies.
pub(super) fn map(path: &Path) -> Result<Mmap> {
    let opened = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    // SAFETY: the map is only read. If another program changes the file meanwhile, the numbers are wrong, but in practice nothing is
    // unsound; every reader of such files accepts that.
    unsafe { Mmap::map(&opened) }.map_err(|e| Error::io(path, e))
}

/// The element type with this name: `f32`, `f16` or `bf16`.
pub fn dtype(name: &str) -> Result<Dtype> {
    match name {
        "f32" => Ok(Dtype::F32),
        "f16" => Ok(Dtype::F16),
        "bf16" => Ok(Dtype::BF16),
        other => Err(Error::argument(format!("dtype '{other}' is not known; known: f32, f16, bf16"))),
    }
}

/// The name that [`dtype`] reads.
pub fn name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F16 => "f16",
        Dtype::BF16 => "bf16",
        _ => "f32",
    }
}

/// Writes one file through a temporary one beside it. Only a chunk of a tensor is in host memory at a time.
pub fn write(path: &Path, tensors: &[(String, &Tensor)], dtype: Dtype, metadata: &[(&str, &str)]) -> Result<()> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), metadata.iter().map(|(key, value)| (key.to_string(), json!(value))).collect());
    let mut end = 0;
    for (name, tensor) in tensors {
        let start = end;
        end += tensor.len() * size_of(dtype);
        header.insert(name.clone(), json!({ "dtype": dtype.to_string(), "shape": tensor.shape(), "data_offsets": [start, end] }));
    }
    let mut header = Value::Object(header).to_string();
    // The numbers start at a multiple of eight bytes.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    files::write_with(path, |file| {
        let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(|e| Error::io(path, e));
        put(&(header.len() as u64).to_le_bytes())?;
        put(header.as_bytes())?;
        for (_, tensor) in tensors {
            let flat = tensor.view(&[tensor.len()])?;
            for start in (0..flat.len()).step_by(CHUNK) {
                put(&Encoding::of(dtype).narrow(&flat.slice(start..flat.len().min(start + CHUNK))?.read()?)?)?;
            }
        }
        Ok(())
    })
}

/// Writes a model's tensors to `folder`: to `model.safetensors`, or if they have more than `largest` bytes, to shards of at most that size
/// and their index. A larger tensor gets a shard of its own. Files of an earlier model with such names are removed.
pub fn write_model(folder: &Path, tensors: &[(String, &Tensor)], dtype: Dtype, largest: u64) -> Result<()> {
    let bytes = |(_, tensor): &(String, &Tensor)| (tensor.len() * size_of(dtype)) as u64;
    let (mut shards, mut first, mut filled) = (Vec::new(), 0, 0);
    for (i, tensor) in tensors.iter().enumerate() {
        if i > first && filled + bytes(tensor) > largest {
            shards.push(&tensors[first..i]);
            (first, filled) = (i, 0);
        }
        filled += bytes(tensor);
    }
    shards.push(&tensors[first..]);
    let name = |i: usize| match shards.len() {
        1 => SINGLE.to_string(),
        n => format!("model-{:05}-of-{n:05}.safetensors", i + 1),
    };
    let mut written = BTreeSet::new();
    let mut weight_map = Map::new();
    for (i, shard) in shards.iter().enumerate() {
        // Python tools require this entry.
        write(&folder.join(name(i)), shard, dtype, &[("format", "pt")])?;
        weight_map.extend(shard.iter().map(|(tensor, _)| (tensor.clone(), name(i).into())));
        written.insert(name(i));
    }
    if shards.len() > 1 {
        let total: u64 = tensors.iter().map(bytes).sum();
        let index = json!({ "metadata": { "total_size": total }, "weight_map": weight_map });
        files::write(folder.join(INDEX), format!("{index:#}\n").as_bytes())?;
        written.insert(INDEX.to_string());
    }
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let entry = entry.map_err(|e| Error::io(folder, e))?;
        if entry.file_name().to_str().is_some_and(|name| belongs_to_a_model(name) && !written.contains(name)) {
            std::fs::remove_file(entry.path()).map_err(|e| Error::io(entry.path(), e))?;
        }
    }
    Ok(())
}

/// Whether [`write_model`] writes files of this name.
fn belongs_to_a_model(name: &str) -> bool {
    let number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let shard = name.strip_prefix("model-").and_then(|name| name.strip_suffix(".safetensors")).and_then(|name| name.split_once("-of-"));
    [SINGLE, INDEX].contains(&name) || shard.is_some_and(|(i, n)| number(i) && number(n))
}

/// The bytes of 16-bit numbers.
fn pairs(bytes: &[u8]) -> impl Iterator<Item = [u8; 2]> {
    bytes.as_chunks().0.iter().copied()
}

/// Bytes of an element, for the types that are read and written.
fn size_of(dtype: Dtype) -> usize {
    dtype.bitsize() / 8
}

/// A shape for a message, shortened so that the message stays readable.
fn short(shape: &[usize]) -> String {
    if shape.len() <= 8 { format!("{shape:?}") } else { format!("of {} axes", shape.len()) }
}

/// The content of a header.
struct Header {
    tensors: Vec<(String, TensorInfo)>,
    metadata: BTreeMap<String, String>,
}

/// The part of an index that is used.
#[derive(serde::Deserialize)]
struct Index {
    weight_map: Unique,
}

/// A map in which no key may come twice.
struct Unique(BTreeMap<String, String>);

struct HeaderVisitor;
struct UniqueVisitor;

/// The next key, if it is short and new.
fn next_name<'de, A: MapAccess<'de>>(map: &mut A, seen: &mut BTreeSet<String>) -> std::result::Result<Option<String>, A::Error> {
    let Some(name) = map.next_key::<String>()? else { return Ok(None) };
    if name.len() > LONGEST_NAME {
        return Err(A::Error::custom(format_args!("a tensor has a name of {} bytes", name.len())));
    }
    if !seen.insert(name.clone()) {
        return Err(A::Error::custom(format_args!("tensor {name} comes twice")));
    }
    Ok(Some(name))
}

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with a tensor for each key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Header, A::Error> {
        let mut header = Header { tensors: Vec::new(), metadata: BTreeMap::new() };
        let mut seen = BTreeSet::new();
        while let Some(name) = next_name(&mut map, &mut seen)? {
            if name == "__metadata__" {
                header.metadata = map.next_value::<Option<_>>()?.unwrap_or_default();
            } else {
                let info = map.next_value().map_err(|e| A::Error::custom(format_args!("tensor {name}: {e}")))?;
                header.tensors.push((name, info));
            }
        }
        Ok(header)
    }
}

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with the name of a file for each tensor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Unique, A::Error> {
        let (mut all, mut seen) = (BTreeMap::new(), BTreeSet::new());
        while let Some(name) = next_name(&mut map, &mut seen)? {
            let file = map.next_value().map_err(|e| A::Error::custom(format_args!("tensor {name}: {e}")))?;
            all.insert(name, file);
        }
        Ok(Unique(all))
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor)
    }
}
