//! `cargo run --release -p benches`: see the library.

fn main() -> anyhow::Result<()> {
    benches::main()
}
