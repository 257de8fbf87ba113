"""System calls that change state: recorded in one run, then struck one by one in copies of it.

strace counts calls by name and by thread, so a point is the N-th call of a name; with several threads, the first
in time that has this number. A call that is struck by SIGKILL is not executed: strace injects the signal on entry, and the kernel skips the call.
"""

import random
import re
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from world import TIMEOUT_SECS, Ended, Failure, require

CHANGING = (
    "write pwrite64 writev pwritev pwritev2 fsync fdatasync sync_file_range msync sync syncfs "
    "rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat rmdir "
    "open openat openat2 creat mkdir mkdirat mknod mknodat ftruncate truncate fallocate "
    "chmod fchmod fchmodat chown fchown fchownat lchown utimensat setxattr fsetxattr "
    "copy_file_range sendfile splice ioctl exit_group"
).split()
OPENING = ("open", "openat", "openat2")
# Reading terminals and the like; none of them changes a file.
HARMLESS_IOCTLS = ("TCGETS", "FIONBIO", "FIOCLEX", "TIOCGWINSZ")

LINE = re.compile(r"^(\d+)\s+(\w+)\((.*)$")
RESULT = re.compile(r"\)\s+=\s+(\S+)")


@dataclass(frozen=True)
class Call:
    """One recorded call: its name, its number among the calls of that name, and strace's line."""

    name: str
    number: int
    line: str
    # Whether no call of another thread with the same name and number comes before it.
    reachable: bool = True

    def __str__(self) -> str:
        return f"{self.name} {self.number}: {self.line[:140]}"

    @property
    def succeeded(self) -> bool:
        result = RESULT.search(self.line)
        return result is not None and not result[1].startswith("-") and result[1] != "?"

    def on(self, path: str) -> bool:
        """Whether its first descriptor is a file whose path ends so."""
        target = re.match(r"\d+<([^>]*)>", self.line)
        return target is not None and target[1].endswith(path)


def changes(call: Call) -> bool:
    if call.name in OPENING:
        return "O_CREAT" in call.line or "O_TRUNC" in call.line
    if call.name == "ioctl":
        return not any(harmless in call.line for harmless in HARMLESS_IOCTLS)
    return True


def strace(command: list[str], log: Path, *options: str) -> list[str]:
    """The command under strace. Calls are logged with the paths of their descriptors."""
    names = ",".join(CHANGING)
    return ["strace", "-f", "-qq", "-y", "-s", "96", "-o", str(log), "-e", f"trace={names}", *options, *command]


def run(command: list[str], folder: Path, pins: str, env: dict | None = None) -> Ended:
    ended = subprocess.run(
        command, cwd=folder, env=env, input=pins + "\n", capture_output=True, text=True, timeout=TIMEOUT_SECS
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def read(log: Path, several_threads: bool = False) -> list[Call]:
    """Returns the calls of a log, in order."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    calls, threads, seen = [], set(), set()
    for line in log.read_text(errors="replace").splitlines():
        found = LINE.match(line)
        if not found:
            continue
        thread, name, rest = found.groups()
        threads.add(thread)
        counts[thread, name] += 1
        point = (name, counts[thread, name])
        calls.append(Call(*point, rest, point not in seen))
        seen.add(point)
    if len(threads) != 1 and not several_threads:
        raise Failure(f"{len(threads)} threads in {log}: numbers of calls name no point")
    return calls


def record(
    command: list[str], folder: Path, pins: str, env: dict | None = None, several_threads: bool = False
) -> list[Call]:
    """Runs a command to its end and returns its state-changing calls."""
    log = folder / "strace.log"
    run(strace(command, log), folder, pins, env).must(0, "the recorded run")
    calls = [call for call in read(log, several_threads) if changes(call)]
    require(len(calls) > 20, f"only {len(calls)} calls recorded")
    return calls


def strike(
    command: list[str], folder: Path, pins: str, call: Call, how: str, env: dict | None = None
) -> Ended:
    """Runs a command and strikes one call: `how` is `signal=KILL`, `error=EIO`, `retval=0`, …"""
    log = folder / "strace.log"
    option = f"inject={call.name}:{how}:when={call.number}"
    ended = run(strace(command, log, "-e", option), folder, pins, env)
    if how == "signal=KILL":
        require(ended.code == -9, f"was not killed, but ended with {ended.code}: {ended.out}{ended.err}")
    else:
        require("(INJECTED)" in log.read_text(errors="replace"), "the point was not reached")
    return ended


def some(points: list, kind, seed: int, each: int) -> list:
    """Returns at most `each` points of every kind: the first, the last, and others by the seed."""
    groups = defaultdict(list)
    for point in points:
        groups[kind(point)].append(point)
    chance, chosen = random.Random(seed), []
    for group in groups.values():
        if len(group) > each:
            inner = chance.sample(range(1, len(group) - 1), max(each - 2, 0))
            group = [group[index] for index in sorted({0, len(group) - 1, *inner})]
        chosen.extend(group)
    return chosen
