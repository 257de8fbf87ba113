#!/usr/bin/env bash
# Where sites stand: somebody attests it on a machine of their own, and what goes to a prohibited country needs two
# approvers and a named override. Codes that are no country are refused everywhere.

source "$(dirname "$0")/lib.sh"
journey territory

authority home
vendor() { chancery --home home "$@"; }
person() { chancery key generate "file:$1.pem" --public "$1.public" --pin-fd 3 >out 3<<<"$PASSPHRASE"; }
decide() {
    chancery approval sign "$2" --key "file:$1.pem" --out "$3" --yes --pin-fd 3 3<<<"$PASSPHRASE"
}
# Attests a site of acme: `attest PERSON SITE COUNTRY FILE [ARGUMENT…]`.
attest() {
    chancery site attest --authority-id "$AUTHORITY" --customer acme --site "$2" --territory "$3" \
        --evidence 'seen on site, protocol 17' --until 2030-12-31 --key "file:$1.pem" --out "$4" --yes "${@:5}" \
        --pin-fd 3 3<<<"$PASSPHRASE"
}
sells() {
    vendor entitlement grant --customer acme --product pump --edition standard --quantity 1 --by 'Dana Keller' "$@"
}

vendor root show --json >root.json
AUTHORITY=$(field root.json authority_id)
for name in robin kim lee; do person "$name"; done
printf '%s\n' 'prohibited = ["KP"]' >approvals.toml
vendor approval policy apply approvals.toml --reason 'export control' --by board >out
vendor approver add 'Robin Vogt' --public-key robin.public --by clerk >out
vendor approver add 'Kim Sato' --public-key kim.public --by clerk >out
vendor approver add 'Lee Brandt' --public-key lee.public --role attester --by clerk >out
sleep 1.1

# ---- Attested, imported, refused ----
for code in UK EU de XX; do
    refuses 3 country-unknown "$code is no country" attest lee north "$code" "$code.csite"
    absent "and nothing is attested" "$code.csite"
done
exits 3 'a country that people write so' attest lee north UK uk.csite
says 'is told which is meant' 'write GB' err
works 'a site is attested' attest lee north DE north.csite
works 'the record is inspected' chancery inspect north.csite
says 'and names the country' DE out
works 'it is taken in' vendor site import north.csite
refuses 3 record-known 'once' vendor site import north.csite
attest robin north FR robin.csite >out
refuses 3 attester-unknown 'an approver attests nothing' vendor site import robin.csite
python3 - north.csite bent.csite <<'PYTHON'
import sys

data = open(sys.argv[1], "rb").read()
assert data.count(b"bDE") == 1
open(sys.argv[2], "wb").write(data.replace(b"bDE", b"bFR"))
PYTHON
refuses 3 signature-wrong 'a country that was changed' vendor site import bent.csite
works 'records are listed' vendor site list --json
has out 0.territory DE 'with the country'

# ---- What is sold for some countries is granted where the site stands ----
cat >territories.toml <<'TOML'
[[territory]]
id = "dach"
name = "Germany, Austria, Switzerland"
countries = ["AT", "CH", "DE"]

[[territory]]
id = "france"
name = "France"
countries = ["FR"]
TOML
works 'territories are in the catalog' vendor catalog apply territories.toml
refuses 3 site-elsewhere 'a site that stands elsewhere' sells --site north --territory france
refuses 3 site-unrecorded 'a site that nobody has attested' sells --site south --territory dach
works 'the site that stands there' sells --site north --territory dach --json
has out waiting true 'waits for its approval'
vendor approval request --out dach.capq --by 'Dana Keller' >out
works 'the approver sees the countries' chancery approval show dach.capq
says 'all of them' 'AT CH DE' out
decide kim dach.capq dach.cappr >out
sleep 1.1
attest lee north FR moved.csite >out
works 'the site moves' vendor site import moved.csite
refuses 3 site-elsewhere 'and what was for the place before is not approved' vendor approval import dach.cappr
attest lee north DE back.csite >out
works 'it moves back' vendor site import back.csite
works 'and it is' vendor approval import dach.cappr

# ---- A prohibited destination ----
sleep 1.1
attest lee far KP far.csite >out
vendor site import far.csite >out
works 'a sale for a site there' sells --site far --json
ENTITLEMENT=$(field out entitlement)
refuses 3 destination-prohibited 'is not even asked for' vendor approval request --out far.capq --by 'Dana Keller'
absent 'no request is left' far.capq
exits 2 'an override has a reason' vendor approval request --out far.capq --override 'export license 17'
works 'a named override' vendor approval request --out far.capq --by 'Dana Keller' \
    --override 'export license 17' --override-reason 'humanitarian pumps'
works 'which approvers see' chancery approval show far.capq
says 'by its name' 'export license 17' out
says 'and its reason' 'humanitarian pumps' out
decide robin far.capq robin.cappr >out
works 'one approver' vendor approval import robin.cappr
says 'is not enough' 'asks for 2' out
refuses 1 entitlement-unknown 'nothing stands' vendor entitlement show "$ENTITLEMENT"
decide kim far.capq kim.cappr >out
works 'two are' vendor approval import kim.cappr
works 'and it stands' vendor entitlement show "$ENTITLEMENT"

# ---- Elsewhere one approver is enough ----
works 'a sale for a site in Germany' sells --site north --json
ENTITLEMENT=$(field out entitlement)
vendor approval request --out north.capq --by 'Dana Keller' >out
decide kim north.capq north.cappr >out
works 'needs one' vendor approval import north.cappr
works 'and stands' vendor entitlement show "$ENTITLEMENT"
