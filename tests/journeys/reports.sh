#!/usr/bin/env bash
# Reports over what orders made: what was sold, now and at a past day; what ends soon; how long it took; as tables, as
# JSON, and as CSV that a spreadsheet can open.

source "$(dirname "$0")/lib.sh"
journey reports

chancery init --home home --name 'Journey Works' --pin-fd 3 >out 3<<<"$PASSPHRASE"
cat >catalog.toml <<'TOML'
[[product]]
id = "pump"
name = "Pump Control"

[[product.feature]]
id = "logging"

[[product.edition]]
id = "standard"
features = { logging = true }

[[product]]
id = "valve"
name = "Valve Control"

[[product.edition]]
id = "standard"
features = {}

[[policy]]
id = "try"
model = "trial"
term-days = 20

[[policy]]
id = "kept"
model = "perpetual"
maintenance-days = 30
TOML
vendor() { chancery --home home "$@"; }
report() { vendor report "$@" --json; }
# The day so many days from now, in UTC.
day() { date -u -d "@$(($(date +%s) + $1 * 86400))" +%F; }

works 'a report of nothing' report entitlements
has out totals.entitlements 0 'says so'
works 'and of no orders' report metrics
has out provisioning.median_secs null 'has no times'
vendor catalog apply catalog.toml >out
cat >orders.csv <<CSV
order,customer,customer_name,product,edition,policy,quantity,until
SO-1,acme,Acme Water,pump,standard,,5,$(day 40)
SO-2,acme,,valve,standard,,2,$(day 300)
SO-3,globex,Globex Energy,pump,standard,kept,1,
SO-4,globex,,pump,standard,try,1,
SO-5,globex,,pump,standard,,7,
CSV
works 'orders come' vendor order import orders.csv

# ---- What was sold ----
works 'what was sold' report entitlements
has out totals.entitlements 5 'all of it'
has out totals.quantity 16 'with its activations'
works 'of one customer and product' report entitlements --customer acme --product pump
has out totals.entitlements 1 'is less'
works 'for people' vendor report entitlements --customer acme
says 'with a line that adds it up' '2 entitlements; 0 of 7 activations used' out
granted=$(query home "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', max(granted_at), 'unixepoch') FROM entitlement")
sleep 1.1
vendor order show SO-1 --json >shown.json
entitlement=$(field shown.json 0.entitlement)
vendor entitlement amend "$entitlement" --quantity 9 --reason 'order 6' >out
works 'at a past instant' report entitlements --customer acme --product pump --at "$granted"
has out entitlements.0.quantity 5 'it was what it was'
works 'and now' report entitlements --customer acme --product pump
has out entitlements.0.quantity 9 'is what it is'
works 'before all of it' report entitlements --at 2026-01-01
has out totals.entitlements 0 'there was nothing'

# ---- What ends soon ----
works 'what ends in ninety days' report expiring
has out expiring.# 3 'terms and maintenance'
has out expiring.0.model trial 'soonest first'
has out expiring.1.what maintenance 'by what ends'
has out expiring.2.days_left 40 'and when'
works 'in a year' report expiring --within 365d --product valve
has out expiring.# 1 'what ends then'
exits 2 'a number of days has its unit' vendor report expiring --within 90

# ---- How long it took ----
request site "$entitlement" pump.creq >out
works 'a license is issued' issue home "$entitlement" pump.creq pump.clic
works 'times from order to license' report metrics
has out provisioning.orders 1 'of what has a license'
has out provisioning.waiting 4 'the rest waits'
seconds=$(field out provisioning.median_secs)
((seconds >= 1 && seconds < 600)) && passed 'in seconds' || failed "a median of $seconds seconds"
has out activation.used 1 'one activation is in use'
has out activation.quantity 20 'of all'
has out trials.percent_converted 0.0 'no trial is sold'
echo '{"order":"SO-7","customer":"globex","action":"convert","of":"SO-4","product":"pump","edition":"standard","until":"'"$(day 400)"'"}' >paid.jsonl
works 'the trial is paid' vendor order import paid.jsonl
works 'trials again' report metrics --customer globex
has out trials.percent_converted 100.0 'are sold'
works 'for people' vendor report metrics
says 'in words' 'trials that were sold:' out

# ---- What was approved ----
works 'without a policy nothing waits' report approvals
has out totals.waiting 0 'and nothing was decided'

# ---- As CSV ----
works 'as CSV' vendor report entitlements --csv sold.csv
works 'what ends as well' vendor report expiring --within 400d --csv ends.csv
works 'and the figures' vendor report metrics --csv figures.csv
refuses 1 file-exists 'never over another file' vendor report metrics --csv figures.csv
python3 - sold.csv ends.csv figures.csv <<'PYTHON' && passed 'no cell is a formula, and each row is whole' || failed 'a CSV is wrong'
import csv, sys

for path in sys.argv[1:]:
    rows = list(csv.reader(open(path, newline="", encoding="utf-8")))
    assert len(rows) > 1 and {len(row) for row in rows} == {len(rows[0])}, path
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row), path
PYTHON
