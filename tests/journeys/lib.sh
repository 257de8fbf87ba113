# shellcheck shell=bash
# What every journey uses: a folder of its own, assertions that are counted, and short forms of the commands.
#
# A journey sources this file, calls `journey NAME` and asserts. Its last line is `NAME: N passed, N failed`, also
# where it aborts, and it exits 1 unless everything passed. Steps without an assertion must succeed (set -e).
# Not here: building the programs, and installing what journeys need (tests/setup.sh).

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TARGET=${CARGO_TARGET_DIR:-target}
[[ $TARGET == /* ]] || TARGET=$ROOT/$TARGET
# The programs as they ship; another build can be tried with CHANCERY_BIN=DIR.
BIN=${CHANCERY_BIN:-$TARGET/release}
export PATH=$BIN:$PATH LC_ALL=C.UTF-8
unset CHANCERY_HOME CHANCERY_SITE

PASSED=0 FAILED=0 JOURNEY='' WORK='' STEP='its beginning'
PASSPHRASE='correct horse battery staple'

journey() {
    JOURNEY=$1
    WORK=$(mktemp -d)
    export TMPDIR=$WORK
    cd "$WORK"
    trap 'STEP="line $LINENO: $BASH_COMMAND"' ERR
    trap finish EXIT
    for program in chancery chancery-site; do
        [[ -x $BIN/$program ]] || { echo "$BIN/$program is missing: cargo build --release --locked -p ${program/%chancery/chancery-authority}"; exit 1; }
    done
}

finish() {
    local status=$?
    trap - EXIT ERR
    local jobs
    jobs=$(jobs -p)
    # shellcheck disable=SC2086 # one word a process
    [[ -z $jobs ]] || kill $jobs 2>/dev/null || true
    wait 2>/dev/null || true
    if ((status != 0)); then
        failed "$JOURNEY stopped with exit code $status at $STEP"
        [[ ! -s $WORK/err ]] || sed 's/^/       | /' "$WORK/err"
    fi
    cd /
    findmnt -rno TARGET | awk -v under="$WORK/" 'index($0, under) == 1' | xargs -r umount || true
    if [[ -n ${KEEP:-} ]]; then echo "kept: $WORK"; else rm -rf "$WORK"; fi
    ((PASSED > 0)) || failed "$JOURNEY asserted nothing"
    echo "$JOURNEY: $PASSED passed, $FAILED failed"
    ((FAILED == 0)) || exit 1
}

passed() {
    PASSED=$((PASSED + 1))
    echo "  ok   $1"
}

failed() {
    FAILED=$((FAILED + 1))
    echo "  FAIL $1"
}

# Asserts that a command exits with a code. Its output is left in the files `out` and `err`.
exits() {
    local code=$1 what=$2 got=0
    shift 2
    "$@" >out 2>err || got=$?
    if ((got == code)); then
        passed "$what"
    else
        failed "$what: exit code $got, not $code: $*"
        sed 's/^/       | /' out err
    fi
}

# Asserts that a command succeeds.
works() { exits 0 "$@"; }

# Asserts that two texts are equal.
equal() {
    if [[ $2 == "$3" ]]; then passed "$1"; else failed "$1: expected '$2', found '$3'"; fi
}

# Asserts that two files hold the same bytes.
same() {
    if cmp -s "$2" "$3"; then passed "$1"; else failed "$1: $2 and $3 differ"; fi
}

# Asserts that a file contains a text.
says() {
    if grep -qF -- "$2" "$3"; then
        passed "$1"
    else
        failed "$1: '$2' is not in $3"
        sed 's/^/       | /' "$3"
    fi
}

# Asserts that a file does not exist.
absent() {
    if [[ -e $2 ]]; then failed "$1: $2 exists"; else passed "$1"; fi
}

# Prints a field of a JSON file: `field out id`, `field out 0.kid`, `field out '#'` for a count.
field() {
    python3 - "$@" <<'PYTHON'
import json, sys

value = json.load(open(sys.argv[1], encoding="utf-8"))
for step in sys.argv[2].split("."):
    value = len(value) if step == "#" else value[int(step)] if isinstance(value, list) else value[step]
print(json.dumps(value) if isinstance(value, (dict, list, bool, type(None))) else value)
PYTHON
}

# Prints what one SQL query finds in the database of a home. Nothing is changed.
query() {
    python3 - "$1/authority.db" "$2" <<'PYTHON'
import sqlite3, sys, urllib.parse

database = sqlite3.connect(f"file:{urllib.parse.quote(sys.argv[1])}?mode=ro", uri=True)
for row in database.execute(sys.argv[2]):
    print(*row)
PYTHON
}

# A catalog with one product, and one customer, in an authority that `chancery init` made.
stock() {
    cat >pump.toml <<'TOML'
[[product]]
id = "pump"
name = "Pump Control"

[[product.feature]]
id = "logging"

[[product.feature]]
id = "channels"
kind = "limit"

[[product.edition]]
id = "standard"
features = { logging = true, channels = 16 }
TOML
    chancery --home "$1" catalog apply pump.toml >out
    chancery --home "$1" customer add acme --name 'Acme Water' >out
}

# A software authority with a catalog and a customer, under $PASSPHRASE.
authority() {
    chancery init --home "$1" --name 'Journey Works' --pin-fd 3 >out 3<<<"$PASSPHRASE"
    stock "$1"
}

# Grants activations of the pump, and prints the entitlement's id.
grant() {
    chancery --home "$1" entitlement grant --customer acme --product pump --edition standard \
        --quantity "$2" --json >granted.json
    field granted.json id
}

# Issues with the software key: `issue HOME ENTITLEMENT REQUEST OUTPUT [ARGUMENT…]`.
issue() {
    local home=$1 entitlement=$2 request=$3 output=$4
    shift 4
    chancery --home "$home" license issue --entitlement "$entitlement" --request "$request" -o "$output" \
        --pin-fd 3 "$@" 3<<<"$PASSPHRASE"
}

# Requests a license for the pump: `request STATE ENTITLEMENT OUTPUT [ARGUMENT…]`.
request() {
    local state=$1 entitlement=$2 output=$3
    shift 3
    chancery-site --state "$state" request --product pump --entitlement "$entitlement" -o "$output" "$@"
}

# Sets MODULE, and makes a SoftHSM2 token in a folder of this journey: `token LABEL PIN`.
token() {
    local path
    for path in /usr/lib/softhsm/libsofthsm2.so /usr/lib64/softhsm/libsofthsm2.so \
        /usr/lib64/pkcs11/libsofthsm2.so /usr/local/lib/softhsm/libsofthsm2.so; do
        [[ ! -e $path ]] || { MODULE=$path && break; }
    done
    [[ -n ${MODULE:-} ]] || { echo 'libsofthsm2.so is missing: apt-get install softhsm2'; exit 1; }
    mkdir -p "$WORK/tokens"
    printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$WORK/tokens" >softhsm2.conf
    export SOFTHSM2_CONF=$WORK/softhsm2.conf
    softhsm2-util --init-token --free --label "$1" --so-pin 12345678 --pin "$2" >out
}
