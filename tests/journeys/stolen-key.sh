#!/usr/bin/env bash
# A stolen issuing key, as its owner, the witness, the sites and the thief meet it: what the thief makes alone is refused
# whatever it says, the witness signs nothing back-dated, and of what was issued before the theft nothing is lost.
#
# The thief has two issuing keys with their passphrase, and every license and bundle; not the log, not the witness. What
# they make is put together and signed by hands of their own (Python and OpenSSL), so that nothing of ours forbids it.

source "$(dirname "$0")/lib.sh"
journey stolen-key

command -v openssl >/dev/null || { echo 'openssl is missing: apt-get install openssl'; exit 1; }
vendor() { chancery --home home "$@" --pin-fd 3 3<<<"$PASSPHRASE"; }
witness() { chancery --home witness "$@" --pin-fd 3 3<<<"$PASSPHRASE"; }
# A new key beside the custodian's: one line each, the custodian's first.
custodian() { chancery --home home "$@" --pin-fd 3 3< <(printf '%s\n' "$PASSPHRASE" "$PASSPHRASE"); }
site() { chancery-site --state "site-$1" "${@:2}"; }
# Issues a batch of two; sets BATCH.
batch() {
    printf '{"entitlement": "%s"}\n{"entitlement": "%s"}\n' "$ENTITLEMENT" "$ENTITLEMENT" >"$1.jsonl"
    works "batch $1 is issued" vendor batch issue --input "$1.jsonl" --label "$1" --json
    BATCH=$(field out batch)
}
# Has the witness sign a batch, and writes its licenses: `witnessed NAME BATCH [ARGUMENT…]`.
witnessed() {
    local name=$1 batch=$2
    shift 2
    works "batch $name goes to the witness" vendor batch request "$batch" --out "$name.cwit" "$@"
    works 'which signs' witness witness sign "$name.cwit" --out "$name-answer.cwit" --yes
    works 'and completes it' vendor batch complete "$name-answer.cwit"
    works 'its licenses are written' vendor batch export "$batch" --out "$name"
    cp "$(find "$name" -name '*.clic' | sort | sed -n 1p)" "$name.clic"
}

authority home
chancery --home home entitlement grant --customer acme --product pump --edition standard --quantity 20 --binding none \
    --json >granted.json
ENTITLEMENT=$(field granted.json id)
custodian role add log --key file:home/keys/log.pem >out

# ---- Before the theft: one license signed directly, one batch with a witness -------------------------------------------
works 'a license is signed directly' vendor license issue --entitlement "$ENTITLEMENT" -o early.clic --json
early=$(field out id)
works 'the log is signed' vendor log checkpoint -o first.checkpoint --json
direct_size=$(field out size)
works 'a proof is made of it' vendor log prove "$early" -o early.tlog-proof
works 'another license is signed directly' vendor license issue --entitlement "$ENTITLEMENT" -o late.clic --json
late=$(field out id)
vendor bundle publish -o first.ctrust --json >published.json
AUTHORITY=$(field published.json authority_id)
works 'a witness is made' witness witness init --trust first.ctrust --authority "$AUTHORITY" -o witness.pem
works 'and certified' vendor role add witness --public-key witness.pem
works 'and so is an issuing key that needs it' custodian role add issuer --key file:home/keys/sealing.pem --mode seal \
    --co-signer witness
batch before
witnessed before "$BATCH"
works 'a bundle is published' vendor bundle publish -o before.ctrust
works 'a site installs a witnessed license' site sealed install before.clic --trust before.ctrust
works 'another the direct one' site direct install early.clic --trust before.ctrust
works 'a third the other direct one' site late install late.clic --trust before.ctrust

# ---- What the thief makes alone ----------------------------------------------------------------------------------------
for key in sealing issuing; do
    openssl pkey -in "home/keys/$key.pem" -passin fd:3 -out "$key.stolen" 3<<<"$PASSPHRASE"
