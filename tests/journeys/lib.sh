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
# Journeys that take documents apart import cbor.py.
export PYTHONPATH=$ROOT/tests/journeys PYTHONDONTWRITEBYTECODE=1
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

# Asserts that a command is refused with a code: `refuses EXIT CODE WHAT COMMAND…`, with --json.
refuses() {
    exits "$1" "$3" "${@:4}" --json
    says "$3: the code" "\"$2\"" err
}

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

# A JSON file is to have a value in a field: `has FILE FIELD VALUE WHAT`.
has() { equal "$4" "$3" "$(field "$1" "$2")"; }

# The whole loop with the authority in a home, whose PINs are given as lines: `loop HOME PINS`.
loop() {
    local home=$1 pins=$2 entitlement
    stock "$home"
    entitlement=$(grant "$home" 1)
    chancery --home "$home" bundle publish -o "$home.ctrust" >out
    request "$home-site" "$entitlement" "$home.creq" >out
    works "$home: a license is issued" chancery --home "$home" license issue --entitlement "$entitlement" \
        --request "$home.creq" -o "$home.clic" --qr "$home.png" --pin-fd 3 3<<<"$pins"
    works "$home: the site installs it" chancery-site --state "$home-site" install "$home.png" --trust "$home.ctrust"
    works "$home: the feature may run" chancery-site --state "$home-site" check logging
    works "$home: the license verifies" chancery-site verify "$home.clic" --trust "$home.ctrust"
}

# Grants one activation and requests it in FILE.creq: `ask HOME FILE`. Sets ENTITLEMENT.
ask() {
    ENTITLEMENT=$(grant "$1" 1)
    request "$2-site" "$ENTITLEMENT" "$2.creq" >out
}

# Issues what `ask` asked for: `answer HOME FILE PINS`.
answer() {
    chancery --home "$1" license issue --entitlement "$ENTITLEMENT" --request "$2.creq" -o "$2.clic" --pin-fd 3 3<<<"$3"
}

# Asserts how many activations of ENTITLEMENT are used: `used HOME COUNT WHAT`.
used() {
    chancery --home "$1" entitlement show "$ENTITLEMENT" --json >out
    has out used "$2" "$3"
}

# Writes a copy of a file with one bit changed: `flip FROM TO AT`, the byte counted from 0, or from the end from -1.
flip() {
    python3 - "$@" <<'PYTHON'
import sys

data = bytearray(open(sys.argv[1], "rb").read())
data[int(sys.argv[3])] ^= 1
open(sys.argv[2], "wb").write(data)
PYTHON
}

# ---- Canaries: secrets that are looked for wherever they could show ------------------------------------------

# How often a process is looked at while it waits for the end of its secret.
LOOKS=20
# Where a secret may be written: the sockets whose name, as strace shows it, matches. A card reader's, say.
SECRET_SOCKET=''

random() { od -An -N12 -tx1 /dev/urandom | tr -d ' \n'; }

# The forms in which a secret could be written by mistake.
forms() {
    printf '%s\n' "$1"
    printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n' && echo
    printf '%s' "$1" | base64 -w0 | tr -d '=' && echo
}

# Adds secrets to those that are looked for.
canaries() {
    local secret
    for secret in "$@"; do forms "$secret"; done >>"$WORK/canaries"
}

# Adds secret bytes, given in hexadecimal, to those that are looked for: as hexadecimal and base64.
canary_bytes() {
    python3 - "$@" >>"$WORK/canaries" <<'PYTHON'
import base64, sys

for secret in map(bytes.fromhex, sys.argv[1:]):
    print(secret.hex(), secret.hex().upper(), base64.b64encode(secret).decode().rstrip("="), sep="\n")
PYTHON
}

# Prints how many of the given files and folders hold a canary.
holding() { { grep -rlaF -f "$WORK/canaries" -- "$@" 2>/dev/null || true; } | wc -l; }

# Prints the places of a process, and of its children, that show a canary.
exposed() {
    local pid=$1 child place
    for place in cmdline environ; do
        # A process that keeps its memory to itself shows its environment to nobody but the superuser.
        if grep -qaF -f "$WORK/canaries" "/proc/$pid/$place" 2>/dev/null; then echo "$place"; fi
    done
    for child in $(cat "/proc/$pid/task/"*/children 2>/dev/null); do exposed "$child"; done
}

