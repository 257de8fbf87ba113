#!/usr/bin/env bash
# Custodians come and go over four roots, on machines of their own, and a product that pins the first goes on; then
# a key is certified and closed by the same exchange of files, and what is not right about any of it is refused.

source "$(dirname "$0")/lib.sh"
journey rotation

# Runs `chancery` on the home with a passphrase for every key that it opens.
vendor() { chancery --home home "$@" --pin-fd 3 3< <(yes "$PASSPHRASE" | head -8); }
# A custodian's own machine, which has no home: `custodian NAME REQUEST ANSWER [ARGUMENT…]`.
custodian() {
    local name=$1 request=$2 answer=$3
    shift 3
    chancery root sign "$request" --key "file:$WORK/$name.pem" --out "$answer" --pin-fd 3 "$@" 3<<<"$PASSPHRASE"
}
# Makes a custodian's key and its public half: `appoint NAME`. Sets KID_NAME.
appoint() {
    chancery key generate "file:$WORK/$1.pem" --public "$1.public" --pin-fd 3 --json >"$1.json" 3<<<"$PASSPHRASE"
    printf -v "KID_$1" '%s' "$(field "$1.json" kid)"
}

authority home
AUTHORITY=$(chancery --home home root show --json >shown && field shown authority_id)
FIRST=$(field shown roots.0.custodians.0)
for name in alice bob carol; do appoint "$name"; done

# ---- Root 2: two of three, who are elsewhere ------------------------------------------------------------------
cat >two.toml <<TOML
threshold = 2

[[custodian]]
public-key = "alice.public"

[[custodian]]
public-key = "bob.public"

[[custodian]]
public-key = "carol.public"
TOML
exits 3 'custodians elsewhere cannot sign without a file' vendor root rotate --plan two.toml \
    --signer "$FIRST" --signer "$KID_alice" --signer "$KID_bob"
says 'and it says so' 'quorum-elsewhere' <(vendor root rotate --plan two.toml --signer "$FIRST" \
    --signer "$KID_alice" --signer "$KID_bob" --json 2>&1 || true)
exits 2 'who signs must be said where there is a choice' vendor root rotate --plan two.toml --out none.ccer
absent 'a request that was not made leaves no file' none.ccer
works 'root 2 is begun' vendor root rotate --plan two.toml --signer "$FIRST" --signer "$KID_alice" \
    --signer "$KID_bob" --out two.ccer
chancery --home home root show --json >shown
equal 'root 1 is in force meanwhile' 1 "$(field shown roots.#)"
equal 'two have not signed' 2 "$(field shown waits.missing.#)"
exits 3 'another change cannot come between' vendor root rotate --add carol.public --out other.ccer
says 'and it says what waits' 'another change waits' err
works 'the same command goes on with the same root' vendor root rotate --plan two.toml --out again.ccer
same 'with the same request' two.ccer again.ccer

exits 2 'a custodian is asked before anything is signed' custodian alice two.ccer alice.ccer
says 'and sees who joins' 'custodian added' out
says 'and who leaves' 'custodian removed' out
absent 'and has signed nothing' alice.ccer
exits 3 'a key that is not asked signs nothing' custodian carol two.ccer carol.ccer --yes
exits 3 'the request of another authority is refused' custodian alice two.ccer alice.ccer --yes \
    --authority-id "${AUTHORITY//[0-7]/9}"
exits 3 'what is remembered must be there, or named' custodian alice two.ccer alice.ccer --yes --remember alice.minima
works 'alice signs' custodian alice two.ccer alice.ccer --yes --remember alice.minima --authority-id "$AUTHORITY"
works 'bob signs' custodian bob two.ccer bob.ccer --yes
exits 1 'an answer is not overwritten' custodian bob two.ccer bob.ccer --yes

# A request that was changed on the way: one byte of the new root.
python3 - two.ccer changed.ccer <<'PYTHON'
import sys

data = bytearray(open(sys.argv[1], "rb").read())
data[data.find(b"Journey Works")] ^= 1
open(sys.argv[2], "wb").write(data)
PYTHON
exits 3 'a changed document is refused' custodian bob changed.ccer no.ccer --yes
says 'because the statement is over another' 'hash of something else' err

works 'one answer comes in' vendor root collect alice.ccer
says 'the other is missing' "$KID_bob" out
flip bob.ccer forged.ccer -1
exits 3 'a signature that is not good is refused' vendor root collect forged.ccer
says 'and named' 'is not good' err
exits 3 'a request is no answer' vendor root collect two.ccer
works 'the last answer comes in, and root 2 stands' vendor root collect bob.ccer
exits 3 'nothing waits then' vendor root collect bob.ccer
chancery --home home root show --json >shown
equal 'root 2 is in force' 2 "$(field shown roots.#)"
works 'the log agrees' vendor log verify

# ---- A key is certified, and another closed, by the same exchange ---------------------------------------------
works 'a log key is to be certified' vendor role add log --key "file:$WORK/log.pem" --signer "$KID_alice" \
    --signer "$KID_carol" --out log.ccer
