"""`batch issue` and `batch export`, struck at a system call: all licenses of a batch or none, and never two batches.

The rows cross a border of the log's tiles, and one of them answers a request. What a strike leaves is read from the
database; running the same command again must end the work with the same licenses under the same statement.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import backup
import ledger
import trace
from issue import require_explained, snapshot
from ledger import Ledger
from trace import Call
from world import PASSPHRASE, Failure, Order, cheapen, require, run

LICENSES = 300
ROWS = "rows.jsonl"
FOLDER = "licenses"

ID = re.compile(r"lic_[0-9A-Z]{26}")


@dataclass
class Rows:
    """A vendor whose issuing key seals, and rows to be issued."""

    order: Order

    def copy(self, folder: Path) -> "Rows":
        return Rows(self.order.copy(folder))

    @property
    def folder(self) -> Path:
        return self.order.folder

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def issue(self) -> list[str]:
        return self.order.programs.chancery("batch", "issue", "--input", ROWS)

    def export(self) -> list[str]:
        first = next(iter(ledger.read(self.home).license_batches()))
        return self.order.programs.chancery("batch", "export", str(first), "--out", FOLDER)


def site(call: Call) -> tuple[str, str]:
    """Where the program writes; files that differ by the license's id alone are written at one place."""
    name, file = backup.site(call)
    return name, ID.sub("lic", file)


