//! The machine that a ceremony runs on, and the devices at it.

use std::fs;
use std::path::Path;

use chancery_formats::merkle::Hash;
use chancery_hsm_config::PinSource;
use chancery_hsm_config::provision::verify_device;
use sha2::{Digest, Sha256};

use super::facts::Facts;
use super::plan::Plan;
use crate::error::CommandError;
use crate::output;

/// Returns what people compare before anything else: the program, the clock, and that there is no network.
pub(super) fn facts(plan: &Plan, now: u64) -> Result<Facts, CommandError> {
    let mut facts = Facts::default();
    facts.hash("plan", plan.hash);
    facts.text("authority", &plan.name);
    facts.text("program", format!("chancery {}", env!("CARGO_PKG_VERSION")));
    facts.hash("program file", program()?);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    facts.text("system", format!("{} {} {}", std::env::consts::OS, kernel.trim(), std::env::consts::ARCH));
    facts.text("network", network(Path::new("/sys/class/net")));
    facts.text("clock, to be compared with a watch", output::time(now));
    for warning in &plan.warnings {
        facts.text("note", warning);
    }
    Ok(facts)
}

/// Hashes the file of the program that runs.
fn program() -> Result<Hash, CommandError> {
    let unreadable = |error: std::io::Error| {
        CommandError::failed("program-unreadable", "the file of this program cannot be read")
            .cause(error.to_string())
            .hint("start it from a file that stays where it is")
    };
    let mut hasher = Sha256::new();
    let mut file = fs::File::open("/proc/self/exe").map_err(unreadable)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).map_err(unreadable)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// Names the interfaces that are up, but for the one that leads nowhere.
fn network(interfaces: &Path) -> String {
    let Ok(entries) = fs::read_dir(interfaces) else { return "cannot be looked at".to_owned() };
    let is_up = |path: &Path| {
        fs::read_to_string(path.join("operstate")).is_ok_and(|state| matches!(state.trim(), "up" | "unknown"))
    };
    let up = entries.flatten().filter(|entry| entry.file_name() != "lo" && is_up(&entry.path()));
    let mut up: Vec<_> = up.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    up.sort();
    if up.is_empty() { "none is up".to_owned() } else { format!("UP: {}", up.join(", ")) }
}

/// Compares the devices with their profiles.
pub(super) fn devices(plan: &Plan, pins: &mut PinSource) -> Result<Facts, CommandError> {
    let mut facts = Facts::default();
    for planned in &plan.devices {
        let found = verify_device(&planned.profile, &planned.device, pins)?;
        if !found.is_empty() {
            let message = format!("{} differs from its profile", planned.name);
            let error = CommandError::refused("device-differs", message)
                .hint("find out who changed the device; a device in doubt is reset and provisioned anew");
            return Err(found.iter().fold(error, |error, difference| error.cause(difference.to_string())));
        }
        facts.text(&planned.name, planned.device.reference());
        facts.text(&planned.name, "exactly as its profile has it");
        facts.hash("its profile", planned.profile_hash);
        let audit = if planned.profile.audit.force { "stops" } else { "works on" };
        facts.text("when its log is full", format!("the device {audit}"));
    }
    if plan.devices.is_empty() {
        facts.text("devices", "none in the plan");
    }
    Ok(facts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_that_are_up_are_named() {
        let folder = std::env::temp_dir().join(format!("chancery-network-{}", std::process::id()));
        for (name, state) in [("lo", "unknown\n"), ("eth0", "up\n"), ("wlan0", "down\n")] {
            fs::create_dir_all(folder.join(name)).unwrap();
            fs::write(folder.join(name).join("operstate"), state).unwrap();
        }
        assert_eq!(network(&folder), "UP: eth0");
        fs::remove_dir_all(folder.join("eth0")).unwrap();
        assert_eq!(network(&folder), "none is up");
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(network(&folder), "cannot be looked at");
    }
}
