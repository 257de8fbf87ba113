"""`backup` and `restore`, struck at a system call.

A backup has its name when it is whole, and the tool of the age format is asked; a restored home is there when it is
whole, and signs nothing. What else is left is named by doctor, and running the command again ends the work.
"""

import io
import re
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

import lease
import ledger
import trace
from issue import require_explained
from trace import Call
from world import PASSPHRASE, Failure, Order, require, run

FILE = "out/vendor.age"
IDENTITY = "identity.txt"
QUOTED = re.compile(r'"([^"]*)"')
RANDOM = re.compile(r"\.[a-z]{6}\.chancery-tmp|-[0-9a-f]{12}\b")


@dataclass
class Vault:
    """A vendor with one license and a pair of keys for its backups."""

    order: Order
    recipient: str

    def copy(self, folder: Path) -> "Vault":
        return Vault(self.order.copy(folder), self.recipient)

    @property
    def folder(self) -> Path:
        return self.order.folder

    def backup(self, file: str = FILE) -> list[str]:
        return self.order.programs.chancery("backup", "-o", file, "--recipient", self.recipient, "--with-keys")

    def restore(self, home: str = "new") -> list[str]:
        program = self.order.programs.chancery()[0]
        return [program, "--home", home, "--json", "restore", FILE, "--identity", IDENTITY]

    def doctor(self, home: str, *folders: str) -> list[str]:
        program = self.order.programs.chancery()[0]
        ended = run([program, "--home", home, "--json", "doctor", *folders], self.folder)
        return [f"{finding['code']}: {finding['message']}" for finding in ended.json()["findings"]]


def prepare(template: Order, folder: Path) -> Vault:
    """Issues a license, so that there is something to lose, and makes the pair of keys."""
    if shutil.which("age") is None:
        raise SystemExit("crash: age is missing: apt-get install age")
    order = template.copy(folder)
    trace.run(order.issue(), order.folder, order.pins).must(0, "issue")
    made = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True)
    (order.folder / IDENTITY).write_text(made.stdout)
    (order.folder / IDENTITY).chmod(0o600)
    return Vault(order, re.search(r"age1\w+", made.stdout)[0])


def site(call: Call) -> tuple[str, str]:
    """Where the program writes: the system call, and the file without what is random in its name."""
    target = re.match(r"\d+<([^>]*)>", call.line)
    path = target[1] if target else next(iter(QUOTED.findall(call.line)), "")
    return call.name, RANDOM.sub("", Path(path).name)


def kill_backup(vault: Vault, call: Call) -> None:
    before = ledger.read(vault.folder / "home")
    trace.strike(vault.backup(), vault.folder, PASSPHRASE, call, "signal=KILL")
    check_backup(vault, before)


def fail_backup(vault: Vault, call: Call, error: str) -> None:
    before = ledger.read(vault.folder / "home")
    ended = trace.strike(vault.backup(), vault.folder, PASSPHRASE, call, f"error={error}")
    if ended.code == 0:
        require((vault.folder / FILE).exists(), "exit code 0 without a backup")
    else:
        require_explained(ended)
    check_backup(vault, before)


def check_backup(vault: Vault, before: ledger.Ledger) -> None:
    """The backup is whole or absent, the home as it was, the rest named; then the work is done again."""
    home, out = vault.folder / "home", vault.folder / "out"
    require(ledger.read(home) == before, "the home says something else")
    told = " ".join(vault.doctor("home", "out"))
    for path in out.iterdir():
        require(not path.name.startswith(".") or path.name in told, f"doctor does not name {path.name}: {told}")
    if (home / ".backup").exists():
        require("backup-interrupted" in told, f"doctor does not name the copy in plain: {told}")
    file = FILE
    if (vault.folder / FILE).exists():
        check_file(vault, FILE, before)
        again = run(vault.backup(), vault.folder).must(1, "a backup over one that is there")
        require(again.error()["code"] == "file-exists", f"refused for another reason: {again.err}")
        file = "out/again.age"
    run(vault.backup(file), vault.folder).must(0, "the backup made again")
    require(not (home / ".backup").exists(), "a copy in plain stays")
    check_file(vault, file, before)


