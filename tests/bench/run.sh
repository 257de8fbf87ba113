#!/usr/bin/env bash
# Measures verifying, signing and starting, and prints Markdown; docs/performance.md says how to read it.
#
#   tests/bench/run.sh [--smoke | --long] [--programs DIR]
#
# --smoke measures little and is for tests: times are never asserted, allocations and decisions always.
# --long measures the log at ten million documents, which takes some minutes and 3 GB below TMPDIR.
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
# Where nothing is measured for good, half of the time would go into building.
case " $* " in
*" --smoke "*) export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=64 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 ;;
esac
cargo build --quiet --release --locked --manifest-path tests/bench/Cargo.toml

# A SoftHSM2 token for signing, gone at the end.
for module in /usr/lib/softhsm /usr/lib64/softhsm /usr/lib64/pkcs11 /usr/local/lib/softhsm; do
    [[ ! -e $module/libsofthsm2.so ]] || export CHANCERY_BENCH_MODULE=$module/libsofthsm2.so
done
[[ -n ${CHANCERY_BENCH_MODULE:-} ]] || { echo 'libsofthsm2.so is missing: apt-get install softhsm2' >&2 && exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/tokens"
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$scratch/tokens" >"$scratch/softhsm2.conf"
export SOFTHSM2_CONF=$scratch/softhsm2.conf
softhsm2-util --init-token --free --label bench --so-pin 12345678 --pin 1234 >/dev/null
"$CARGO_TARGET_DIR/release/chancery-bench" "$@"
