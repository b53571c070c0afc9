//! Rows of Parquet files as JSON values.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row as Record};
use serde_json::{Map, Value};

use super::content::Row;
use super::pages;

/// The first bytes of a Parquet file.
pub(super) const MAGIC: &[u8] = b"PAR1";

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// All rows. The first unreadable row is the last one: what follows it in the file cannot be located.
pub(super) fn rows(bytes: Vec<u8>) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    match guarded(|| read(bytes, &mut rows)).unwrap_or_else(|| Err("the file is damaged".to_owned())) {
        Err(reason) if rows.is_empty() => return Err(reason),
        Err(reason) => rows.push(Row { place: format!("row {} and those after it", rows.len()), value: Err(reason) }),
        Ok(()) => {}
    }
    Ok(rows)
}

/// The result of `work`; None if it panics. The reader asserts things that a damaged or crafted file may violate, and this is the only
/// place that calls it. Such a panic is not our bug, so it is not printed.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                print(panic);
            }
        }));
    });
    GUARDED.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    done.ok()
}

fn read(bytes: Vec<u8>, rows: &mut Vec<Row>) -> Result<(), String> {
    let size = bytes.len();
    let bytes = Bytes::from(bytes);
    let file = SerializedFileReader::new(bytes.clone()).map_err(|error| error.to_string())?;
    pages::check(file.metadata(), &bytes)?;
    let said = file.metadata().file_metadata().num_rows();
    if usize::try_from(said).map_or(true, |said| said > size) {
        return Err(format!("{said} rows in a file of {size} bytes"));
    }
    let found = file.get_row_iter(None).map_err(|error| error.to_string())?;
    for (at, row) in found.enumerate() {
        let row = row.map_err(|error| error.to_string())?;
        rows.push(Row { place: format!("row {at}"), value: Ok(object(row)) });
    }
    Ok(())
}

fn object(record: Record) -> Value {
    Value::Object(record.into_columns().into_iter().map(|(name, field)| (name, value(field))).collect())
}

fn value(field: Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => value.into(),
        Field::Byte(value) => value.into(),
        Field::Short(value) => value.into(),
        Field::Int(value) => value.into(),
        Field::Long(value) => value.into(),
        Field::UByte(value) => value.into(),
        Field::UShort(value) => value.into(),
        Field::UInt(value) => value.into(),
        Field::ULong(value) => value.into(),
        Field::Float(value) => value.into(),
        Field::Double(value) => value.into(),
        Field::Str(text) => text.into(),
        // Some writers do not mark their bytes as text.
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into(),
        Field::Group(record) => object(record),
        Field::ListInternal(list) => list.elements().iter().cloned().map(value).collect(),
        Field::MapInternal(map) => {
            let name = |key: &Field| match key {
                Field::Str(text) => text.clone(),
                other => other.to_string(),
            };
            Value::Object(map.entries().iter().map(|(key, field)| (name(key), value(field.clone()))).collect::<Map<_, _>>())
        }
        other => other.to_string().into(),
    }
}
