#!/usr/bin/env bash
# What programs that are not ours make of our pictures, licenses and keys: zbarimg, PyPI cwt, OpenSSL.
#
# Needs the Python environment that tests/setup.sh makes. Not here: other implementations of the verifier.

source "$(dirname "$0")/../journeys/lib.sh"
here=$ROOT/tests/interop
python=$TARGET/interop/bin/python
journey interop
[[ -x $python ]] || { echo "$python is missing: run tests/setup.sh"; exit 1; }

# Reads a picture with zbarimg; prints the text of its QR code.
scan() { zbarimg --quiet --raw --nodbus -Sdisable -Sqrcode.enable "$1" 2>zbar.err; }

# Issues one license with the authority `$1`, whose PIN line is `$2`, and lets others look at everything.
examine() {
    local home=$1 pin=$2 algorithm=$3 form kid entitlement
    stock "$home"
    entitlement=$(chancery --home "$home" entitlement grant --customer acme --product pump --edition standard \
        --quantity 1 --until 2036-12-31 --json >granted.json && field granted.json id)
    request "$home-site" "$entitlement" "$home.creq" --qr "$home-request.png" >out 2>&1
    chancery --home "$home" license issue --entitlement "$entitlement" --request "$home.creq" -o "$home.clic" \
        --qr "$home.png" --armor "$home.asc" --json --pin-fd 3 >issued.json 3<<<"$pin"
    chancery --home "$home" license show "$(field issued.json id)" --json >shown.json

    # Pictures.
    works "$home: zbarimg reads the license picture" scan "$home.png"
    cp out "$home.txt"
    works "$home: its text is CL1: and base45" python3 "$here/base45.py" CL1: "$home.txt" "$home.scanned"
    same "$home: and is the license" "$home.clic" "$home.scanned"
    works "$home: zbarimg reads the request picture" scan "$home-request.png"
    cp out "$home-request.txt"
    works "$home: its text is CR1: and base45" python3 "$here/base45.py" CR1: "$home-request.txt" "$home-request.scanned"
    same "$home: and is the request" "$home.creq" "$home-request.scanned"

    # The license, checked with the exported key in each form.
    chancery --home "$home" key list --json >keys.json
    kid=$(field keys.json 1.kid)
    for form in cose jwk pem; do
        works "$home: the key is exported as $form" chancery --home "$home" key export "$kid" --format "$form" -o "$home.$form"
        works "$home: cwt verifies the license with it" "$python" "$here/verify.py" "$home.clic" "$home.$form" "$form"
        cp out "claims.$form.json"
        flip "$home.clic" forged.clic -1
        exits 1 "$home: cwt refuses another signature" "$python" "$here/verify.py" forged.clic "$home.$form" "$form"
        says "$home: because it does not verify" VerifyError err
    done
    equal "$home: cwt reads iss" 'Interop Works' "$(field claims.cose.json iss)"
    equal "$home: cwt reads sub" acme "$(field claims.cose.json sub)"
    equal "$home: cwt reads aud" pump "$(field claims.cose.json aud)"
    equal "$home: cwt reads exp" "$(date -u -d '2036-12-31 23:59:59' +%s)" "$(field claims.cose.json exp)"
    equal "$home: cwt reads cti" "$(crockford "$(field issued.json id)")" "$(field claims.cose.json cti)"
    flip "$home.clic" forged.clic 100
    exits 1 "$home: cwt refuses another payload" "$python" "$here/verify.py" forged.clic "$home.cose" cose

    # The public key.
    works "$home: OpenSSL reads the PEM" openssl pkey -pubin -in "$home.pem" -noout -text
    says "$home: as a key of its algorithm" "$algorithm" out
}

# Prints the 16 bytes of a license id (Crockford base32) in hex.
crockford() {
    python3 -c '
import sys
value = 0
for character in sys.argv[1].removeprefix("lic_"):
    value = value * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(character)
print(f"{value >> 2:032x}")' "$1"
}

chancery init --home ed25519 --name 'Interop Works' --pin-fd 3 >out 3<<<"$PASSPHRASE"
examine ed25519 "$PASSPHRASE" ED25519

# The encrypted key file.
works 'OpenSSL reads the key file with its passphrase' openssl pkey -in ed25519/keys/issuing.pem -passin fd:3 \
    -pubout 3<<<"$PASSPHRASE"
same 'and finds the exported public key' out ed25519.pem
exits 1 'OpenSSL refuses another passphrase' openssl pkey -in ed25519/keys/issuing.pem -passin fd:3 -pubout 3<<<wrong

chancery key generate "file:$WORK/p256.pem" --algorithm p256 --pin-fd 3 >out 3<<<"$PASSPHRASE"
chancery init --home esp256 --name 'Interop Works' --issuing-key "file:$WORK/p256.pem" --pin-fd 3 >out \
    3<<<"$PASSPHRASE"$'\n'"$PASSPHRASE"
examine esp256 "$PASSPHRASE" 'P-256'
