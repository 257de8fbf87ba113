#!/usr/bin/env bash
# The test command: every check of this repository, in order, each on its own.
#
#   tests/run.sh                 what every change must pass; about 45 minutes from nothing on two cores
#   tests/run.sh --long          the same, and what takes longer: every kill point, long fuzzing, dependencies,
#                                two release builds that must agree, and the module Kryoptic
#   tests/run.sh --seed N        with the random choices of an earlier run, which printed its seed
#   tests/run.sh STAGE…          only these stages
#
# Installs what it needs, or names the command that does. A stage that fails does not stop the next. Closes with
# a table of the stages and, last, `N passed, N failed`: test cases, and one failure more for each stage that
# failed without a failed case. What this machine could not do is said in lines that begin `NOT DONE:`, again
# below the table, where failures are named once more. Each stage's output is kept in target/test-logs/.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LONG='' SEED=$((RANDOM * 32768 + RANDOM)) ONLY=()
while (($# > 0)); do
    case $1 in
        --long) LONG=1 ;;
        --seed) SEED=${2:?--seed takes a number} && shift ;;
        --help | -h) sed -n '2,/^$/s/^# \{0,1\}//p' "$0" && exit 0 ;;
        -*) echo "error: unknown option $1" >&2 && exit 2 ;;
        *) ONLY+=("$1") ;;
    esac
    shift
done

TARGET=${CARGO_TARGET_DIR:-$PWD/target}
[[ $TARGET == /* ]] || TARGET=$PWD/$TARGET
export CARGO_TARGET_DIR=$TARGET CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
# proptest reads the second.
export CHANCERY_TEST_SEED=$SEED PROPTEST_RNG_SEED=$SEED
export LC_ALL=C.UTF-8 NO_COLOR=1
unset CHANCERY_HOME CHANCERY_SITE
# A folder of this run: what a killed test leaves goes with it, and meets no later process of the same number.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/run.XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
LOGS=$TARGET/test-logs
mkdir -p "$LOGS"

# ---- Stages: each a function that runs in a shell of its own, with errors ending it -------------------------

setup() { bash tests/setup.sh ${LONG:+--long}; }

format() {
    local package failed=0
    cargo fmt --all --check -- --color never || failed=1
    for package in "${APART[@]}"; do
        cargo fmt --manifest-path "$package/Cargo.toml" --check -- --color never || failed=1
    done
    return "$failed"
}

# Each crate alone, with each of its feature sets: a workspace build merges features and hides mistakes. With
# --long also the packages apart, whose dependencies take long.
lint() {
    local arguments packages=(tests/mockhsm) failed=0
    [[ -z $LONG ]] || packages=("${APART[@]}")
    for arguments in \
        '-p chancery-formats --all-targets' \
        '-p chancery-carriers' \
        '-p chancery-carriers --all-targets --features photos' \
        '-p chancery-verifier' \
        '-p chancery-verifier --all-targets --features std' \
        '-p chancery-hsm-config --all-targets' \
        '-p chancery-hsm-config --no-default-features' \
        '-p chancery-hsm-config --no-default-features --features pkcs11' \
        '-p chancery-hsm-config --no-default-features --features yubihsm' \
        '-p chancery-hsm-config --no-default-features --features piv' \
        '-p chancery-hsm-config --no-default-features --features attestation' \
        '-p chancery-authority --all-targets' \
        '-p chancery-site --all-targets' \
        '-p chancery-tests --all-targets' \
        "${packages[@]/%//Cargo.toml --all-targets}"; do
        [[ $arguments == -p* ]] || arguments="--manifest-path $arguments"
        echo "cargo clippy $arguments"
        # shellcheck disable=SC2086 # one word an argument
        cargo clippy --quiet --locked $arguments -- -D warnings || failed=1
    done
    return "$failed"
}

# The two programs apart: together, the site's would be given the features of the authority's.
build() {
    cargo build --release --locked -p chancery-authority
    cargo build --release --locked -p chancery-site
}

tests() { cargo test --workspace --locked --no-fail-fast; }

# A test may be ignored only because another one runs it, and then says which.
ignored() {
    local found name failed=0
    while IFS= read -r found; do
        name=$(sed -n 's/.*#\[ignore = "run by \([a-z0-9_]*\)"\].*/\1/p' <<<"$found")
        if [[ -z $name ]] || ! grep -q "fn $name()" "${found%%:*}"; then
            echo "error: ignored, and not run by another test: $found"
            failed=1
        fi
    done < <(grep -rn --include='*.rs' --exclude-dir=target '#\[ignore' .)
    return "$failed"
}

docs() { RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked; }

# The verifier where there is no operating system, and so no socket and no file.
bare_metal() {
    local target built=0
    for target in thumbv7em-none-eabi wasm32-unknown-unknown; do
        if rustup target add "$target"; then
            cargo build --locked -p chancery-verifier --no-default-features --target "$target"
            echo "built chancery-verifier for $target"
            built=1
        else
            echo "NOT DONE: build for $target, which \`rustup target add $target\` does not give"
        fi
    done
    if ((built == 0)); then
        # Our own crates still cannot name std; their dependencies are not held to it.
        cargo build --locked -p chancery-verifier --no-default-features
        echo 'NOT DONE: any bare-metal build; chancery-verifier is built without features for this machine instead'
    fi
}

# The devices that are not here, each behind what stands for it, and every test that needs them. Also builds the
# programs that journeys use, and `chancery` with the backend that needs libpcsclite. With --long also Kryoptic,
# which compiles an OpenSSL of its own, once.
simulators() {
    local tests=(--lib --bins --test softhsm --test tpm --test nss) failed=0
    cargo build --locked -p chancery-authority --features piv
    # `cargo test` alone leaves the module, which journeys load, among the objects.
    cargo build --locked --manifest-path tests/simulators/pkcs11/Cargo.toml
    if [[ -n $LONG ]]; then
        CHANCERY_KRYOPTIC_MODULE=$(bash tests/simulators/kryoptic/build.sh)
        export CHANCERY_KRYOPTIC_MODULE
        tests+=(--test kryoptic)
    fi
    cargo test --locked --manifest-path tests/simulators/pkcs11/Cargo.toml --no-fail-fast "${tests[@]}" || failed=1
    cargo test --locked --manifest-path tests/simulators/yubihsm/Cargo.toml --no-fail-fast -- --nocapture || failed=1
    bash tests/simulators/yubihsm/foreign.sh "$TARGET/interop/bin/python" || failed=1
    cargo test --locked --manifest-path tests/simulators/yubikey/Cargo.toml --no-fail-fast || failed=1
    return "$failed"
}

# The table of what each backend does, from what the stages before it wrote.
conformance() {
    cargo test --locked -p chancery-hsm-config --test software -- --nocapture >"$LOGS/software.log"
    local expected=(software 'YubiHSM mock' 'SoftHSM2' swtpm NSS 'YubiHSM 2 simulator' 'YubiKey (PIV)'
        'YubiKey (ykcs11)' 'YubiKey (OpenSC)') backend arguments=()
    [[ -z $LONG ]] || expected+=(Kryoptic)
    for backend in "${expected[@]}"; do arguments+=(--expect "$backend"); done
    python3 tests/conformance.py "${arguments[@]}" "$LOGS"/{software,mockhsm,simulators}.log
}

# Also builds the program `mockhsm`, which a journey uses.
mockhsm() { cargo test --locked --no-fail-fast --manifest-path tests/mockhsm/Cargo.toml -- --nocapture; }

journeys() {
    local journey failed=0
    for journey in tests/journeys/*.sh; do
        [[ $journey != */lib.sh ]] || continue
        echo "-- $(basename "$journey" .sh)"
        bash "$journey" || failed=1
    done
    return "$failed"
}

