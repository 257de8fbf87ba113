"""The lease of a home that was copied, taken for the copy: tests strike copies of one template.

Computes the place as docs/adr/0015 says, by itself. Unlike `restore --adopt` it locks nothing, since the template is
never used again.
"""

import hashlib
import os
import sqlite3
from pathlib import Path

MACHINE_ID = Path("/etc/machine-id")


def place(database: Path, authority: bytes) -> bytes:
    """What tells this database file from its copies."""
    machine = MACHINE_ID.read_bytes()[:256].rstrip(b" \t\n\f\r") if MACHINE_ID.exists() else b""
    system = os.statvfs(database).f_fsid or database.stat().st_dev
    parts = [
        b"chancery lease 1\0", hashlib.sha256(machine).digest(), system.to_bytes(8, "big"),
        database.stat().st_ino.to_bytes(8, "big"), authority,
    ]
    return hashlib.sha256(b"".join(parts)).digest()


class Digests:
    """What a change adds to the digests of tables: SHA-256 of each row, exclusive or (repository/digest.rs)."""

    def __init__(self, connection: sqlite3.Connection):
        self.connection, self.added = connection, {}
        connection.create_function("digest_row", -1, self.add)

    def add(self, table: str, *values) -> None:
        row = int.from_bytes(hashlib.sha256(b"".join(map(encode, values))).digest(), "big")
        self.added[table] = self.added.get(table, 0) ^ row

    def flush(self) -> None:
        for table, added in self.added.items():
            sql = "SELECT digest FROM row_digest WHERE name = ?"
            (digest,) = self.connection.execute(sql, (table,)).fetchone()
            digest = (int.from_bytes(digest, "big") ^ added).to_bytes(32, "big")
            self.connection.execute("UPDATE row_digest SET digest = ? WHERE name = ?", (digest, table))


def encode(value) -> bytes:
    """A value with its type and its length, as digests hash it."""
    if value is None:
        return b"\0"
    if isinstance(value, int):
        return b"\1" + value.to_bytes(8, "big", signed=True)
    kind, data = (b"\3", value.encode()) if isinstance(value, str) else (b"\4", value)
    return kind + len(data).to_bytes(8, "big") + data


def take(home: Path) -> None:
    """Gives the lease of the home to the file that is there."""
    database = home / "authority.db"
    connection = sqlite3.connect(database)
    added = Digests(connection)
    with connection:
        (authority,) = connection.execute("SELECT authority_id FROM authority").fetchone()
        connection.execute(
            "INSERT INTO lease SELECT max(epoch) + 1, ?, max(taken_at) FROM lease", (place(database, authority),)
        )
        added.flush()
    connection.close()


def in_force(home: Path) -> tuple[int, bool]:
    """The epoch in force, and whether it is this file's."""
    database = home / "authority.db"
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    (authority,) = connection.execute("SELECT authority_id FROM authority").fetchone()
    epoch, found = connection.execute("SELECT epoch, place FROM lease ORDER BY epoch DESC").fetchone()
    connection.close()
    return epoch, found == place(database, authority)
