//! The bytes of a GGUF file: what its header says, checked against its real length before memory is allocated.
//!
//! A file is the letters GGUF, a version, the numbers of tensors and of keys, the keys with their values, the tensors' names, shapes, types
//! and places, and from the next multiple of the alignment on their numbers (gguf.md of the ggml project). All numbers are little-endian.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};

/// A longer header means a broken file; those of published models have up to about ten million bytes.
const LARGEST_HEADER: usize = 64 << 20;
/// A longer name of a key or a tensor means a broken file.
const LONGEST_NAME: u64 = 256;
/// The alignment if the file does not say.
const ALIGNMENT: u64 = 32;
/// A larger alignment means a broken file.
const LARGEST_ALIGNMENT: u64 = 1 << 16;
/// Axes of a tensor.
const AXES: u32 = 4;

/// The value of a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Whole(i128),
    Real(f64),
    Truth(bool),
    Text(String),
    Texts(Vec<String>),
    Wholes(Vec<i64>),
    /// A list of something else, which no key that is read here has.
    List,
}

/// Where a tensor is.
#[derive(Debug)]
pub(super) struct Info {
    pub(super) name: String,
    /// Sizes of the axes, the innermost last.
    pub(super) shape: Vec<usize>,
    /// The number of its element type.
    pub(super) kind: u32,
    /// Its first byte in the file.
    pub(super) start: usize,
}

/// What the header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) keys: BTreeMap<String, Value>,
    pub(super) tensors: Vec<Info>,
}

impl Header {
    /// Reads the header of a file with these bytes.
    pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { path, bytes, at: 0 };
        if reader.take(4, "the letters GGUF")? != b"GGUF" {
            return Err(reader.broken(0, "it does not begin with the letters GGUF"));
        }
        match reader.u32("the version")? {
            2 | 3 => {}
            version if version.swap_bytes() == 3 => return Err(reader.broken(4, "its numbers are big-endian, which is not supported")),
            version => return Err(reader.broken(4, format!("version {version} is not supported; supported: 2, 3"))),
        }
        let (tensors, keys) = (reader.u64("the number of tensors")?, reader.u64("the number of keys")?);
        let mut header = Self { keys: BTreeMap::new(), tensors: Vec::new() };
        for _ in 0..keys {
            let start = reader.at;
            let key = reader.name("the name of a key")?;
            let kind = reader.u32("the type of a value")?;
            let value = reader.value(&key, kind)?;
            if header.keys.insert(key.clone(), value).is_some() {
                return Err(reader.broken(start, format!("the key {key} comes twice")));
            }
        }
        let alignment = match header.keys.get("general.alignment") {
            None => ALIGNMENT,
            Some(Value::Whole(size)) if (1..=i128::from(LARGEST_ALIGNMENT)).contains(size) => *size as u64,
            Some(other) => return Err(reader.broken(0, format!("general.alignment is {other:?}"))),
        };
        let mut offsets = Vec::new();
        for _ in 0..tensors {
            let start = reader.at;
            let name = reader.name("the name of a tensor")?;
            let axes = reader.u32("the number of axes of a tensor")?;
            if axes == 0 || axes > AXES {
                return Err(reader.broken(start, format!("tensor {name} has {axes} axes")));
            }
            let mut shape = Vec::new();
            for _ in 0..axes {
                let size = reader.u64("the size of an axis")?;
                shape.insert(0, usize::try_from(size).map_err(|_| reader.broken(start, format!("tensor {name} has an axis of {size}")))?);
            }
            let (kind, offset) = (reader.u32("the type of a tensor")?, reader.u64("the place of a tensor")?);
            if !offset.is_multiple_of(alignment) {
                return Err(reader.broken(start, format!("tensor {name} begins at {offset}, which is no multiple of {alignment}")));
            }
            offsets.push((start, offset));
            header.tensors.push(Info { name, shape, kind, start: 0 });
        }
        let first = (reader.at as u64).next_multiple_of(alignment);
        for (tensor, (at, offset)) in header.tensors.iter_mut().zip(offsets) {
            let start = first.checked_add(offset).and_then(|start| usize::try_from(start).ok()).filter(|start| *start <= bytes.len());
            tensor.start = start.ok_or_else(|| reader.broken(at, format!("tensor {} begins behind the end of the file", tensor.name)))?;
        }
        Ok(header)
    }
}

