//! `chancery-site fingerprint`: which device this is, as far as it can be told without its values.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use chancery_verifier::device::{Digester, collect};
use serde_json::json;

use super::Context;
use crate::error::CommandError;

/// Longest file that is looked at to tell a virtual machine or container.
const MAX_BYTES: u64 = 64 * 1_024;

/// Show which device this is
///
/// Prints the device id, the key's thumbprint and which components this machine tells of. Components are
/// shown as short digests under a salt of the device key: they tell whether one changed, never what it is.
/// Changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery-site fingerprint\n  chancery-site fingerprint --json")]
pub struct FingerprintArgs {}

pub fn run(_args: &FingerprintArgs, context: &Context) -> Result<(), CommandError> {
    let key = context.store()?.open()?.map(|state| state.device());
    let digester = key.map(|key| Digester::new(&std::array::from_fn(|index| key.0[index])));
    let components = collect::components();
    let digests: Vec<(&str, Option<String>)> = components
        .iter()
        .map(|one| (one.kind.name(), digester.as_ref().map(|digester| hex(digester.digest(one)))))
        .collect();
    let surroundings = surroundings(Path::new("/"));

    let mut printer = context.printer();
    printer.fields(&[
        (
            "device",
            key.map_or_else(
                || "no device key yet; `chancery-site request` makes it".into(),
                |key| key.device_id().to_string(),
            ),
        ),
        ("key", key.map_or_else(|| "none".into(), |key| key.to_string())),
        (
            "runs in",
            surroundings.map_or_else(|| "a physical machine, as far as it tells".into(), String::from),
        ),
    ])?;
    let row = |(kind, digest): &(&str, Option<String>)| {
        vec![(*kind).to_owned(), digest.clone().unwrap_or_else(|| "needs the device key".into())]
    };
    printer.table(&["component", "digest"], &digests.iter().map(row).collect::<Vec<_>>())?;
    printer.json(&json!({
        "device": key.map(|key| key.device_id().to_string()),
        "key": key.map(|key| key.to_string()),
        "surroundings": surroundings,
        "components": digests.iter().map(|(kind, digest)| json!({"kind": kind, "digest": digest})).collect::<Vec<_>>(),
    }))?;
    Ok(())
}

fn hex(digest: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(digest))
}

/// Names the container or virtual machine that `root` tells of. It is information, never proof.
fn surroundings(root: &Path) -> Option<&'static str> {
    let text = |path: &str| read_start(&root.join(path));
    let exists = |path: &str| root.join(path).exists();
    let cgroup = text("proc/1/cgroup");
    let containers = ["docker", "kubepods", "containerd", "libpod", "lxc"];
    if exists(".dockerenv")
        || exists("run/.containerenv")
        || containers.iter().any(|name| cgroup.contains(name))
    {
        return Some("a container");
    }
    let firmware = [text("sys/class/dmi/id/sys_vendor"), text("sys/class/dmi/id/product_name")].concat();
    let known = [
        ("QEMU", "a virtual machine (QEMU)"),
        ("KVM", "a virtual machine (KVM)"),
        ("VMware", "a virtual machine (VMware)"),
        ("VirtualBox", "a virtual machine (VirtualBox)"),
        ("Virtual Machine", "a virtual machine (Hyper-V)"),
        ("Xen", "a virtual machine (Xen)"),
        ("Amazon EC2", "a virtual machine (Amazon EC2)"),
        ("Google Compute Engine", "a virtual machine (Google Compute Engine)"),
    ];
    if let Some((_, name)) = known.iter().find(|(mark, _)| firmware.contains(mark)) {
        return Some(name);
    }
    let flagged = text("proc/cpuinfo").lines().any(|line| {
        line.starts_with("flags") && line.split_ascii_whitespace().any(|flag| flag == "hypervisor")
    });
    (flagged || !text("sys/hypervisor/type").is_empty()).then_some("a virtual machine")
}

fn read_start(path: &Path) -> String {
    let mut bytes = Vec::new();
    // What cannot be read tells nothing.
    let _ = File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}
