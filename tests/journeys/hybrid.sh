#!/usr/bin/env bash
# Hybrid trust on the command line: a ceremony of pairs, licenses, a batch, a revocation, keys and custodians that come
# later, and a site; and what is refused where an ML-DSA-87 half is missing.

source "$(dirname "$0")/lib.sh"
journey hybrid

# Runs `chancery` on the home with a passphrase for every key that it opens.
vendor() { chancery --home home "$@" --pin-fd 3 3< <(yes "$PASSPHRASE" | head -16); }
pair() { printf 'key = "file:keys/%s.pem"\npartner = "file:keys/%s-partner.pem"\n' "$1" "$1"; }

# ---- A ceremony of pairs ------------------------------------------------------------------------------------------
{
    printf 'name = "Journey Works"\noperator = "Dana Keller"\nhybrid = true\nthreshold = 1\n'
    for person in alice bob; do
        printf '\n[[custodian]]\nname = "%s"\n' "$person"
        pair "$person"
    done
    for role in issuer log revoker; do
        printf '\n[[role]]\nrole = "%s"\nmode = "seal"\n' "$role"
        pair "$role"
    done
} >plan.toml
works 'a hybrid plan can be carried out' chancery ceremony plan plan.toml --json
has out hybrid true 'and says so'
works 'the authority is made' vendor ceremony run plan.toml --exchange exchange --yes --json
has out finished true 'to its end'
stock home
entitlement=$(grant home 2)
request site "$entitlement" pump.creq >out
works 'a license is issued' vendor license issue --entitlement "$entitlement" --request pump.creq -o pump.clic
works 'a bundle is published' vendor bundle publish -o first.ctrust
works 'the site installs both' chancery-site --state site install pump.clic --trust first.ctrust
works 'and the feature may run' chancery-site --state site check logging
chancery --home home entitlement grant --customer acme --product pump --edition standard --quantity 2 --binding none \
    --json >granted.json
