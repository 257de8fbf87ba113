"""Proof that no key signs without a durable intent: a PKCS#11 token that reports each signature.

`pkcs11-spy` stands between Chancery and SoftHSM2 and writes a line when C_SignInit is entered, before the
token sees it: each signature needs one, and C_Sign, which asks for its length first, comes after it.
strace puts that line into one order with the writes and syncs of the database.
"""

import os
import re
import subprocess
from pathlib import Path

import issue
import ledger
import trace
from trace import Call
from world import Order, Programs, init, require, stock

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
SPIES = (
    "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so",
    "/usr/lib/aarch64-linux-gnu/pkcs11-spy.so",
    "/usr/lib64/pkcs11/pkcs11-spy.so",
    "/usr/lib/pkcs11/pkcs11-spy.so",
)
PIN = "crash-4711"
SIGN = re.compile(r"C_SignInit\\n")


def found(paths: tuple[str, ...], what: str) -> str:
    path = next((path for path in paths if Path(path).is_file()), None)
    if path is None:
        raise SystemExit(f"crash: {what} is missing")
    return path


def environment(folder: Path) -> dict:
    """SoftHSM2 keeps its token in the folder, and the spy reports there."""
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    return os.environ | {
        "SOFTHSM2_CONF": str(folder / "softhsm2.conf"),
        "PKCS11SPY": found(MODULES, "SoftHSM2"),
        "PKCS11SPY_OUTPUT": str(folder / "spy.log"),
    }


def prepare(programs: Programs, folder: Path) -> Order:
    """A vendor whose issuing key is on a token, and a root key in a file."""
    (folder / "tokens").mkdir()
    env = environment(folder)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "crash", "--so-pin", PIN, "--pin", PIN],
        env=env, check=True, capture_output=True,
    )
    spy = found(SPIES, "pkcs11-spy (package opensc)")
    reference = f"pkcs11:token=crash;object=issuing?module-path={spy}"
    init(programs, folder, "--issuing-key", reference, pins=f"a passphrase for the root\n{PIN}", env=env)
    order = stock(programs, folder, env=env)
    order.pins = PIN
    (folder / "spy.log").unlink()
    return order


def copy(template: Order, folder: Path) -> Order:
    order = template.copy(folder)
    order.env = environment(folder)
    return order


def is_sign(call: Call) -> bool:
    return call.name == "write" and call.on("spy.log") and SIGN.search(call.line) is not None


def in_order(calls: list[Call]) -> None:
    """Checks the order of one undisturbed run: intent synced, signature, outcome synced, files."""
    log = lambda call: call.on("authority.db-wal")
    signs = [at for at, call in enumerate(calls) if is_sign(call)]
    require(len(signs) == 1, f"{len(signs)} signatures for one license")
    sign = signs[0]
    written = [at for at, call in enumerate(calls[:sign]) if call.name == "pwrite64" and log(call)]
    synced = [at for at, call in enumerate(calls[:sign]) if call.name in ("fsync", "fdatasync") and log(call)]
    require(written and synced and synced[-1] > written[-1], "the key signs before the intent is synced")
    files = [at for at, call in enumerate(calls) if call.name == "pwrite64" and call.on(".chancery-tmp")]
    outcome = [
        at for at, call in enumerate(calls)
        if sign < at < files[0] and call.name in ("fsync", "fdatasync") and log(call)
    ]
    require(outcome, "a file is written before the signature is recorded")


def kill(order: Order, call: Call) -> None:
    """Kills at a call; afterwards each signature that the token was asked for has its intent."""
    trace.strike(order.issue(), order.folder, order.pins, call, "signal=KILL", order.env)
    left = issue.inspect(order)
    index = left.ledger.license_leaf()
    intents = len(left.ledger.attempts(index)) if index is not None else 0
    require(signatures(order) <= intents, f"{signatures(order)} signatures for {intents} intents")
    if is_sign(call):
        require(intents == 1, "the key was asked to sign, and no intent is recorded")
        require(index in left.ledger.pending(), "nothing signed it, and it does not count as interrupted")
    issue.recover(order, left)
    books = ledger.read(order.folder / "home")
    intents = len(books.attempts(books.license_leaf()))
    require(1 <= signatures(order) <= intents, f"{signatures(order)} signatures for {intents} intents in the end")


def signatures(order: Order) -> int:
    """How often the token was asked for a signature; a kill at the report itself comes before it."""
    log = order.folder / "spy.log"
    return len(re.findall(r"C_SignInit$", log.read_text(errors="replace"), re.MULTILINE)) if log.exists() else 0
