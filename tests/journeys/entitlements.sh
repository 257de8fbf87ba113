#!/usr/bin/env bash
# The lives of entitlements on real files, with both programs: order to license, upgrade and downgrade, transfer,
# renewal before and after the end, suspended and resumed, trial to paid, islands; and the history of all of it.

source "$(dirname "$0")/lib.sh"
journey entitlements

authority home
cat >wider.toml <<'TOML'
[[product]]
id = "pump"
name = "Pump Control"

[[product.feature]]
id = "logging"

[[product.feature]]
id = "export"

[[product.feature]]
id = "channels"
kind = "limit"

[[product.edition]]
id = "standard"
features = { logging = true, channels = 16 }

[[product.edition]]
id = "professional"
features = { logging = true, export = true, channels = 64 }
TOML
vendor() { chancery --home home "$@"; }
with_pin() { chancery --home home "$@" --pin-fd 3 3<<<"$PASSPHRASE"; }
change() { vendor entitlement "$@" --reason 'a change of the journey'; }
sell() { # QUANTITY [ARGUMENT…]
    local quantity=$1
    shift
    vendor entitlement grant --customer acme --product pump --edition standard --quantity "$quantity" --json "$@" >granted.json
    field granted.json id
}
site() { chancery-site --state "$1" "${@:2}"; }
shows() { # ENTITLEMENT FIELD VALUE WHAT
    vendor entitlement show "$1" --json >shown.json
    has shown.json "$2" "$3" "$4"
}
# The day so many days from now, in UTC.
day() { date -u -d "@$(($(date +%s) + $1 * 86400))" +%F; }

vendor catalog apply wider.toml >out
vendor customer add globex --name 'Globex Energy' >out
works 'a trust bundle is published' chancery --home home bundle publish -o vendor.ctrust

# ---- From an order to a license ----
works 'an order becomes an entitlement' chancery --home home entitlement grant --customer acme --product pump --edition standard \
    --quantity 3 --site north --until "$(day 100)" --reason 'order 4711' --by 'Dana Keller' --json
entitlement=$(field out id)
request north "$entitlement" north.creq >out
works 'its license is issued' issue home "$entitlement" north.creq north.clic
works 'the site installs it' chancery-site --state north install north.clic --trust vendor.ctrust
works 'and runs' chancery-site --state north check logging
exits 3 'what was not sold does not run' chancery-site --state north check export

# ---- Upgrade and downgrade by amendment, carried by a file on the stick ----
works 'an upgrade' chancery --home home entitlement amend "$entitlement" --edition professional --reason 'order 4712' --by 'Robin Vogt'
says 'the output says what changed' 'from standard to professional' out
says 'and how the devices get it' "license update $entitlement" out
exits 3 'until then the site has what it had' chancery-site --state north check export
works 'the update is written without a request' with_pin license update "$entitlement" --out stick --json
has out new 1 'one license is new'
NORTH=$(field out licenses.0.device)
[[ -f stick/$entitlement-2/$NORTH.clic ]] && passed 'its file is named for the device' || failed 'no file for the device'
size=$(stat -c %s "stick/$entitlement-2/$NORTH.clic")
((size < 600)) && passed 'it is small' || failed "it has $size bytes"
works 'the site takes it from the stick' chancery-site --state north install "stick/$entitlement-2"
works 'what was bought runs' chancery-site --state north check export
works 'the same update again' with_pin license update "$entitlement" --out stick --json
has out new 0 'signs nothing twice'
refuses 3 revision-older 'the license before is not taken again' chancery-site --state north install north.clic
request other "$entitlement" other.creq >out
refuses 3 device-none 'a device without a key has no update' chancery-site --state nobody install "stick/$entitlement-2"
refuses 3 update-none 'nor has a device that holds no license' chancery-site --state other install "stick/$entitlement-2"
works 'a downgrade' change amend "$entitlement" --edition standard --quantity 1
works 'its update' with_pin license update "$entitlement" --out stick
works 'the site installs it' chancery-site --state north install "stick/$entitlement-3"
exits 3 'what was given up does not run' chancery-site --state north check export
works 'the rest does' chancery-site --state north check logging
refuses 3 quantity-zero 'nothing is left of less than one' change amend "$entitlement" --quantity 0
refuses 3 nothing-changed 'an amendment changes something' change amend "$entitlement" --quantity 1

# ---- Renewal before the end, and after it ----
works 'renewed before the end' change renew "$entitlement" --days 30 --json
has out follows end 'the new term follows the present one'
shows "$entitlement" not_after "$(day 130)T23:59:59Z" 'to the day'
short=$(sell 1 --from "$(day -60)" --until "$(day -30)")
request late "$short" late.creq >out
refuses 3 entitlement-ended 'nothing is issued for what has ended' issue home "$short" late.creq late.clic
works 'renewed after the end' change renew "$short" --days 30 --json
has out follows today 'the new term begins today'
shows "$short" not_before "$(day 0)T00:00:00Z" 'and the days between stay unsold'
works 'its license is issued' issue home "$short" late.creq late.clic
works 'the site runs' chancery-site --state late install late.clic --trust vendor.ctrust

