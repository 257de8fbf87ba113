use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use sha2::{Digest, Sha256};

use super::*;

/// An empty folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("chancery-files-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// Runs one ignored test of this file in another environment; it must run there, and pass.
fn rerun(wrapper: &[&str], test: &str, folder: &Path) {
    rerun_by(&std::env::current_exe().unwrap(), wrapper, test, folder);
}

/// As [`rerun`], by a copy of this program.
fn rerun_by(exe: &Path, wrapper: &[&str], test: &str, folder: &Path) {
    let name = format!("files::tests::{test}");
    let output = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .arg(exe)
        .args(["--exact", &name, "--ignored", "--nocapture"])
        .env("CHANCERY_TEST_FOLDER", folder)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success() && text.contains("1 passed"), "{wrapper:?}: {text}");
}

fn given_folder() -> PathBuf {
    std::env::var_os("CHANCERY_TEST_FOLDER").expect("run by another test").into()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Mounts over `folder` in a namespace of its own, then runs the test there.
fn rerun_on_mount(mount: &str, test: &str, folder: &Path) {
    let script = format!("{mount} && exec \"$@\"");
    let mut wrapper = vec!["unshare", "--mount"];
    if !is_root() {
        wrapper.push("--map-root-user");
    }
    wrapper.extend(["sh", "-c", &script, "sh"]);
    rerun(&wrapper, test, folder);
}

#[test]
fn regular_files_up_to_the_limit_are_read() {
    let scratch = Scratch::new("read");
    let path = scratch.path("a.clic");
    for size in [0, 1, 100] {
        fs::write(&path, vec![7; size]).unwrap();
        assert_eq!(read_document(&path, 100).unwrap(), vec![7; size]);
    }
    fs::write(&path, [7; 101]).unwrap();
    assert_eq!(read_document(&path, 100).unwrap_err().code(), "file-too-large");
}

#[test]
fn what_is_no_regular_file_is_refused_by_name() {
    let scratch = Scratch::new("special");
    fs::write(scratch.path("real"), b"x").unwrap();
    symlink(scratch.path("real"), scratch.path("link")).unwrap();
    symlink(scratch.path("nothing"), scratch.path("dangling")).unwrap();
    fs::create_dir(scratch.path("folder")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, scratch.path("fifo"), rustix::fs::Mode::RWXU).unwrap();
    let _socket = UnixListener::bind(scratch.path("socket")).unwrap();
    for (path, found) in [
        (scratch.path("link"), "symbolic link"),
        (scratch.path("dangling"), "symbolic link"),
        (scratch.path("folder"), "folder"),
        (scratch.path("fifo"), "FIFO"),
        (scratch.path("socket"), "socket"),
        ("/dev/zero".into(), "device"),
    ] {
        match read_document(&path, 100).unwrap_err() {
            FileError::NotRegular { found: kind, .. } => assert_eq!(kind, found),
            error => panic!("{path:?}: {error}"),
        }
    }
    let error = read_document(&scratch.path("fifo"), 100).unwrap_err();
    assert!(error.to_string().ends_with("fifo is not a regular file but a FIFO"), "{error}");
}

#[test]
fn opening_itself_refuses_links_and_waits_for_nobody() {
    let scratch = Scratch::new("race");
    fs::write(scratch.path("real"), b"x").unwrap();
    symlink(scratch.path("real"), scratch.path("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, scratch.path("fifo"), rustix::fs::Mode::RWXU).unwrap();
    assert!(os::open_to_read(&scratch.path("link")).is_err());
    assert!(!os::open_to_read(&scratch.path("fifo")).unwrap().metadata().unwrap().is_file());
}

#[test]
fn missing_files_and_files_as_folders_are_told_apart() {
    let scratch = Scratch::new("missing");
    fs::write(scratch.path("file"), b"x").unwrap();
    assert_eq!(read_document(&scratch.path("none"), 9).unwrap_err().code(), "file-not-found");
    assert_eq!(read_document(&scratch.path("file/below"), 9).unwrap_err().code(), "not-a-folder");
    assert_eq!(create_new(&scratch.path("none/a")).unwrap_err().code(), "file-not-found");
    assert_eq!(create_new(&scratch.path("file/a")).unwrap_err().code(), "not-a-folder");
    for path in ["/", "..", "a/", ""] {
        assert_eq!(create_new(Path::new(path)).unwrap_err().code(), "not-a-regular-file", "{path:?}");
    }
}

#[test]
fn a_sparse_file_of_10_gb_is_refused_by_its_size() {
    let scratch = Scratch::new("sparse");
    let path = scratch.path("bomb");
    File::create(&path).unwrap().set_len(10 << 30).unwrap();
    assert_eq!(read_document(&path, 64 * 1024).unwrap_err().code(), "file-too-large");
}

#[test]
fn a_file_that_tells_no_size_is_read_to_the_limit_only() {
    // Files of /proc are regular and 0 bytes long.
    let path = Path::new("/proc/self/maps");
    assert_eq!(fs::metadata(path).unwrap().len(), 0);
    assert_eq!(read_document(path, 100).unwrap_err().code(), "file-too-large");
    assert!(!read_document(path, 1 << 24).unwrap().is_empty());
}

#[test]
fn messages_escape_the_path() {
    let error = read_document(Path::new("/nowhere/a\u{1b}[2J\u{202e}"), 9).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/a\\u{1b}[2J\\u{202e} does not exist");
}

#[test]
fn a_new_file_appears_whole_and_only_at_commit() {
    let scratch = Scratch::new("new");
    for (name, bytes, reserved) in [
        ("a", vec![1; 70_000], 70_000),
        ("b", vec![2; 10], 1 << 20),
        ("c", vec![3; 5_000], 0),
        ("d", vec![], 9),
    ] {
        let output = create_new(&scratch.path(name)).unwrap();
        output.reserve(reserved).unwrap();
        assert!(!scratch.path(name).exists());
        output.commit(&bytes).unwrap();
        assert_eq!(fs::read(scratch.path(name)).unwrap(), bytes);
        assert_eq!(mode(&scratch.path(name)) & 0o177, mode(&scratch.path(name)) & 0o044);
    }
    assert_eq!(scratch.names(), ["a", "b", "c", "d"]);
    let on_disk = fs::metadata(scratch.path("b")).unwrap().blocks() * 512;
    assert!(on_disk < 1 << 20, "what was reserved beyond the document is given back");
}

#[test]
fn a_path_without_a_folder_is_in_the_current_one() {
    assert_eq!(split(Path::new("a.clic")).unwrap(), (".".into(), OsStr::new("a.clic")));
    assert_eq!(split(Path::new("/a.clic")).unwrap(), ("/".into(), OsStr::new("a.clic")));
}

#[test]
fn reserving_takes_the_space_at_once() {
    let scratch = Scratch::new("reserve");
    for reserve in [os::reserve, os::reserve_by_zeros] {
        let file = File::create(scratch.path("a")).unwrap();
        reserve(&file, 1 << 20).unwrap();
        assert!(file.metadata().unwrap().blocks() * 512 >= 1 << 20);
    }
}

#[test]
fn whatever_has_the_name_keeps_it() {
    let scratch = Scratch::new("exists");
    fs::write(scratch.path("file"), b"old").unwrap();
    fs::create_dir(scratch.path("folder")).unwrap();
    symlink(scratch.path("nothing"), scratch.path("dangling")).unwrap();
    for name in ["file", "folder", "dangling"] {
        assert_eq!(create_new(&scratch.path(name)).unwrap_err().code(), "file-exists", "{name}");
        assert_eq!(write_private(&scratch.path(name), b"new").unwrap_err().code(), "file-exists", "{name}");
    }
    assert_eq!(fs::read(scratch.path("file")).unwrap(), b"old");
    assert_eq!(scratch.names(), ["dangling", "file", "folder"], "nothing else is left");
}

#[test]
fn a_name_taken_before_commit_is_not_overwritten() {
    let scratch = Scratch::new("raced");
    let output = create_new(&scratch.path("a")).unwrap();
    symlink("/nowhere", scratch.path("a")).unwrap();
    assert_eq!(output.commit(b"new").unwrap_err().code(), "file-exists");
    assert!(scratch.path("a").is_symlink());
    assert_eq!(scratch.names(), ["a"]);
}

#[test]
fn every_way_of_publishing_refuses_a_taken_name() {
    let scratch = Scratch::new("publish");
    let folder = os::open_folder(&scratch.0).unwrap();
    let publish = |folder: &os::Folder, temp: &OsStr, name: &OsStr| {
        os::publish(folder, temp, name).map_err(|error| error.kind())
    };
    let by_link = |folder: &os::Folder, temp: &OsStr, name: &OsStr| {
        os::publish_by_link(folder, temp, name).map_err(|errno| errno.kind())
    };
    let by_placeholder = |folder: &os::Folder, temp: &OsStr, name: &OsStr| {
        os::publish_by_placeholder(folder, temp, name).map_err(|errno| errno.kind())
    };
    type Way<'a> = &'a dyn Fn(&os::Folder, &OsStr, &OsStr) -> Result<(), std::io::ErrorKind>;
    let ways: [Way<'_>; 3] = [&publish, &by_link, &by_placeholder];
    for way in ways {
        fs::write(scratch.path("temp"), b"new").unwrap();
        fs::write(scratch.path("taken"), b"old").unwrap();
        let taken = way(&folder, OsStr::new("temp"), OsStr::new("taken"));
        assert_eq!(taken, Err(std::io::ErrorKind::AlreadyExists));
        assert_eq!(fs::read(scratch.path("taken")).unwrap(), b"old");
        way(&folder, OsStr::new("temp"), OsStr::new("free")).unwrap();
        assert_eq!(fs::read(scratch.path("free")).unwrap(), b"new");
        assert_eq!(scratch.names(), ["free", "taken"]);
        assert_eq!(way(&folder, OsStr::new("gone"), OsStr::new("other")), Err(std::io::ErrorKind::NotFound));
        assert_eq!(scratch.names(), ["free", "taken"], "no placeholder stays");
        fs::remove_file(scratch.path("free")).unwrap();
    }
}

#[test]
fn damage_is_seen_before_the_file_has_its_name() {
    let scratch = Scratch::new("damage");
    fs::write(scratch.path("a"), [1; 70_000]).unwrap();
    let file = File::open(scratch.path("a")).unwrap();
    let mut other = vec![1; 70_000];
    assert!(os::holds(&file, &other).unwrap());
    other[69_999] = 2;
    assert!(!os::holds(&file, &other).unwrap());
    assert!(!os::holds(&file, &[1; 69_999]).unwrap(), "longer file");
    assert!(!os::holds(&file, &[1; 70_001]).unwrap(), "shorter file");
}

#[test]
fn a_file_in_parts_appears_whole_or_not_at_all() {
    let scratch = Scratch::new("parts");
    let output = create_new(&scratch.path("a")).unwrap();
    output.reserve(8 << 20).unwrap();
    let part: Vec<u8> = (0..=255).cycle().take(70_001).collect();
    output
        .commit_in_parts(|file| {
            (0..40).try_for_each(|_| file.append(&part))?;
            assert_eq!(scratch.names().len(), 1, "no name before the end");
            assert!(!scratch.path("a").exists());
            Ok::<(), FileError>(())
        })
        .unwrap();
    assert_eq!(fs::read(scratch.path("a")).unwrap(), part.repeat(40));
    create_new(&scratch.path("empty")).unwrap().commit_in_parts(|_| Ok::<(), FileError>(())).unwrap();
    assert_eq!(fs::read(scratch.path("empty")).unwrap(), b"");
    // An error of whoever fills it leaves nothing.
    let failed = create_new(&scratch.path("b")).unwrap().commit_in_parts(|file| {
        file.append(&part)?;
        Err(FileError::Damaged { path: "elsewhere".into() })
    });
    assert_eq!(failed.unwrap_err().code(), "file-damaged");
    // Nor does a name that was taken meanwhile.
    let late = create_new(&scratch.path("c")).unwrap();
    fs::write(scratch.path("c"), b"first").unwrap();
    assert_eq!(late.commit_in_parts(|file| file.append(b"x")).unwrap_err().code(), "file-exists");
    assert_eq!(scratch.names(), ["a", "c", "empty"]);
    let (length, hash) = os::hash(&File::open(scratch.path("a")).unwrap()).unwrap();
    assert_eq!((length, hash), (70_001 * 40, Sha256::digest(part.repeat(40)).into()));
}

#[test]
fn what_is_not_committed_leaves_nothing_and_what_was_killed_is_listed() {
    let scratch = Scratch::new("leftovers");
    drop(create_new(&scratch.path("a")).unwrap());
    assert_eq!(scratch.names(), [""; 0]);
    let killed = create_new(&scratch.path("b.clic")).unwrap();
    killed.reserve(4_096).unwrap();
    assert_eq!(leftovers(&scratch.0).unwrap(), [], "a file in use is no leftover");
    let temp = scratch.names().pop().unwrap();
    assert!(
        temp.starts_with(".b.clic.") && temp.ends_with(".chancery-tmp") && temp.len() == 8 + 6 + 13,
        "{temp}"
    );
    let copy = scratch.path(".b.clic.abcdef.chancery-tmp");
    fs::copy(scratch.path(&temp), &copy).unwrap();
    for other in
        [".b.clic.abcde.chancery-tmp", "b.abcdef.chancery-tmp", ".b.abcdef.chancery-tmp2", ".chancery-tmp"]
    {
        fs::write(scratch.path(other), b"").unwrap();
    }
    symlink("/dev/zero", scratch.path(".l.abcdef.chancery-tmp")).unwrap();
    assert_eq!(leftovers(&scratch.0).unwrap(), [Leftover { path: copy, bytes: 4_096 }]);
    assert_eq!(leftovers(&scratch.path("none")).unwrap_err().code(), "file-not-found");
}

#[test]
fn a_commit_removes_what_a_killed_program_left_of_the_same_name() {
    let scratch = Scratch::new("leftovers-removed");
    fs::write(scratch.path(".a.clic.abcdef.chancery-tmp"), b"old").unwrap();
    fs::write(scratch.path(".b.clic.abcdef.chancery-tmp"), b"other name").unwrap();
    let in_use = create_new(&scratch.path("a.clic")).unwrap();
    create_new(&scratch.path("a.clic")).unwrap().commit(b"new").unwrap();
    assert_eq!(fs::read(scratch.path("a.clic")).unwrap(), b"new");
    assert!(!scratch.path(".a.clic.abcdef.chancery-tmp").exists());
    assert!(scratch.path(".b.clic.abcdef.chancery-tmp").exists());
    assert_eq!(in_use.commit(b"late").unwrap_err().code(), "file-exists", "a file in use is not removed");
    assert_eq!(scratch.names(), [".b.clic.abcdef.chancery-tmp", "a.clic"]);
}

#[test]
fn long_names_are_written_too() {
    let scratch = Scratch::new("long");
    let name = "é".repeat(127);
    create_new(&scratch.path(&name)).unwrap().commit(b"x").unwrap();
    assert_eq!(scratch.names(), [name.as_str()]);
    assert!(create_new(&scratch.path(&"a".repeat(256))).is_err());
}

#[test]
fn private_files_are_closed_and_checked() {
    let scratch = Scratch::new("private");
    let path = scratch.path("key");
    write_private(&path, b"one").unwrap();
    assert_eq!(mode(&path), 0o600);
    replace_private(&path, b"two").unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(read_private(&path, 9).unwrap(), b"two");
    assert_eq!(read_private(&path, 2).unwrap_err().code(), "file-too-large");
    for open in [0o640, 0o604, 0o610, 0o602] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
        match read_private(&path, 9).unwrap_err() {
            FileError::Exposed { mode, .. } => assert_eq!(mode, open),
            error => panic!("{error}"),
        }
    }
    replace_private(&path, b"three").unwrap();
    assert_eq!(mode(&path), 0o600, "a replaced file does not keep the rights of the old one");
    assert_eq!(scratch.names(), ["key"]);
}

#[test]
fn replacing_a_link_leaves_its_target_alone() {
    let scratch = Scratch::new("replace");
    fs::write(scratch.path("target"), b"old").unwrap();
    symlink(scratch.path("target"), scratch.path("state")).unwrap();
    replace_private(&scratch.path("state"), b"new").unwrap();
    assert_eq!(fs::read(scratch.path("target")).unwrap(), b"old");
    assert_eq!(read_private(&scratch.path("state"), 9).unwrap(), b"new");
    fs::create_dir(scratch.path("folder")).unwrap();
    assert!(replace_private(&scratch.path("folder"), b"new").is_err());
    assert_eq!(scratch.names(), ["folder", "state", "target"]);
}

#[test]
fn private_folders_are_closed_and_checked() {
    let scratch = Scratch::new("folder");
    let path = scratch.path("home");
    create_private_folder(&scratch.path("home/")).unwrap();
    assert_eq!(mode(&path), 0o700);
    private_folder(&path).unwrap();
    assert_eq!(create_private_folder(&path).unwrap_err().code(), "file-exists");
    assert_eq!(create_private_folder(&scratch.path("no/home")).unwrap_err().code(), "file-not-found");
    symlink(&path, scratch.path("link")).unwrap();
    assert_eq!(private_folder(&scratch.path("link")).unwrap_err().code(), "not-a-folder");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
    assert_eq!(private_folder(&path).unwrap_err().code(), "file-exposed");
    assert_eq!(private_folder(&scratch.path("none")).unwrap_err().code(), "file-not-found");
}

#[test]
fn a_full_disk_is_told_when_reserving() {
    let scratch = Scratch::new("full");
    rerun_on_mount(
        "mount -t tmpfs -o size=1m tmpfs \"$CHANCERY_TEST_FOLDER\"",
        "inside_a_full_disk",
        &scratch.0,
    );
}

#[test]
#[ignore = "run by a_full_disk_is_told_when_reserving"]
fn inside_a_full_disk() {
    let folder = given_folder();
    let output = create_new(&folder.join("a")).unwrap();
    assert_eq!(output.reserve(2 << 20).unwrap_err().code(), "disk-full");
    drop(output);
    let file = File::create(folder.join("zeros")).unwrap();
    assert_eq!(os::reserve_by_zeros(&file, 2 << 20).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    fs::remove_file(folder.join("zeros")).unwrap();
    drop(file);
    let kept = create_new(&folder.join("kept")).unwrap();
    kept.reserve(100_000).unwrap();
    let mut rest = 0;
    while fs::write(folder.join(format!("rest-{rest}")), [1; 4_096]).is_ok() {
        rest += 1;
    }
    let late = create_new(&folder.join("late")).unwrap();
    assert_eq!(late.commit(&[2; 100_000]).unwrap_err().code(), "disk-full");
    let parts = create_new(&folder.join("parts")).unwrap();
    let filled = parts.commit_in_parts(|file| (0..100).try_for_each(|_| file.append(&[4; 100_000])));
    assert_eq!(filled.unwrap_err().code(), "disk-full");
    kept.commit(&[3; 100_000]).unwrap();
    assert_eq!(read_document(&folder.join("kept"), 100_000).unwrap(), [3; 100_000]);
    assert!(!folder.join("late").exists() && leftovers(&folder).unwrap().is_empty());
}

#[test]
fn a_read_only_stick_is_told_at_once() {
    let scratch = Scratch::new("read-only");
    fs::write(scratch.path("old"), b"old").unwrap();
    rerun_on_mount(
        "mount --bind \"$CHANCERY_TEST_FOLDER\" \"$CHANCERY_TEST_FOLDER\" && mount -o remount,ro,bind \"$CHANCERY_TEST_FOLDER\"",
        "inside_a_read_only_stick",
        &scratch.0,
    );
}

#[test]
#[ignore = "run by a_read_only_stick_is_told_at_once"]
fn inside_a_read_only_stick() {
    let folder = given_folder();
    assert_eq!(create_new(&folder.join("new")).unwrap_err().code(), "read-only-file-system");
    assert_eq!(replace_private(&folder.join("old"), b"new").unwrap_err().code(), "read-only-file-system");
    assert_eq!(create_private_folder(&folder.join("home")).unwrap_err().code(), "read-only-file-system");
    assert_eq!(read_document(&folder.join("old"), 9).unwrap(), b"old");
}

#[test]
fn forbidden_and_foreign_files_are_told_apart() {
    let scratch = Scratch::new("forbidden");
    let secret = scratch.path("secret");
    if is_root() {
        // Root may do everything, so the test becomes nobody; the folder and the file stay root's.
        write_private(&secret, b"x").unwrap();
        let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
        // The test program itself may lie where nobody else may go.
        let exe = scratch.path("exe");
        fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
        rerun_by(&exe, &nobody, "inside_a_forbidden_folder", &scratch.0);
    } else {
        fs::write(&secret, b"x").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o500)).unwrap();
        rerun(&["env"], "inside_a_forbidden_folder", &scratch.0);
        fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
#[ignore = "run by forbidden_and_foreign_files_are_told_apart"]
fn inside_a_forbidden_folder() {
    let folder = given_folder();
    assert_eq!(create_new(&folder.join("new")).unwrap_err().code(), "file-permission");
    assert_eq!(read_document(&folder.join("secret"), 9).unwrap_err().code(), "file-permission");
    assert_eq!(private_folder(Path::new("/")).unwrap_err().code(), "file-other-owner");
    assert_eq!(read_private(Path::new("/etc/passwd"), 1 << 20).unwrap_err().code(), "file-other-owner");
}
