#!/usr/bin/env bash
# A YubiHSM 2 whose log is compared with the authority's: full and wrapped, with one signature too many, one too few
# and two in another order, reset on purpose, and made up by somebody who has the authority's home.
#
# The device is tests/simulators/yubihsm. The auditor reads it with a login of their own and no home. Not here: what
# the device does in itself (its conformance suite), passwords (yubihsm).

source "$(dirname "$0")/lib.sh"
journey reconcile

simulator=$TARGET/debug/yubihsm-simulator
profile=$ROOT/hsm-config/profiles/yubihsm2.toml
serial=0012345678
[[ -x $simulator ]] || { echo "$simulator is missing: cargo build --locked --manifest-path tests/simulators/yubihsm/Cargo.toml --target-dir ${TARGET@Q}"; exit 1; }
sign=sign-secret audit=audit-secret

# Starts a device whose state is in NAME.state: `device NAME [ARGUMENT…]`. Sets PORT and CONNECTOR.
device() {
    local name=$1 tries
    shift
    : >"$name.port"
    "$simulator" --state "$name.state" "$@" >"$name.port" 2>"$name.log" &
    for ((tries = 0; tries < 100; tries++)); do
        [[ ! -s $name.port ]] || break
        sleep 0.1
    done
    PORT=$(<"$name.port")
    CONNECTOR=http://127.0.0.1:$PORT
}

under() { echo "yubihsm:serial=$serial;auth-id=$1?connector=$CONNECTOR"; }

# Makes the device do something: `fault LINE`.
fault() {
    python3 - "$CONNECTOR/simulator/fault" "$1" <<'PYTHON'
import sys, urllib.request

urllib.request.urlopen(sys.argv[1], data=sys.argv[2].encode(), timeout=10).read()
PYTHON
}

passwords() { printf '%s\n' "$sign" "$audit"; }
provision() {
    chancery --json key provision "$profile" --device "$(under 1)" --pin-fd 3 \
        3< <(printf '%s\n' password "$sign" "$audit" backup-secret administer-secret) >provision.out
    field provision.out keys.0
}
reconcile() { chancery --home "${HOME_OF:-home}" --json log reconcile "$@" --pin-fd 3 3<<<"$audit"; }
# The auditor's own reading, with no home: `look FILE`.
look() { chancery --json key audit "$(under 3)" --raw --out "$1" --pin-fd 3 3<<<"$audit"; }

device first
key=$(provision)
chancery init --home home --issuing-key "$key" --pin-fd 3 3< <(printf '%s\n' "$PASSPHRASE" "$sign" "$audit") >out
stock home
for number in one two three; do
    ask home "$number"
    works "license $number is issued" answer home "$number" "$(passwords)"
done
works 'the two logs match' reconcile
has out devices.0.agrees true 'signature by signature'
has out devices.0.whole true 'from the reset of the device on'
has out devices.0.audit_forced true 'and the device records each for good'
has out devices.0.keys.0.on_device "$(field out devices.0.keys.0.signed)" 'as many as were asked for'
says 'what can be known is said of the device' 'not what was signed' out
says 'and of a key file' 'without a trace' out

# A lost answer is settled by what the device shows.
ask home lost
fault drop-reply
exits 4 'an answer is lost' answer home lost "$(passwords)"
works 'the logs match all the same' reconcile
has out devices.0.settled.0.operation "$(query home 'SELECT operation_id FROM operation WHERE operation_id NOT IN (SELECT operation_id FROM operation_outcome)')" 'and the operation is settled'
equal 'for good, as one that signed' 1 "$(query home 'SELECT count(position) FROM operation_settlement')"
works 'the same request is answered again' answer home lost "$(passwords)"

# The auditor: a reading of their own, what the authority kept, and what it exported.
works 'the log is exported' chancery --home home log export -o vendor.clog
works 'what was kept is written down' chancery --home home key audit "$(under 3)" --kept --out kept.json
works 'the auditor reads the device without a home' look own.json
verdict() { chancery --json log reconcile --export vendor.clog "$@"; }
works 'the auditor finds the two to match' verdict --kept kept.json --device-log own.json
has out agrees true 'signature by signature'
exits 5 'a reading alone says nothing of what came before' verdict --device-log own.json
says 'and says so' 'device-log-partial' out

