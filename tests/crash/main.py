"""Crash tests: strikes `chancery` at its state-changing system calls, and counts what does not hold."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import backup
import batch
import control
import home
import issue
import orders
import power
import publish
import rotate
import spy
import trace
from backup import Vault
from backup import site as place_of
from batch import Rows
from orders import Desk
from world import Failure, Order, Programs, init, stock

FAILING = {
    "EIO": ("fsync", "fdatasync", "write", "pwrite64", "renameat", "renameat2", "rename", "unlink", "ftruncate"),
    "ENOSPC": ("write", "pwrite64", "fallocate", "openat", "mkdir", "mkdirat", "ftruncate", "renameat2"),
}


class Score:
    """Counts points and failures by kind."""

    def __init__(self):
        self.points = defaultdict(int)
        self.failures = defaultdict(list)

    def add(self, kind: str, what: str, failure: str | None) -> None:
        self.points[kind] += 1
        if failure:
            self.failures[kind].append(what)
            print(f"FAILED {kind}: {what}\n       {failure}", flush=True)

    def summary(self) -> int:
        for kind, points in self.points.items():
            print(f"{kind:<34} {points:>4} points, {len(self.failures[kind])} failures")
        failures = sum(map(len, self.failures.values()))
        print(f"crash: {sum(self.points.values()) - failures} passed, {failures} failed")
        return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="every point, and power cuts")
    parser.add_argument("--seed", type=int, default=int(time.time()) // 86_400, help="which points, if not all")
    parser.add_argument("--programs", type=Path, required=True, help="folder of the built programs")
    arguments = parser.parse_args()
    programs = Programs(arguments.programs)
    score, started = Score(), time.monotonic()
    print(f"crash: {'all points' if arguments.long else f'some points, seed {arguments.seed}'}", flush=True)
    scratch = Path(tempfile.mkdtemp(prefix="chancery-crash-"))
    try:
        plan = Plan(programs, scratch, arguments.long, arguments.seed, score)
        for part in (plan.control, plan.issue, plan.issue_errors, plan.init, plan.batch, plan.orders, plan.rotate, plan.publish,
                     plan.backup, plan.restore, plan.signing, plan.power):
            part()
    finally:
        failures = score.summary()
        print(f"crash: {time.monotonic() - started:.0f} seconds")
        if failures:
            print(f"crash: the folders of failed points stay in {scratch}")
        else:
            shutil.rmtree(scratch)
    return 1 if failures else 0


class Plan:
    """The parts of a run, over templates that are prepared once."""

    def __init__(self, programs: Programs, scratch: Path, long: bool, seed: int, score: Score):
        self.programs, self.scratch, self.long, self.seed, self.score = programs, scratch, long, seed, score
        (scratch / "vendor").mkdir()
        init(programs, scratch / "vendor")
        self.template = stock(programs, scratch / "vendor")
        recorded = self.template.copy(scratch / "recorded")
        self.calls = trace.record(recorded.issue(), recorded.folder, recorded.pins)
        issue.require_durable(trace.read(recorded.folder / "strace.log"))

    def choose(self, points: list, kind, each: int) -> list:
        return points if self.long else trace.some(points, kind, self.seed, each)

    def strike(self, part: str, points: list[tuple[str, str, object]]) -> None:
        """Runs points side by side: the kind, a description, and what to do in a folder of its own."""

        def one(numbered):
            number, (kind, what, work) = numbered
            folder = self.scratch / f"{part}-{number}"
            try:
                work(folder)
            except Failure as failure:
                return kind, what, str(failure)
            except Exception as error:  # the harness itself must not hide a point
                return kind, what, f"{type(error).__name__}: {error}"
            shutil.rmtree(folder, ignore_errors=True)
            return kind, what, None

        print(f"crash: {part}, {len(points)} points", flush=True)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for kind, what, failure in pool.map(one, enumerate(points)):
                self.score.add(f"{part}, {kind}", what, failure)

    def control(self) -> None:
        self.strike("control", control.points(self.template, self.calls))

    def issue(self) -> None:
        chosen = self.choose(self.calls, lambda call: call.name, 3)
        self.strike("issue killed", [
            (call.name, str(call), lambda folder, call=call: issue.kill(self.template.copy(folder), call))
            for call in chosen
        ])

    def issue_errors(self) -> None:
        points = [
            (call, error) for error, names in FAILING.items() for call in self.calls if call.name in names
        ]
        chosen = self.choose(points, lambda point: (point[1], point[0].name), 1)
        self.strike("issue failing", [
            (f"{call.name} {error}", str(call),
             lambda folder, call=call, error=error: issue.fail(self.template.copy(folder), call, error))
            for call, error in chosen
        ])

    def init(self) -> None:
        recorded = self.scratch / "recorded-init"
        recorded.mkdir()
        calls = trace.record(home.command(self.programs), recorded, self.template.pins)

        def struck(work):
            def strike(folder: Path) -> None:
                folder.mkdir()
                work(folder)
            return strike

        self.strike("init killed", [
            (call.name, str(call), struck(lambda folder, call=call: home.kill(self.programs, folder, call)))
            for call in self.choose(calls, lambda call: call.name, 1)
        ])
        points = [(call, error) for error, names in FAILING.items() for call in calls if call.name in names]
        chosen = self.choose(points, lambda point: (point[1], point[0].name in ("fsync", "pwrite64")), 1)
        self.strike("init failing", [
            (f"{call.name} {error}", str(call),
             struck(lambda folder, call=call, error=error: home.fail(self.programs, folder, call, error)))
            for call, error in chosen
        ])

    def batch(self) -> None:
        rows = batch.prepare(self.template, self.scratch / "rows")
        self.strike("batch control", batch.controls(rows))
        recorded = rows.copy(self.scratch / "recorded-batch")
        calls = trace.record(recorded.issue(), recorded.folder, recorded.order.pins)
        self.strike_sites("batch issue", rows, calls, batch.kill, batch.fail)
        issued = rows.copy(self.scratch / "issued-batch")
        trace.run(issued.issue(), issued.folder, issued.order.pins).must(0, "batch issue")
        recorded = issued.copy(self.scratch / "recorded-export")
        calls = trace.record(recorded.export(), recorded.folder, recorded.order.pins)
        # Three hundred files are written in one way: a few of them stand for all.
        calls = [call for call in calls if call.number <= 12 or call.number >= 295]
        self.strike_sites("batch export", issued, calls, batch.kill_export, batch.fail_export, batch.site)

    def orders(self) -> None:
        desk = orders.prepare(self.template, self.scratch / "orders")
        self.strike("order control", orders.controls(desk))
        recorded = desk.copy(self.scratch / "recorded-orders")
        calls = trace.record(recorded.command(), recorded.folder, recorded.order.pins)
        self.strike_sites("order import", desk, orders.thin(calls), orders.kill, orders.fail)

    def vault(self) -> Vault:
        folder = self.scratch / "vault"
        if not folder.exists():
            self.prepared = backup.prepare(self.template, folder)
        return self.prepared

    def backup(self) -> None:
        vault = self.vault()
        self.strike("backup control", backup.controls(vault))
        recorded = vault.copy(self.scratch / "recorded-backup")
        calls = trace.record(recorded.backup(), recorded.folder, recorded.order.pins)
        self.strike_sites("backup", vault, calls, backup.kill_backup, backup.fail_backup)

    def restore(self) -> None:
        vault = self.vault()
        # The template holds the backup that its copies restore.
        trace.run(vault.backup(), vault.folder, vault.order.pins).must(0, "backup")
        recorded = vault.copy(self.scratch / "recorded-restore")
        calls = trace.record(recorded.restore(), recorded.folder, recorded.order.pins)
        self.strike_sites("restore", vault, calls, backup.kill_restore, backup.fail_restore)

    def strike_sites(self, part: str, of: Order | Rows | Vault | Desk, calls: list, kill, fail, site=place_of) -> None:
        """Strikes every place where the program writes: once each, or at every call of it."""
        self.strike(f"{part} killed", [
            (call.name, str(call), lambda folder, call=call: kill(of.copy(folder), call))
            for call in self.choose(calls, site, 1)
        ])
        points = [(call, error) for error, names in FAILING.items() for call in calls if call.name in names]
        self.strike(f"{part} failing", [
            (f"{call.name} {error}", str(call),
             lambda folder, call=call, error=error: fail(of.copy(folder), call, error))
            for call, error in self.choose(points, lambda point: (point[1], site(point[0])), 1)
        ])

    def rotate(self) -> None:
        template = self.template.copy(self.scratch / "custodians")
        rotate.prepare(template)
        recorded = template.copy(self.scratch / "recorded-rotation")
        calls = trace.record(rotate.command(recorded), recorded.folder, rotate.pins(recorded))
        self.strike_sites("root rotate", template, calls, rotate.kill, rotate.fail)

    def publish(self) -> None:
        """Lists and bundles, over a home that has a license to revoke and keys that seal."""
        for what in publish.PUBLICATIONS:
            template = publish.prepare(self.template.copy(self.scratch / f"publish-{what.noun}"), what)
            recorded = template.copy(self.scratch / f"recorded-{what.noun}")
            calls = trace.record(what.command(recorded), recorded.folder, recorded.pins)
            self.strike_sites(
                f"{what.noun} publish", template, calls,
                lambda order, call, what=what: publish.kill(order, what, call),
                lambda order, call, error, what=what: publish.fail(order, what, call, error),
            )

    def signing(self) -> None:
        folder = self.scratch / "token"
        folder.mkdir()
        template = spy.prepare(self.programs, folder)
        recorded = spy.copy(template, self.scratch / "recorded-token")
        # A token has a thread of its own.
        calls = trace.record(
            recorded.issue(), recorded.folder, recorded.pins, recorded.env, several_threads=True
        )
        # The token's own files are the token's to keep whole: SoftHSM2 rewrites them in place, and a kill
        # there can cost the token.
        calls = [call for call in calls if "/tokens/" not in call.line]
        self.strike("token", [("order of calls", "one run", lambda folder: spy.in_order(calls))])
        sign = next(at for at, call in enumerate(calls) if spy.is_sign(call))
        # Around the signature every point counts: a few calls on either side are always struck.
        before = [call for call in calls[:sign] if call.reachable]
        after = [call for call in calls[sign:] if call.reachable]
        near = before[-4:] + after[:8]
        far = before[:-4] + after[8:]
        chosen = near + self.choose(far, lambda call: call.name, 1)
        self.strike("token killed", [
            (call.name, str(call), lambda folder, call=call: spy.kill(spy.copy(template, folder), call))
            for call in chosen
        ])

    def power(self) -> None:
        if not self.long:
            return
        reason = power.unavailable()
        if reason:
            print(f"NOT DONE: power cuts: {reason}", flush=True)
            return
        self.strike_in_turn("power cut", power.points(self.template, self.calls))

    def strike_in_turn(self, part: str, points: list) -> None:
        for number, (kind, what, work) in enumerate(points):
            folder = self.scratch / f"{part.replace(' ', '-')}-{number}"
            try:
                work(folder)
                failure = None
            except Failure as error:
                failure = str(error)
            self.score.add(f"{part}, {kind}", what, failure)


if __name__ == "__main__":
    sys.exit(main())
