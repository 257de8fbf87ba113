//! The software bill of materials of a program: CycloneDX 1.6, JSON.
//!
//! The same bytes from the same `Cargo.lock`: no time, no serial number, no path. C code that packages bring along is
//! named beside them, for cargo does not know of it.

use std::fs;

use serde_json::{Value, json};

use super::{Graph, Id, Package};

/// C libraries inside packages: package, name, licence, the header that tells the version, and where it does.
const BUNDLED: [(&str, &str, &str, &str, &[&str]); 2] = [
    ("libsqlite3-sys", "sqlite", "blessing", "sqlite3/sqlite3.h", &["SQLITE_VERSION"]),
    (
        "libusb1-sys",
        "libusb",
        "LGPL-2.1-or-later",
        "libusb/libusb/version.h",
        &["LIBUSB_MAJOR", "LIBUSB_MINOR", "LIBUSB_MICRO"],
    ),
];

/// Makes the document of a program.
///
/// # Panics
///
/// Where the sources of a package are not here, or tell no version of the C code in them.
#[must_use]
pub fn document(program: &str, graph: &Graph) -> Value {
    let root = &graph.packages[&graph.root];
    let mut components: Vec<Value> = Vec::new();
    let mut dependencies: Vec<Value> = Vec::new();
    for (id, package) in &graph.packages {
        if *id != graph.root {
            components.push(component(id, package));
        }
        let mut on: Vec<String> = graph.edges[id].iter().map(reference).collect();
        if let Some((bundled, bundled_reference)) = bundled(id, package) {
            components.push(bundled);
            dependencies.push(json!({ "ref": bundled_reference, "dependsOn": [] }));
            on.push(bundled_reference);
        }
        dependencies.push(json!({ "ref": reference(id), "dependsOn": on }));
    }
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": reference(&graph.root),
                "name": program,
                "version": graph.root.1,
                "licenses": [{ "expression": root.license }],
            },
            "properties": [{ "name": "chancery:target", "value": super::TARGET }],
        },
        "components": components,
        "dependencies": dependencies,
    })
}

/// The package URL, in which a plus sign of a version stands for itself.
fn reference((name, version): &Id) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

fn component(id: &Id, package: &Package) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(id),
        "name": id.0,
        "version": id.1,
        "scope": "required",
        "licenses": [{ "expression": package.license }],
        "purl": reference(id),
    });
    if let Some(checksum) = &package.checksum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    if !package.repository.is_empty() {
        component["externalReferences"] = json!([{ "type": "vcs", "url": package.repository }]);
    }
    component
}

/// The C library inside a package, with its reference.
fn bundled(id: &Id, package: &Package) -> Option<(Value, String)> {
    let (_, name, license, header, places) = BUNDLED.iter().find(|(inside, ..)| *inside == id.0)?;
    let header = fs::read_to_string(package.folder.join(header)).expect("a header that tells the version");
    let number = |place: &&str| {
        let line = header.lines().find_map(|line| line.strip_prefix(&format!("#define {place} ")));
        line.expect("a version").trim().trim_matches('"').to_owned()
    };
    let version = places.iter().map(number).collect::<Vec<_>>().join(".");
    let reference = format!("pkg:generic/{name}@{version}");
    let component = json!({
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "scope": "required",
        "description": format!("compiled from the sources inside {}", id.0),
        "licenses": [{ "license": { "id": license } }],
        "purl": reference,
    });
    Some((component, reference))
}