# Runs a command that reads secrets, holds it while it has them without their last newline, and looks.
# `held CODE NAME SECRETS COMMAND…`; its output is in NAME.out and NAME.err.
held() {
    local code=$1 name=$2 secrets=$3 got=0 looks=0 found=''
    shift 3
    command -v strace >/dev/null || { echo 'strace is missing: apt-get install strace'; exit 1; }
    rm -f pins
    mkfifo -m 600 pins
    strace -f -qq -yy -e trace=execve,prctl,prlimit64,setrlimit,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg \
        -e signal=none -v -s 1000000 -o "$name.calls" -- "$@" --pin-fd 3 3<pins >"$name.out" 2>"$name.err" &
    local tracer=$!
    exec {writer}>pins
    printf '%s' "$secrets" >&"$writer"
    local limit=''
    while kill -0 "$tracer" 2>/dev/null; do
        found+=$(exposed "$tracer")
        looks=$((looks + 1))
        if ((looks == LOOKS)); then
            limit=$(awk '/^Max core file size/ { print $5, $6 }' "/proc/$(tr -d " " <"/proc/$tracer/task/$tracer/children")/limits")
            printf '\n' >&"$writer"
            exec {writer}>&-
        fi
        sleep 0.02
    done
    wait "$tracer" || got=$?
    equal "$name: exit code" "$code" "$got"
    if ((looks >= LOOKS)); then passed "$name: watched while it ran"; else failed "$name: ended before it was watched"; fi
    equal "$name: neither arguments nor environment show it" '' "$found"
    equal "$name: no core can be dumped" '0 0' "$limit"
    if grep -q 'prctl(PR_SET_DUMPABLE, \(0\|SUID_DUMP_DISABLE\)) *= 0' "$name.calls"; then
        passed "$name: its memory is closed to other processes"
    else
        failed "$name: its memory is open to other processes of its user"
    fi
    if [[ -n $SECRET_SOCKET ]]; then
        grep -a -- "<$SECRET_SOCKET" "$name.calls" >"$name.device" || true
        grep -av -- "<$SECRET_SOCKET" "$name.calls" >"$name.other" || true
        mv "$name.other" "$name.calls"
        equal "$name: the device alone is told it" 1 "$(holding "$name.device")"
    fi
    equal "$name: nothing was started and nothing written with it" 0 "$(holding "$name.calls")"
    equal "$name: no output shows it" 0 "$(holding "$name.out" "$name.err")"
}

# Asserts that each look finds a secret that is there: `looks_find CANARY`, one of those looked for.
looks_find() {
    local canary=$1 control
    bash -c 'sleep 30; true' "$canary" &
    control=$!
    shows cmdline "$control" 'control: arguments are looked at'
    stop "$control"
    SECRET=$canary sleep 30 &
    control=$!
    shows environ "$control" 'control: the environment is looked at'
    stop "$control"
    sh -c 'SECRET=$1 sleep 30; true' sh "$canary" >/dev/null &
    control=$!
    shows 'cmdline environ' "$control" 'control: children are looked at'
    stop "$control"
    mkdir control
    printf 'x\0%s\0' "$canary" >control/binary
    printf '%s' "$canary" | base64 >control/encoded
    equal 'control: files are looked at, in each form' 2 "$(holding control)"
    strace -f -qq -yy -e trace=write -s 1000000 -o control.calls -- cp control/binary /dev/stdout >/dev/null
    equal 'control: writing is looked at' 1 "$(holding control.calls)"
    rm -r control control.calls
}

# Ends a process of this shell, and its children.
stop() {
    # shellcheck disable=SC2046 # one word a process
    kill "$1" $(cat "/proc/$1/task/"*/children)
    wait "$1" 2>/dev/null || true
}

# Waits until a process shows a canary in the places given, at most two seconds: `shows PLACES PID WHAT`.
shows() {
    local found='' tries
    for ((tries = 0; tries < 100; tries++)); do
        found=$(exposed "$2" | sort -u | paste -sd' ')
        [[ $found != "$1" ]] || break
        sleep 0.02
    done
    equal "$3" "$1" "$found"
}
