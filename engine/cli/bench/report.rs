//! The figures as a table and as JSON.

use finemem::device::Device;
use serde_json::{Value, json};

use super::Peaks;

/// A line of the table. Operations and bytes only count products with weights.
#[derive(Default)]
pub(super) struct Row {
    pub(super) work: String,
    pub(super) seconds: f64,
    pub(super) tokens: Option<usize>,
    /// Bytes of weights read; for loading, written.
    pub(super) bytes: Option<u64>,
    pub(super) operations: Option<f64>,
    pub(super) dispatches: Option<f64>,
    /// Bytes in the device's buffers.
    pub(super) memory: f64,
    /// The process's peak memory so far, in bytes.
    pub(super) peak_rss: Option<f64>,
}

/// The peak memory of this process in bytes, known on Linux only.
fn peak_rss() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

/// For each figure: its key in JSON, its heading, the factor for the table, and decimal places.
const COLUMNS: [(&str, &str, f64, usize); 11] = [
    ("seconds", "ms", 1e3, 1),
    ("tokens_per_s", "tokens/s", 1.0, 1),
    ("weight_bytes", "weights, GB", 1e-9, 2),
    ("weight_bytes_per_s", "GB/s", 1e-9, 1),
    ("share_of_read", "% of read", 100.0, 0),
    ("operations_per_s", "GFLOP/s", 1e-9, 1),
    ("share_of_product", "% of peak", 100.0, 0),
    ("dispatches", "dispatches", 1.0, 0),
    ("dispatches_per_layer", "a layer", 1.0, 1),
    ("device_bytes", "device, GB", 1e-9, 2),
    ("peak_rss_bytes", "RSS, GB", 1e-9, 2),
];

impl Row {
    pub(super) fn new(work: &str, device: &Device) -> Self {
        Self { work: work.into(), memory: device.counters().live as f64, peak_rss: peak_rss(), ..Self::default() }
    }

    /// The figures in the order of [`COLUMNS`].
    fn figures(&self, peaks: &Peaks, layers: usize) -> [Option<f64>; COLUMNS.len()] {
        let bytes = self.bytes.map(|bytes| bytes as f64);
        let (read, product) = (bytes.map(|b| b / self.seconds), self.operations.map(|o| o / self.seconds));
        [
            Some(self.seconds),
            self.tokens.map(|tokens| tokens as f64 / self.seconds),
            bytes,
            read,
            // Loading writes, so it has no share of the read rate.
            read.filter(|_| self.tokens.is_some()).map(|read| read / peaks.read),
            product,
            product.map(|product| product / peaks.product),
            self.dispatches,
            self.dispatches.map(|dispatches| dispatches / layers as f64),
            Some(self.memory),
            self.peak_rss,
        ]
    }

    pub(super) fn print(&self, peaks: &Peaks, layers: usize) {
        let mut figures = self.figures(peaks, layers).into_iter();
        let cell = |factor: f64, digits: usize, figure: Option<f64>| figure.map_or("-".into(), |f| format!("{:.digits$}", f * factor));
        line(&self.work, COLUMNS.map(|(_, _, factor, digits)| cell(factor, digits, figures.next().flatten())));
    }

    pub(super) fn json(&self, peaks: &Peaks, layers: usize) -> Value {
        let figures = self.figures(peaks, layers).into_iter().zip(COLUMNS).map(|(figure, (key, ..))| (key.to_string(), json!(figure)));
        Value::Object([("work".to_string(), json!(self.work))].into_iter().chain(figures).collect())
    }
}

/// Prints the table's heading.
pub(super) fn heading() {
    line("", COLUMNS.map(|(_, heading, ..)| heading.into()));
}

fn line(work: &str, cells: [String; COLUMNS.len()]) {
    println!("{work:<18}{}", cells.map(|cell| format!("{cell:>12}")).concat());
}
