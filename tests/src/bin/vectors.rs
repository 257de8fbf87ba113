//! Writes the vectors to `tests/vectors/`; a test fails while the files there are others.

use chancery_tests::vectors;

fn main() -> std::io::Result<()> {
    let folder = vectors::folder();
    for (name, text) in vectors::files() {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
