#!/usr/bin/env python3
"""The keys of a YubiHSM 2, backed up under a wrap key that exists outside of devices in shares alone.

    yubihsm2-backup.py shares --threshold 2 --count 3 --output FOLDER
    yubihsm2-backup.py install --connector URL --auth-id 1 SHARE SHARE …
    yubihsm2-backup.py export --connector URL --auth-id 4 --key 256 --output FILE
    yubihsm2-backup.py import --connector URL --auth-id 1 FILE

`shares` makes a wrap key and writes its shares, never the key. `install` puts it into a device from as many shares as
it takes: before `chancery key provision`, which takes the factory's login away. `export` writes a key, wrapped; `import`
restores it. What is exported is worth nothing without the shares, and the shares nothing without it.

Needs Yubico's library: `pip install 'yubihsm[http]==3.1.2'`. Run it where the ceremony is held, without a network.
Passwords are asked for, or read from --password-fd. docs/guide/devices/yubihsm2.md says who does what and when. Not
here: what the device is to hold besides (yubihsm2-backed-up.toml).
"""

import argparse
import contextlib
import getpass
import hashlib
import hmac
import os
import secrets
import sys
from pathlib import Path

KEY_BYTES = 32
WRAP_ID = 512
LABEL = "chancery backup"
HEAD = "chancery wrap key share 1"
MAX_SHARE_BYTES = 1024
MAX_WRAPPED_BYTES = 4096


class Refused(Exception):
    """Something that the operator has to put right."""


# ---- Shares: Shamir's scheme over GF(2^8), byte by byte, with the polynomial of AES ------------------------------


def times(one: int, other: int) -> int:
    product = 0
    for bit in range(8):
        product ^= (one << bit) * ((other >> bit) & 1)
    for bit in range(14, 7, -1):
        product ^= (0x11B << (bit - 8)) * ((product >> bit) & 1)
    return product


def inverse(value: int) -> int:
    result = 1
    for _ in range(254):
        result = times(result, value)
    return result


def split(key: bytes, threshold: int, count: int) -> list[bytes]:
    """Returns a share for each of the places 1 to `count`; any `threshold` of them give the key, fewer nothing."""
    polynomials = [[byte, *secrets.token_bytes(threshold - 1)] for byte in key]

    def at(polynomial: list[int], place: int) -> int:
        value = 0
        for coefficient in reversed(polynomial):
            value = times(value, place) ^ coefficient
        return value

    return [bytes(at(polynomial, place) for polynomial in polynomials) for place in range(1, count + 1)]


def join(shares: dict[int, bytes]) -> bytes:
    """Returns the key of as many shares as it takes, by their places."""
    key = bytearray(KEY_BYTES)
    for place, share in shares.items():
        weight = 1
        for other in shares:
            if other != place:
                weight = times(weight, times(other, inverse(other ^ place)))
        for index, byte in enumerate(share):
            key[index] ^= times(byte, weight)
    return bytes(key)


def fingerprint(key: bytes) -> str:
    """Tells a key from others; of a random key of 256 bits it tells nothing else."""
    return hashlib.sha256(b"chancery wrap key\0" + key).hexdigest()[:16]


def write_share(place: int, share: bytes, threshold: int, count: int, of: str) -> str:
    digits = share.hex()
    groups = " ".join(digits[at:at + 4] for at in range(0, len(digits), 4))
    body = f"{HEAD}\nkey {of}\nshare {place} of {count}, {threshold} are needed\n{groups}\n"
    return body + f"check {hashlib.sha256(body.encode()).hexdigest()[:8]}\n"


def read_share(path: Path) -> tuple[str, int, int, bytes]:
    """Returns the key that a share is of, its place, how many are needed, and its bytes."""
    with open(path, "rb") as file:
        data = file.read(MAX_SHARE_BYTES + 1)
    try:
        head, key, place, groups, check = data.decode("ascii").splitlines()
        _, number, _, total, needed, *_ = place.replace(",", "").split(" ")
        number, total, needed = int(number), int(total), int(needed)
        share = bytes.fromhex(groups)
        of = key.removeprefix("key ")
    except ValueError as error:
        raise Refused(f"{path} is no share") from error
    if head != HEAD or len(share) != KEY_BYTES or not 2 <= needed <= total <= 255 or not 1 <= number <= total:
        raise Refused(f"{path} is no share")
    if write_share(number, share, needed, total, of) != data.decode("ascii"):
        raise Refused(f"{path} was copied wrongly: its check does not fit")
    return of, number, needed, share


def gather(paths: list[Path]) -> bytes:
    """Returns the wrap key of the shares in files."""
    found: dict[int, bytes] = {}
    keys = set()
    threshold = 0
    for path in paths:
        of, place, threshold, share = read_share(path)
        if place in found:
            raise Refused(f"share {place} is there twice")
        keys.add((of, threshold))
        found[place] = share
    if len(keys) != 1:
        raise Refused("the shares are of different keys")
    if len(found) < threshold:
        raise Refused(f"{threshold} shares are needed, and {len(found)} are there")
    key = join(dict(list(found.items())[:threshold]))
    if not hmac.compare_digest(fingerprint(key), keys.pop()[0]):
        raise Refused("the shares do not give the key that they name")
    return key


