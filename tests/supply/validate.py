"""Holds bills of materials to the schema of CycloneDX 1.6, strictly.

Usage: validate.py FILE...
Needs the package cyclonedx-python-lib, which brings the schema along.
"""

import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def main(files):
    if not files:
        sys.exit("usage: validate.py FILE...")
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    failed = 0
    # A document that is none shows that the validator is at work.
    if validator.validate_str('{"bomFormat": "CycloneDX", "specVersion": "1.6", "made": "up"}') is None:
        sys.exit("error: the validator takes what the schema does not know")
    for file in files:
        error = validator.validate_str(Path(file).read_text(encoding="utf-8"))
        if error is not None:
            # Behind the first line stand schema and document, whole.
            print(f"error: {file}: {str(error).splitlines()[0]}")
            failed += 1
    print(f"sbom: {len(files) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
