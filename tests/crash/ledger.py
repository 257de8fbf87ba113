"""Reads the database of a home, on a copy, and checks what must hold in it at every moment.

Knows the tables and RFC 9052 by itself: nothing of Chancery helps to judge Chancery.
"""

import hashlib
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

from world import require

LICENSE = "application/vnd.chancery.license+cwt"


@dataclass
class Ledger:
    """What the database of a home says."""

    leaves: dict[int, tuple]  # log index: (typ, leaf hash, protected header, payload)
    operations: dict[int, tuple]  # number: (log index, SHA-256 of the message)
    outcomes: dict[int, str]
    documents: dict[int, bytes]
    licenses: dict[bytes, int]  # id: log index

    def license_leaf(self) -> int | None:
        """The log index of the one license, if one is intended."""
        require(len(self.licenses) <= 1, f"{len(self.licenses)} licenses are drawn for one request")
        return next(iter(self.licenses.values()), None)

    def pending(self) -> list[int]:
        return [index for index in self.leaves if index not in self.documents]

    def attempts(self, index: int) -> list[int]:
        return [number for number, (leaf, _) in self.operations.items() if leaf == index]


def read(home: Path) -> Ledger:
    """Reads the database as it stands, with what its write-ahead log holds; changes nothing."""
    with tempfile.TemporaryDirectory(prefix="chancery-ledger-") as folder:
        for name in ("authority.db", "authority.db-wal"):
            if (home / name).exists():
                shutil.copy(home / name, folder)
        connection = sqlite3.connect(Path(folder) / "authority.db")
        try:
            require(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the database is damaged")
            rows = lambda sql: connection.execute(sql).fetchall()
            ledger = Ledger(
                {row[0]: row[1:] for row in rows("SELECT log_index, typ, leaf_hash, protected, payload FROM log_leaf")},
                {row[0]: row[1:] for row in rows("SELECT operation_id, first_index, message_hash FROM operation")},
                dict(rows("SELECT operation_id, outcome FROM operation_outcome")),
                dict(rows("SELECT log_index, bytes FROM signed_document")),
                dict(rows("SELECT license_id, log_index FROM license")),
            )
        finally:
            connection.close()
    check(ledger)
    return ledger


def check(ledger: Ledger) -> None:
    """Checks what must hold at every moment, killed or not."""
    require(sorted(ledger.leaves) == list(range(len(ledger.leaves))), "log indices have gaps")
    require(sorted(ledger.operations) == list(range(len(ledger.operations))), "operation numbers have gaps")
    for number, (index, message_hash) in ledger.operations.items():
        require(index in ledger.leaves, f"operation {number} signs a document that the log does not have")
        typ, leaf_hash, protected, payload = ledger.leaves[index]
        structure = sig_structure(protected, payload)
        require(hashlib.sha256(b"\0" + structure).digest() == leaf_hash, f"leaf {index} has another hash")
        if typ == LICENSE:
            signed = hashlib.sha256(structure).digest()
            require(signed == message_hash, f"operation {number} signs something else than leaf {index}")
    for number in ledger.outcomes:
        require(number in ledger.operations, f"outcome {number} has no intent")
    for index, document in ledger.documents.items():
        require(index in ledger.leaves, f"signed document {index} has no leaf")
        _, _, protected, payload = ledger.leaves[index]
        parts = b"\xd2\x84" + byte_string(protected) + b"\xa0" + byte_string(payload)
        require(document.startswith(parts), f"signed document {index} is not its leaf")
        ended = [ledger.outcomes.get(number) for number in ledger.attempts(index)]
        require("signed" in ended, f"document {index} is signed, and no operation says so")
    for license_id, index in ledger.licenses.items():
        require(index in ledger.leaves, f"license {license_id.hex()} has no leaf")
        require(license_id in ledger.leaves[index][3], f"leaf {index} is not license {license_id.hex()}")


def sig_structure(protected: bytes, payload: bytes) -> bytes:
    """RFC 9052 §4.4: what a COSE_Sign1 signature covers."""
    return b"\x84\x6aSignature1" + byte_string(protected) + b"\x40" + byte_string(payload)


def byte_string(data: bytes) -> bytes:
    length = len(data)
    if length < 24:
        return bytes([0x40 + length]) + data
    if length < 256:
        return bytes([0x58, length]) + data
    return b"\x59" + length.to_bytes(2, "big") + data