def prepare(template: Order, folder: Path) -> Rows:
    """Certifies a key that seals, and writes rows of a site and one of a device."""
    rows = Rows(template.copy(folder))
    order = rows.order
    key = order.programs.chancery("role", "add", "issuer", "--mode", "seal", "--key", "file:home/keys/sealing.pem")
    run(key, folder, f"{PASSPHRASE}\n{PASSPHRASE}").must(0, "role add")
    cheapen(folder)
    granted = order.run(
        "entitlement", "grant", "--customer", "acme", "--product", "pump", "--edition", "standard",
        "--quantity", str(LICENSES), "--binding", "site", "--site", "north",
    ).must(0, "entitlement grant").json()
    lines = [{"entitlement": granted["id"]}] * (LICENSES - 1)
    lines.append({"entitlement": order.entitlement, "request": "pump.creq"})
    (folder / ROWS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    order.run("bundle", "publish", "-o", "sealing.ctrust").must(0, "bundle publish")
    (rows.home / "reserve").unlink(missing_ok=True)
    return rows


def kill(rows: Rows, call: Call) -> None:
    trace.strike(rows.issue(), rows.folder, PASSPHRASE, call, "signal=KILL")
    recover(rows, inspect(rows))


def fail(rows: Rows, call: Call, error: str) -> None:
    ended = trace.strike(rows.issue(), rows.folder, PASSPHRASE, call, f"error={error}")
    left = inspect(rows)
    if ended.code == 0:
        require(left.sealed_batches(), "exit code 0, and the batch is not sealed")
    else:
        require_explained(ended)
    recover(rows, left)


def inspect(rows: Rows) -> Ledger:
    """Looks at what a strike left: every license or none, and doctor names what is not ended."""
    before = snapshot(rows.folder)
    doctor = rows.order.run("doctor").must(0, "doctor").json()
    require(snapshot(rows.folder) == before, "doctor changed something")
    books = ledger.read(rows.home)
    check(books)
    told = [finding for finding in doctor["findings"] if finding["code"] == "batch-unsealed"]
    waiting = set(books.license_batches()) - set(books.sealed_batches())
    require(len(told) == len(waiting), f"doctor names {len(told)} waiting batches of {len(waiting)}")
    return books


def check(books: Ledger) -> None:
    """What holds at every moment, killed or not."""
    batches = books.license_batches()
    require(len(books.licenses) in (0, LICENSES), f"{len(books.licenses)} licenses of {LICENSES} are recorded")
    require(len(batches) == (1 if books.licenses else 0), f"{len(batches)} batches for {len(books.licenses)} licenses")
    for first, (count, _, sealed_at) in batches.items():
        require(count == LICENSES, f"the batch has {count} licenses")
        signed = [books.outcomes.get(number) for number in books.attempts(first)]
        require(signed, "a batch is recorded without the intent to sign it")
        has_signature = bool(books.signatures.get(first))
        require(not has_signature or "signed" in signed, "a signature is kept, and no operation says so")
        require(sealed_at is None or has_signature, "a batch is sealed and lacks its signature")


def recover(rows: Rows, left: Ledger) -> None:
    """Issues the same rows again: the same licenses, one batch, files that sites take."""
    again = trace.run(rows.issue(), rows.folder, PASSPHRASE).must(0, "issuing again").json()
    require(again["licenses"] == LICENSES, f"issued are {again['licenses']} licenses")
    books = ledger.read(rows.home)
    check(books)
    require(books.sealed_batches() == [again["batch"]], f"sealed are {books.sealed_batches()}")
    if left.licenses:
        require(again["issued_before"] is True, "the batch counts as a new one")
        require(books.licenses == left.licenses, "other licenses than those that were begun")
    for index, leaf in left.leaves.items():
        require(books.leaves[index] == leaf, f"document {index} is rewritten")
    for number, operation in left.operations.items():
        require(books.operations[number] == operation, f"operation {number} is rewritten")
    ended = [books.outcomes.get(number) for number in books.attempts(again["batch"])]
    require(ended.count("signed") == 1, f"the attempts ended as {ended}")
    rows.order.run("log", "verify").must(0, "log verify")
    check_files(rows)


def check_files(rows: Rows) -> None:
    """Exports the batch: every license, each as the log gives it, and sites take some of them."""
    trace.run(rows.export(), rows.folder, PASSPHRASE).must(0, "exporting")
    files = [path for path in (rows.folder / FOLDER).rglob("*") if path.is_file()]
    require(len(files) == LICENSES, f"{len(files)} files of {LICENSES}")
    ids = {license_id for license_id in ledger.read(rows.home).licenses}
    for path in files:
        data = path.read_bytes()
        require(any(license_id in data for license_id in ids), f"{path.name} is no license of the log")
    for path in (files[0], files[-1]):
        ended = run(rows.order.programs.site("verify", str(path), "--trust", "sealing.ctrust"), rows.folder)
        ended.must(0, f"{path.name} does not verify at the site")


def kill_export(rows: Rows, call: Call) -> None:
    trace.strike(rows.export(), rows.folder, PASSPHRASE, call, "signal=KILL")
    require_whole(rows)
    check_files(rows)


def fail_export(rows: Rows, call: Call, error: str) -> None:
    ended = trace.strike(rows.export(), rows.folder, PASSPHRASE, call, f"error={error}")
    require_whole(rows)
    if ended.code != 0:
        require_explained(ended)
    check_files(rows)


def require_whole(rows: Rows) -> None:
    """Whatever has the name of a license is one, whole."""
    for path in (rows.folder / FOLDER).rglob("lic_*.clic"):
        command = rows.order.programs.site("verify", str(path), "--trust", "sealing.ctrust")
        run(command, rows.folder).must(0, f"{path.name} is torn")


def controls(rows: Rows) -> list[tuple[str, str, object]]:
    """What the checks must find, or they would accept anything."""

    def refused(plant, message: str):
        def control(folder: Path) -> None:
            own = rows.copy(folder)
            trace.run(own.issue(), own.folder, PASSPHRASE).must(0, "issue")
            books = ledger.read(own.home)
            try:
                plant(own, books)
            except Failure as failure:
                require(message in str(failure), f"refused for another reason: {failure}")
                return
            raise Failure("the checks accept it")
        return control

    def lost_license(_: Rows, books: Ledger) -> None:
        books.licenses.popitem()
        check(books)

    def unrecorded(_: Rows, books: Ledger) -> None:
        books.outcomes.clear()
        check(books)

    def torn(own: Rows, _: Ledger) -> None:
        trace.run(own.export(), own.folder, PASSPHRASE).must(0, "export")
        path = next((own.folder / FOLDER).rglob("lic_*.clic"))
        path.write_bytes(path.read_bytes()[:-1])
        require_whole(own)

    return [
        ("lost license", "one license of the batch is missing", refused(lost_license, "licenses of")),
        ("unrecorded", "a signature without an outcome", refused(unrecorded, "no operation says so")),
        ("torn file", "the last byte is missing", refused(torn, "is torn")),
    ]
