#!/usr/bin/env bash
# Orders on real files: imported from a CRM's export, again, changed, mended and killed; hostile files; outcomes back
# to the CRM; and from orders over a batch to licenses that a site takes.

source "$(dirname "$0")/lib.sh"
journey orders

chancery init --home home --name 'Journey Works' --pin-fd 3 >out 3<<<"$PASSPHRASE"
cat >catalog.toml <<'TOML'
[[product]]
id = "pump"
name = "Pump Control"

[[product.feature]]
id = "logging"

[[product.feature]]
id = "channels"
kind = "limit"

[[product.edition]]
id = "standard"
features = { logging = true, channels = 16 }

[[product.package]]
id = "works"
name = "Waterworks"
edition = "standard"
policy = "yearly"

[[policy]]
id = "yearly"
model = "subscription"
term-days = 365
binding = "site"

[[policy]]
id = "try"
model = "trial"
term-days = 30
TOML
vendor() { chancery --home home "$@"; }
take() { vendor order import "$@" --json; }
# What there is of orders, without ids and times.
state() {
    query home "SELECT position, order_number, line, content FROM order_line ORDER BY position"
    query home "SELECT customer_id, name FROM customer ORDER BY customer_id"
    query home "SELECT customer_id, product_id, state, model, quantity, revision FROM entitlement ORDER BY 1, 2, 3, 4, 5, 6"
}

refuses 1 catalog-empty 'nothing is sold without a catalog' vendor order import "$ROOT/authority/tests/orders/long.csv"
vendor catalog apply catalog.toml >out
vendor customer add acme --name 'Acme Water' >out
vendor customer add globex --name 'Globex Energy' >out

# ---- A CRM's export, with its own columns ----
cat >crm.toml <<'TOML'
separator = ";"
others = "ignore"
dates = "DD.MM.YYYY"
zone = "Europe/Berlin"
lower = ["customer"]

[columns]
order = "Beleg"
line = "Pos"
customer = "Kunde"
customer_name = "Name"
package = "Artikel"
quantity = "Menge"
until = "Gültig bis"
site = "Werk"

[constants]
product = "pump"

[values.package]
"WW-100" = "works"
TOML
printf '\xef\xbb\xbfBeleg;Pos;Kunde;Name;Artikel;Menge;Gültig bis;Werk;Notiz\r\n4711;1;ACME;Acme Water;WW-100;3;30.06.2099;north;"zwei\r\nZeilen; mehr"\r\n4711;2;ACME;Acme Water;WW-100;2;;south;\r\n4712;1;HOOLI;Hooli;WW-100;1;;main;\r\n' >export.csv
works 'an export is imported by its mapping' take export.csv --mapping crm.toml --by 'Dana Keller'
has out granted 3 'every line is an entitlement'
has out new_customers 1 'a customer who was named is added'
vendor order show 4711 --json >shown.json
has shown.json '#' 2 'an order has its lines'
has shown.json 0.until 2099-06-30T21:59:59Z 'a day ends in the zone of the mapping'
has shown.json 0.state active 'and says how it stands'
vendor entitlement history "$(field shown.json 0.entitlement)" --json >history.json
has history.json 0.by 'Dana Keller' 'the history says who imported it'
has history.json 0.reason 'order 4711' 'and from which order'
state >before
works 'the same file again' take export.csv --mapping crm.toml
has out unchanged 3 'changes nothing'
state >after
same 'nothing at all' before after
sed 's/;3;30/;4;30/' export.csv >other.csv
refuses 3 orders-rejected 'the same number with other content' vendor order import other.csv --mapping crm.toml
says 'is refused with the difference' 'quantity was 3 and is 4' err
state >after
same 'and nothing is changed' before after

# ---- Good lines and bad ones ----
cat >mixed.csv <<'CSV'
order,customer,product,package,quantity,site
SO-1,acme,pump,works,5,north
SO-2,acme,pump,works,none,north
SO-3,nobody,pump,works,1,north
SO-4,globex,pump,works,2,main
CSV
exits 3 'with --atomic one bad line keeps all out' vendor order import mixed.csv --atomic
says 'and the output says so' 'Nothing was taken' out
state >after
same 'nothing is there' before after
exits 3 'without it the good ones land' vendor order import mixed.csv --rejects mend.csv
says 'a bad one is told with file, line, column and code' 'mixed.csv: line 3, column quantity: value-malformed' err
says 'each of them' 'mixed.csv: line 4, column customer: customer-unknown' err
equal 'the bad ones are given back as they came' "$(sed -n '1p;3p;4p' mixed.csv)" "$(cat mend.csv)"
refuses 1 file-exists 'a file of rejects is never overwritten' vendor order import mixed.csv --rejects mend.csv
sed -i 's/,none,/,1,/; s/nobody/globex/' mend.csv
works 'mended, they are imported' take mend.csv
has out granted 2 'and granted'

# ---- Orders that change what was sold ----
cat >changes.jsonl <<'JSON'
{"order":"SO-10","customer":"acme","action":"amend","of":"SO-1","quantity":8}
{"order":"SO-11","customer":"acme","action":"renew","of":"SO-1","years":1}
JSON
works 'orders amend and renew' take changes.jsonl
has out amended 1 'one is amended'
has out renewed 1 'one is renewed'
works 'the same file again' take changes.jsonl
has out unchanged 2 'renews nothing twice'
vendor order show SO-11 --json >shown.json
has shown.json 0.revision 3 'the order names the grant that it came to'
echo '{"order":"SO-12","customer":"globex","action":"renew","of":"SO-1","years":1}' >foreign.jsonl
exits 3 'nobody renews what another customer has' vendor order import foreign.jsonl
says 'by name' entitlement-customer-other err