/// The shortest decimal number that rounds to this one: 0.00001 is written in 32 bits, but meant in 64.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(value.into())
}

struct Reader<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn broken(&self, at: usize, why: impl std::fmt::Display) -> Error {
        Error::format(self.path, format!("not a whole GGUF file: byte {at}: {why}"))
    }

    /// The next bytes; `what` they are is for the error.
    fn take(&mut self, count: u64, what: &str) -> Result<&'a [u8]> {
        let left = self.bytes.len().min(LARGEST_HEADER) - self.at.min(LARGEST_HEADER);
        let count = usize::try_from(count).ok().filter(|count| *count <= left).ok_or_else(|| {
            let end = if self.bytes.len() > LARGEST_HEADER { "the longest header that is read" } else { "the file" };
            self.broken(self.at, format!("{what} has {count} bytes, but {end} ends after {left}"))
        })?;
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    fn name(&mut self, what: &str) -> Result<String> {
        let start = self.at;
        let length = self.u64(what)?;
        if length > LONGEST_NAME {
            return Err(self.broken(start, format!("{what} has {length} bytes; the longest that is read has {LONGEST_NAME}")));
        }
        let bytes = self.take(length, what)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.broken(start, format!("{what} is not UTF-8 text")))
    }

    fn text(&mut self, key: &str) -> Result<String> {
        let start = self.at;
        let length = self.u64(key)?;
        let bytes = self.take(length, key)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.broken(start, format!("{key} is not UTF-8 text")))
    }

    /// A value of one of the types with a fixed size. None for texts and lists.
    fn plain(&mut self, key: &str, kind: u32) -> Result<Option<Value>> {
        Ok(Some(match kind {
            0 => Value::Whole(u8::from_le_bytes(self.array(key)?).into()),
            1 => Value::Whole(i8::from_le_bytes(self.array(key)?).into()),
            2 => Value::Whole(u16::from_le_bytes(self.array(key)?).into()),
            3 => Value::Whole(i16::from_le_bytes(self.array(key)?).into()),
            4 => Value::Whole(u32::from_le_bytes(self.array(key)?).into()),
            5 => Value::Whole(i32::from_le_bytes(self.array(key)?).into()),
            6 => Value::Real(decimal(f32::from_le_bytes(self.array(key)?))),
            7 => Value::Truth(u8::from_le_bytes(self.array(key)?) != 0),
            10 => Value::Whole(u64::from_le_bytes(self.array(key)?).into()),
            11 => Value::Whole(i64::from_le_bytes(self.array(key)?).into()),
            12 => Value::Real(f64::from_le_bytes(self.array(key)?)),
            _ => return Ok(None),
        }))
    }

    fn value(&mut self, key: &str, kind: u32) -> Result<Value> {
        if let Some(value) = self.plain(key, kind)? {
            return Ok(value);
        }
        match kind {
            8 => self.text(key).map(Value::Text),
            9 => self.list(key),
            _ => Err(self.broken(self.at - 4, format!("{key} has a value of type {kind}, which there is not"))),
        }
    }

    fn list(&mut self, key: &str) -> Result<Value> {
        let start = self.at;
        let (kind, count) = (self.u32(key)?, self.u64(key)?);
        let size = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10 | 11 | 12 => 8,
            _ => return Err(self.broken(start, format!("{key} is a list of values of type {kind}, which is not supported"))),
        };
        // Each value takes at least so many bytes, so the list cannot have more than fit. Checked before any is kept.
        let fits = count.checked_mul(size).is_some_and(|bytes| bytes <= (self.bytes.len() - self.at) as u64);
        if !fits {
            return Err(self.broken(start, format!("{key} is a list of {count} values, which the file has no room for")));
        }
        match kind {
            8 => (0..count).map(|_| self.text(key)).collect::<Result<_>>().map(Value::Texts),
            4 | 5 => {
                let wholes = self.take(count * size, key)?.as_chunks().0.iter();
                let signed = kind == 5;
                let whole = |bytes: &[u8; 4]| if signed { i32::from_le_bytes(*bytes).into() } else { u32::from_le_bytes(*bytes).into() };
                Ok(Value::Wholes(wholes.map(whole).collect()))
            }
            _ => self.take(count * size, key).map(|_| Value::List),
        }
    }
}
