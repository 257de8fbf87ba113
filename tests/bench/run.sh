#!/usr/bin/env bash
# Measures verifying and starting, and prints Markdown; docs/performance.md says how to read it.
#
#   tests/bench/run.sh [--smoke] [--programs DIR]
#
# --smoke measures little and is for tests: times are never asserted, allocations and decisions always.
set -euo pipefail
cd "$(dirname "$0")/../.."

case " $* " in
*" --programs "*) ;;
*)
    cargo build --quiet --release --locked -p chancery-authority -p chancery-site
    set -- "$@" --programs "${CARGO_TARGET_DIR:-target}/release"
    ;;
esac
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/bench"
cargo build --quiet --release --locked --manifest-path tests/bench/Cargo.toml
exec "$CARGO_TARGET_DIR/release/chancery-bench" "$@"
