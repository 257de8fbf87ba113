//! A full disk stops before the key signs, and never loses what it has signed.
//!
//! On a small tmpfs that the test mounts, so these tests run as root.

use std::io::Write;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::*;

/// A file system of four mebibytes.
struct SmallDisk(Folder);

impl SmallDisk {
    fn mount() -> Self {
        let folder = Folder::new();
        mount("chancery-test", &folder.0, "tmpfs", MountFlags::empty(), Some(c"size=4m,mode=0700"))
            .expect("mounting a tmpfs needs root");
        Self(folder)
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.0.join("filler")).unwrap();
        for size in [65_536, 4096, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(&self.0.0, UnmountFlags::DETACH);
    }
}

#[test]
fn what_is_signed_is_recorded_on_a_disk_that_filled_meanwhile() {
    let disk = SmallDisk::mount();
    let mut repository = authority(&disk.0.home());
    let entitlement = grant(&mut repository, 1, 5);
    let intent = begin(&mut repository, &license(entitlement, 1, 1, 1)).unwrap();
    assert!(repository.ballast().is_present());
    disk.fill();

    let document = vec![7; 60_000];
    assert_eq!(repository.complete(intent, &document, NOW).unwrap(), document);
    assert!(!repository.ballast().is_present());
    assert_eq!(repository.signed_document(0).unwrap(), Some(document));

    // The next license is refused before anything is recorded or signed, and the disk keeps what was free.
    disk.fill();
    let error = begin(&mut repository, &license(entitlement, 2, 2, 1)).unwrap_err();
    assert_eq!(error.to_string(), "disk is full");
    assert_eq!(repository.licenses().unwrap().len(), 1);
    assert_eq!(disk.0.home().reserve().metadata().unwrap().len(), 0);

    std::fs::remove_file(disk.0.0.join("filler")).unwrap();
    begin(&mut repository, &license(entitlement, 2, 2, 1)).unwrap();
    assert!(repository.ballast().is_present());
}

#[test]
fn an_intent_that_finds_no_space_is_refused_though_the_reserve_stands() {
    let disk = SmallDisk::mount();
    let mut repository = authority(&disk.0.home());
    let entitlement = grant(&mut repository, 1, 5);
    repository.ballast().ensure().unwrap();
    disk.fill();
    let payload = vec![1; 60_000];
    let leaf = NewLeaf { kind: Kind::License, protected: &[], payload: &payload };
    let new = license(entitlement, 1, 1, 1);
    let error = repository.begin(&leaf, &operation(), Some(&new), NOW).unwrap_err();
    assert_eq!(error.code(), "disk-full");
    assert!(repository.ballast().is_present());
    assert_eq!(repository.licenses().unwrap(), []);
    assert_eq!(repository.damage().unwrap(), [""; 0]);
}

#[test]
fn a_full_disk_can_be_looked_at() {
    let disk = SmallDisk::mount();
    drop(authority(&disk.0.home()));
    disk.fill();
    assert_eq!(Repository::open_read_only(&disk.0.home()).unwrap().authority().unwrap().name, "vendor");
}