# ---- Hostile files: the whole corpus, by the program as it ships ----
state >before
while IFS=$'\t' read -r file code; do
    refuses 3 "$code" "$file is refused" vendor order import "$ROOT/authority/tests/orders/$file"
done < <(python3 - "$ROOT/authority/tests/orders/corpus.json" <<'PYTHON'
import json, sys

for case in json.load(open(sys.argv[1], encoding="utf-8")):
    if "refused" in case:
        print(case["file"], case["refused"], sep="\t")
PYTHON
)
state >after
same 'nothing of them was taken' before after
vendor order import "$ROOT/authority/tests/orders/escapes.csv" >out 2>err || true
if grep -q $'\e' out err; then failed 'an escape reached the terminal'; else passed 'no escape reaches the terminal'; fi
python3 - <<'PYTHON'
open("columns.csv", "w").write(",".join(f"c{number}" for number in range(1_000_000)) + "\n1\n")
open("field.csv", "w").write('order,customer,product,package,quantity,site\nSO-1,"' + "x" * 200_000_000 + '",pump,works,1,north\n')
PYTHON
refuses 3 too-many-columns 'a million columns' vendor order import columns.csv
(ulimit -v 400000 && chancery --home home order import field.csv >out 2>err) && got=0 || got=$?
equal 'a field of 200 million letters, in little memory' 3 "$got"
says 'is one bad line' line-too-long err
rm columns.csv field.csv
ln -s mixed.csv link.csv
refuses 1 not-a-regular-file 'a link' vendor order import link.csv
cat >lookalike.csv <<'CSV'
order,customer,customer_name,product,package,quantity,site
SO-20,acme-2,Асme Water,pump,works,1,north
CSV
works 'a customer who looks like another' vendor order import lookalike.csv
says 'is warned of' 'customer-lookalike' err
says 'by name' 'looks like customer acme' err

# ---- What became of them ----
cat >formulas.csv <<'CSV'
order,customer,product,package,quantity,site
"=cmd|' /C calc'!A0",acme,pump,works,1,north
-2+3,acme,pump,works,1,north
@SUM(A1),acme,pump,works,1,north
CSV
vendor order import formulas.csv >out
works 'outcomes for the CRM' vendor order export --out outcomes.csv
refuses 1 file-exists 'are never overwritten' vendor order export --out outcomes.csv
works 'also as JSON Lines' vendor order export --format jsonl --out outcomes.jsonl
python3 - outcomes.csv outcomes.jsonl <<'PYTHON' && passed 'both say the same, and no cell is a formula' || failed 'outcomes differ'
import csv, json, sys

rows = list(csv.DictReader(open(sys.argv[1], newline="", encoding="utf-8")))
told = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
assert len(rows) == len(told) > 10
for row, one in zip(rows, told):
    assert list(row) == list(one)
    for name, cell in row.items():
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell
        value = "" if one[name] is None else str(one[name])
        assert cell.removeprefix("'") == value, (cell, value)
PYTHON
if python3 -c 'import jsonschema' 2>/dev/null; then
    python3 - "$ROOT/docs/spec" outcomes.jsonl changes.jsonl <<'PYTHON' && passed 'rows are as their schemas say' || failed 'rows are not as their schemas say'
import json, sys
from jsonschema import Draft202012Validator

for schema, file in (("order-outcome", sys.argv[2]), ("order", sys.argv[3])):
    schema = json.load(open(f"{sys.argv[1]}/{schema}.schema.json"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for line in open(file, encoding="utf-8"):
        validator.validate(json.loads(line))
PYTHON
fi

# ---- From orders over a batch to licenses ----
works 'an issuing key that seals' chancery --home home role add issuer --mode seal --key file:home/keys/sealing.pem \
    --pin-fd 3 3<<<"$PASSPHRASE"$'\n'"$PASSPHRASE"
vendor order export --format rows --customer globex --out rows.jsonl --json >out
has out rows 3 'rows of licenses that need no request'
works 'are issued as a batch' vendor batch issue --input rows.jsonl --json --pin-fd 3 3<<<"$PASSPHRASE"
batch=$(field out batch)
vendor batch export "$batch" --out licenses >out
vendor bundle publish -o vendor.ctrust >out
for license in licenses/globex/*/*.clic; do break; done
works 'which sites take' chancery-site verify "$license" --trust vendor.ctrust
vendor order show SO-4 --json >shown.json
has shown.json 0.licenses 2 'the order knows its licenses'
vendor order export --format rows --customer globex --out none.jsonl --json >out
has out rows 0 'and there is nothing left to issue'

# ---- Killed, and run again ----
python3 - <<'PYTHON'
with open("many.csv", "w") as file:
    file.write("order,customer,product,package,quantity,site\n")
    for number in range(20_000):
        file.write(f"M-{number},acme,pump,works,1,north\n")
PYTHON
for attempt in 1 2 3; do
    chancery --home home order import many.csv >out 2>err &
    sleep "0.$((attempt * 2))"
    kill -KILL $! 2>/dev/null || true
    wait $! 2>/dev/null || true
    count=$(query home "SELECT count(*) FROM order_line WHERE order_number LIKE 'M-%'")
    equal "killed, whole transactions are there ($count lines)" 0 "$((count % 2000))"
done
works 'and run to the end' take many.csv
equal 'every line is there once' 20000 "$(query home "SELECT count(DISTINCT order_number) FROM order_line WHERE order_number LIKE 'M-%'")"
equal 'with one grant each' 20000 "$(query home "SELECT count(DISTINCT hash) FROM order_line JOIN entitlement_grant ON hash = grant_hash AND entitlement_grant.entitlement_id = order_line.entitlement_id WHERE order_number LIKE 'M-%'")"
works 'the log agrees with all of it' vendor log verify
