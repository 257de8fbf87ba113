#!/usr/bin/env bash
# Builds and runs every fuzz target for SECONDS_EACH from the committed seeds; one line a target.
# Exits 1 on any crash. Writes only under target/. Usage: tests/fuzz/run.sh SECONDS_EACH [TARGET...]
#
# Stable toolchain: the flags are those that cargo-fuzz passes for coverage, without a sanitizer, which
# would need a nightly one. Memory errors are not looked for: the code under test forbids unsafe.
set -euo pipefail

seconds=${1:?usage: tests/fuzz/run.sh SECONDS_EACH [TARGET...]}
shift
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/target/fuzz

if ! command -v "${CXX:-c++}" >/dev/null; then
    echo "error: libFuzzer is C++ and no C++ compiler is here" >&2
    echo "hint: apt-get install g++" >&2
    exit 1
fi

cd "$here"
export CARGO_TARGET_DIR=$out
rm -rf "$out/seeds"
cargo run --quiet --locked --example seeds -- "$out/seeds" >/dev/null
if ! diff -r "$out/seeds" seeds >&2; then
    echo "error: tests/fuzz/seeds is not what the examples of docs/spec give" >&2
    echo "hint: rm -r tests/fuzz/seeds && (cd tests/fuzz && cargo run --example seeds -- seeds)" >&2
    exit 1
fi

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for path in targets/*.rs; do targets+=("$(basename "$path" .rs)"); done
fi

host=$(rustc -vV | sed -n 's/^host: //p')
flags="--cfg fuzzing -Ccodegen-units=1 -Clink-dead-code -Cpasses=sancov-module"
for flag in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=" -Cllvm-args=-sanitizer-coverage-$flag"
done
# --target keeps the flags away from build scripts, which have no runtime to report coverage to.
RUSTFLAGS=$flags cargo build --quiet --locked --release --target "$host" \
    "${targets[@]/#/--bin=}"

failed=0
printf '%-12s %12s %10s %8s\n' target executions coverage crashes
for target in "${targets[@]}"; do
    mkdir -p "$out/corpus/$target" "$out/artifacts"
    rm -f "$out/artifacts/$target-"*
    log=$out/$target.log
    crashes=0
    "$out/$host/release/$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 \
        -print_final_stats=1 -artifact_prefix="$out/artifacts/$target-" \
        "$out/corpus/$target" "seeds/$target" >"$log" 2>&1 || crashes=1
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    printf '%-12s %12s %10s %8s\n' "$target" "${executions:-0}" "${coverage:-0}" "$crashes"
    # Without counters libFuzzer runs blind and still says DONE: that is a failure of the build.
    if [ "$crashes" -ne 0 ] || [ "${coverage:-0}" -lt 20 ]; then
        failed=1
        tail -n 30 "$log" >&2
    fi
done
exit "$failed"
