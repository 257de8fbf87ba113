#!/usr/bin/env bash
# Kills, starves and cuts off `chancery` at its state-changing system calls, and checks what is left.
#
#   tests/crash/run.sh [--long] [--seed N] [--programs DIR]
#
# By default a part of the points, spread by the seed; with --long every point, and power cuts (as root).
# Needs python3, strace, age, softhsm2 and opensc (for pkcs11-spy). Builds the programs unless --programs names them.
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in python3 strace age softhsm2-util; do
    command -v "$tool" >/dev/null || { echo "crash: $tool is missing" >&2; exit 1; }
done
case " $* " in
*" --programs "*) ;;
*)
    cargo build --quiet --release --locked -p chancery-authority -p chancery-site
    set -- "$@" --programs "${CARGO_TARGET_DIR:-target}/release"
    ;;
esac
exec python3 -B tests/crash/main.py "$@"
