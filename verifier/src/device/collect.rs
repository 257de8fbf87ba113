//! Reads the components of this machine (Linux). What cannot be read is left out, never invented.
//!
//! Several sources are readable by root alone; a request and a later check should run as the same user.
//! Placeholder values that firmware vendors leave behind are not values.

use std::fs;
use std::path::Path;
use std::vec::Vec;

use super::{Component, Kind};

/// Longest value taken from the system, in bytes.
const MAX_VALUE: usize = 256;

/// Reads every component that this machine gives to this user, in order of kind.
#[must_use]
pub fn components() -> Vec<Component> {
    let values = [
        (Kind::Installation, first_file(&["/etc/machine-id", "/var/lib/dbus/machine-id"])),
        (
            Kind::System,
            first_file(&["/sys/class/dmi/id/product_uuid", "/sys/firmware/devicetree/base/serial-number"]),
        ),
        (Kind::Board, first_file(&["/sys/class/dmi/id/board_serial"])),
        (Kind::Disk, disk()),
        (Kind::Network, network()),
        (Kind::Processor, processor()),
        (Kind::FileSystem, file_system()),
    ];
    values.into_iter().filter_map(|(kind, value)| value.map(|value| Component { kind, value })).collect()
}

fn first_file(paths: &[&str]) -> Option<Vec<u8>> {
    paths.iter().find_map(|path| value(&fs::read(path).ok()?))
}

/// Trims a value and refuses placeholders.
fn value(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let trimmed = bytes.get(..end)?.trim_ascii();
    let text = trimmed.to_ascii_lowercase();
    let one_character = text.iter().all(|byte| [text[0], b'-', b'0'].contains(byte));
    let placeholder =
        [&b"to be filled by o.e.m."[..], b"default string", b"not specified", b"none", b"uninitialized"];
    let usable = !trimmed.is_empty() && trimmed.len() <= MAX_VALUE && !one_character;
    (usable && !placeholder.contains(&text.as_slice())).then(|| trimmed.to_vec())
}

fn sorted_names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The serial number of the first disk that has one.
fn disk() -> Option<Vec<u8>> {
    sorted_names("/sys/block").iter().find_map(|disk| {
        let file = |name: &str| fs::read(Path::new("/sys/block").join(disk).join(name)).ok();
        let serial = file("serial").or_else(|| file("device/serial")).or_else(|| file("device/wwid"))?;
        value(&serial)
    })
}

/// The hardware address of the first interface that has a device behind it and an address of its own.
fn network() -> Option<Vec<u8>> {
    sorted_names("/sys/class/net").iter().find_map(|interface| {
        let folder = Path::new("/sys/class/net").join(interface);
        let assigned = fs::read(folder.join("addr_assign_type")).ok()?;
        if !folder.join("device").exists() || assigned.trim_ascii() != b"0" {
            return None;
        }
        value(&fs::read(folder.join("address")).ok()?)
    })
}

fn processor() -> Option<Vec<u8>> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let fields =
        ["vendor_id", "cpu family", "model", "stepping", "CPU implementer", "CPU part", "model name"];
    let first = text.split("\n\n").next()?;
    let found: Vec<&str> = first
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| fields.contains(&name.trim()))
        .map(|(_, value)| value.trim())
        .collect();
    value(found.join("/").as_bytes())
}

/// The UUID of the file system under `/`, found by the device number of the mount.
fn file_system() -> Option<Vec<u8>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/"))?;
    let source = root.split(" - ").nth(1)?.split(' ').nth(1)?;
    let source = fs::canonicalize(source).ok()?;
    sorted_names("/dev/disk/by-uuid").into_iter().find_map(|uuid| {
        let target = fs::canonicalize(Path::new("/dev/disk/by-uuid").join(&uuid)).ok()?;
        (target == source).then(|| uuid.into_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_no_values() {
        for bytes in [
            &b""[..],
            b"  \n",
            b"None",
            b"Default string\n",
            b"00000000-0000-0000",
            b"ffffffff",
            &[b'x'; 300],
        ] {
            assert_eq!(value(bytes), None, "{bytes:?}");
        }
        assert_eq!(value(b" 4c4c4544-0042\n"), Some(b"4c4c4544-0042".to_vec()));
    }

    #[test]
    fn this_machine_gives_the_same_components_twice() {
        let components = components();
        assert!(!components.is_empty(), "not even a processor");
        assert_eq!(components, super::components());
        assert!(components.is_sorted_by_key(|component| component.kind));
    }
}