done
openssl pkey -in witness/keys/witness.pem -passin fd:3 -out witness.control 3<<<"$PASSPHRASE"
openssl genpkey -algorithm ed25519 -out own.thief
chancery --home home key list --json >keys.json
# Makes a license out of a genuine one: `forge WAY TIME FIRST OUT`.
forge() {
    python3 - "$@" "$AUTHORITY" <<'PYTHON'
import hashlib, os, subprocess, sys

from cbor import read, to_sign, write

SEAL, ED25519, LICENSE, BATCH = -65538, -19, "application/vnd.chancery.license+cwt", "application/vnd.chancery.batch+cbor"

def sign(key, message):
    open("message", "wb").write(message)
    command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", "message"]
    return subprocess.run(command, check=True, capture_output=True).stdout

def thumbprint(key):
    """The identity of a key: SHA-256 of its COSE_Key (RFC 9679)."""
    spki = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True)
    return hashlib.sha256(write({1: 1, -1: 6, -2: spki.stdout[-32:]})).digest()

way, time, first, out, authority = sys.argv[1:]
time, first, authority = int(time), None if first == "none" else int(first), bytes.fromhex(authority)
_, _, claims, _ = read(open("before.clic", "rb").read(), 1)[0]
claims = read(claims)[0]
claims[6], claims[7] = time, os.urandom(16)
payload = write(claims)
issuer = {"direct": "issuing.stolen"}.get(way, "sealing.stolen")
mode = ED25519 if way.startswith("direct") else SEAL
protected = write({1: mode, 4: thumbprint(issuer)[:8], 16: LICENSE})
if mode == ED25519:
    signature = sign(issuer, to_sign(protected, payload))
else:
    beside = {"alone": [], "own-witness": ["own.thief"], "as-witness": ["sealing.stolen"], "control": ["witness.control"]}[way]
    signers = [[1, thumbprint(issuer)]] + [[5, thumbprint(key)] for key in beside]
    root = hashlib.sha256(b"\0" + to_sign(protected, payload)).digest()
    statement = write([1, authority, 1, LICENSE, 1, root, first, time, [[*signer, ED25519] for signer in signers]])
    header = lambda print: write({1: ED25519, 4: print[:8], 16: BATCH})
    signatures = [[print[:8], ED25519, sign(key, to_sign(header(print), statement))]
        for key, (_, print) in zip([issuer, *beside], signers)]
    signature = write([1, 0, b"", 1, first, time, signatures])
open(out, "wb").write(b"\xd2" + write([protected, {}, payload, signature]))
PYTHON
}
now=$(date +%s)
# What the thief's hands make is well made: with the witness's key, and with a key that needs none, it would count.
forge control "$now" 5 control.clic
works 'control: with the witness it would be a license' chancery-site verify control.clic --trust before.ctrust
forge direct "$now" none direct.clic
works 'control: a key that needs no witness is enough alone' chancery-site verify direct.clic --trust before.ctrust
# Both records are of today, so that the first date is before them.
for time in 1767225600 "$now" $((now + 5 * 31557600)); do
    for first in 0 "$((direct_size - 1))" "$direct_size" 1000000000000 none; do
        what="dated $(date -u -d "@$time" +%F), log index $first"
        forge alone "$time" "$first" forged.clic
        refuses 3 co-signer-missing "$what: the issuing key alone is refused" chancery-site verify forged.clic --trust before.ctrust
        forge own-witness "$time" "$first" forged.clic
        refuses 3 key-unknown "$what: a witness of their own is refused" chancery-site verify forged.clic --trust before.ctrust
        forge as-witness "$time" "$first" forged.clic
        refuses 3 signers-wrong "$what: the key as its own witness is refused" chancery-site verify forged.clic --trust before.ctrust
    done
    forge direct-sealing "$time" none forged.clic
    refuses 3 alg-mismatch "$what: signed directly it is refused" chancery-site verify forged.clic --trust before.ctrust
done
refuses 3 alg-mismatch 'nor is it installed' site sealed install forged.clic
# An authority of their own, with the stolen key as its issuing key.
chancery init --home thief --name 'Journey Works' --issuing-key file:home/keys/sealing.pem --pin-fd 3 \
    >out 3< <(printf '%s\n' "$PASSPHRASE" "$PASSPHRASE")
