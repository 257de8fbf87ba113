"""Controls: what the checks must find. A check that accepts one of these would accept anything."""

import sqlite3
import stat
from pathlib import Path

import issue
import lease
import ledger
import trace
from trace import Call
from world import Failure, Order, require

# An issuer that writes the license under its final name, piece by piece, as a careless one would.
CARELESS = """#!/bin/sh
set -e
"$@" -o out/hidden.clic >result.json
dd if=out/hidden.clic of=out/pump.clic bs=64 status=none
rm out/hidden.clic
cat result.json
"""


def points(template: Order, calls: list[Call]) -> list[tuple[str, str, object]]:
    """The controls, as points of the harness."""

    def refused(plant, message: str):
        def control(folder: Path) -> None:
            order = template.copy(folder)
            try:
                plant(order)
            except Failure as failure:
                require(message in str(failure), f"refused for another reason: {failure}")
                return
            raise Failure("the checks accept it")
        return control

    return [
        ("careless issuer", "killed while it writes in place", refused(careless, "is torn")),
        ("torn file", "the last byte is missing", refused(torn, "is torn")),
        ("unrecorded file", "a license that the log does not have", refused(unrecorded, "no signed document")),
        ("two licenses", "a second license of the same request", refused(duplicate, "licenses are drawn")),
        ("no intent", "an operation that signs something else", refused(other_message, "signs something else")),
        ("unsynced", "the sync of the log is missing", refused(lambda _: unsynced(calls), "not proven durable")),
        ("unreported", "a leftover of another name", refused(unreported, "issuing again leaves")),
    ]


def issued(order: Order) -> None:
    trace.run(order.issue(), order.folder, order.pins).must(0, "issue")


def careless(order: Order) -> None:
    script = order.folder / "careless"
    script.write_text(CARELESS)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    command = [str(script), *order.issue()[:order.issue().index("-o")]]
    # dd is the process that writes to the final name; its third piece is never written.
    log = order.folder / "strace.log"
    inject = ["-P", str(order.folder / "out/pump.clic"), "-e", "inject=write:signal=KILL:when=3"]
    trace.run(trace.strace(command, log, *inject), order.folder, order.pins)
    require((order.folder / "out/pump.clic").stat().st_size == 128, "the control did not tear the file")
    (order.folder / "out/hidden.clic").unlink()
    issue.inspect(order)


def torn(order: Order) -> None:
    issued(order)
    path = order.folder / "out/pump.clic"
    path.write_bytes(path.read_bytes()[:-1])
    issue.inspect(order)


def unrecorded(order: Order) -> None:
    (order.folder / "out/pump.clic").write_bytes(b"\xd2\x84")
    issue.inspect(order)


def duplicate(order: Order) -> None:
    issued(order)
    books = ledger.read(order.folder / "home")
    books.licenses[b"another license!"] = 0
    books.license_leaf()


def other_message(order: Order) -> None:
    issued(order)
    with sqlite3.connect(order.folder / "home/authority.db") as connection:
        connection.execute("DROP TRIGGER operation_update")
        lease.Digests(connection)
        connection.execute("UPDATE operation SET message_hash = zeroblob(32) WHERE operation_id = 2")
    connection.close()
    ledger.read(order.folder / "home")


def unsynced(calls: list[Call]) -> None:
    issue.require_durable([call for call in calls if not (call.name == "fsync" and call.on("authority.db-wal"))])


def unreported(order: Order) -> None:
    left = issue.inspect(order)
    (order.folder / "out/.other.clic.abcdef.chancery-tmp").write_bytes(b"")
    issue.recover(order, left)
