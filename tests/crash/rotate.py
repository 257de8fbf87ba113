"""`root rotate`, struck at a system call: one new root, signed once by each, in force whole or not at all."""

from collections import Counter

import ledger
import trace
from issue import FORMS, require_explained
from ledger import ROOT
from trace import Call
from world import Order, cheapen, require


def prepare(order: Order) -> None:
    """Makes the second custodian's key, which the next root needs beside the first."""
    order.run("key", "generate", "file:second.pem").must(0, "key generate")
    cheapen(order.folder)


def command(order: Order) -> list[str]:
    return order.programs.chancery("root", "rotate", "--add-key", "file:second.pem", "--threshold", "2")


def kill(order: Order, call: Call) -> None:
    trace.strike(command(order), order.folder, pins(order), call, "signal=KILL")
    recover(order)


def fail(order: Order, call: Call, error: str) -> None:
    ended = trace.strike(command(order), order.folder, pins(order), call, f"error={error}")
    if ended.code == 0:
        require(versions(order) == 2, "exit code 0 without the new root")
    else:
        require_explained(ended)
    recover(order)


def pins(order: Order) -> str:
    """One passphrase for each of the two key files."""
    return f"{order.pins}\n{order.pins}"


def versions(order: Order) -> int:
    return len(order.run("root", "show").must(0, "root show").json()["roots"])


def recover(order: Order) -> None:
    """Runs the command again: it goes on with the root that was begun, or finds it in force."""
    left = ledger.read(order.folder / "home")
    before = versions(order)
    begun = roots(left)
    require(before in (1, 2) and len(begun) in (1, 2), f"{before} roots in force, {len(begun)} in the log")
    require(before <= len(begun), "a root is in force that the log does not have")
    doctor = order.run("doctor").must(0, "doctor").json()
    told = [finding for finding in doctor["findings"] if finding["code"] == "interrupted"]
    require(len(told) == len(left.pending()), f"doctor names {len(told)} of {len(left.pending())} documents")

    again = trace.run(command(order), order.folder, pins(order))
    if before == 2:
        again.must(3, "rotating to the root in force")
        require(again.error()["code"] == "root-unchanged", f"refused for another reason: {again.err}")
    else:
        again.must(0, "rotating again")
    check_whole(order, begun)


def roots(books: ledger.Ledger) -> list[tuple]:
    return [leaf for leaf in books.leaves.values() if leaf[0] == ROOT]


def check_whole(order: Order, begun: list[tuple]) -> None:
    """Checks that the rotation ended as if it had never been struck."""
    books = ledger.read(order.folder / "home")
    require(versions(order) == 2, "the new root is not in force")
    require(len(roots(books)) == 2, f"{len(roots(books))} roots in the log")
    require(roots(books)[: len(begun)] == begun, "another root than the one that was begun")
    require(not books.pending(), f"documents {books.pending()} are pending in the end")
    # Two custodians sign the statement over the root and the one over the records: each once.
    signed = Counter(books.operations[number] for number, how in books.outcomes.items() if how == "signed")
    require(max(signed.values()) == 1, "something is signed twice, and both are kept")
    order.run("log", "verify").must(0, "log verify")
    order.run("bundle", "publish", "-o", "rotated.ctrust").must(0, "bundle publish")
    trace.run(order.issue(), order.folder, order.pins).must(0, "issuing under the new root")
    (order.folder / "vendor.ctrust").unlink()
    (order.folder / "rotated.ctrust").rename(order.folder / "vendor.ctrust")
    for form in FORMS:
        order.verify(f"out/pump.{form}")