interop() { bash tests/interop/run.sh; }

fuzz() {
    local seconds=5 status
    [[ -z $LONG ]] || seconds=30
    set +e
    bash tests/fuzz/run.sh "$seconds" | tee "$LOGS/fuzz-table"
    status=${PIPESTATUS[0]}
    # One case a target: a row ends with its crashes.
    awk 'NF == 4 && $4 ~ /^[0-9]+$/ { if ($4 == 0) passed++; else failed++ }
        END { printf "fuzz: %d passed, %d failed\n", passed, failed }' "$LOGS/fuzz-table"
    return "$status"
}

crash() { bash tests/crash/run.sh ${LONG:+--long} --seed "$SEED" --programs "$TARGET/release"; }

benches() {
    local effort=--smoke
    [[ -z $LONG ]] || effort=--long
    bash tests/bench/run.sh "$effort" --programs "$TARGET/release"
}

# What the programs are made of, by the schema of CycloneDX; with --long also that two builds of them agree.
supply() {
    mkdir -p "$TARGET/sbom"
    cargo run --quiet --locked -p chancery-tests --bin sbom -- "$TARGET/sbom"
    "$TARGET/interop/bin/python" tests/supply/validate.py "$TARGET"/sbom/*.cdx.json
    [[ -z $LONG ]] || bash tests/supply/reproducible.sh "$TARGET/reproducible"
}

dependencies() {
    local deny=$TARGET/tools/bin/cargo-deny
    [[ -x $deny ]] || cargo install --quiet --locked --root "$TARGET/tools" --version 0.20.2 cargo-deny
    "$deny" --locked --config .config/deny.toml check bans licenses sources
    if "$deny" --locked --config .config/deny.toml fetch db; then
        "$deny" --locked --config .config/deny.toml check --disable-fetch advisories
    else
        echo 'NOT DONE: advisories on dependencies: the database of RustSec cannot be fetched'
    fi
}

# The run leaves the repository as it found it; in CI that is as it was committed.
tree() {
    local now
    now=$(state)
    if [[ $now != "$STATE" ]]; then
        echo 'error: the run changed files of the repository'
        diff <(echo "$STATE") <(echo "$now") || true
        return 1
    fi
    if [[ ${CI:-} == true && -n $now ]]; then
        echo 'error: the working tree is not what is committed'
        echo "$now"
        return 1
    fi
}

# Prints each file that is not as committed, with a digest of what it holds.
state() {
    local git=(git -c "safe.directory=$PWD") path
    "${git[@]}" rev-parse --git-dir >/dev/null
    { "${git[@]}" diff --name-only -z HEAD && "${git[@]}" ls-files -z --others --exclude-standard; } |
        while IFS= read -r -d '' path; do
            if [[ -f $path ]]; then sha256sum "$path"; else echo "gone  $path"; fi
        done
}

# ---- Running them, and counting -----------------------------------------------------------------------------

# Packages of their own, outside the workspace; but for Kryoptic's, which is a module of somebody else.
APART=()
for manifest in tests/*/Cargo.toml tests/simulators/{pkcs11,yubihsm,yubikey}/Cargo.toml; do
    APART+=("${manifest%/Cargo.toml}")
done

TABLE='' FAULTS='' NOT_DONE='' PASSED=0 FAILED=0
row() { TABLE+=$(printf '%-14s %-7s %8s %8s %8s' "$@")$'\n'; }

# Prints how many cases passed and failed by a stage's output: those of cargo, `NAME: N passed, N failed`, and
# the points at which tests/crash interrupts.
count() {
    awk '
        /^test result: / { passed += $4; failed += $6 }
        /^[a-z0-9-]+: [0-9]+ passed(, [0-9]+ failed)?$/ { passed += $2; failed += $4 }
        /^crash: [0-9]+ points, [0-9]+ failures$/ { passed += $2 > $4 ? $2 - $4 : 0; failed += $4 }
        END { print passed + 0, failed + 0 }
    ' "$1"
}

# Prints what a failed stage says of its failures, at most twenty lines; else how it ended.
faults() {
    local said='^(test .* FAILED$|  FAIL |FAILED |error\b)|: [0-9]+ passed, [1-9][0-9]* failed$|, [1-9][0-9]* failures$|^[a-z_]+ +[0-9]+ +[0-9]+ +1$'
    { grep -a -E -m 20 "$said" "$1" || tail -n 5 "$1"; } | sed "s/^/$2: /"
}

# Runs a stage: `stage NAME [uncounted]`.
stage() {
    local name=$1 status start=$SECONDS passed failed note
    if ((${#ONLY[@]} > 0)) && [[ " ${ONLY[*]} " != *" $name "* ]]; then return; fi
    printf '\n==== %s\n' "$name"
    set +e
    (
        set -e
        "$name"
    ) </dev/null 2>&1 | tee "$LOGS/$name.log"
    status=${PIPESTATUS[0]}
    set -e
    while IFS= read -r note; do NOT_DONE+=$note$'\n'; done < <(grep '^NOT DONE: ' "$LOGS/$name.log")
    read -r passed failed < <(count "$LOGS/$name.log")
    if [[ ${2:-} == uncounted ]]; then passed=0; fi
    if ((status != 0 && failed == 0)); then failed=1; fi
    if ((failed > 0)); then FAULTS+=$(faults "$LOGS/$name.log" "$name")$'\n'; fi
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
    row "$name" "$( ((failed == 0)) && echo ok || echo FAILED)" "$passed" "$failed" "$((SECONDS - start))"
}

STATE=$(state)
echo "seed $SEED; run again with: tests/run.sh${LONG:+ --long} --seed $SEED"
stage setup
stage format
stage lint
stage ignored
stage build
stage tests
stage docs
stage bare_metal
stage mockhsm
stage simulators
stage conformance uncounted
stage journeys
stage interop
stage fuzz
stage crash
stage benches
stage supply
[[ -z $LONG ]] || stage dependencies
stage tree

printf '\n%-14s %-7s %8s %8s %8s\n' stage result passed failed seconds
printf '%s' "$TABLE"
printf '%-14s %-7s %8s %8s %8s\n\n' total '' "$PASSED" "$FAILED" "$SECONDS"
[[ -z $NOT_DONE ]] || echo "$NOT_DONE"
[[ -z $FAULTS ]] || printf 'What failed:\n%s\n' "$FAULTS"
echo "$PASSED passed, $FAILED failed"
((FAILED == 0))
