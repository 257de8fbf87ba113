#!/usr/bin/env bash
# A YubiHSM 2 from its factory state to licenses whose every signature the device's own log accounts for.
#
# The device is tests/simulators/yubihsm: real sessions, capabilities that are enforced, and a forced audit log.
# Passwords are random, and looked for wherever they could show. Not here: single faults (its conformance suite).

source "$(dirname "$0")/lib.sh"
journey yubihsm

simulator=$TARGET/debug/yubihsm-simulator
profile=$ROOT/hsm-config/profiles/yubihsm2.toml
serial=0012345678
[[ -x $simulator ]] || { echo "$simulator is missing: cargo build --locked --manifest-path tests/simulators/yubihsm/Cargo.toml --target-dir ${TARGET@Q}"; exit 1; }

# Starts a device whose state is in NAME.state: `device NAME [ARGUMENT…]`. Sets DEVICE, PORT and CONNECTOR.
device() {
    local name=$1 tries
    shift
    mkdir -p "$name-certificates"
    : >"$name.port"
    "$simulator" --state "$name.state" --attestation "$name-certificates" "$@" >"$name.port" 2>"$name.log" &
    DEVICE=$!
    for ((tries = 0; tries < 100; tries++)); do
        [[ ! -s $name.port ]] || break
        sleep 0.1
    done
    PORT=$(<"$name.port")
    CONNECTOR=http://127.0.0.1:$PORT
}

# A reference to the device under one of its logins: `under AUTH-ID`.
under() { echo "yubihsm:serial=$serial;auth-id=$1?connector=$CONNECTOR"; }

# Makes the device do something: `fault LINE`.
fault() {
    python3 - "$CONNECTOR/simulator/fault" "$1" <<'PYTHON'
import sys, urllib.request

urllib.request.urlopen(sys.argv[1], data=sys.argv[2].encode(), timeout=10).read()
PYTHON
}

# Prints what `license issue` needs: the password of the login that signs, and of the one that reads the log.
passwords() { printf '%s\n' "$sign" "$audit"; }

