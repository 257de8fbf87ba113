"""`revocation publish` and `bundle publish`, struck at a system call: no number is given to two documents, what is
published is whole, and the same command ends the work."""

from dataclasses import dataclass

import ledger
import trace
from issue import require_explained
from ledger import Ledger
from trace import Call
from world import PASSPHRASE, Order, cheapen, require, run


@dataclass(frozen=True)
class Publication:
    """A command that publishes the first document of a kind."""

    noun: str
    kind: int  # the number of the kind in the database

    def command(self, order: Order, stem: str = "vendor") -> list[str]:
        file = ["--out", f"out/{stem}.ctrust"] if self.noun == "bundle" else []
        return order.programs.chancery(self.noun, "publish", *file)

    def published(self, books: Ledger) -> dict[int, int]:
        """What is published, as number and log index."""
        if self.noun == "revocation":
            return books.lists
        return {number: index for number, (index, _) in books.bundles.items()}


PUBLICATIONS = (Publication("revocation", 5), Publication("bundle", 6))


def prepare(order: Order, what: Publication) -> Order:
    """Issues the license, certifies the keys that seal, and revokes: up to the moment before publishing."""

    def say(*words: str, pins: str = PASSPHRASE) -> dict:
        return run(order.programs.chancery(*words), order.folder, pins).must(0, " ".join(words[:2])).json()

    run(order.issue(), order.folder, order.pins).must(0, "license issue")
    # The custodian's passphrase, then the new key's.
    for role in ("log", "revoker"):
        say("role", "add", role, "--key", f"file:home/keys/{role}.pem", pins=f"{PASSPHRASE}\n{PASSPHRASE}")
    cheapen(order.folder)
    say("revocation", "add", "--entitlement", order.entitlement, "--reason", "crash")
    if what.noun == "bundle":
        say("revocation", "publish")
    (order.folder / "home/reserve").unlink(missing_ok=True)
    return order


def kill(order: Order, what: Publication, call: Call) -> None:
    trace.strike(what.command(order), order.folder, order.pins, call, "signal=KILL")
    recover(order, what, ledger.read(order.folder / "home"))


def fail(order: Order, what: Publication, call: Call, error: str) -> None:
    ended = trace.strike(what.command(order), order.folder, order.pins, call, f"error={error}")
    left = ledger.read(order.folder / "home")
    if ended.code == 0:
        require(1 in what.published(left), "exit code 0, and nothing is published")
    else:
        require_explained(ended)
    recover(order, what, left)


def recover(order: Order, what: Publication, left: Ledger) -> None:
    """Runs the command again, and checks that one document was published whatever happened."""
    check_files(order, left)
    done = 1 in what.published(left)
    again = run(what.command(order, "again"), order.folder, order.pins)
    if done and what.noun == "revocation":
        again.must(3, "publishing what is published")
        require(again.error()["code"] == "revocation-nothing-new", f"refused for another reason: {again.err}")
    else:
        told = again.must(0, "publishing again").json()
        require(told["number"] == 1, f"number {told['number']} instead of 1")
        require(what.noun != "bundle" or told["published_before"] == done, "not told whether it is the same")
    books = ledger.read(order.folder / "home")
    require(list(what.published(books)) == [1], f"published are {what.published(books)}")
    leaves = [index for index, leaf in books.leaves.items() if leaf[0] == what.kind]
    require(leaves == [what.published(books)[1]], f"documents {leaves} for one number")
    require(not books.pending(), f"documents {books.pending()} are pending in the end")
    begun = [index for index, leaf in left.leaves.items() if leaf[0] == what.kind]
    require(all(left.leaves[index] == books.leaves[index] for index in begun), "another document than the one begun")
    for number, operation in left.operations.items():
        require(books.operations[number] == operation, f"operation {number} is rewritten")
    check_files(order, books)
    check_site(order)
    findings = {finding["code"] for finding in order.run("doctor", "out").must(0, "doctor").json()["findings"]}
    require("interrupted" not in findings, "doctor still names interrupted work")


def check_files(order: Order, books: Ledger) -> None:
    """A bundle's file is what is recorded, whole."""
    for path in (order.folder / "out").glob("[!.]*.ctrust"):
        require(1 in books.bundles, f"{path.name} is there, and no bundle is recorded")
        require(path.read_bytes() == books.bundles[1][1], f"{path.name} is not the bundle that is recorded")


def check_site(order: Order) -> None:
    """What was revoked is refused by whoever has the bundle."""
    order.run("bundle", "publish", "--out", "site.ctrust").must(0, "bundle publish")
    ended = run(order.programs.site("verify", "out/pump.clic", "--trust", "site.ctrust"), order.folder)
    ended.must(3, "the site takes what is revoked")
    require(ended.error()["code"] == "revoked", f"refused for another reason: {ended.err}")
