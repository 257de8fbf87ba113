#!/usr/bin/env bash
# The whole loop on a SoftHSM2 token, and what the token itself says about the private keys.

source "$(dirname "$0")/lib.sh"
journey softhsm

PIN=987654
token vendor "$PIN"

key_ref() { echo "pkcs11:token=vendor;object=$1?module-path=$MODULE"; }

# Asks the token, through a program that is not ours, what it says of a private key.
hidden() {
    local label=$1 wanted
    pkcs11-tool --module "$MODULE" --token-label vendor --login --pin "$PIN" --list-objects --type privkey \
        >objects 2>err
    awk -v label="$label" '
        /^Private Key Object/ { keep = ""; inside = 1 }
        inside { keep = keep $0 "\n" }
        inside && /^  label:/ { found = ($2 == label) }
        inside && /^  Access:/ { if (found) print keep; inside = 0 }
    ' objects >object
    equal "one private key is named $label" 1 "$(grep -c '^  Access:' object)"
    for wanted in sensitive 'always sensitive' 'never extractable' 'local'; do
        if grep '^  Access:' object | grep -qE "(: +|, )$wanted(,|\$)"; then
            passed "$label: the token says $wanted"
        else
            failed "$label: the token does not say $wanted"
            sed 's/^/       | /' objects
        fi
    done
}

# A root key in a file and the issuing key on the token: one line for each, root first.
works 'init makes the issuing key on the token' chancery init --home ed25519 --issuing-key "$(key_ref issuing)" \
    --pin-fd 3 3<<<"$PASSPHRASE"$'\n'"$PIN"
says 'init says what it generated' 'generated issuer key' out
says 'init says that it is hardware' 'hardware' out
loop ed25519 "$PIN"
hidden issuing
works 'the site is told of a hardware key' chancery-site --json verify ed25519.clic --trust ed25519.ctrust
says 'the bundle vouches for hardware' 'hardware' out

# Both keys on one token: one line for the one distinct token.
works 'one PIN opens one token for both keys' chancery init --home both --root-key "$(key_ref both-root)" \
    --issuing-key "$(key_ref both-issuing)" --pin-fd 3 3<<<"$PIN"
loop both "$PIN"
hidden both-root
hidden both-issuing

# P-256, made beforehand and found by init.
works 'a P-256 key is generated' chancery key generate "$(key_ref esp256)" --algorithm p256 --pin-fd 3 3<<<"$PIN"
works 'init finds that key' chancery init --home p256 --issuing-key "$(key_ref esp256)" --pin-fd 3 \
    3<<<"$PASSPHRASE"$'\n'"$PIN"
says 'init says that it found it' 'found issuer key' out
loop p256 "$PIN"
hidden esp256
chancery --home p256 key list --json >out
equal 'the issuing key is of P-256' P-256 "$(field out 1.algorithm)"

# What goes wrong with a token.
entitlement=$(grant ed25519 1)
request other-site "$entitlement" other.creq >out
exits 4 'a wrong PIN is refused' chancery --home ed25519 license issue --entitlement "$entitlement" \
    --request other.creq -o other.clic --pin-fd 3 3<<<'000000'
says 'the refusal names the PIN' 'PIN' err
absent 'no license is left' other.clic
mv tokens away
mkdir tokens
exits 4 'a token that is away is told' chancery --home ed25519 license issue --entitlement "$entitlement" \
    --request other.creq -o other.clic --pin-fd 3 3<<<"$PIN"
says 'the error names the token' 'vendor' err
rmdir tokens
mv away tokens
chancery --home ed25519 entitlement show "$entitlement" --json >out
equal 'neither drew an activation' 0 "$(field out used)"
works 'the token back, the license is issued' chancery --home ed25519 license issue --entitlement "$entitlement" \
    --request other.creq -o other.clic --pin-fd 3 3<<<"$PIN"
