#!/usr/bin/env bash
# Licenses signed by a YubiKey's PIV keys: through PKCS#11 by two modules, and directly.
#
# The card is tests/simulators/yubikey behind a pcscd of its own, set up by Yubico's tool. The PIN is random, and
# looked for wherever it could show but in the socket to the card's reader. Not here: attestation by real roots.

source "$(dirname "$0")/lib.sh"
journey yubikey

simulator=$TARGET/debug/yubikey-simulator
piv=${CHANCERY_PIV_BIN:-$TARGET/debug/chancery}
lib=/usr/lib/$(uname -m)-linux-gnu
[[ -x $simulator ]] || { echo "$simulator is missing: cargo build --locked --manifest-path tests/simulators/yubikey/Cargo.toml --target-dir ${TARGET@Q}"; exit 1; }
command -v yubico-piv-tool >/dev/null || { echo 'yubico-piv-tool is missing: apt-get install yubico-piv-tool'; exit 1; }
[[ -e $lib/libykcs11.so ]] || { echo "$lib/libykcs11.so is missing: apt-get install ykcs11"; exit 1; }
[[ -e $lib/opensc-pkcs11.so ]] || { echo "$lib/opensc-pkcs11.so is missing: apt-get install opensc-pkcs11"; exit 1; }

# Starts a card behind a pcscd of its own: `card NAME [ARGUMENT…]`. It ends with the descriptor HOLD.
card() {
    local name=$1 tries
    shift
    rm -f "$name.hold"
    mkfifo "$name.hold"
    : >"$name.lines"
    "$simulator" --control 0 --state "$name.state" "$@" <"$name.hold" >"$name.lines" 2>"$name.log" &
    exec {HOLD}>"$name.hold"
    for ((tries = 0; tries < 100; tries++)); do
        ! grep -q '^ready$' "$name.lines" || break
        sleep 0.1
    done
    grep -q '^ready$' "$name.lines" || { cat "$name.log"; exit 1; }
    PCSCLITE_CSOCK_NAME=$(sed -n 's/^PCSCLITE_CSOCK_NAME=//p' "$name.lines")
    export PCSCLITE_CSOCK_NAME
    CONTROL=$(sed -n 's/^control //p' "$name.lines")
}

# Gives the card an order and prints its answer: `order WORD…`.
order() {
    local answer
    exec {control}<>"/dev/tcp/${CONTROL/:/\/}"
    echo "$*" >&"$control"
    read -r -t 10 answer <&"$control"
    exec {control}>&-
    [[ $answer == ok* ]] || { echo "the card does not $*: $answer" >&2 && return 1; }
    echo "${answer#ok}" | tr -d ' '
}

# Ends the card.
end() {
    exec {HOLD}>&-
    wait
}

# Prints the reference of the key with an id on a module's token: `found MODULE ID`.
found() {
    chancery --json key probe "pkcs11:id=%$2?module-path=$lib/$1" --login --pin-fd 3 3<<<"$pin" >probed
    field probed tokens.0.keys.0.reference
}

# Wrong PIN, card away, and card back: `disturb HOME PROGRAM`, the program being `chancery` of some build.
disturb() {
    local home=$1 program=$2
    ask "$home" "$home-wrong"
    held 4 "$home-wrong-pin" "$wrong" "$program" --home "$home" --json license issue --entitlement "$ENTITLEMENT" \
        --request "$home-wrong.creq" -o "$home-wrong.clic"
    says "$home: the refusal has its code" '"wrong-pin"' "$home-wrong-pin.err"
    absent "$home: no license is left" "$home-wrong.clic"
    used "$home" 0 "$home: no activation is drawn"
    equal "$home: one try is spent" 23 "$(order tries | tr -dc 0-9)"
    order pull >out
    exits 4 "$home: a card that is away is told" "$program" --home "$home" --json license issue \
        --entitlement "$ENTITLEMENT" --request "$home-wrong.creq" -o "$home-wrong.clic" --pin-fd 3 3<<<"$pin"
    says "$home: as what it is" '"token-absent"' err
    order insert >out
    used "$home" 0 "$home: it drew nothing either"
    held 0 "$home-issue" "$pin" "$program" --home "$home" license issue --entitlement "$ENTITLEMENT" \
        --request "$home-wrong.creq" -o "$home-wrong.clic"
    equal "$home: the right PIN gives the tries back" 33 "$(order tries | tr -dc 0-9)"
    used "$home" 1 "$home: one activation is drawn"
}

# A PIN of a YubiKey has six to eight characters.
pin=$(random) wrong=$(random) root=$(random)
pin=${pin::8} wrong=${wrong::8}
canaries "$pin" "$wrong" "$root"
looks_find "$pin"
# As strace shows it: the one to pcscd, which forwards what the card is told. `held` reads it.
# shellcheck disable=SC2034
SECRET_SOCKET='\(UNIX\|UNIX-STREAM\|socket\):'

