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

LICENSE, ROOT = 1, 2  # the numbers of kinds in the database


@dataclass
class Ledger:
    """What the database of a home says."""

    leaves: dict[int, tuple]  # log index: (kind, leaf hash, protected header, payload)
    operations: dict[int, tuple]  # number: (log index, SHA-256 of the message, key)
    outcomes: dict[int, str]
    documents: dict[int, bytes]
    licenses: dict[bytes, int]  # id: log index
    batches: dict[int, tuple]  # first log index: (number of documents, statement, when it was sealed)
    signatures: dict[int, list[bytes]]  # first log index of a batch: its signatures
    lists: dict[int, int]  # number of a revocation list: log index
    bundles: dict[int, tuple[int, bytes]]  # number of a bundle: log index of its manifest, and the bundle

    def license_leaf(self) -> int | None:
        """The log index of the one license, if one is intended."""
        require(len(self.licenses) <= 1, f"{len(self.licenses)} licenses are drawn for one request")
        return next(iter(self.licenses.values()), None)

    def pending(self) -> list[int]:
        sealed = [range(first, first + self.batches[first][0]) for first in self.sealed_batches()]
        signed = lambda index: index in self.documents or any(index in batch for batch in sealed)
        return [index for index in self.leaves if not signed(index)]

    def license_batches(self) -> dict[int, tuple]:
        """The batches of licenses: custodians seal others."""
        return {first: batch for first, batch in self.batches.items() if self.leaves[first][0] == LICENSE}

    def sealed_batches(self) -> list[int]:
        """The batches of licenses that have every signature."""
        return [first for first, (_, _, sealed_at) in self.license_batches().items() if sealed_at is not None]

    def attempts(self, index: int) -> list[int]:
        return [number for number, (leaf, _, _) in self.operations.items() if leaf == index]


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
                leaves(rows),
                {row[0]: row[1:] for row in rows("SELECT operation_id, first_index, message_hash, key FROM operation")},
                dict(rows("SELECT operation_id, outcome FROM operation_outcome")),
                dict(rows("SELECT log_index, bytes FROM signed_document")),
                dict(rows("SELECT license_id, log_index FROM license")),
                {row[0]: row[1:] for row in rows("SELECT first_index, leaf_count, statement, sealed_at FROM batch")},
                signatures(rows),
                dict(rows("SELECT number, log_index FROM revocation_list")),
                {row[0]: row[1:] for row in rows("SELECT number, log_index, bytes FROM bundle")},
            )
        finally:
            connection.close()
    check(ledger)
    return ledger


def signatures(rows) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    for first, signature in rows("SELECT first_index, signature FROM batch_signature"):
        found.setdefault(first, []).append(signature)
    return found


def leaves(rows) -> dict[int, tuple]:
    """Returns kind, hash, protected header and payload of every leaf; hashes stand in tiles of 256."""
    tiles = dict(rows("SELECT number, hashes FROM log_tile WHERE level = 0"))
    place = lambda index: tiles[index // 256][32 * (index % 256) :][:32]
    found = rows("SELECT log_index, kind, protected, payload FROM log_leaf")
    require(len(found) * 32 == sum(map(len, tiles.values())), "the tree has another size than the log")
    return {index: (kind, place(index), protected, payload) for index, kind, protected, payload in found}


def check(ledger: Ledger) -> None:
    """Checks what must hold at every moment, killed or not."""
    require(sorted(ledger.leaves) == list(range(len(ledger.leaves))), "log indices have gaps")
    require(sorted(ledger.operations) == list(range(len(ledger.operations))), "operation numbers have gaps")
    for number, (index, message_hash, key) in ledger.operations.items():
        require(index in ledger.leaves, f"operation {number} signs a document that the log does not have")
        kind, leaf_hash, protected, payload = ledger.leaves[index]
        structure = sig_structure(protected, payload)
        require(hashlib.sha256(b"\0" + structure).digest() == leaf_hash, f"leaf {index} has another hash")
        if kind == LICENSE:
            if index in ledger.batches:
                structure = sig_structure(statement_header(key), ledger.batches[index][1])
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
    for index in [*ledger.lists.values(), *(index for index, _ in ledger.bundles.values())]:
        require(index in ledger.documents, f"document {index} is published, and not signed")
    for license_id, index in ledger.licenses.items():
        require(index in ledger.leaves, f"license {license_id.hex()} has no leaf")
        require(license_id in ledger.leaves[index][3], f"leaf {index} is not license {license_id.hex()}")


def statement_header(key: bytes) -> bytes:
    """The headers under which an Ed25519 key signs a statement over a batch: alg, kid, typ."""
    typ = b"application/vnd.chancery.batch+cbor"
    return b"\xa3\x01\x32\x04\x48" + key[:8] + b"\x10\x78" + bytes([len(typ)]) + typ


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
