//! Checks that the pages of a Parquet file can hold what their headers promise: the reader allocates that much before it reads a page.

use parquet::file::metadata::ParquetMetaData;

/// The most bytes that one byte may expand to. Snappy, the only supported compression, expands three bytes to 64.
const GROWTH: i64 = 22;

/// Fields of a page's header, by their numbers in the format; field 1 of the structure in field 5 has number 501.
const UNCOMPRESSED: u64 = 2;
const COMPRESSED: u64 = 3;
const VALUES: [u64; 3] = [501, 701, 801];

/// Looks at the header of every page. An error says which column is wrong.
pub(super) fn check(file: &ParquetMetaData, bytes: &[u8]) -> Result<(), String> {
    for (at, group) in file.row_groups().iter().enumerate() {
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let wrong = |why: &str| format!("column {} of row group {at} is damaged: {why}", column.column_path());
            let range = usize::try_from(start).ok().zip(usize::try_from(column.compressed_size()).ok());
            let range = range.and_then(|(start, length)| Some(start..start.checked_add(length)?));
            let mut rest = range.and_then(|range| bytes.get(range)).ok_or_else(|| wrong("it lies outside the file"))?;
            while !rest.is_empty() {
                let mut header = Header { rest, found: Vec::new() };
                header.structure(0, 0).ok_or_else(|| wrong("a page has no readable header"))?;
                let field = |id: u64| header.found.iter().find(|field| field.0 == id).map(|field| field.1);
                let size = field(COMPRESSED).and_then(|size| usize::try_from(size).ok()).filter(|&size| size <= header.rest.len());
                let size = size.ok_or_else(|| wrong("a page is cut"))?;
                let longest = size as i64 * GROWTH;
                if !field(UNCOMPRESSED).is_some_and(|length| (0..=longest).contains(&length)) {
                    return Err(wrong("a page promises more than it holds"));
                }
                if VALUES.into_iter().filter_map(field).any(|count| count < 0 || count as usize > bytes.len()) {
                    return Err(wrong("a page promises more values than the file has bytes"));
                }
                rest = &header.rest[size..];
            }
        }
    }
    Ok(())
}

/// Reads a structure of Thrift's compact protocol, which page headers are written in. None if it ends too early.
struct Header<'a> {
    rest: &'a [u8],
    /// The integers in it.
    found: Vec<(u64, i64)>,
}

impl Header<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn skip(&mut self, bytes: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// The fields of a structure, which is itself field `outer`.
    fn structure(&mut self, outer: u64, depth: usize) -> Option<()> {
        let mut id = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            id = if head >> 4 == 0 { u64::try_from(self.signed()?).ok()? } else { id + u64::from(head >> 4) };
            // A boolean is in the head itself.
            if !matches!(head & 15, 1 | 2) {
                self.value(head & 15, outer.checked_mul(100)?.checked_add(id)?, depth)?;
            }
        }
    }

    fn value(&mut self, kind: u8, id: u64, depth: usize) -> Option<()> {
        match kind {
            _ if depth > 8 => None,
            1..=3 => self.skip(1),
            4..=6 => {
                let number = self.signed()?;
                self.found.push((id, number));
                Some(())
            }
            7 => self.skip(8),
            8 => {
                let length = self.number()?;
                self.skip(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let length = if head >> 4 == 15 { self.number()? } else { u64::from(head >> 4) };
                (0..length).try_for_each(|_| self.value(head & 15, 0, depth + 1))
            }
            12 => self.structure(id, depth + 1),
            _ => None,
        }
    }
}
