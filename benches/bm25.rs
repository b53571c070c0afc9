//! Queries per second of BM25, and of a store that changes between its queries.
//!
//! `cargo bench --bench bm25 -- FILE`; `benches/bm25.py` makes the file, `{"documents": [..], "queries": [..]}`, and puts
//! rank_bm25 beside it. Prints one line of JSON, with the ten best documents of each query and their scores.

use std::time::Instant;

use finemem::memory::{Bm25, Store};

#[derive(serde::Deserialize)]
struct Work {
    documents: Vec<String>,
    queries: Vec<String>,
}

fn main() {
    // Cargo adds `--bench`.
    let Some(path) = std::env::args().skip(1).find(|arg| !arg.starts_with("--")) else {
        println!("bm25: skipped, needs the file that benches/bm25.py makes");
        return;
    };
    let text = std::fs::read_to_string(path).expect("the file can be read");
    let work: Work = serde_json::from_str(&text).expect("documents and queries");
    let build = fastest(|| drop(Bm25::new(&work.documents)));
    let index = Bm25::new(&work.documents);
    let found: Vec<Vec<(usize, f64)>> = work.queries.iter().map(|query| index.top_k(query, 10)).collect();
    let queries = fastest(|| work.queries.iter().for_each(|query| drop(index.top_k(query, 10))));
    // As a memory that is asked before each write: the index must take in what was written.
    let changing = fastest(|| {
        let mut store = Store::new();
        for (document, query) in work.documents.iter().zip(work.queries.iter().cycle()) {
            let _ = store.insert(document);
            std::hint::black_box(store.retrieve(query, 10));
        }
    });
    let line = serde_json::json!({
        "build_ms": build * 1e3,
        "queries_per_second": work.queries.len() as f64 / queries,
        "changing_us": changing * 1e6 / work.documents.len() as f64,
        "found": found,
    });
    println!("{line}");
}

/// Seconds of the fastest of five runs.
fn fastest(mut work: impl FnMut()) -> f64 {
    let run = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..5).map(run).fold(f64::INFINITY, f64::min)
}
