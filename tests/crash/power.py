"""Power cuts: a file system of its own that is shut down without flushing, and mounted again.

ext4's FS_IOC_SHUTDOWN with NOLOGFLUSH drops what was not synced, as a cut does. It models neither torn
sectors nor a disk that reorders. Needs root, loop devices and mkfs.ext4.
"""

import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path

import issue
import trace
from trace import Call
from world import Failure, Order, require

FS_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = struct.pack("I", 2)
IMAGE_BYTES = 24 * 1024 * 1024


class Disk:
    """An ext4 file system in a file, mounted at `folder`."""

    def __init__(self, image: Path, folder: Path):
        self.image, self.folder = image, folder
        folder.mkdir(exist_ok=True)

    def make(self) -> "Disk":
        with open(self.image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        tool("mkfs.ext4", "-q", "-F", str(self.image))
        return self

    def __enter__(self) -> "Disk":
        # A long commit interval: nothing reaches the disk by itself while the command runs.
        tool("mount", "-o", "loop,commit=600", str(self.image), str(self.folder))
        return self

    def __exit__(self, *_) -> None:
        tool("umount", str(self.folder))

    def cut(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, NOLOGFLUSH)
        finally:
            os.close(descriptor)


def tool(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        raise Failure(f"{' '.join(command)}: {ended.stderr.strip()}")


def unavailable() -> str | None:
    """Why power cannot be cut here; None where it can."""
    if os.geteuid() != 0:
        return "only root may mount"
    for name in ("mkfs.ext4", "mount", "umount"):
        if shutil.which(name) is None:
            return f"{name} is missing"
    scratch = Path(f"/tmp/chancery-power-{os.getpid()}")
    scratch.mkdir()
    try:
        with Disk(scratch / "image", scratch / "mount").make() as disk:
            (disk.folder / "probe").write_bytes(b"x")
            disk.cut()
        return None
    except (Failure, OSError) as error:
        return str(error)
    finally:
        shutil.rmtree(scratch)


def points(template: Order, calls: list[Call]) -> list[tuple[str, str, object]]:
    """A cut at every call, one after the command has ended well, and a control that must lose something."""
    cuts = [
        ("killed and cut", str(call), lambda folder, call=call: cut_at(template, folder, call)) for call in calls
    ]
    done = [("cut when done", f"run {run}", lambda folder: cut_when_done(template, folder)) for run in range(5)]
    return [("control", "a disk that lies about syncs", lambda folder: lying(template, folder)), *done, *cuts]


def disk_with(template: Order, folder: Path) -> tuple[Disk, Order]:
    """Makes a disk that holds the template, synced."""
    folder.mkdir()
    disk = Disk(folder / "image", folder / "mount").make()
    with disk:
        order = template.copy(disk.folder / "vendor")
    return disk, order


def cut_at(template: Order, folder: Path, call: Call) -> None:
    disk, order = disk_with(template, folder)
    with disk:
        trace.strike(order.issue(), order.folder, order.pins, call, "signal=KILL")
        disk.cut()
    with disk:
        issue.recover(order, issue.inspect(order))
    shutil.rmtree(folder)


def cut_when_done(template: Order, folder: Path, *options: str) -> None:
    """What was told to be done is there after the cut: the files whole, the license in the log."""
    disk, order = disk_with(template, folder)
    with disk:
        command = trace.strace(order.issue(), folder / "strace.log", *options)
        issued = trace.run(command, order.folder, order.pins).must(0, "issue").json()
        disk.cut()
    with disk:
        left = issue.inspect(order)
        require(sorted(left.files) == sorted(f"pump.{form}" for form in issue.FORMS), f"lost: only {sorted(left.files)} are left")
        require(not left.ledger.pending(), "lost: the signature of the license")
        issue.check_whole(order, left, issued, "pump")
    shutil.rmtree(folder)


def lying(template: Order, folder: Path) -> None:
    """Control: where every sync is skipped, something must be found lost."""
    try:
        cut_when_done(template, folder, "-e", "inject=fsync,fdatasync:retval=0")
    except Failure as failure:
        require("lost" in str(failure) or "no license" in str(failure), f"refused for another reason: {failure}")
        return
    raise Failure("nothing is lost though nothing was synced: the cut cuts nothing")