# Keys made by Yubico's tool: P-256 in 9a, and in 9c, which wants the PIN for each signature.
card pkcs11 --management-key 3des
yubico-piv-tool -a change-pin -P 123456 -N "$pin" >out 2>err
for slot in 9a 9c; do
    yubico-piv-tool -s "$slot" -A ECCP256 -a generate -o "$slot.pub" 2>err
    yubico-piv-tool -s "$slot" -a attest -o "$slot.pem" 2>err
    yubico-piv-tool -s "$slot" -a import-certificate -i "$slot.pem" 2>err
done
for way in ykcs11:libykcs11.so:02 opensc:opensc-pkcs11.so:01; do
    IFS=: read -r home module id <<<"$way"
    key=$(found "$module" "$id")
    says "$home: probe prints the reference of the key" "$lib/$module" probed
    before=$(order operations)
    held 0 "$home-init" "$root"$'\n'"$pin" chancery init --home "$home" --issuing-key "$key"
    says "$home: init says that it found the key" 'found issuer key' "$home-init.out"
    loop "$home" "$pin"
    chancery --home "$home" key list --json >out
    has out 1.algorithm P-256 "$home: the issuing key is of P-256"
    disturb "$home" chancery
    if (($(order operations) > before)); then passed "$home: the card signed"; else failed "$home: the card did not sign"; fi
done
end

# Ed25519 in 9c, which no PKCS#11 module here has: directly, with the build that can.
exits 4 'the build as it ships has no direct way' chancery --json key generate 'piv:serial=12345678;slot=9c' \
    --pin-fd 3 3<<<"$pin"
says 'and says so' '"backend-not-built"' err
if [[ ! -x $piv ]] || "$piv" --json key generate 'piv:serial=1;slot=9c' --pin-fd 3 2>&1 3<<<"$pin" |
    grep -q backend-not-built; then
    echo "$piv with PIV is missing: cargo build --locked -p chancery-authority --features piv"
    exit 1
fi

# Changes what the card of the journey's second half remembers, while it is off: `remember PYTHON`.
remember() {
    python3 - piv.state "$1" <<'PYTHON'
import json, sys

path, change = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    state = json.load(file)
exec(change)
with open(path, "w", encoding="utf-8") as file:
    json.dump(state, file)
PYTHON
}

card piv
yubico-piv-tool -a change-pin -P 123456 -N "$pin" >out 2>err
end
# As `ykman piv access change-management-key --generate --protect` does: a random management key, behind the PIN.
management=$(random)$(random)
canary_bytes "$management"
remember "state['management']['secret'] = '$management'
state['objects'][str(0x5fc109)] = '881a8918$management'
state['objects'][str(0x5fff00)] = '8003810102'"
card piv
key='piv:serial=12345678;slot=9c'
held 0 piv-generate "$pin" "$piv" --json key generate "$key"
works 'piv: probe finds the card and its key' "$piv" --json key probe 'piv:slot=9c'
says 'piv: with the reference of the key' "\"reference\": \"$key&public-key=" <(sed 's/?public-key/\&public-key/' out)
held 0 piv-init "$root"$'\n'"$pin" "$piv" init --home piv --issuing-key "$key"
says 'piv: init says that it found the key' 'found issuer key' piv-init.out
# The loop calls `chancery`: that with PIV, for this part.
mkdir with-piv
ln -s "$piv" with-piv/chancery
PATH=$PWD/with-piv:$PATH
loop piv "$pin"
chancery --home piv key list --json >out
has out 1.algorithm Ed25519 'piv: the issuing key is of Ed25519'
disturb piv "$piv"
end

# The same key, now to be touched.
remember "state['keys'][str(0x9c)]['touch'] = 'Always'"
canary_bytes "$(python3 -c 'import json; print(json.load(open("piv.state"))["keys"][str(0x9c)]["secret"])')"
card piv
order touch missing 10 >out
ask piv touched
exits 4 'a touch that is missing is told' chancery --home piv --json license issue --entitlement "$ENTITLEMENT" \
    --request touched.creq -o touched.clic --pin-fd 3 3<<<"$pin"
says 'as what it is' '"touch-missing"' err
absent 'no license is left' touched.clic
order touch given >out
works 'touched, it signs' answer piv touched "$pin"
used piv 1 'the two attempts draw one activation'
end

# Everything that is left, the card's own memory apart.
equal 'no home, site, output or document holds a PIN or key' 0 \
    "$(holding ykcs11 opensc piv ./*-site ./*.out ./*.err out err ./*.clic ./*.creq ./*.ctrust ./*.log ./*.calls)"
