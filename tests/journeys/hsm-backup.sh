#!/usr/bin/env bash
# The HSM died: its issuing key comes back in a second device, under a wrap key of which two of three shares are
# brought together, and the home goes on with it; then the home is restored as well, and the HSM says what was signed.
#
# The devices are tests/simulators/yubihsm, the script is the one of the guide, and it speaks to them through Yubico's
# own library. Not here: what one device does alone (yubihsm), backups of the home (backup).

source "$(dirname "$0")/lib.sh"
journey hsm-backup

simulator=$TARGET/debug/yubihsm-simulator
profile=$ROOT/hsm-config/profiles/yubihsm2-backed-up.toml
python=${CHANCERY_PYTHON:-$TARGET/interop/bin/python}
[[ -x $simulator ]] || { echo "$simulator is missing: cargo build --locked --manifest-path tests/simulators/yubihsm/Cargo.toml --target-dir ${TARGET@Q}"; exit 1; }
"$python" -c 'import yubihsm.backends.http' 2>/dev/null || { echo "$python has no yubihsm[http]: tests/setup.sh"; exit 1; }
command -v age-keygen >/dev/null || { echo 'age is missing: apt-get install age'; exit 1; }

# Starts a device with a serial number, whose state is in NAME.state: `device NAME SERIAL`. Sets DEVICE, SERIAL, CONNECTOR.
device() {
    local tries
    SERIAL=$(printf %010d "$2")
    mkdir -p "$1-certificates"
    : >"$1.port"
    "$simulator" --state "$1.state" --serial "$2" --attestation "$1-certificates" >"$1.port" 2>"$1.log" &
    DEVICE=$!
    for ((tries = 0; tries < 100; tries++)); do
        [[ ! -s $1.port ]] || break
        sleep 0.1
    done
    CONNECTOR=http://127.0.0.1:$(<"$1.port")
}
under() { echo "yubihsm:serial=$SERIAL;auth-id=$1?connector=$CONNECTOR"; }
# The script of the guide, with a login's password: `wrapping PASSWORD COMMAND…`.
wrapping() { "$python" "$ROOT/hsm-config/profiles/yubihsm2-backup.py" "${@:2}" --connector "$CONNECTOR" --password-fd 3 3<<<"$1"; }
provisioned() {
    works "device $SERIAL is made from the profile" chancery key provision "$profile" --device "$(under 1)" --json \
        --pin-fd 3 3< <(printf '%s\n' password "$sign" "$audit" "$backup" "$administer")
    KEY=$(field out keys.0)
    works "device $SERIAL is exactly as the profile has it" chancery key verify-device "$profile" --device "$(under 3)" \
        --pin-fd 3 3<<<"$audit"
}
passwords() { printf '%s\n' "$sign" "$audit"; }
code() { field err error.code; }

sign=$(random) audit=$(random) backup=$(random) administer=$(random) root=$(random)
canaries "$sign" "$audit" "$backup" "$administer" "$root"

# ---- The ceremony: a wrap key that nobody holds, in two devices ----------------------------------------------------
works 'a wrap key is made, in three shares' "$python" "$ROOT/hsm-config/profiles/yubihsm2-backup.py" shares \
    --threshold 2 --count 3 --output shares
