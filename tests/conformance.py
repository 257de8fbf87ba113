#!/usr/bin/env python3
"""Prints what each key backend does as a table, from the lines that the conformance suite wrote to logs.

Usage: conformance.py [--expect BACKEND]... LOG...

A line is `conformance`, backend, behaviour and outcome, separated by tabs. A backend that is expected and has no
lines fails, and so does an outcome that is neither passed nor unavailable. Not here: running the suite.
"""

import sys

# What nothing but a device can show.
HARDWARE_ONLY = [
    "a PIN pad (CKF_PROTECTED_AUTHENTICATION_PATH)",
    "a touch of a YubiKey",
    "the attestation roots of vendors, and an Ed25519 attestation",
    "USB: the YubiHSM 2's bulk transfers, a pulled plug, two programs at one device",
    "throughput and latency",
]


def read(paths):
    """Returns {backend: {behaviour: outcome}}, both in the order in which they were first seen."""
    table = {}
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                parts = line.rstrip("\n").split("\t")
                if len(parts) == 4 and parts[0] == "conformance":
                    table.setdefault(parts[1], {})[parts[2]] = parts[3]
    return table


def main(arguments):
    expected, paths = [], []
    while arguments:
        word = arguments.pop(0)
        if word == "--expect":
            expected.append(arguments.pop(0))
        else:
            paths.append(word)
    table = read(paths)
    problems = [f"{name}: the suite did not run on it" for name in expected if name not in table]
    behaviours = list(dict.fromkeys(behaviour for outcomes in table.values() for behaviour in outcomes))
    width = max(map(len, behaviours), default=0)
    print("a key backend a column:")
    for number, name in enumerate(table, 1):
        print(f"  {number:2} {name}")
    print(f"\n{'':{width}} " + "".join(f"{number:>5}" for number in range(1, len(table) + 1)))
    notes = {}
    for behaviour in behaviours:
        cells = []
        for name, outcomes in table.items():
            outcome = outcomes.get(behaviour, "FAILED: it was not tried")
            if outcome == "passed":
                cells.append("yes")
            elif outcome.startswith("unavailable: "):
                reason = outcome.removeprefix("unavailable: ")
                cells.append(f"-{notes.setdefault(reason, chr(ord('a') + len(notes)))}")
            else:
                cells.append("FAIL")
                problems.append(f"{name}: {behaviour}: {outcome}")
        print(f"{behaviour:{width}} " + "".join(f"{cell:>5}" for cell in cells))
    print("\nyes: it does as every backend does. Otherwise it cannot be made to show:")
    for reason, letter in notes.items():
        print(f"  {letter} {reason}")
    print("\nonly real hardware can show:")
    for what in HARDWARE_ONLY:
        print(f"  {what}")
    for problem in problems:
        print(f"error: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