# Made up: an entry taken out of what was kept, and the chain computed anew so that it holds.
forge() {
    python3 - "$1" "$2" "$3" <<'PYTHON'
import hashlib, json, sys

log = json.load(open(sys.argv[1], encoding="utf-8"))
entries = [bytearray.fromhex(entry) for entry in log["entries"]]
if sys.argv[3] == "without":
    # The signature before the newest: a license that was never issued, so far as this log goes.
    del entries[[at for at, entry in enumerate(entries) if entry[2] == 0x6a][-2]]
else:
    at = max(at for at, entry in enumerate(entries) if entry[2] == 0x6a)
    entries[at][3:5] = (int.from_bytes(entries[at][3:5], "big") + 1).to_bytes(2, "big")
for number, entry in enumerate(entries[1:], 1):
    entry[0:2] = ((int.from_bytes(entries[0][0:2], "big") + number) % 65536).to_bytes(2, "big")
    entry[16:] = hashlib.sha256(entry[:16] + entries[number - 1][16:]).digest()[:16]
log["entries"] = [entry.hex() for entry in entries]
json.dump(log, open(sys.argv[2], "w", encoding="utf-8"))
PYTHON
}
forge kept.json without.json without
forge kept.json changed.json changed
for made_up in without changed; do
    exits 5 "a log that is made up ($made_up) is found by the auditor's reading" \
        verdict --kept "$made_up.json" --device-log own.json
    says 'as what the device did not record' '"audit-broken"' err
done
# Changes are made to a database where it lies, since a copy of a home is refused; this brings back what was there.
remember() { cp "$1/authority.db" "$1.kept"; }
bring_back() {
    cat "$1.kept" >"$1/authority.db"
    rm -f "$1"/authority.db-{wal,shm}
}

# The same in the authority's own home: it agrees with itself, and not with the device.
remember home
python3 - home/authority.db without.json "$serial" <<'PYTHON'
import json, sqlite3, sys

entries = [bytes.fromhex(entry) for entry in json.load(open(sys.argv[2], encoding="utf-8"))["entries"]]
database = sqlite3.connect(sys.argv[1])
triggers = database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'device_log_entry%'").fetchall()
for name, _ in triggers:
    database.execute(f"DROP TRIGGER {name}")
database.execute("DELETE FROM device_log_entry")
for position, entry in enumerate(entries):
    database.execute("INSERT INTO device_log_entry VALUES (?, ?, ?, 0)", (sys.argv[3], position, entry))
for _, sql in triggers:
    database.execute(sql)
database.commit()
PYTHON
exits 5 'a forged home is told by its device' reconcile
says 'as a log that is not what it was' '"audit-broken"' err
equal 'and its issuing is locked' 1 "$(query home "SELECT count(*) FROM issuing_lock WHERE reason = 'audit-broken'")"
bring_back home

# Nobody else saw it: the device of the journey was not changed by being looked at.
works 'the authority itself still matches' reconcile

# One too many: another home has the key, and signs past this one.
works 'another home finds the key' chancery init --home other --issuing-key "${key/;audit-id=3/}" --pin-fd 3 \
    3< <(printf '%s\n' "$PASSPHRASE" "$sign")
stock other
ask other behind
works 'and issues with it' answer other behind "$sign"
exits 5 'what it had signed is an alarm' reconcile
has out devices.0.findings.0.code hsm-operation-extra 'as a signature that nobody asked for'
ask home locked
exits 3 'nothing is issued any more' answer home locked "$(passwords)"
says 'because issuing is locked' 'issuing is locked' err
used home 0 'and nothing is drawn'
exits 5 'it is not released while it differs' reconcile --release 'as agreed' --by 'J. Roe'
names=$(python3 -c 'import json; print(*(name for one in json.load(open("out"))["devices"][0]["findings"] for name in one["accept"]), sep="\n")')
exits 3 'nor is anything accepted that is no difference' reconcile --release 'as agreed' --by 'J. Roe' --accept "$serial:1"
says 'which is said' 'acceptance-unknown' err
accept=()
for name in $names; do accept+=(--accept "$name"); done
works 'the auditor accepts what the other home did' reconcile --release 'rehearsal of 3 May' --by 'J. Roe' "${accept[@]}"
has out released.0.reason hsm-operation-extra 'and the lock is released'
equal 'with a name and a reason' 'J. Roe: rehearsal of 3 May' "$(query home 'SELECT reason FROM issuing_lock_release ORDER BY lock_id LIMIT 1')"
works 'the license is issued' answer home locked "$(passwords)"
works 'and the logs match again' reconcile
has out devices.0.accepted.0.by 'J. Roe' 'who accepted stays known'