# ---- Suspended and resumed ----
works 'suspended' change suspend "$entitlement"
refuses 3 entitlement-suspended 'a new request gets nothing' issue home "$entitlement" other.creq other.clic
refuses 3 entitlement-suspended 'nor does one that was answered' issue home "$entitlement" north.creq again.clic
refuses 3 entitlement-suspended 'nor is there an update' with_pin license update "$entitlement" --out stick
license=$(chancery --home home license list --json >list.json && field list.json 0.id)
refuses 3 entitlement-suspended 'nor a copy of what was issued' chancery --home home license export "$license" -o copy.clic
refuses 3 entitlement-suspended 'nor is it amended' change amend "$entitlement" --quantity 9
absent 'no file was left' again.clic
works 'the plant runs on' chancery-site --state north check logging
works 'resumed' change resume "$entitlement"
works 'the answered request gets its license' issue home "$entitlement" north.creq again.clic
same 'the same one' north.clic again.clic

# ---- Trial to paid ----
trial=$(sell 2 --model trial --until "$(day 14)")
request fair "$trial" fair.creq >out
works 'a trial is issued' issue home "$trial" fair.creq fair.clic
works 'and runs' chancery-site --state fair install fair.clic --trust vendor.ctrust
refuses 3 trial-renewed 'a trial is not renewed' change renew "$trial" --years 1
refuses 3 trial-extended 'nor extended' change amend "$trial" --until "$(day 90)"
second=$(sell 2 --model trial --until "$(day 14)")
request fair "$second" second.creq >out
refuses 3 trial-used 'a device has one trial' issue home "$second" second.creq second.clic
works 'the trial is paid' change convert "$trial" --model subscription --until "$(day 400)"
shows "$trial" used 1 'its device stays'
works 'the device gets what was paid without asking' with_pin license update "$trial" --out stick
works 'and installs it' chancery-site --state fair install "stick/$trial-2"
site fair status --json >status.json
has status.json licenses.0.ends_at "$(date -u -d "$(day 400) 23:59:59" +%s)" 'until the day that was paid'

# ---- To another site, and another customer ----
moved=$(sell 1 --site north)
request old "$moved" old.creq >out
issue home "$moved" old.creq old.clic >out
site old install old.clic --trust vendor.ctrust >out
request new "$moved" new.creq >out
refuses 3 entitlement-exhausted 'there is one activation' issue home "$moved" new.creq new.clic
works 'the entitlement goes to another customer' change transfer "$moved" --customer globex --site main --json
old=$(field out revoked.0)
has out customer globex 'who has it from now on'
works 'its old license is to be revoked' chancery --home home revocation list
says 'by its id' "$old" out
refuses 3 revoked 'and is not issued again' issue home "$moved" old.creq again2.clic
works 'the new site has the activation' issue home "$moved" new.creq new.clic
works 'and runs' chancery-site --state new install new.clic --trust vendor.ctrust
site new status --json >status.json
has status.json licenses.0.customer globex 'in the name of its customer'
has status.json licenses.0.site main 'and of its site'

# ---- Islands ----
fleet=$(sell 5)
works 'an island is split off' change split "$fleet" --site platform-7 --quantity 3 --json
island=$(field out island.id)
has out parent.left 2 'and taken from its parent'
refuses 3 quantity-left 'not more than there is' change split "$fleet" --site platform-8 --quantity 3
refuses 3 island-split 'an island is not split' change split "$island" --site platform-8 --quantity 1
refuses 3 island-raised 'and not raised' change amend "$island" --quantity 4
request platform "$island" platform.creq >out
works 'the island has its licenses' issue home "$island" platform.creq platform.clic
works 'and runs' chancery-site --state platform install platform.clic --trust vendor.ctrust
refuses 3 quantity-used 'what it uses stays' change amend "$island" --quantity 0
works 'it gives back what it does not need' change amend "$island" --quantity 1
shows "$fleet" left 4 'to its parent'
works 'what is revoked ends with its islands' change revoke "$fleet" --json
has out islands.0 "$island" 'the island among them'
refuses 3 entitlement-revoked 'nothing is issued for it' issue home "$island" platform.creq again3.clic
refuses 3 entitlement-revoked 'revoked is final' change resume "$fleet"

# ---- The history ----
works 'the history of the first entitlement' chancery --home home entitlement history "$entitlement" --json
has out '#' 6 'every change is there'
has out 0.reason 'order 4711' 'why it was granted'
has out 1.by 'Robin Vogt' 'who upgraded it'
has out 1.changed.edition.to professional 'and to what'
has out 3.change renew 'what was done'
works 'it can be read' chancery --home home entitlement history "$entitlement"
says 'by people' 'from professional to standard' out
works 'the state of a past instant' chancery --home home entitlement show "$entitlement" --at "$(query home "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', min(changed_at), 'unixepoch') FROM entitlement_grant WHERE revision = 1")"
refuses 1 grant-unknown 'before it was granted there is none' chancery --home home entitlement show "$entitlement" --at 2026-01-01
works 'the log agrees with all of it' chancery --home home log verify
python3 - <<'PYTHON'
import sqlite3

# As somebody would who wants another past: the triggers of the program are no obstacle to another program.
database = sqlite3.connect("home/authority.db")
triggers = database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
for name, _ in triggers:
    database.execute(f"DROP TRIGGER {name}")
identifier, data = database.execute("SELECT entitlement_id, bytes FROM entitlement_grant WHERE revision = 1").fetchone()
changed = data.replace(b"sold", b"gift") if b"sold" in data else data.replace(b"4711", b"4710")
assert changed != data
database.execute("UPDATE entitlement_grant SET bytes = ? WHERE entitlement_id = ? AND revision = 1", (changed, identifier))
for _, sql in triggers:
    database.execute(sql)
database.commit()
PYTHON
refuses 5 log-damaged 'a changed past is found' chancery --home home log verify
