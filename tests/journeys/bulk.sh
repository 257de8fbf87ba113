#!/usr/bin/env bash
# Many orders, one decision, one operation of the key: from a file of orders over one approval and one batch to licenses
# that sites take. Nothing is granted before the decision, and nothing issued after a byte of it was changed.

source "$(dirname "$0")/lib.sh"
journey bulk

ORDERS=${ORDERS:-3000}
chancery init --home home --name 'Journey Works' --pin-fd 3 >out 3<<<"$PASSPHRASE"
vendor() { chancery --home home "$@"; }
cat >catalog.toml <<'TOML'
[[product]]
id = "pump"
name = "Pump Control"

[[product.feature]]
id = "logging"

[[product.edition]]
id = "standard"
features = { logging = true }

[[policy]]
id = "anywhere"
model = "subscription"
term-days = 365
binding = "none"
TOML
vendor catalog apply catalog.toml >out
works 'an issuing key that seals' chancery --home home role add issuer --mode seal --key file:home/keys/sealing.pem \
    --pin-fd 3 3<<<"$PASSPHRASE"$'\n'"$PASSPHRASE"
chancery key generate file:robin.pem --public robin.public --pin-fd 3 >out 3<<<"$PASSPHRASE"
cat >approvals.toml <<'TOML'
[[rule]]
id = "stopping"
kinds = ["suspend", "revoke"]
approvers = 0
TOML
vendor approval policy apply approvals.toml --reason 'board of March' --by board >out
works 'an approver' vendor approver add 'Robin Vogt' --public-key robin.public --by clerk

python3 - "$ORDERS" <<'PYTHON'
import sys

with open("orders.csv", "w") as file:
    file.write("order,customer,customer_name,product,edition,policy,quantity\n")
    for number in range(int(sys.argv[1])):
        file.write(f"SO-{number},customer-{number // 50},Customer {number // 50},pump,standard,anywhere,1\n")
PYTHON
works 'orders come' vendor order import orders.csv --by 'Dana Keller' --json
has out waiting "$ORDERS" 'and all of them wait'
has out granted 0 'none is granted'
equal 'no entitlement is there' 0 "$(query home 'SELECT count(*) FROM entitlement')"
works 'the same file again' vendor order import orders.csv --by 'Dana Keller' --json
has out unchanged "$ORDERS" 'proposes nothing twice'
equal 'as many proposals as orders' "$ORDERS" "$(query home 'SELECT count(*) FROM proposal')"
vendor order export --format rows --out none.jsonl --json >out
has out rows 0 'nothing can be issued'
vendor order show SO-7 --json >shown.json
has shown.json 0.state waiting 'an order says that it waits'

works 'one file asks for all of it' vendor approval request --out all.capq --by 'Dana Keller'
works 'one signature approves it' chancery approval sign all.capq --key file:robin.pem --out all.cappr --yes \
    --pin-fd 3 3<<<"$PASSPHRASE"
python3 - <<'PYTHON'
data = bytearray(open("all.cappr", "rb").read())
data[len(data) // 2] ^= 1
open("bent.cappr", "wb").write(data)
PYTHON
exits 3 'a changed byte approves nothing' vendor approval import bent.cappr
equal 'still no entitlement is there' 0 "$(query home 'SELECT count(*) FROM entitlement')"
works 'the approval is taken in' vendor approval import all.cappr
equal 'each order has its entitlement' "$ORDERS" "$(query home 'SELECT count(*) FROM entitlement')"
equal 'the grants are those that were proposed' "$ORDERS" \
    "$(query home 'SELECT count(*) FROM order_line JOIN entitlement_grant ON hash = grant_hash')"
vendor order show SO-7 --json >shown.json
has shown.json 0.state active 'the order says so'

vendor order export --format rows --out rows.jsonl --json >out
has out rows "$ORDERS" 'a row for each license'
works 'one operation issues all of them' vendor batch issue --input rows.jsonl --json --pin-fd 3 3<<<"$PASSPHRASE"
has out licenses "$ORDERS" 'in one batch'
batch=$(field out batch)
vendor batch export "$batch" --out licenses >out
vendor bundle publish -o vendor.ctrust >out
license=$(find licenses -name '*.clic' -print -quit)
works 'sites take them' chancery-site verify "$license" --trust vendor.ctrust

works 'what was approved' vendor report approvals --json
has out totals.approved "$ORDERS" 'is reported'
works 'how long it took' vendor report metrics --json
has out provisioning.orders "$ORDERS" 'of every order'
works 'the log agrees with all of it' vendor log verify