stock thief
chancery --home thief entitlement grant --customer acme --product pump --edition standard --quantity 1 --binding none \
    --json >granted.json
works 'with the program they issue from an authority of their own' chancery --home thief license issue \
    --entitlement "$(field granted.json id)" -o thief.clic --pin-fd 3 3<<<"$PASSPHRASE"
refuses 3 alg-mismatch 'which is refused as well' chancery-site verify thief.clic --trust before.ctrust
chancery --home thief bundle publish -o thief.ctrust >out
refuses 5 authority-other 'and its bundle is an alarm' site sealed install thief.clic --trust thief.ctrust

# ---- The witness --------------------------------------------------------------------------------------------------------
batch passed
passed=$BATCH
batch after
witnessed after "$BATCH" --pass-over
refuses 3 range-back-dated 'what was passed over is not asked for again' vendor batch request "$passed" --out passed.cwit
works 'whoever asks all the same' vendor batch request "$passed" --out passed.cwit --known 0
refuses 3 range-back-dated 'is refused by the witness: the range is back-dated' witness witness sign passed.cwit \
    --out passed-answer.cwit --yes
absent 'there is no answer' passed-answer.cwit
exits 1 'and there are no licenses' vendor batch export "$passed" --out passed

# ---- Compromised at n ---------------------------------------------------------------------------------------------------
works 'the log is signed' vendor log checkpoint --json
sealed_size=$(field out size)
batch later
witnessed later "$BATCH" --pass-over
works 'the log is signed once more' vendor log checkpoint
works 'a proof of a later license is made' vendor log prove "$(basename "$(find later -name '*.clic' | sort | sed -n 1p)" .clic)" \
    -o later.tlog-proof
works 'and of the later direct one' vendor log prove "$late" -o late.tlog-proof
kid() { python3 -c 'import json, sys
print(next(key["kid"] for key in json.load(open("keys.json")) if (key["reference"] or "").endswith(sys.argv[1])))' "$1"; }
works 'the direct key is closed as compromised' vendor role close "$(kid keys/issuing.pem)" \
    --compromised-at "$direct_size" --reason 'laptop stolen'
works 'and the sealing key' vendor role close "$(kid keys/sealing.pem)" --compromised-at "$sealed_size" --reason 'laptop stolen'
works 'a bundle says so' vendor bundle publish -o after.ctrust
verify() { chancery-site verify "$1" --trust after.ctrust "${@:2}"; }
works 'a witnessed license below that size stands' verify before.clic
works 'so does the one after what was passed over' verify after.clic
refuses 3 key-compromised 'a witnessed license beyond it does not' verify later.clic
refuses 3 key-compromised 'nor with a proof into the log of later' verify later.clic --proof later.tlog-proof
refuses 3 key-compromised 'a direct license below the size does not stand alone' verify early.clic
works 'it stands with its inclusion proof' verify early.clic --proof early.tlog-proof
refuses 3 key-compromised 'a later one does not stand with its own proof' verify late.clic --proof late.tlog-proof
refuses 3 proof-not-included 'nor with that of another' verify late.clic --proof early.tlog-proof
refuses 3 proof-not-included 'nor does what the thief made' verify direct.clic --proof early.tlog-proof
forge control "$now" "$sealed_size" beyond.clic
refuses 3 key-compromised 'nor what they make with the witness as well, beyond the size' verify beyond.clic
for name in sealed direct late; do works "$name: the site takes the bundle" site "$name" install after.ctrust; done
works 'the witnessed license runs on' site sealed check logging
refuses 3 key-compromised 'the direct one waits for its proof' site direct check logging
works 'which is installed' site direct install early.clic --proof early.tlog-proof
works 'and it runs' site direct check logging
refuses 3 key-compromised 'the later one is over' site late check logging
refuses 3 key-compromised 'with any proof' site late install late.clic --proof late.tlog-proof
refuses 1 key-none 'the keys sign nothing more here' vendor license issue --entitlement "$ENTITLEMENT" -o none.clic
works 'the log agrees with itself' vendor log verify
