"""Reads a text as `zbarimg --raw` prints it, and writes the document that it holds. Usage: base45.py PREFIX TEXT OUT

Base45 by RFC 9285, written here from the RFC so that it is not ours twice.
"""

import sys

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def decode(text: str) -> bytes:
    values = [ALPHABET.index(character) for character in text]
    out = bytearray()
    for start in range(0, len(values), 3):
        group = values[start : start + 3]
        number = sum(value * 45**place for place, value in enumerate(group))
        out += number.to_bytes(len(group) - 1, "big")
    return bytes(out)


prefix, source, target = sys.argv[1:]
with open(source, encoding="ascii") as file:
    text = file.read().rstrip("\n")
if not text.startswith(prefix):
    sys.exit(f"text begins with {text[:4]!r}, not with {prefix!r}")
with open(target, "wb") as file:
    file.write(decode(text[len(prefix) :]))
