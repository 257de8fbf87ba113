"""`license issue`, struck at a system call: what must be left, and what running it again must give."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import ledger
import trace
from ledger import LICENSE, Ledger
from trace import Call
from world import QUANTITY, Ended, Failure, Order, require

FORMS = ("clic", "png", "asc")


@dataclass
class Left:
    """What a strike left, before anything is repaired."""

    files: dict[str, bytes]  # under their final names
    leftovers: set[str]  # under temporary names
    ledger: Ledger
    doctor: dict


def kill(order: Order, call: Call) -> None:
    """Kills the command at a call, and checks the state and the recovery."""
    trace.strike(order.issue(), order.folder, order.pins, call, "signal=KILL", order.env)
    recover(order, inspect(order))


def fail(order: Order, call: Call, error: str) -> None:
    """Makes a call fail: the command must say so, or have done all of its work durably."""
    ended = trace.strike(order.issue(), order.folder, order.pins, call, f"error={error}", order.env)
    if ended.code == 0:
        require_durable(trace.read(order.folder / "strace.log"))
    else:
        require_explained(ended)
    left = inspect(order)
    if ended.code == 0:
        require(set(left.files) == {f"pump.{form}" for form in FORMS}, f"exit code 0 with {sorted(left.files)}")
    recover(order, left)


def require_explained(ended: Ended) -> None:
    require(ended.code in (1, 4, 5), f"exit code {ended.code}: {ended.out}{ended.err}")
    # An error of writing the result comes after the result.
    error = Ended(ended.code, "", ended.err).error()
    require(error.get("message") and error.get("hint"), f"no message or no hint: {ended.err}")


def inspect(order: Order) -> Left:
    """Looks at what a strike left; the looking itself, by doctor, must change nothing."""
    folder = order.folder / "out"
    names = {path.name: path for path in folder.iterdir()}
    final = {name: path.read_bytes() for name, path in names.items() if not name.startswith(".")}
    books = ledger.read(order.folder / "home")
    before = snapshot(order.folder)
    ended = order.run("doctor", "out").must(0, "doctor")
    require(snapshot(order.folder) == before, "doctor changed something")
    left = Left(final, set(names) - set(final), books, ended.json())
    check_left(order, left)
    return left


def check_left(order: Order, left: Left) -> None:
    """Checks what holds at every moment: torn, unrecorded and unreported is nothing."""
    index = left.ledger.license_leaf()
    document = left.ledger.documents.get(index)
    for name, data in left.files.items():
        form = name.rsplit(".", 1)[1]
        require(document is not None, f"{name} is there, and the log has no signed document")
        if form == "clic":
            require(data == document, f"{name} is torn: {len(data)} bytes instead of {len(document)}")
        order.verify(f"out/{name}")
    pending = set(left.ledger.pending())
    require(pending <= {index}, f"documents {pending} are pending")
    told = [finding for finding in left.doctor["findings"] if finding["code"] == "interrupted"]
    require(len(told) == len(pending), f"doctor names {len(told)} interrupted documents of {len(pending)}")
    for finding in told:
        require("license lic_" in finding["message"], f"doctor does not name the license: {finding['message']}")
        require(order.entitlement in finding["message"], f"doctor does not name the entitlement: {finding['message']}")
    reported = " ".join(
        finding["message"] for finding in left.doctor["findings"] if finding["code"] == "leftover"
    )
    for name in left.leftovers:
        require(name in reported, f"doctor does not report {name}")


def recover(order: Order, left: Left) -> None:
    """Runs the command again and checks that the work ends as if it had never been struck."""
    again = trace.run(order.issue(), order.folder, order.pins, order.env)
    stem = "pump"
    if left.files:
        # What has its final name is never overwritten, and is left as it is.
        again.must(1, "issuing over a file that is there")
        require(again.error()["code"] == "file-exists", f"refused for another reason: {again.err}")
        for name, data in left.files.items():
            require((order.folder / "out" / name).read_bytes() == data, f"{name} was changed")
        stem = "again"
        again = trace.run(order.issue(stem), order.folder, order.pins, order.env)
    issued = again.must(0, "issuing again").json()
    check_whole(order, left, issued, stem)


def check_whole(order: Order, left: Left, issued: dict, stem: str) -> None:
    books = ledger.read(order.folder / "home")
    index = books.license_leaf()
    require(index is not None, "no license is recorded")
    require(not books.pending(), f"documents {books.pending()} are pending in the end")
    if left.ledger.licenses:
        require(books.licenses == left.ledger.licenses, "another license than the one that was begun")
        require(books.leaves[index] == left.ledger.leaves[index], "the license has another content now")
    for number, operation in left.ledger.operations.items():
        require(books.operations[number] == operation, f"operation {number} is rewritten")
    typs = [leaf[0] for leaf in books.leaves.values()]
    require(typs.count(LICENSE) == 1, f"{typs.count(LICENSE)} license leaves")
    document = (order.folder / f"out/{stem}.clic").read_bytes()
    require(document == books.documents[index], "the file is not the document of the log")
    for form in FORMS:
        order.verify(f"out/{stem}.{form}")
        earlier = left.files.get(f"pump.{form}")
        if earlier is not None:
            require(earlier == (order.folder / f"out/{stem}.{form}").read_bytes(), f"two different .{form} files")
    shown = order.run("license", "list").must(0, "license list").json()
    require([one["id"] for one in shown] == [issued["id"]], f"listed are {shown}")
    used = order.run("entitlement", "show", order.entitlement).must(0, "entitlement show").json()
    require((used["used"], used["left"]) == (1, QUANTITY - 1), f"{used['used']} activations are drawn")
    findings = order.run("doctor", "out").must(0, "doctor").json()
    codes = {finding["code"] for finding in findings["findings"]}
    require("interrupted" not in codes, "doctor still names interrupted work")
    temporary = {path.name for path in (order.folder / "out").iterdir() if path.name.startswith(".")}
    require(not temporary or stem == "again", f"issuing again leaves {temporary}")
    require(not temporary or "leftover" in codes, f"doctor does not report {temporary}")


def require_durable(calls: list[Call]) -> None:
    """Proves from the calls of a run that ended well that its result was on the disk before it was told.

    The write-ahead log is synced after its last write before the first file of the license is written;
    each file is synced after its last write, then named, then its folder synced.
    """
    done = [call for call in calls if call.succeeded]
    syncs = ("fsync", "fdatasync")

    def last(where, what: str) -> int:
        found = [at for at, call in enumerate(done) if where(call)]
        require(found, f"not proven durable: {what} does not happen")
        return found[-1]

    temporary = lambda call: call.name == "pwrite64" and call.on(".chancery-tmp")
    first_output = next((at for at, call in enumerate(done) if temporary(call)), None)
    require(first_output is not None, "not proven durable: no file is written")
    log_written = last(lambda call: call.name == "pwrite64" and call.on("authority.db-wal"), "the log's writing")
    log_synced = last(lambda call: call.name in syncs and call.on("authority.db-wal"), "the log's syncing")
    committed = [
        at for at, call in enumerate(done[:first_output]) if call.name in syncs and call.on("authority.db-wal")
    ]
    require(log_written < first_output and committed and committed[-1] > log_written, "the log is not synced in time")
    require(log_synced >= committed[-1], "the log is not synced")
    for form in FORMS:
        named = last(lambda call: call.name.startswith("rename") and f'"pump.{form}"' in call.line, f"naming .{form}")
        own = lambda call: f"/.pump.{form}." in call.line
        written = last(lambda call: call.name == "pwrite64" and own(call), f"writing .{form}")
        synced = last(lambda call: call.name in syncs and own(call), f"syncing .{form}")
        folder = last(lambda call: call.name in syncs and call.on("/out"), f"syncing the folder of .{form}")
        require(written < synced < named < folder, f".{form} is named before it is durable")


def snapshot(folder: Path) -> dict:
    """Everything in a folder: modes, times and contents."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (state.st_mode, state.st_size, state.st_mtime_ns, state.st_ino, content)
    return found


def at_point(template: Order, scratch: Path, name: str, strike) -> str | None:
    """Runs one strike on a copy of the template; returns what is wrong, if anything."""
    order = template.copy(scratch / name)
    try:
        strike(order)
    except Failure as failure:
        return str(failure)
    shutil.rmtree(order.folder)
    return None
