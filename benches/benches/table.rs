//! `cargo bench -p benches`: see the library.

fn main() -> anyhow::Result<()> {
    benches::main()
}
