//! The command line.
fn main() {
    let runtime = finemem_engine::script::Runtime::new(Default::default()).unwrap();
    if let Err(e) = runtime.run(std::path::Path::new(&std::env::args().nth(1).unwrap())) {
        eprintln!("error: {e}");
    }
}
