#!/usr/bin/env bash
# Changes that wait to be approved: a policy, approvers on machines of their own, one file for many changes, and every
# approval that does not count, each refused with its code. Nothing is issued before, and nothing after a byte changed.

source "$(dirname "$0")/lib.sh"
journey approvals

authority home
vendor() { chancery --home home "$@"; }
with_pin() { chancery --home home "$@" --pin-fd 3 3<<<"$PASSPHRASE"; }
# A key on the machine of a person: NAME.pem, and its public half NAME.public.
person() { chancery key generate "file:$1.pem" --public "$1.public" --pin-fd 3 >out 3<<<"$PASSPHRASE"; }
# What a person decides about a request: `decide PERSON REQUEST APPROVAL [ARGUMENT…]`.
decide() {
    chancery approval sign "$2" --key "file:$1.pem" --out "$3" --yes "${@:4}" --pin-fd 3 3<<<"$PASSPHRASE"
}
# Proposes an entitlement of so many, and sets ENTITLEMENT: `wish QUANTITY [CUSTOMER]`.
wish() {
    vendor entitlement grant --customer "${2:-acme}" --product pump --edition standard --quantity "$1" \
        --by 'Dana Keller' --json >granted.json
    ENTITLEMENT=$(field granted.json entitlement)
}
asks() { vendor approval request --out "$1" --by 'Dana Keller' "${@:2}"; }

vendor customer add globex --name 'Globex Energy' >out
vendor bundle publish -o vendor.ctrust >out
for name in robin kim dana outsider late; do person "$name"; done

# ---- Without a policy nothing waits ----
works 'a sale without a policy' vendor entitlement grant --customer acme --product pump --edition standard --quantity 1 --json
before=$(field out id)
refuses 3 policy-none 'there is nothing to ask for' vendor approval request --out none.capq
absent 'no request is left' none.capq

# ---- The policy ----
cat >wrong.toml <<'TOML'
prohibited = ["UK"]
TOML
exits 3 'a policy with a country that is none' vendor approval policy apply wrong.toml --reason 'a try' --by board
says 'names the line, and what is meant' 'line 1, column 15: `UK` is no country of ISO 3166-1; `GB` is meant?' err
cat >approvals.toml <<'TOML'
prohibited = ["KP"]

[[rule]]
id = "stopping"
kinds = ["suspend", "revoke"]
approvers = 0

[[rule]]
id = "globex"
customers = ["globex"]
approvers = 2
roles = ["approver", "finance"]
TOML
works 'the policy is applied' vendor approval policy apply approvals.toml --reason 'board of March' --by board --json
has out number 1 'as number 1'
works 'the same file again' vendor approval policy apply approvals.toml --reason 'board of March' --by board --json
has out changed false 'changes nothing'
works 'it is shown' vendor approval policy show
says 'as it was written' 'id = "stopping"' out
works 'its history' vendor approval policy history --json
has out '#' 1 'has one policy'
sleep 1.1

# ---- Approvers ----
works 'an approver' vendor approver add 'Robin Vogt' --public-key robin.public --by clerk
works 'one of another role, with bounds' vendor approver add 'Kim Sato' --public-key kim.public --role finance \
    --customer globex --by clerk
works 'one who asks as well' vendor approver add 'dana  keller' --public-key dana.public --by clerk
works 'one whose time is over' vendor approver add 'Late Brandt' --public-key late.public --from 2026-01-01 \
    --until 2026-01-02 --by clerk
refuses 3 approver-exists 'a key counts once' vendor approver add 'Lee Brandt' --public-key robin.public --by clerk
refuses 3 name-alike 'a name that looks like another' vendor approver add 'Robin V0gt' --public-key outsider.public --by clerk
vendor key list --json >keys.json
kid=$(field keys.json 0.kid)
vendor key export "$kid" --format pem -o own.public >out
refuses 3 key-of-two-roles 'a key of the authority' vendor approver add 'Lee Brandt' --public-key own.public --by clerk
works 'approvers are listed' vendor approver list --json
has out '#' 4 'all of them'

# ---- A change waits ----
wish 5
has granted.json waiting true 'a sale waits'
refuses 1 entitlement-unknown 'until then there is no entitlement' vendor entitlement show "$ENTITLEMENT"
request north "$ENTITLEMENT" north.creq >out
refuses 1 entitlement-unknown 'nothing is issued' issue home "$ENTITLEMENT" north.creq north.clic
works 'it is in the queue' vendor request list --json
has out 0.state waiting 'waiting'
works 'approvers are asked' asks first.capq --json
number=$(field out request)
digest=$(field out digest)
works 'it can be shown on any machine' chancery approval show first.capq
says 'with the customer' acme out
says 'with the digest' "$digest" out
works 'the file can be written again' asks again.capq --again "$number"
same 'as it was' first.capq again.capq
works 'it is inspected' chancery inspect first.capq
exits 2 'nobody is asked without a terminal' chancery approval sign first.capq --key file:robin.pem --out no.cappr
absent 'and nothing is signed' no.cappr
works 'an approver signs' decide robin first.capq first.cappr
works 'it is inspected' chancery inspect first.cappr
says 'and says what it is' approve out

# ---- What does not count ----
decide dana first.capq dana.cappr >out
refuses 3 self-approval 'their own wish, under a name that looks alike' vendor approval import dana.cappr
decide kim first.capq kim.cappr >out
refuses 3 approver-role 'the wrong role' vendor approval import kim.cappr
decide outsider first.capq outsider.cappr >out
refuses 3 approver-unknown 'somebody who is no approver' vendor approval import outsider.cappr
decide late first.capq late.cappr >out
refuses 3 approver-ended 'somebody whose time is over' vendor approval import late.cappr
python3 - first.cappr bent.cappr first.capq swapped.capq <<'PYTHON'
import sys