KID_log=$(chancery --home home key list --json >keys && python3 -c 'import json
print(next(key["kid"] for key in json.load(open("keys")) if key["role"] == "log"))')
exits 1 'until then it signs no checkpoint' vendor log checkpoint
custodian alice log.ccer log-alice.ccer --yes --remember alice.minima >out
says 'alice sees a new key record' 'NEW key record: log key' out
custodian carol log.ccer log-carol.ccer --yes >out
exits 3 'an answer to something else is refused' vendor root collect alice.ccer
says 'because nobody asks for it' 'something else than is asked for' err
works 'two answers come in at once' vendor root collect log-alice.ccer log-carol.ccer
works 'and the log has a checkpoint' vendor log checkpoint
exits 3 'what custodians signed before is older' custodian alice two.ccer older.ccer --yes --remember alice.minima

# ---- A license under root 4, for a product that pins root 1 ----------------------------------------------------
works 'root 3 is begun' vendor root rotate --add-key file:home/keys/dave.pem --threshold 1 \
    --signer "$KID_alice" --signer "$KID_bob" --out three.ccer
custodian alice three.ccer three-alice.ccer --yes >out
says 'alice sees the records that stay' 'Key record, as it is in force' out
custodian bob three.ccer three-bob.ccer --yes >out
works 'root 3 stands' vendor root collect three-alice.ccer three-bob.ccer
DAVE=$(chancery --home home root show --json >shown && python3 -c 'import json
roots = json.load(open("shown"))["roots"]
print((set(roots[2]["custodians"]) - set(roots[1]["custodians"])).pop())')
works 'root 4 needs nobody elsewhere' vendor root rotate --remove "$KID_alice"
chancery --home home root show --json >shown
equal 'root 4 is in force' 4 "$(field shown roots.#)"
entitlement=$(grant home 3)
request site "$entitlement" pump.creq >out
works 'a license is issued under root 4' issue home "$entitlement" pump.creq pump.clic
vendor bundle publish -o four.ctrust >out
works 'the chain of the bundle verifies' chancery root show four.ctrust --authority-id "$AUTHORITY"
works 'the product that pins root 1 takes it with one file' chancery-site --state site install pump.clic --trust four.ctrust
works 'and the feature may run' chancery-site --state site check logging

# ---- Keys end ---------------------------------------------------------------------------------------------------
ISSUER=$(chancery --home home key list --json >keys && python3 -c 'import json
print(next(key["kid"] for key in json.load(open("keys")) if key["role"] == "issuer"))')
exits 3 'no key is closed at a size that the log does not have' vendor role close "$ISSUER" --compromised-at 99999 \
    --reason 'laptop stolen'
exits 5 'nor at another root of the log' vendor role close "$ISSUER" --compromised-at 3 --root "${AUTHORITY}" \
    --reason 'laptop stolen'
exits 3 'custodians are not closed' vendor role close "$DAVE" --retired --reason 'retired'
works 'the issuing key is closed' vendor role close "$ISSUER" --compromised --reason 'laptop stolen'
works 'the same again does nothing' vendor role close "$ISSUER" --compromised --reason 'laptop stolen'
exits 3 'another closing is refused' vendor role close "$ISSUER" --retired --reason 'laptop found'
exits 3 'the license of the closed key is not handed out again' issue home "$entitlement" pump.creq again.clic
request site-late "$entitlement" late.creq >out
exits 1 'the closed key issues nothing' issue home "$entitlement" late.creq late.clic
vendor bundle publish -o five.ctrust >out
exits 3 'a license that only the closed key signed is refused' chancery-site verify pump.clic --trust five.ctrust
works 'the closing goes on under root 5' vendor root rotate --remove "$KID_bob"
vendor bundle publish -o six.ctrust >out
exits 3 'where the license is refused as well' chancery-site verify pump.clic --trust six.ctrust

# ---- What is begun can be given up ------------------------------------------------------------------------------
works 'root 6 is begun' vendor root rotate --add bob.public --threshold 2 --signer "$DAVE" --signer "$KID_bob" --out six.ccer
works 'and given up' vendor root abandon
custodian bob six.ccer six-bob.ccer --yes >out
exits 3 'its answers are refused' vendor root collect six-bob.ccer

# ---- A bundle without its manifest ------------------------------------------------------------------------------
# Takes manifest and trail out of a bundle: `strip FROM TO`.
strip() {
    python3 - "$@" <<'PYTHON'
import sys

from cbor import read, write

bundle = read(open(sys.argv[1], "rb").read())[0]
assert bundle.keys() in ({0, 1, 2}, {0, 1, 2, 3}), "a manifest, and perhaps a trail"
open(sys.argv[2], "wb").write(write({key: bundle[key] for key in (0, 1)}))
PYTHON
}
vendor bundle publish -o seven.ctrust >out
strip seven.ctrust stripped.ctrust
works 'a site that has had no bundle takes one without manifest' chancery-site --state first install stripped.ctrust
exits 3 'one that has had a numbered one does not' chancery-site --state site install stripped.ctrust
says 'and says so' 'manifest' err
works 'the next root demands the manifest' vendor root rotate --manifests
exits 3 'once' vendor root rotate --manifests
works 'root 7 as well' vendor root rotate --add bob.public
chancery --home home root show --json >shown
has shown roots.5.manifests true 'root 6 says so'
has shown roots.6.manifests true 'and root 7, though nobody asked'
vendor bundle publish -o eight.ctrust >out
strip eight.ctrust stripped-too.ctrust
exits 3 'then no site takes a bundle without it' chancery-site --state second install stripped-too.ctrust
says 'and says so' 'manifest' err
works 'but each with it' chancery-site --state second install eight.ctrust
exits 3 'an older bundle does not bring it back' chancery-site --state second install stripped.ctrust
works 'the authority finds nothing wrong' vendor doctor
works 'and the log agrees' vendor log verify
