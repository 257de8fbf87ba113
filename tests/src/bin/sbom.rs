//! Writes the software bills of materials of both programs into the folder named by its argument.

use std::path::PathBuf;

use chancery_tests::supply::{Graph, sbom};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: sbom FOLDER")?);
    for (program, package) in [("chancery", "chancery-authority"), ("chancery-site", "chancery-site")] {
        let text = serde_json::to_string_pretty(&sbom::document(program, &Graph::of(package, &[])))?;
        std::fs::write(folder.join(format!("{program}.cdx.json")), text + "\n")?;
    }
    Ok(())
}
