//! How long a file of episodes takes to open: `cargo bench --bench data -- FILE [RUNS]`. The fastest run, in milliseconds, as JSON.

use std::time::Instant;

use finemem::data::{self, Options};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some(path) = arguments.first() else { return println!("a file is needed") };
    let runs = arguments.get(1).map_or(20, |runs| runs.parse().expect("a number of runs"));
    let mut fastest = f64::INFINITY;
    for _ in 0..runs {
        let start = Instant::now();
        let found = data::read(path, &Options::default()).expect("a file of episodes");
        fastest = fastest.min(start.elapsed().as_secs_f64());
        assert!(!found.episodes.is_empty());
    }
    println!("{{\"ms\": {}}}", fastest * 1e3);
}
