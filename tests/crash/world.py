"""The programs under test, and a vendor with one order to fill: prepared once, copied for each point."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import lease

PASSPHRASE = "a passphrase of the crash tests"
CATALOG = """\
[[product]]
id = "pump"
name = "Pump Control"

[[product.feature]]
id = "logging"

[[product.feature]]
id = "channels"
kind = "limit"

[[product.edition]]
id = "standard"
features = { logging = true, channels = 16 }
"""
QUANTITY = 3
TIMEOUT_SECS = 120


class Failure(Exception):
    """Something that must hold does not."""


def require(condition: bool, message: str) -> None:
    if not condition:
        raise Failure(message)


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> dict:
        """What it printed, or the error that it printed, under --json."""
        try:
            return json.loads(self.out or self.err)
        except ValueError as error:
            raise Failure(f"not JSON: {self.out or self.err!r}") from error

    def error(self) -> dict:
        found = self.json()
        return found.get("error", found)

    def must(self, code: int, what: str) -> "Ended":
        require(self.code == code, f"{what}: exit code {self.code} instead of {code}: {self.out}{self.err}")
        return self


@dataclass
class Programs:
    """Where the built programs are."""

    folder: Path

    def __post_init__(self):
        self.folder = self.folder.resolve()
        for name in ("chancery", "chancery-site"):
            if not (self.folder / name).is_file():
                raise SystemExit(f"crash: {self.folder / name} is not built")

    def chancery(self, *words: str) -> list[str]:
        return [str(self.folder / "chancery"), "--home", "home", "--json", "--pin-fd", "0", *words]

    def site(self, *words: str) -> list[str]:
        return [str(self.folder / "chancery-site"), "--state", "site", "--json", *words]


def run(command: list[str], folder: Path, pins: str = PASSPHRASE, env: dict | None = None) -> Ended:
    """Runs a command in a folder, with the PIN on standard input."""
    ended = subprocess.run(
        command, cwd=folder, env=env, input=pins + "\n", capture_output=True, text=True, timeout=TIMEOUT_SECS
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@dataclass
class Order:
    """A vendor that is ready to issue one license: a folder with home, request and trust bundle."""

    programs: Programs
    folder: Path
    entitlement: str
    pins: str = PASSPHRASE
    env: dict | None = None

    def copy(self, folder: Path) -> "Order":
        shutil.copytree(self.folder, folder, symlinks=True)
        lease.take(folder / "home")
        return Order(self.programs, folder, self.entitlement, self.pins, self.env)

    def run(self, *words: str) -> Ended:
        return run(self.programs.chancery(*words), self.folder, self.pins, self.env)

    def issue(self, stem: str = "pump") -> list[str]:
        """The command under test: a license as file, picture and armor, into the folder `out`."""
        return self.programs.chancery(
            "license", "issue", "--entitlement", self.entitlement, "--request", "pump.creq",
            "-o", f"out/{stem}.clic", "--qr", f"out/{stem}.png", "--armor", f"out/{stem}.asc",
        )

    def verify(self, name: str) -> None:
        ended = run(self.programs.site("verify", name, "--trust", "vendor.ctrust"), self.folder)
        ended.must(0, f"{name} does not verify at the site")


def init(programs: Programs, folder: Path, *words: str, pins: str = PASSPHRASE, env: dict | None = None) -> None:
    run(programs.chancery("init", "--name", "Crash Works", *words), folder, pins, env).must(0, "init")
    cheapen(folder, pins.splitlines()[0])


def cheapen(folder: Path, passphrase: str = PASSPHRASE) -> None:
    """Encrypts the key files of a template anew at hardly any cost: thousands of points open them, some often."""
    if shutil.which("openssl") is None:
        raise SystemExit("crash: openssl is missing: apt-get install openssl")
    for path in folder.rglob("*.pem"):
        dear = path.read_text()
        if "ENCRYPTED PRIVATE KEY" not in dear:
            continue
        words = ["openssl", "pkcs8", "-topk8", "-scrypt", "-scrypt_N", "2", "-scrypt_r", "1", "-scrypt_p", "1",
                 "-passin", "env:OLD", "-passout", "env:OLD"]
        done = subprocess.run(words, input=dear, env={**os.environ, "OLD": passphrase}, capture_output=True,
                              text=True, check=True)
        path.write_text(done.stdout)


def stock(programs: Programs, folder: Path, pins: str = PASSPHRASE, env: dict | None = None) -> Order:
    """Fills the home in `folder` with an order, up to the moment before the license is issued."""

    def say(*words: str) -> dict:
        return run(programs.chancery(*words), folder, pins, env).must(0, " ".join(words[:2])).json()

    (folder / "catalog.toml").write_text(CATALOG)
    say("catalog", "apply", "catalog.toml")
    say("customer", "add", "acme", "--name", "Acme")
    granted = say(
        "entitlement", "grant", "--customer", "acme", "--product", "pump", "--edition", "standard",
        "--quantity", str(QUANTITY),
    )
    entitlement = granted["id"]
    ask = programs.site("request", "--product", "pump", "--entitlement", entitlement, "-o", "pump.creq")
    run(ask, folder).must(0, "request")
    say("bundle", "publish", "-o", "vendor.ctrust")
    (folder / "out").mkdir()
    # Without the reserve, issuing allocates it: one more thing to be killed at.
    (folder / "home/reserve").unlink(missing_ok=True)
    return Order(programs, folder, entitlement, pins, env)