# Reset on purpose: nothing follows from what is kept, until that is said.
fault reset
HOME_OF=home exits 4 'a device that was reset is not the one that was' reconcile
key=$(provision)
exits 5 'set up again, its log is another' reconcile
says 'which is an alarm' '"audit-broken"' err
works 'a new log begins with a reason' chancery --home home --json key audit "$(under 3)" \
    --begin-anew 'the board was replaced' --pin-fd 3 3<<<"$audit"
has out begins_anew.0.reason 'the board was replaced' 'that stays known'
works 'the logs match across the reset' reconcile --release 'reset of 5 May' --by 'J. Roe'
exits 3 'a device that was not reset begins nothing' chancery --home home --json key audit "$(under 3)" \
    --begin-anew again --pin-fd 3 3<<<"$audit"
says 'and is told so' '"device-not-reset"' err

# One too few, and two in another order: what the device shows of another history of the same key.
serial=0087654321
device second --serial 87654321
key=$(provision)
# Years of use before: the counter of the log goes round among the signatures that follow.
fault 'age 65460'
chancery init --home long --issuing-key "$key" --pin-fd 3 3< <(printf '%s\n' "$PASSPHRASE" "$sign" "$audit") >out
stock long
for ((number = 1; number <= 70; number++)); do
    ask long "many-$number"
    # One license is longer than the others, so that its place among them shows.
    if ((number == 30)); then
        chancery --home long customer add acme-water-works --name 'Acme Water Works' >out
        ENTITLEMENT=$(chancery --home long entitlement grant --customer acme-water-works --product pump \
            --edition standard --quantity 1 --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
        request many-longer-site "$ENTITLEMENT" "many-$number-longer.creq" >out
        mv "many-$number-longer.creq" "many-$number.creq"
    fi
    answer long "many-$number" "$(passwords)" >out
done
HOME_OF=long works 'seventy signatures match, although the log holds 62' reconcile
has out devices.0.keys.0.on_device "$(field out devices.0.keys.0.signed)" 'each once'
has out devices.0.whole false 'the log is known not to begin with the reset'
entries=$(query long "SELECT count(*) FROM device_log_entry WHERE substr(entry, 1, 2) = x'0000'")
equal 'and its counter went round' 1 "$entries"
equal 'the device keeps the newest entry alone' 1 "$(python3 -c '
import sys, urllib.request, json
print(json.load(urllib.request.urlopen(sys.argv[1]))["log_used"])' "$CONNECTOR/simulator/operations")"

# Changes operations of the home as it was: `rewrite SQL…`.
remember long
rewrite() {
    bring_back long
    python3 - "$@" <<'PYTHON'
import sqlite3, sys

database = sqlite3.connect("long/authority.db")
database.create_function("digest_row", -1, lambda *row: None)
triggers = database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name LIKE 'operation%'").fetchall()
for name, _ in triggers:
    database.execute(f"DROP TRIGGER {name}")
for sql in sys.argv[1:]:
    assert database.execute(sql).rowcount > 0, sql
for _, sql in triggers:
    database.execute(sql)
database.commit()
PYTHON
}
rewrite "UPDATE operation_outcome SET outcome = 'failed', detail = 'session-lost' WHERE operation_id = 40"
HOME_OF=long exits 5 'an operation that is said not to have signed leaves a signature over' reconcile
has out devices.0.findings.0.code hsm-operation-extra 'which nobody asked for'
next='(SELECT max(operation_id) FROM operation)'
rewrite "INSERT INTO operation SELECT operation_id + 1, key, message_hash, message_bytes, first_index, leaf_count, started_at FROM operation WHERE operation_id = $next" \
    "INSERT INTO operation_outcome SELECT $next, 'signed', NULL, 0"
HOME_OF=long exits 5 'a signature that the device never made is an alarm' reconcile
has out devices.0.findings.0.code hsm-operation-missing 'as one that is missing'
last='(SELECT key FROM operation ORDER BY operation_id DESC LIMIT 1)'
longest=$(query long "SELECT operation_id FROM operation WHERE key = $last ORDER BY message_bytes DESC LIMIT 1")
bytes() { query long "SELECT message_bytes FROM operation WHERE operation_id = $1"; }
rewrite "UPDATE operation SET message_bytes = $(bytes $((longest + 1))) WHERE operation_id = $longest" \
    "UPDATE operation SET message_bytes = $(bytes "$longest") WHERE operation_id = $((longest + 1))"
HOME_OF=long exits 5 'two signatures in another order are an alarm' reconcile
has out devices.0.findings.0.code hsm-operation-order 'as what they are'