def check_file(vault: Vault, file: str, books: ledger.Ledger) -> None:
    """Opens a backup with the tool of the format, and reads the database that is in it."""
    opened = subprocess.run(
        ["age", "--decrypt", "-i", str(vault.folder / IDENTITY), str(vault.folder / file)], capture_output=True
    )
    require(opened.returncode == 0, f"{file} is torn: {opened.stderr.decode(errors='replace')}")
    stream = io.BytesIO(opened.stdout)
    sizes = {}
    while (line := stream.readline().decode().rstrip("\n")) or not sizes:
        if line.startswith("file "):
            _, name, size, _ = line.split(" ")
            sizes[name] = int(size)
    require("authority.db" in sizes and len(sizes) == 3, f"{file} holds {sorted(sizes)}")
    scratch = vault.folder / "opened"
    scratch.mkdir()
    (scratch / "authority.db").write_bytes(stream.read(sizes["authority.db"]))
    require(ledger.read(scratch) == books, f"{file} says something else than the home")
    shutil.rmtree(scratch)


def kill_restore(vault: Vault, call: Call) -> None:
    trace.strike(vault.restore(), vault.folder, "", call, "signal=KILL")
    check_restore(vault)


def fail_restore(vault: Vault, call: Call, error: str) -> None:
    ended = trace.strike(vault.restore(), vault.folder, "", call, f"error={error}")
    if ended.code == 0:
        require((vault.folder / "new").is_dir(), "exit code 0 without a home")
    else:
        require_explained(ended)
    check_restore(vault)


def check_restore(vault: Vault) -> None:
    """The home is whole and locked, or absent; the rest is named; then the work is done again."""
    beside = [path.name for path in vault.folder.iterdir() if path.name.startswith(".new.")]
    told = " ".join(vault.doctor("new"))
    for name in beside:
        require(name in told, f"doctor does not name {name}: {told}")
    if (vault.folder / "new").exists():
        again = run(vault.restore(), vault.folder).must(1, "restoring over a home")
        require(again.error()["code"] == "already-initialized", f"refused for another reason: {again.err}")
    else:
        run(vault.restore(), vault.folder).must(0, "restored again")
    home = vault.folder / "new"
    require(ledger.read(home) == ledger.read(vault.folder / "home"), "the home says something else")
    epoch, held = lease.in_force(home)
    require(held and epoch > 1, f"it does not hold the lease of epoch {epoch}")
    for name in ("root.pem", "issuing.pem"):
        require((home / "keys" / name).read_bytes() == (vault.folder / "home/keys" / name).read_bytes(), f"{name} differs")
    require(standing_locks(home) == ["restored"], f"locked for {standing_locks(home)}")


def standing_locks(home: Path) -> list[str]:
    connection = sqlite3.connect(f"file:{home}/authority.db?mode=ro", uri=True)
    sql = "SELECT reason FROM issuing_lock WHERE lock_id NOT IN (SELECT lock_id FROM issuing_lock_release)"
    found = [reason for (reason,) in connection.execute(sql)]
    connection.close()
    return found


def controls(template: Vault) -> list[tuple[str, str, object]]:
    """What the checks must find: a backup that is cut, a copy in plain that stays, a restored home that signs."""

    def refused(plant, message: str):
        def control(folder: Path) -> None:
            vault = template.copy(folder)
            trace.run(vault.backup(), vault.folder, PASSPHRASE).must(0, "backup")
            try:
                plant(vault)
            except Failure as failure:
                require(message in str(failure), f"refused for another reason: {failure}")
                return
            raise Failure("the checks accept it")
        return control

    return [
        ("torn backup", "the last byte is missing", refused(torn, "is torn")),
        ("lost license", "a backup of before", refused(lost, "says something else than the home")),
        ("unlocked home", "the lock is released", refused(unlocked, "locked for []")),
    ]


def torn(vault: Vault) -> None:
    path = vault.folder / FILE
    path.write_bytes(path.read_bytes()[:-1])
    check_backup(vault, ledger.read(vault.folder / "home"))


def lost(vault: Vault) -> None:
    books = ledger.read(vault.folder / "home")
    books.outcomes.popitem()
    check_file(vault, FILE, books)


def unlocked(vault: Vault) -> None:
    run(vault.restore(), vault.folder).must(0, "restore")
    with sqlite3.connect(vault.folder / "new/authority.db") as connection:
        added = lease.Digests(connection)
        connection.execute("INSERT INTO issuing_lock_release VALUES (1, 'planted', 1)")
        added.flush()
    connection.close()
    check_restore(vault)