equal 'which are their owner’s alone' '600 600 600' "$(stat -c %a shares/* | paste -sd' ')"
# The shares are secrets: none may show anywhere else.
for share in shares/*; do canary_bytes "$(sed -n 4p "$share" | tr -d ' ')"; done
device first 12345678
exits 3 'one share gives nothing' wrapping password install --auth-id 1 shares/share-1.txt
says 'and says so' '2 shares are needed' err
exits 3 'nor does one share twice' wrapping password install --auth-id 1 shares/share-1.txt shares/share-1.txt
sed 's/^\(....\) \(....\) /\2 \1 /;' shares/share-2.txt >wrong.txt
exits 3 'a share that was copied wrongly is refused' wrapping password install --auth-id 1 shares/share-1.txt wrong.txt
says 'by its check' 'copied wrongly' err
"$python" "$ROOT/hsm-config/profiles/yubihsm2-backup.py" shares --threshold 2 --count 3 --output others >out
exits 3 'shares of two keys do not go together' wrapping password install --auth-id 1 shares/share-1.txt others/share-2.txt
exits 3 'another device is refused' wrapping password install --auth-id 1 --serial 99 shares/share-1.txt shares/share-3.txt
works 'two shares put the wrap key into the first device' wrapping password install --auth-id 1 shares/share-1.txt shares/share-3.txt
provisioned
first=$KEY
exits 4 'the login that signs exports nothing' wrapping "$sign" export --auth-id 2 --key 256 --output stolen.wrapped
absent 'nothing is written' stolen.wrapped
works 'the issuing key is exported, wrapped' wrapping "$backup" export --auth-id 4 --key 256 --output issuing.wrapped
exits 3 'and never written over' wrapping "$backup" export --auth-id 4 --key 256 --output issuing.wrapped
# The signing key itself, as the simulator stores it, is not in what was exported.
stored=$(python3 -c '
import json
print(next(object["data"] for object in json.load(open("first.state"))["objects"] if object["id"] == 0x100))')
canary_bytes "${stored::64}" "${stored:64:64}" "${stored:192:64}"

# ---- Licenses, and a backup of the home -----------------------------------------------------------------------------
works 'the authority is made' chancery init --home home --name 'Backed Up Works' --issuing-key "$first" --pin-fd 3 \
    3< <(printf '%s\n' "$root" "$sign" "$audit")
stock home
ask home one
works 'a license is issued' answer home one "$(passwords)"
ask home two
works 'the log is given a key' chancery --home home role add log --key file:home/keys/log.pem --pin-fd 3 \
    3< <(printf '%s\n' "$root" "$root")
chancery --home home bundle publish -o vendor.ctrust --pin-fd 3 3<<<"$root" >out
chancery --home home log checkpoint -o newest.checkpoint --pin-fd 3 3<<<"$root" >out
age-keygen -o identity.txt 2>/dev/null
chancery --home home backup -o before.age --recipient "$(age-keygen -y identity.txt)" --with-keys >out

# Restored before anything else was signed: the HSM's own log shows it, and only software keys need the operator's word.
restored() { chancery --home "$1" restore before.age --identity identity.txt >out; }
reconcile() {
    chancery --home "$1" restore --reconcile --checkpoint newest.checkpoint --device "$(under 3)" "${@:2}" --json \
        --pin-fd 3 3<<<"$audit"
}
restored same
exits 3 'software keys are not counted' reconcile same
equal 'which is the reason' signatures-uncounted "$(code)"
works 'the device’s log and the operator’s word release it' reconcile same --nothing-signed-since
has out keys_counted.# 1 'the device speaks for the issuing key'
has out keys_stated.# 2 'the operator for the two others'

# One license more, and the backup lacks it. The checkpoint of before does not show that; the HSM does.
works 'a license is issued after the backup' answer home two "$(passwords)"
restored behind
exits 5 'the HSM signed more than the restored home knows' reconcile behind --nothing-signed-since
equal 'for that reason' operations-unaccounted "$(code)"
exits 3 'it stays locked' chancery --home behind license issue --entitlement "$ENTITLEMENT" --request two.creq \
    -o again.clic --pin-fd 3 3< <(passwords)
absent 'and gives no number away twice' again.clic

# ---- The HSM dies -----------------------------------------------------------------------------------------------------
kill "$DEVICE"
wait "$DEVICE" 2>/dev/null || true
ask home three
exits 4 'nothing is issued without the device' answer home three "$(passwords)"
device second 87654321
exits 4 'what was exported is worth nothing without the wrap key' wrapping password import --auth-id 1 issuing.wrapped
works 'two other shares put it into the second device' wrapping password install --auth-id 1 shares/share-2.txt shares/share-3.txt
head -c -1 issuing.wrapped >cut.wrapped
exits 4 'a wrapped key that was cut is refused' wrapping password import --auth-id 1 cut.wrapped
works 'the issuing key comes back' wrapping password import --auth-id 1 issuing.wrapped
exits 4 'once' wrapping password import --auth-id 1 issuing.wrapped
provisioned
second=$KEY
kid=$(chancery --home home key list --json >keys.json && python3 -c '
import json
print(next(key["kid"] for key in json.load(open("keys.json")) if key["role"] == "issuer"))')
exits 4 'the home still looks for the first' answer home three "$(passwords)"
moved() { chancery --home home key move "$1" "$2" --json --pin-fd 3 3< <(printf '%s\n' "${@:3}"); }
rootkid=$(python3 -c '
import json
print(next(key["kid"] for key in json.load(open("keys.json")) if key["role"] == "custodian"))')
exits 4 'another key does not take its place' moved "$rootkid" "$second" "$sign" "$audit"
exits 1 'a key that is unknown does not' moved 0000000000000000 "$second" "$sign" "$audit"
works 'the home is told where its key is' moved "$kid" "$second" "$sign" "$audit"
works 'and issues with it' answer home three "$(passwords)"
works 'the site takes it, without a new bundle' chancery-site verify three.clic --trust vendor.ctrust
works 'and what was issued before' chancery-site verify two.clic --trust vendor.ctrust
works 'the second device shows what was signed since' chancery --home home log reconcile --pin-fd 3 3<<<"$audit"
works 'the log agrees with itself' chancery --home home log verify --checkpoint newest.checkpoint
exits 3 'the vendor vouches for a key that came from elsewhere only where that is allowed' chancery key attest \
    "${second/;audit-id=3/}" --roots second-certificates/root.pem --intermediates second-certificates/intermediate.pem \
    --pin-fd 3 3<<<"$sign"

kill "$DEVICE"
wait "$DEVICE" 2>/dev/null || true
equal 'no secret is anywhere' 0 "$(holding home same behind issuing.wrapped before.age out err ./*.log ./*.creq ./*.clic)"