def create(path: Path, data: bytes) -> None:
    """Writes a new file that only its owner may read, synced."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


# ---- Devices --------------------------------------------------------------------------------------------------


def password_of(arguments: argparse.Namespace) -> str:
    if arguments.password_fd is None:
        return getpass.getpass(f"password of authentication key {arguments.auth_id}: ")
    with os.fdopen(os.dup(arguments.password_fd), encoding="utf-8") as file:
        return file.readline().rstrip("\n")


@contextlib.contextmanager
def opened(arguments: argparse.Namespace):
    """Opens a session, and closes it and the connection at the end."""
    from yubihsm import YubiHsm

    password = password_of(arguments)
    hsm = YubiHsm.connect(arguments.connector)
    try:
        serial = hsm.get_device_info().serial
        if arguments.serial is not None and serial != arguments.serial:
            raise Refused(f"the device has the serial number {serial:010}")
        session = hsm.create_session_derived(arguments.auth_id, password)
        try:
            yield session, serial
        finally:
            session.close()
    finally:
        hsm.close()


def make_shares(arguments: argparse.Namespace) -> None:
    threshold, count = arguments.threshold, arguments.count
    if not 2 <= threshold <= count <= 16:
        raise Refused("two shares at least are needed, and sixteen at most are made")
    key = secrets.token_bytes(KEY_BYTES)
    shares = split(key, threshold, count)
    of = fingerprint(key)
    arguments.output.mkdir(mode=0o700)
    for place, share in enumerate(shares, 1):
        create(arguments.output / f"share-{place}.txt", write_share(place, share, threshold, count, of).encode())
    # What was written is read back before anybody relies on it.
    paths = [arguments.output / f"share-{place}.txt" for place in range(1, count + 1)]
    for first in range(count):
        chosen = [paths[(first + step) % count] for step in range(threshold)]
        if gather(chosen) != key:
            raise Refused("the shares do not give the key back: look for faulty memory, and make others")
    print(f"Made {count} shares of wrap key {of}, {threshold} of which give it back, in {arguments.output}")


def install(arguments: argparse.Namespace) -> None:
    from yubihsm.defs import ALGORITHM, CAPABILITY
    from yubihsm.objects import WrapKey

    key = gather(arguments.share)
    may = CAPABILITY.EXPORT_WRAPPED | CAPABILITY.IMPORT_WRAPPED
    wrapped = CAPABILITY.EXPORTABLE_UNDER_WRAP | CAPABILITY.SIGN_EDDSA
    with opened(arguments) as (session, serial):
        WrapKey.put(session, arguments.wrap_id, LABEL, 1, may, ALGORITHM.AES256_CCM_WRAP, wrapped, key)
        print(f"Wrap key {fingerprint(key)} is object {arguments.wrap_id} of device {serial:010}")


def export(arguments: argparse.Namespace) -> None:
    from yubihsm.defs import OBJECT

    if arguments.output.exists():
        raise Refused(f"{arguments.output} is there already")
    with opened(arguments) as (session, serial):
        wrap = session.get_object(arguments.wrap_id, OBJECT.WRAP_KEY)
        wrapped = wrap.export_wrapped(session.get_object(arguments.key, OBJECT.ASYMMETRIC_KEY))
    create(arguments.output, wrapped)
    print(f"Exported key {arguments.key} of device {serial:010} to {arguments.output}")
    print(f"SHA-256 {hashlib.sha256(wrapped).hexdigest()}")


def restore(arguments: argparse.Namespace) -> None:
    from yubihsm.defs import OBJECT

    with open(arguments.file, "rb") as file:
        wrapped = file.read(MAX_WRAPPED_BYTES + 1)
    if len(wrapped) > MAX_WRAPPED_BYTES:
        raise Refused(f"{arguments.file} is no wrapped key")
    with opened(arguments) as (session, serial):
        key = session.get_object(arguments.wrap_id, OBJECT.WRAP_KEY).import_wrapped(wrapped)
        print(f"Key {key.id} is in device {serial:010}")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shares = commands.add_parser("shares", help="make a wrap key, in shares")
    shares.add_argument("--threshold", type=int, required=True, help="how many shares give it back")
    shares.add_argument("--count", type=int, required=True, help="how many shares are made")
    shares.add_argument("--output", type=Path, required=True, help="folder to create")
    shares.set_defaults(run=make_shares)
    for name, run, does in (
        ("install", install, "put the wrap key into a device"),
        ("export", export, "write a key, wrapped"),
        ("import", restore, "restore a wrapped key"),
    ):
        command = commands.add_parser(name, help=does)
        command.add_argument("--connector", required=True, help="URL of the connector, or yhusb://")
        command.add_argument("--serial", type=int, help="refuse another device than this one")
        command.add_argument("--auth-id", type=int, required=True, help="login to use")
        command.add_argument("--password-fd", type=int, help="descriptor to read its password from")
        command.add_argument("--wrap-id", type=int, default=WRAP_ID, help="object id of the wrap key")
        command.set_defaults(run=run)
        if name == "install":
            command.add_argument("share", type=Path, nargs="+", help="file with a share")
        elif name == "export":
            command.add_argument("--key", type=int, required=True, help="object id of the key")
            command.add_argument("--output", type=Path, required=True, help="file to create")
        else:
            command.add_argument("file", type=Path, help="file with a wrapped key")
    return parser.parse_args()


def main() -> int:
    arguments = read_arguments()
    try:
        arguments.run(arguments)
    except ImportError:
        print("error: Yubico's library is missing\nhint: pip install 'yubihsm[http]==3.1.2'", file=sys.stderr)
        return 1
    except (Refused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3 if isinstance(error, Refused) else 1
    except Exception as error:  # of the device: its library has many kinds
        print(f"error: the device refuses: {error}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
