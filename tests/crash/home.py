"""`init`, struck at a system call: the home is whole or absent, and what stays beside it is named."""

import ledger
import trace
from issue import FORMS, require_explained
from pathlib import Path
from trace import Call
from world import PASSPHRASE, Programs, init, require, run, stock


def command(programs: Programs) -> list[str]:
    return programs.chancery("init", "--name", "Crash Works")


def kill(programs: Programs, folder: Path, call: Call) -> None:
    trace.strike(command(programs), folder, PASSPHRASE, call, "signal=KILL")
    check(programs, folder)


def fail(programs: Programs, folder: Path, call: Call, error: str) -> None:
    ended = trace.strike(command(programs), folder, PASSPHRASE, call, f"error={error}")
    if ended.code != 0:
        require_explained(ended)
    else:
        require((folder / "home").is_dir(), "exit code 0 without a home")
    check(programs, folder)


def check(programs: Programs, folder: Path) -> None:
    """Checks that the home is absent or whole, that doctor names the rest, and that all then works."""
    beside = {path.name for path in folder.iterdir() if path.name.startswith(".home.")}
    doctor = run(programs.chancery("doctor"), folder)
    messages = [f"{finding['code']}: {finding['message']}" for finding in doctor.json()["findings"]]
    for name in beside:
        require(any(name in message for message in messages), f"doctor does not name {name}: {messages}")
    if (folder / "home").exists():
        doctor.must(0, f"doctor of a home that is there: {messages}")
        ledger.read(folder / "home")
        again = run(command(programs), folder).must(1, "init over a home")
        require(again.error()["code"] == "already-initialized", f"refused for another reason: {again.err}")
    else:
        doctor.must(1, "doctor without a home")
        require(any(message.startswith("not-initialized") for message in messages), f"doctor says {messages}")
        init(programs, folder)
    order = stock(programs, folder)
    run(order.issue(), folder).must(0, "issuing with the keys of the home")
    for form in FORMS:
        order.verify(f"out/pump.{form}")
