//! TensorBoard event files, written without a library.
//!
//! A file is a sequence of TFRecords: length (u64), masked CRC-32C of the length, data, masked CRC-32C of the data, all little-endian. The
//! data is an `Event` protobuf message, of which five fields are used:
//!
//! ```text
//! Event   { 1: wall_time double, 2: step int64, 3: file_version string, 5: summary Summary, 7: session_log SessionLog }
//! Summary { 1: repeated Value { 1: tag string, 2: simple_value float } }     SessionLog { 1: status enum, 1 = START }
//! ```

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Error, Result};

/// An open event file.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Starts a new event file in a folder. Viewers then drop the values of older files for `first_step` and later steps.
    pub fn create(folder: &Path, first_step: u64) -> Result<Self> {
        let seconds = now() as u64;
        for number in 0.. {
            let path = folder.join(format!("events.out.tfevents.{seconds:010}.finemem.{number}"));
            match File::create_new(&path) {
                Ok(file) => {
                    let mut events = Self { path, file };
                    events.write(&event(now(), 0, 3, b"brain.Event:2"))?;
                    events.write(&event(now(), first_step, 7, &[0x08, 1]))?;
                    return Ok(events);
                }
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io(path, e)),
            }
        }
        unreachable!("there is a free number below 2^31")
    }

    /// Writes one step's values.
    pub fn log<'a>(&mut self, step: u64, values: impl IntoIterator<Item = (&'a str, f64)>) -> Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut entry = Vec::new();
            field(&mut entry, 1, tag.as_bytes());
            entry.push(2 << 3 | 5);
            entry.extend((value as f32).to_le_bytes());
            field(&mut summary, 1, &entry);
        }
        self.write(&event(now(), step, 5, &summary))
    }

    fn write(&mut self, data: &[u8]) -> Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let record = [&length[..], &masked_crc(&length).to_le_bytes(), data, &masked_crc(data).to_le_bytes()].concat();
        self.file.write_all(&record).map_err(|e| Error::io(&self.path, e))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The checksum of a TFRecord.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xA282_EAD8)
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field of bytes: text or another message.
fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn event(time: f64, step: u64, number: u64, content: &[u8]) -> Vec<u8> {
    let mut out = vec![1 << 3 | 1];
    out.extend(time.to_le_bytes());
    out.push(2 << 3);
    varint(&mut out, step);
    field(&mut out, number, content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A protobuf message as (field number, integer or bits of a fixed field, bytes).
    fn fields(mut data: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
        fn varint(data: &mut &[u8]) -> u64 {
            let (mut value, mut shift) = (0, 0);
            loop {
                let byte = data[0];
                *data = &data[1..];
                value |= u64::from(byte & 0x7F) << shift;
                shift += 7;
                if byte < 0x80 {
                    return value;
                }
            }
        }
        let mut out = Vec::new();
        while !data.is_empty() {
            let key = varint(&mut data);
            let (value, length) = match key & 7 {
                0 => (varint(&mut data), 0),
                1 => (u64::from_le_bytes(data[..8].try_into().unwrap()), 8),
                2 => (0, varint(&mut data) as usize),
                5 => (u64::from(u32::from_le_bytes(data[..4].try_into().unwrap())), 4),
                other => panic!("wire type {other}"),
            };
            out.push((key >> 3, value, data[..length].to_vec()));
            data = &data[length..];
        }
        out
    }

    #[test]
    fn records_decode() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xE306_9283);
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path(), 1).unwrap();
        events.log(300, [("reward", 0.5), ("rewards/finemem/mean", -2.0)]).unwrap();
        let bytes = std::fs::read(&events.path).unwrap();
        let mut rest = bytes.as_slice();
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let crc = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            assert_eq!(crc(8), masked_crc(&rest[..8]));
            assert_eq!(crc(12 + length), masked_crc(&rest[12..12 + length]));
            messages.push(fields(&rest[12..12 + length]));
            rest = &rest[16 + length..];
        }
        assert_eq!(messages.len(), 3);
        assert_eq!(messages[0][2], (3, 0, b"brain.Event:2".to_vec()));
        assert_eq!((messages[1][1].1, fields(&messages[1][2].2)), (1, vec![(1, 1, vec![])]));
        assert!(f64::from_bits(messages[2][0].1) > 1.6e9);
        assert_eq!(messages[2][1], (2, 300, vec![]));
        let values: Vec<_> = fields(&messages[2][2].2).iter().map(|(_, _, value)| fields(value)).collect();
        assert_eq!((values[0][0].2.as_slice(), values[1][0].2.as_slice()), (b"reward".as_slice(), b"rewards/finemem/mean".as_slice()));
        assert_eq!(values[1][1].2, (-2.0f32).to_le_bytes());
        assert_ne!(EventFile::create(folder.path(), 1).unwrap().path, events.path);
    }
}