sign=$(random) audit=$(random) backup=$(random) administer=$(random) root=$(random) wrong=$(random)
canaries "$sign" "$audit" "$backup" "$administer" "$root" "$wrong"
# What a device keeps of a password: PBKDF2, as Yubico's own tools derive it.
mapfile -t keys < <(printf '%s\n' "$sign" "$audit" | python3 -c '
import hashlib, sys
for line in sys.stdin:
    key = hashlib.pbkdf2_hmac("sha256", line.strip().encode(), b"Yubico", 10_000, 32).hex()
    print(key, key[:32], key[32:], sep="\n")')
equal 'each login has a key of two halves' 6 "${#keys[@]}"
canary_bytes "${keys[@]}"
looks_find "$sign"

# From the factory to a device as the profile has it.
device first
works 'probe finds the device' chancery key probe "yubihsm:?connector=$CONNECTOR" --json
has out tokens.0.serial "$serial" 'by its serial number'
has out tokens.0.device 'Yubico YubiHSM 2' 'and as what it is'
held 0 provision "$(printf '%s\n' password "$sign" "$audit" "$backup" "$administer")" \
    chancery --json key provision "$profile" --device "$(under 1)"
key=$(field provision.out keys.0)
# The signing key itself, as the simulator stores it: scalar, prefix, public key, seed.
stored=$(python3 -c '
import json
print(next(object["data"] for object in json.load(open("first.state"))["objects"] if object["id"] == 0x100))')
canary_bytes "${stored::64}" "${stored:64:64}" "${stored:192:64}"
equal 'and prints the reference of the key, with both logins' \
    "yubihsm:serial=$serial;id=0x0100;auth-id=2;audit-id=3?connector=$CONNECTOR" "$key"
works 'the device is exactly as the profile has it' chancery key verify-device "$profile" --device "$(under 3)" \
    --pin-fd 3 3<<<"$audit"
says 'in words' 'exactly' out
exits 4 'the factory login is gone' chancery key verify-device "$profile" --device "$(under 1)" --pin-fd 3 3<<<password
says 'and the error names it' '(authentication key 1)' err

# Licenses.
held 0 init "$root"$'\n'"$sign" chancery init --home home --issuing-key "$key"
says 'init says that it found the key' 'found issuer key' init.out
loop home "$(passwords)"
for number in second third; do
    ask home "$number"
    works "the $number license is issued" answer home "$number" "$(passwords)"
done
works 'the site is told of a hardware key' chancery-site --json verify third.clic --trust home.ctrust
says 'the bundle vouches for hardware' hardware out

# Two logs agree.
audited() {
    exits "$1" "$2" chancery --home home key audit "$(under 3)" --json --pin-fd 3 3<<<"$audit"
}
audited 0 'the device logged as many signatures as were asked for'
has out keys.0.on_device "$(field out keys.0.signed)" 'each once'
has out keys.0.unknown 0 'none of unknown outcome'
has out agrees true 'both agree'
has out signatures_of_other_keys 0 'no other key signed'

# Where the key was made.
attest() {
    chancery key attest "${key/;audit-id=3/}" --roots "first-certificates/$1" \
        --intermediates first-certificates/intermediate.pem --pin-fd 3 3<<<"$sign"
}
works 'the vendor vouches for the key' attest root.pem
says 'it was made inside' 'made inside' out
exits 3 'another root vouches for nothing' attest other-root.pem

# What is refused draws nothing.
ask home refused
held 4 wrong-password "$wrong" chancery --home home --json license issue --entitlement "$ENTITLEMENT" \
    --request refused.creq -o refused.clic
says 'the refusal has its code' '"wrong-pin"' wrong-password.err
says 'and names the login' '(authentication key 2)' wrong-password.err
held 4 wrong-audit-password "$sign"$'\n'"$wrong" chancery --home home --json license issue \
    --entitlement "$ENTITLEMENT" --request refused.creq -o refused.clic
says 'so does that of the other password' '"wrong-pin"' wrong-audit-password.err
says 'which names the other login' '(authentication key 3)' wrong-audit-password.err
absent 'no license is left' refused.clic
used home 0 'neither drew an activation'
held 0 issue "$sign"$'\n'"$audit" chancery --home home license issue --entitlement "$ENTITLEMENT" \
    --request refused.creq -o refused.clic
used home 1 'the right passwords draw it'

# A reply lost after the device signed: unknown, said so, and made good by asking again.
ask home lost
fault drop-reply
exits 4 'a reply lost after signing is told' chancery --home home --json license issue \
    --entitlement "$ENTITLEMENT" --request lost.creq -o lost.clic --pin-fd 3 3< <(passwords)
says 'as what it is' '"outcome-unknown"' err
absent 'no license is left' lost.clic
works 'the same request again gives the license' answer home lost "$(passwords)"
works 'which verifies' chancery-site verify lost.clic --trust home.ctrust
used home 1 'one activation was drawn'
audited 0 'the logs still agree'
has out keys.0.unknown 1 'with one operation of unknown outcome'
has out keys.0.on_device $(($(field out keys.0.signed) + 1)) 'which the device did sign'

# Away and back: what the device holds and logged is still there.
kill "$DEVICE"
wait "$DEVICE" 2>/dev/null || true
ask home away
exits 4 'a device that is away is told' answer home away "$(passwords)"
used home 0 'and draws nothing'
device first --port "$PORT"
works 'the device back, the license is issued' answer home away "$(passwords)"
audited 0 'the logs agree across the restart'

# A signature that nobody here asked for: another home has the same key, and keeps no log of the device.
works 'another home finds the key' chancery init --home other --issuing-key "${key/;audit-id=3/}" --pin-fd 3 \
    3<<<"$root"$'\n'"$sign"
stock other
ask other behind
works 'and issues with it' answer other behind "$sign"
audited 5 'the audit raises the alarm'
says 'for what it is' hsm-operation-extra err
has out agrees false 'the two logs disagree'

# A device that was set up otherwise: each difference is named.
kill "$DEVICE"
wait "$DEVICE" 2>/dev/null || true
python3 - "$profile" >altered.toml <<'PYTHON'
import sys

profile = open(sys.argv[1], encoding="utf-8").read()
narrow = '["generate-asymmetric-key", "delete-asymmetric-key"]'
assert profile.count(narrow) == 1
profile = profile.replace(narrow, narrow.replace("]", ', "put-asymmetric-key"]'))
login = """[[login]]
id = 11
role = "sign"
label = "chancery sign"
domains = [1]
capabilities = ["sign-eddsa"]

"""
profile = profile.replace("# The issuing key.\n", login)
print(profile.rstrip(), """exportable = true

[[wrap-key]]
id = 300
label = "chancery backup"
domains = [1]
capabilities = ["export-wrapped", "import-wrapped"]
delegated = ["exportable-under-wrap", "sign-eddsa"]""", sep="\n")
PYTHON
device altered
works 'a device is provisioned otherwise' chancery key provision altered.toml --device "$(under 1)" --pin-fd 3 \
    3< <(printf '%s\n' password "$sign" "$audit" "$backup" "$administer" "$wrong")
exits 3 'it is not as the reviewed profile has it' chancery key verify-device "$profile" --device "$(under 3)" \
    --pin-fd 3 3<<<"$audit"
cp out differences
says 'the login that should not be is named' 'authentication key 11' differences
says 'the widened one is' 'put-asymmetric-key' differences
says 'and the key that can leave' 'exportable-under-wrap' differences
says 'and the key under which it can' 'wrap key 300' differences
says 'which is said in words' 'it can leave the device under wrap' differences
equal 'nothing else is' 5 "$(wc -l <differences)"
kill "$DEVICE"
wait "$DEVICE" 2>/dev/null || true

# Firmware with a published weakness is not set up.
device affected --firmware 2.3.2
exits 3 'affected firmware is refused' chancery key provision "$profile" --device "$(under 1)" --pin-fd 3 3</dev/null
says 'by its advisory' YSA-2024-03 err

# Everything that is left.
equal 'no home, site, output or document holds a password' 0 \
    "$(holding home other ./*-site ./*.out ./*.err out err ./*.clic ./*.creq ./*.ctrust ./*.log ./*.calls altered.toml)"
