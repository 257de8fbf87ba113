#!/usr/bin/env bash
# Checks the simulator with Yubico's own Python client. Usage: foreign.sh [PYTHON]
#
# PYTHON, or CHANCERY_PYTHON, is a Python that has PyPI `yubihsm[http]`; without either, that of tests/setup.sh.
# Not here: the checks with the `yubihsm` crate, which `cargo test` runs.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${1:-${CHANCERY_PYTHON:-../../../target/interop/bin/python}}
if ! "$python" -c 'import yubihsm.backends.http, cryptography' 2>/dev/null; then
    echo "error: $python has no yubihsm[http]" >&2
    echo "hint: run \`tests/setup.sh\`, or \`$python -m pip install 'yubihsm[http]==3.1.2'\`" >&2
    exit 1
fi
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --locked --bin yubihsm-simulator
exec "$python" tests/python.py "$target/debug/yubihsm-simulator"
