"""`order import`, struck at a system call: whole transactions are there, no line without its grant, and the same file
again leaves what one unbroken run does.

The file takes three transactions: orders of new customers in all of them, and at its end orders that change what its
first ones granted, which must not be done twice.
"""

import shutil
import sqlite3
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import backup
import trace
from issue import require_explained, snapshot
from trace import Call
from world import Failure, Order, require

CHUNK = 2_000  # lines of a transaction, as workflow/order/import.rs has it
LINES = 2 * CHUNK + 150
FILE = "orders.csv"


@dataclass
class Desk:
    """A vendor with a file of orders, and what one unbroken run makes of it."""

    order: Order
    whole: list

    def copy(self, folder: Path) -> "Desk":
        return Desk(self.order.copy(folder), self.whole)

    @property
    def folder(self) -> Path:
        return self.order.folder

    def command(self) -> list[str]:
        return self.order.programs.chancery("order", "import", FILE, "--by", "crash")


def prepare(template: Order, folder: Path) -> Desk:
    """Writes the file, and imports it once in a copy."""
    order = template.copy(folder)
    lines = ["order,customer,customer_name,action,of,product,edition,quantity,until"]
    for number in range(LINES - 50):
        customer = number // 40
        lines.append(f"SO-{number},buyer-{customer},Buyer {customer},new,,pump,standard,{1 + number % 7},2098-12-31")
    for number in range(50):
        # Every change can be made once: to a quantity that is not there yet.
        lines.append(f"CH-{number},buyer-{number // 40},,amend,SO-{number},,,{100 + number},")
    (folder / FILE).write_text("".join(line + "\n" for line in lines))
    desk = Desk(order, [])
    unbroken = desk.copy(folder.with_name(f"{folder.name}-unbroken"))
    told = trace.run(unbroken.command(), unbroken.folder, order.pins).must(0, "order import").json()
    require((told["granted"], told["amended"]) == (LINES - 50, 50), f"imported are {told}")
    desk.whole = state(unbroken.folder / "home")
    require(len(desk.whole) > LINES, "the unbroken run left too little")
    return desk


def thin(calls: list[Call]) -> list[Call]:
    """One write stands for the thousands of its site: the first, the last and one between; every sync counts."""
    sites = defaultdict(list)
    for call in calls:
        sites[backup.site(call)].append(call)
    chosen = set()
    for (name, _), group in sites.items():
        chosen.update(group if "sync" in name else (group[0], group[len(group) // 2], group[-1]))
    return [call for call in calls if call in chosen]


def rows(home: Path, *queries: str) -> list[list]:
    """What queries find in the database as it stands, with its write-ahead log; changes nothing."""
    with tempfile.TemporaryDirectory(prefix="chancery-orders-") as folder:
        for name in ("authority.db", "authority.db-wal"):
            if (home / name).exists():
                shutil.copy(home / name, folder)
        connection = sqlite3.connect(Path(folder) / "authority.db")
        try:
            return [connection.execute(query).fetchall() for query in queries]
        finally:
            connection.close()


def state(home: Path) -> list:
    """What is there of orders, without the ids that are drawn and without times."""
    lines, customers, grants = rows(
        home,
        """SELECT position, order_number, line, sales_order.customer_id, content, outcome.revision,
                  quantity, entitlement.revision, entitlement.state
           FROM order_line JOIN sales_order USING (order_number)
                LEFT JOIN entitlement_grant AS outcome ON outcome.entitlement_id = order_line.entitlement_id
                                                      AND outcome.hash = order_line.grant_hash
                LEFT JOIN entitlement ON entitlement.entitlement_id = order_line.entitlement_id
           ORDER BY position""",
        "SELECT customer_id, name FROM customer ORDER BY customer_id",
        "SELECT revision, count(*) FROM entitlement_grant GROUP BY revision ORDER BY revision",
    )
    return [*lines, *customers, *grants]


def kill(desk: Desk, call: Call) -> None:
    trace.strike(desk.command(), desk.folder, desk.order.pins, call, "signal=KILL")
    recover(desk, inspect(desk))


def fail(desk: Desk, call: Call, error: str) -> None:
    ended = trace.strike(desk.command(), desk.folder, desk.order.pins, call, f"error={error}")
    left = inspect(desk)
    if ended.code == 0:
        require(left == LINES, f"exit code 0 with {left} lines of {LINES}")
    else:
        require_explained(ended)
    recover(desk, left)


def inspect(desk: Desk) -> int:
    """Looks at what a strike left, and returns how many lines there are."""
    before = snapshot(desk.folder)
    desk.order.run("doctor").must(0, "doctor")
    require(snapshot(desk.folder) == before, "doctor changed something")
    return check(desk.folder / "home")


def check(home: Path) -> int:
    """What holds at every moment: whole transactions, and a grant for every line and a line for every change."""
    (lines,), (alone,), (changes,), (headless,) = (
        found[0]
        for found in rows(
            home,
            "SELECT count(*) FROM order_line",
            """SELECT count(*) FROM order_line
               LEFT JOIN entitlement_grant ON entitlement_grant.entitlement_id = order_line.entitlement_id
                                          AND entitlement_grant.hash = order_line.grant_hash
               WHERE hash IS NULL""",
            "SELECT count(*) FROM entitlement_grant WHERE revision > 1",
            "SELECT count(*) FROM sales_order WHERE order_number NOT IN (SELECT order_number FROM order_line)",
        )
    )
    require(lines == LINES or lines % CHUNK == 0, f"{lines} lines are there: a part of a transaction")
    require(alone == 0, f"{alone} lines have no grant")
    require(headless == 0, f"{headless} orders have no line")
    require(changes == (50 if lines == LINES else 0), f"{changes} changes with {lines} lines")
    return lines


def recover(desk: Desk, left: int) -> None:
    """Imports the file again, and once more: what one unbroken run leaves, and nothing twice."""
    again = trace.run(desk.command(), desk.folder, desk.order.pins).must(0, "importing again").json()
    require(again["unchanged"] == left, f"{again['unchanged']} lines are unchanged, and {left} were there")
    require(check(desk.folder / "home") == LINES, "lines are missing")
    require(state(desk.folder / "home") == desk.whole, "not what one unbroken run leaves")
    once_more = trace.run(desk.command(), desk.folder, desk.order.pins).must(0, "once more").json()
    require(once_more["unchanged"] == LINES, "importing what is there changes something")
    desk.order.run("log", "verify").must(0, "log verify")


def controls(desk: Desk) -> list[tuple[str, str, object]]:
    """What the checks must find, or they would accept anything."""

    def refused(sql: str, message: str):
        def control(folder: Path) -> None:
            own = desk.copy(folder)
            trace.run(own.command(), own.folder, own.order.pins).must(0, "order import")
            connection = sqlite3.connect(own.folder / "home/authority.db")
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute(sql)
            connection.commit()
            connection.close()
            try:
                check(own.folder / "home")
            except Failure as failure:
                require(message in str(failure), f"refused for another reason: {failure}")
                return
            raise Failure("the checks accept it")
        return control

    return [
        ("torn transaction", "a line is missing",
         refused("DELETE FROM order_line WHERE position = 7", "a part of a transaction")),
        ("no grant", "a line names a grant that is not there",
         refused("UPDATE order_line SET grant_hash = zeroblob(32) WHERE position = 7", "have no grant")),
    ]