free=$(field granted.json id)
for _ in 1 2; do printf '{"entitlement": "%s"}\n' "$free"; done >rows.jsonl
works 'a batch is issued' vendor batch issue --input rows.jsonl --json
works 'with its files' vendor batch export "$(field out batch)" --out batch
for license in batch/acme/*.clic; do
    works 'a license of the batch verifies' chancery-site verify "$license" --trust first.ctrust
done

# The ML-DSA-87 half of a license is cut off on the way.
python3 - pump.clic cut.clic <<'PYTHON'
import sys

from cbor import read, write

data = open(sys.argv[1], "rb").read()
protected, unprotected, payload, signature = read(data, 1)[0]
seal = read(signature)[0]
kept = [signed for signed in seal[6] if len(signed[2]) < 1000]
assert len(seal[6]) == 2 and len(kept) == 1, "one signature of each algorithm"
seal[6] = kept
open(sys.argv[2], "wb").write(data[:1] + write([protected, unprotected, payload, write(seal)]))
PYTHON
refuses 3 signature-wrong 'a license without its ML-DSA-87 half is refused' chancery-site verify cut.clic --trust first.ctrust
refuses 3 signature-wrong 'and not installed' chancery-site --state site install cut.clic

# ---- A revocation ---------------------------------------------------------------------------------------------------
works 'an entitlement is revoked' vendor revocation add --entitlement "$free" --reason 'not paid'
works 'the list is published' vendor revocation publish
works 'with a bundle' vendor bundle publish -o second.ctrust
works 'which the site takes' chancery-site --state site install second.ctrust
refuses 3 revoked 'what is revoked is refused' chancery-site verify "$license" --trust second.ctrust
works 'what is not goes on' chancery-site --state site check logging

# ---- Keys that come later -------------------------------------------------------------------------------------------
refuses 3 partner-missing 'no key is certified alone' vendor role add issuer --key file:home/keys/new.pem
absent 'and none is made' home/keys/new.pem
refuses 3 hybrid-direct 'nor to sign alone' vendor role add issuer --mode direct --key file:home/keys/new.pem \
    --partner-key file:home/keys/new-partner.pem
refuses 3 key-invalid 'a partner is of ML-DSA-87' vendor role add issuer --key file:home/keys/alone.pem \
    --partner-key file:home/keys/alone.pem
exits 2 'a partner here of a key elsewhere is no pair' vendor role add witness --public-key witness.pem \
    --partner-key file:home/keys/new-partner.pem
works 'a pair is certified' vendor role add issuer --key file:home/keys/new.pem \
    --partner-key file:home/keys/new-partner.pem --json
equal 'with its partner' 16 "$(field out partner | tr -d '\n' | wc -c)"
request site-new "$entitlement" new.creq >out
works 'it issues' vendor license issue --entitlement "$entitlement" --request new.creq -o new.clic
works 'under a new bundle' vendor bundle publish -o third.ctrust
works 'which the site takes with the license' chancery-site --state site-new install new.clic --trust third.ctrust
authority plain
refuses 3 partner-surplus 'where trust is not hybrid, no key has a partner' chancery --home plain role add log \
    --key file:plain/keys/log.pem --partner-key file:plain/keys/log-partner.pem --pin-fd 3 \
    3< <(yes "$PASSPHRASE" | head -4)

# ---- Custodians who come later --------------------------------------------------------------------------------------
chancery --home home root show --json >shown
ALICE=$(field shown roots.0.custodians.0)
refuses 3 partner-missing 'no custodian joins alone' vendor root rotate --add-key file:home/keys/carol.pem --signer "$ALICE"
chancery key generate "file:$WORK/carol.pem" --public carol.public --pin-fd 3 --json >carol.json 3<<<"$PASSPHRASE"
chancery key generate "file:$WORK/carol-partner.pem" --algorithm ml-dsa-87 --public carol-partner.public --pin-fd 3 \
    >out 3<<<"$PASSPHRASE"
CAROL=$(field carol.json kid)
cat >next.toml <<TOML
threshold = 2

[[custodian]]
kid = "$ALICE"

[[custodian]]
key = "file:home/keys/dave.pem"
partner-key = "file:home/keys/dave-partner.pem"

[[custodian]]
public-key = "carol.public"
partner = "carol-partner.public"
TOML
sed 's/^partner-key.*//' next.toml >alone.toml
refuses 3 partner-missing 'nor in a file' vendor root rotate --plan alone.toml --signer "$ALICE"
works 'custodians join in pairs, here and elsewhere' vendor root rotate --plan next.toml --signer "$ALICE" \
    --signer "$CAROL" --out two.ccer
# Carol's own machine: `carol ANSWER [ARGUMENT…]`.
carol() {
    local answer=$1
    shift
    chancery root sign two.ccer --key "file:$WORK/carol.pem" --out "$answer" --yes --pin-fd 3 "$@" \
        3< <(yes "$PASSPHRASE" | head -4)
}
refuses 3 partner-missing 'a custodian signs with both halves' carol no.ccer
absent 'or not at all' no.ccer
refuses 3 partner-missing 'and with nobody else'"'"'s' carol no.ccer --partner-key "file:$WORK/home/keys/bob-partner.pem"
works 'with both it is signed' carol carol.ccer --partner-key "file:$WORK/carol-partner.pem"
works 'and the root stands' vendor root collect carol.ccer
printf 'threshold = 1\n[[custodian]]\npublic-key = "carol.public"\n' >plain.toml
refuses 3 hybrid-floor 'no root falls back to one half' vendor root rotate --plan plain.toml --signer "$ALICE" --signer "$CAROL"
works 'a bundle carries the root' vendor bundle publish -o fourth.ctrust --json
has out root_version 2 'in its second version'
works 'which the site takes' chancery-site --state site-new install fourth.ctrust
works 'and goes on under' chancery-site --state site-new check logging
works 'the log agrees with itself' vendor log verify
works 'doctor finds nothing' chancery --home home doctor