approval, bent, request, swapped = sys.argv[1:]
data = bytearray(open(approval, "rb").read())
data[-1] ^= 1
open(bent, "wb").write(data)
# The quantity 5 of the grant (key 15) becomes 6: what a thief on the way would like to have approved.
data = open(request, "rb").read()
assert data.count(b"\x0f\x05\x12") == 1
open(swapped, "wb").write(data.replace(b"\x0f\x05\x12", b"\x0f\x06\x12"))
PYTHON
refuses 3 signature-wrong 'a signature with another bit' vendor approval import bent.cappr
decide robin swapped.capq swapped.cappr >out
refuses 3 approval-content 'what was swapped on the way' vendor approval import swapped.cappr
works 'nothing of it stands' vendor request list --json
has out 0.state asked 'the change waits as before'

# ---- Approved ----
works 'the approval is taken in' vendor approval import first.cappr
says 'and the change stands' '1 change stands now' out
works 'the entitlement is there' vendor entitlement show "$ENTITLEMENT" --json
has out quantity 5 'with what was signed'
works 'its license is issued' issue home "$ENTITLEMENT" north.creq north.clic
works 'the site installs it' chancery-site --state north install north.clic --trust vendor.ctrust
works 'and runs' chancery-site --state north check logging
refuses 3 request-decided 'the approval again' vendor approval import first.cappr
approved=$ENTITLEMENT

# What stood before the policy goes on.
request south "$before" south.creq >out
works 'what was sold before the policy is issued' issue home "$before" south.creq south.clic

# ---- Two approvers, of whom nobody counts twice ----
wish 2 globex
asks two.capq >out
decide robin two.capq robin-two.cappr >out
works 'one of two' vendor approval import robin-two.cappr
says 'is not enough' 'asks for 2' out
refuses 3 approval-repeated 'the same one again' vendor approval import robin-two.cappr
decide kim two.capq kim-two.cappr >out
works 'the second' vendor approval import kim-two.cappr
works 'and it stands' vendor entitlement show "$ENTITLEMENT"

# ---- Revoked between signing and import ----
wish 3
asks third.capq >out
decide robin third.capq third.cappr >out
works 'an approver is revoked' vendor approver revoke 1 --reason 'left the company' --by clerk
refuses 3 approver-revoked 'what was signed before counts no more' vendor approval import third.cappr
works 'what came in before stands' issue home "$approved" north.creq north-again.clic
person lee
vendor approver add 'Lee Brandt' --public-key lee.public --by clerk >out

# ---- Rejected, withdrawn ----
decide lee third.capq rejected.cappr --reject --reason 'order cancelled' >out
works 'a rejection' vendor approval import rejected.cappr
says 'ends the request' 'will not be made' out
decide lee third.capq approved.cappr >out
refuses 3 request-rejected 'no approval follows it' vendor approval import approved.cappr
wish 4
vendor request list --json >queue.json
asks fourth.capq >out
decide lee fourth.capq fourth.cappr >out
works 'a change is withdrawn' vendor request withdraw "$(field queue.json 0.number)" --reason 'cancelled' --by clerk
refuses 3 request-withdrawn 'no approval follows it' vendor approval import fourth.cappr

# ---- Another authority, another policy ----
chancery init --home other --name 'Other Works' --pin-fd 3 >out 3<<<"$PASSPHRASE"
stock other
chancery --home other approval policy apply approvals.toml --reason 'board' --by board >out
chancery --home other approver add 'Lee Brandt' --public-key lee.public --by clerk >out
chancery --home other entitlement grant --customer acme --product pump --edition standard --quantity 9 --by clerk >out
chancery --home other approval request --out other.capq --by clerk >out
decide lee other.capq other.cappr >out
refuses 3 approval-authority 'the approval for another authority' vendor approval import other.cappr
wish 6
asks sixth.capq >out
decide lee sixth.capq sixth.cappr >out
printf '%s\n' 'prohibited = ["KP", "SY"]' >stricter.toml
vendor approval policy apply stricter.toml --reason 'board of April' --by board >out
refuses 3 policy-changed 'an approval under the policy before' vendor approval import sixth.cappr

# ---- One byte of the policy, changed by another hand ----
cp -r home forged
python3 - forged/authority.db <<'PYTHON'
import sqlite3, sys

database = sqlite3.connect(sys.argv[1])
database.create_function("digest_row", -1, lambda *values: None)
database.execute("DROP TRIGGER approval_policy_update")
database.execute("UPDATE approval_policy SET text = replace(text, 'approvers = 2', 'approvers = 1') WHERE number = 1")
database.commit()
PYTHON
exits 5 'a changed policy, and a trigger that is missing, are an alarm' chancery --home forged entitlement list

# ---- An import of many, in one decision ----
for number in $(seq 40); do
    vendor entitlement grant --customer acme --product pump --edition standard --quantity 1 --by 'Dana Keller' --json >granted.json
    field granted.json entitlement >>many
done
vendor request withdraw "$(vendor request list --json >queue.json && field queue.json 0.number)" --reason old --by clerk >out
works 'one file asks for all' asks many.capq --json
has out grants 40 'for forty'
decide lee many.capq many.cappr >out
works 'one approval' vendor approval import many.cappr
says 'makes all of them stand' '40 changes stand now' out
last=$(tail -n 1 many)
request last "$last" last.creq >out
works 'and the last of them is issued' issue home "$last" last.creq last.clic
works 'the log agrees' vendor log verify
