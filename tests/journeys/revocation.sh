#!/usr/bin/env bash
# Revocation: a license, a device, an entitlement, a customer and a key are taken back, the list and the bundle are
# carried to the sites, and each says no; nobody brings an older list or bundle back, or another of the same number.

source "$(dirname "$0")/lib.sh"
journey revocation

vendor() { chancery --home home "$@" --pin-fd 3 3<<<"$PASSPHRASE"; }
# A new key beside the custodian's: one line each, the custodian's first.
custodian() { chancery --home home "$@" --pin-fd 3 3< <(printf '%s\n' "$PASSPHRASE" "$PASSPHRASE"); }
site() { chancery-site --state "site-$1" "${@:2}"; }

# Grants an activation to a customer and carries it to a site of its own: `sell NAME CUSTOMER`.
sell() {
    chancery --home home entitlement grant --customer "$2" --product pump --edition standard --quantity 2 \
        --json >granted.json
    field granted.json id >"$1.entitlement"
    request "site-$1" "$(cat "$1.entitlement")" "$1.creq" >out
    issue home "$(cat "$1.entitlement")" "$1.creq" "$1.clic" --json >"$1.json"
    site "$1" install "$1.clic" --trust 1.ctrust >out
    site "$1" check logging >out
}

# Takes a trust bundle apart and puts another together: `forge FROM TO HOW`.
forge() {
    python3 - "$@" <<'PYTHON'
import sys

from cbor import read, write

source, target, how, *others = sys.argv[1:]
bundle = read(open(source, "rb").read(), 0)[0]
other = read(open(others[0], "rb").read(), 0)[0] if others else None
if how == "without-trail":
    del bundle[3]
elif how == "other-trail":
    bundle[3] = bytes([bundle[3][0] ^ 1]) + bundle[3][1:]
elif how == "old-list":
    bundle[1][-1] = other[1][-1]
elif how == "without-list":
    bundle[1].pop()
elif how == "foreign-member":
    bundle[1].append(other[1][1])
elif how == "without-manifest":
    bundle = {0: bundle[0], 1: bundle[1]}
open(target, "wb").write(write(bundle))
PYTHON
}

# ---- An authority that can revoke -----------------------------------------------------------------------------
authority home
chancery --home home customer add globex --name 'Globex' >out
custodian role add log --key file:home/keys/log.pem >out
works 'a bundle gets the number 1' vendor bundle publish --out 1.ctrust --json
has out number 1 'and says so'
for way in license device entitlement key; do sell "$way" acme; done
sell customer globex

works 'the same again is the same bundle' vendor bundle publish --out same.ctrust --json
has out published_before true 'and says so'
same 'byte for byte' 1.ctrust same.ctrust

# ---- What cannot be revoked -----------------------------------------------------------------------------------
license=$(field license.json id)
[[ ${license: -2} == 00 ]] && other=${license%?}4 || other=${license%??}00
refuses 1 license-unknown 'a license that is not there is not revoked' vendor revocation add --license "$other" --reason typo
says 'the nearest is named' "$license" err
refuses 1 entitlement-unknown 'nor an entitlement' vendor revocation add --entitlement ent_0123456789ABC --reason typo
refuses 1 customer-unknown 'nor a customer' vendor revocation add --customer globes --reason typo
says 'the nearest is named' 'globex' err
refuses 1 device-unknown 'nor a device' vendor revocation add --device dev_0123456789ABCDEF --reason typo
refuses 1 key-unknown 'nor a key' vendor revocation add --key 0123456789abcdef --reason typo
refuses 3 reason-refused 'a reason must be readable' vendor revocation add --license "$license" --reason ''
exits 2 'one thing at a time' vendor revocation add --license "$license" --customer globex --reason both
refuses 3 revocation-nothing-new 'nothing is published of nothing' vendor revocation publish

# ---- Four ways ------------------------------------------------------------------------------------------------
works 'a license is revoked' vendor revocation add --license "$license" --reason 'sold twice'
works 'a device is revoked' vendor revocation add --device "$(field device.json device)" --reason 'stolen from the van'
works 'an entitlement is revoked' vendor revocation add --entitlement "$(cat entitlement.entitlement)" --reason 'not paid'
works 'a customer is revoked' vendor revocation add --customer globex --reason 'closed down'
refuses 3 revocation-exists 'once' vendor revocation add --license "$license" --reason again
refuses 1 key-none 'nobody signs the list without a revoker key' vendor revocation publish
says 'the hint says how to get one' 'role add revoker' err
refuses 3 revoked 'nothing more is issued to what is revoked' issue home "$(cat customer.entitlement)" customer.creq again.clic
request site-other "$(cat entitlement.entitlement)" other.creq >out
refuses 3 revoked 'nor to other devices under it' issue home "$(cat entitlement.entitlement)" other.creq other.clic
custodian role add revoker --key file:home/keys/revoker.pem >out
works 'the list is published' vendor revocation publish --json
has out number 1 'as the first'
has out entries 4 'with all that is revoked'
refuses 3 revocation-nothing-new 'and not again' vendor revocation publish
vendor revocation list --json >listed.json
has listed.json '#' 2 'the list tells its number and its entries'
has listed.json revocations.0.list 1 'and in which list each is'
for way in license device entitlement customer key; do
    works "$way: the site that has not heard of it goes on" site "$way" check logging
done
works 'the bundle that carries it is the second' vendor bundle publish --out 2.ctrust --json
has out number 2 'it says so'
has out revocation_list 1 'and which list it carries'
for way in license device entitlement customer; do
    works "$way: the site takes the bundle" site "$way" install 2.ctrust
    says "$way: and says what it denies" 'denied now:' out
    exits 3 "$way: the feature may not run" site "$way" check logging
    says "$way: the reason" "is revoked, by revocation list 1" err
    site "$way" check logging --json >out 2>err || true
    has out code revoked "$way: the code"
    works "$way: status tells it" site "$way" status
    says "$way: in words" 'works:' out
    exits 3 "$way: it cannot be installed again" site "$way" install "$way.clic" --trust 2.ctrust
    exits 3 "$way: whoever has the bundle refuses the license" chancery-site verify "$way.clic" --trust 2.ctrust
done
works 'what is not revoked goes on' site key install 2.ctrust
works 'and runs' site key check logging

# ---- What is issued afterwards carries the least list ------------------------------------------------------------
chancery --home home entitlement grant --customer acme --product pump --edition standard --quantity 1 --json >granted.json
later=$(field granted.json id)
request site-later "$later" later.creq >out
issue home "$later" later.creq later.clic >out
chancery inspect later.clic --json >out
has out content.terms.revocation_list 'at least 1' 'the license demands the list that travels'
refuses 3 list-older 'with the bundle of before it is refused' site later install later.clic --trust 1.ctrust
works 'with the newest it is installed' site later install later.clic --trust 2.ctrust

# ---- Bundles that are not the next ------------------------------------------------------------------------------
cp home/authority.db before.db
works 'the log is signed' vendor log checkpoint
works 'the third bundle carries the checkpoint' vendor bundle publish --out 3.ctrust --json
has out number 3 'it says so'
works 'bundles are listed' vendor bundle list --json
has out '#' 3 'all of them'
works 'and shown' vendor bundle show 2
says 'with the list' 'revocation list' out
site other install 1.ctrust >out
refuses 3 bundle-older 'an old bundle is refused' site later install 1.ctrust
refuses 3 bundle-older 'also with its license' site key install key.clic --trust 1.ctrust
forge 3.ctrust gap.ctrust without-trail
refuses 3 bundle-gap 'a bundle that hides what came between is refused' site other install gap.ctrust
forge 3.ctrust trail.ctrust other-trail
refuses 5 bundle-forked 'another past is an alarm' site other install trail.ctrust
forge 3.ctrust cut.ctrust without-list
refuses 3 manifest-mismatch 'the list is not left out' site later install cut.ctrust
forge 3.ctrust bare.ctrust without-manifest
refuses 3 manifest-missing 'nor the manifest' site later install bare.ctrust
chancery init --home foreign --name 'Other Works' --pin-fd 3 >out 3<<<"$PASSPHRASE"
chancery --home foreign bundle publish --out foreign.ctrust >out
forge 3.ctrust member.ctrust foreign-member foreign.ctrust
exits 3 'a member of another authority is refused' site later install member.ctrust
refuses 5 authority-other 'and its whole bundle is an alarm' site later install foreign.ctrust
works 'the third is taken by a site that knows the first' site other install 3.ctrust
works 'and by those that know the second' site later install 3.ctrust
works 'the same again changes nothing' site later install 3.ctrust
# The same home went on from before: another third bundle, as two clones of one home make it.
cp home/authority.db now.db
cp before.db home/authority.db
works 'a clone publishes a third bundle of its own' vendor bundle publish --renew --out fork.ctrust --json
has out number 3 'of the same number'
refuses 5 bundle-forked 'which is an alarm where the other one is known' site later install fork.ctrust
says 'the hint says to stop' 'stop' err
cp now.db home/authority.db
works 'after all of them the site goes on' site later check logging

# ---- What the site remembers ------------------------------------------------------------------------------------
mv site-later/minima.cbor minima
exits 5 'minima that are gone are an alarm' site later check logging
says 'the alarm names them' 'are gone' err
refuses 5 minima-lost 'and no fresh start' site later install 3.ctrust
head -c 40 minima >site-later/minima.cbor && chmod 600 site-later/minima.cbor
refuses 5 minima-damaged 'nor are damaged ones' site later install 3.ctrust
mv minima site-later/minima.cbor
cp site-later/trust.ctrust third.ctrust
cat 2.ctrust >site-later/trust.ctrust
refuses 5 trust-put-back 'a bundle that was put back is an alarm' site later check logging
# The power went between minima and bundle: the new one waits beside the old one.
cp -p third.ctrust site-later/trust.next.ctrust && chmod 600 site-later/trust.next.ctrust
works 'an installation that was cut off counts' site later check logging
works 'and is ended by the next one' site later install 3.ctrust
absent 'nothing waits then' site-later/trust.next.ctrust
same 'the bundle is in its place' 3.ctrust site-later/trust.ctrust

# ---- A stolen issuing key ---------------------------------------------------------------------------------------
kid=$(query home "SELECT lower(hex(substr(thumbprint, 1, 8))) FROM key WHERE role = 'issuer'")
cp home/authority.db before.db
# What a thief signs with the key is in no log: the home is put back as it was before.
chancery --home home entitlement grant --customer acme --product pump --edition standard --quantity 1 --json >granted.json
request site-thief "$(field granted.json id)" thief.creq >out
issue home "$(field granted.json id)" thief.creq thief.clic >out
works 'the stolen key signs what verifies' chancery-site verify thief.clic --trust 3.ctrust
cp before.db home/authority.db
refuses 3 checkpoint-older 'what is newer than the checkpoint would fall' vendor revocation add --key "$kid" --reason 'laptop stolen'
works 'so the log is signed as it stands' vendor log checkpoint
works 'a proof is made of what is genuine' vendor log prove "$(field key.json id)" -o key.tlog-proof
works 'then the key is revoked' vendor revocation add --key "$kid" --reason 'laptop stolen'
refuses 3 role-not-revocable 'a revoker does not revoke itself' vendor revocation add \
    --key "$(query home "SELECT lower(hex(substr(thumbprint, 1, 8))) FROM key WHERE role = 'revoker'")" --reason odd
request site-key "$(cat key.entitlement)" second.creq >out
refuses 1 key-none 'it signs nothing more here' issue home "$(cat key.entitlement)" second.creq second.clic
vendor revocation publish --json >out
has out number 2 'the second list says so'
vendor bundle publish --out 4.ctrust --json >out
has out revocation_list 2 'and the bundle carries it'
forge 4.ctrust replayed.ctrust old-list 3.ctrust
refuses 3 manifest-mismatch 'an older list does not ride under a new manifest' site key install replayed.ctrust
works 'the site takes it' site key install 4.ctrust
exits 3 'its license counts no more by itself' site key check logging
says 'because of the key' 'is compromised' err
refuses 3 key-compromised 'nor is it installed by itself' site key install key.clic
refuses 3 proof-not-included 'a proof of something else does not help' site thief install thief.clic --trust 4.ctrust --proof key.tlog-proof
works 'with its proof it is' site key install key.clic --proof key.tlog-proof
works 'and runs' site key check logging
works 'others verify it so' chancery-site verify key.clic --trust 4.ctrust --proof key.tlog-proof
works 'and audit it so' chancery-site audit key.clic --trust 4.ctrust --proof key.tlog-proof
exits 3 'what the thief signed is refused' chancery-site verify thief.clic --trust 4.ctrust
exits 3 'there is no proof of it' chancery-site verify thief.clic --trust 4.ctrust --proof key.tlog-proof
custodian role add issuer --key file:home/keys/issuing-2.pem >out
works 'a new key issues' issue home "$(cat key.entitlement)" second.creq second.clic
works 'under a new bundle' vendor bundle publish --out 5.ctrust
works 'which the site takes with the license' site key install second.clic --trust 5.ctrust
works 'and it runs without a proof' site key check logging

# The custodians close the second key as well: a closing says what the list said.
works 'the log is signed again' vendor log checkpoint --json
size=$(field out size)
works 'a proof is made' vendor log prove "$(chancery --home home license list --json >listed.json && field listed.json -1.id)" -o second.tlog-proof
kid=$(query home "SELECT lower(hex(substr(thumbprint, 1, 8))) FROM key WHERE role = 'issuer' ORDER BY created_at DESC, record_index DESC LIMIT 1")
works 'the custodians close the key as compromised' vendor role close "$kid" --compromised-at "$size" --reason 'laptop stolen again'
works 'the bundle carries the closing' vendor bundle publish --out 6.ctrust
works 'the site takes it' site key install 6.ctrust
refuses 3 key-compromised 'its license counts no more by itself' site key check logging
refuses 3 proof-not-included 'nor with the proof of another' site key install second.clic --proof key.tlog-proof
works 'with its proof it does' site key install second.clic --proof second.tlog-proof
works 'and runs' site key check logging
works 'the log agrees with itself' vendor log verify

# ---- A log key whose time is over -------------------------------------------------------------------------------
until=$(date -u -d '+6 seconds' +%Y-%m-%dT%H:%M:%SZ)
custodian role add log --key file:home/keys/log-2.pem --until "$until" >out
sleep 7
refuses 3 key-out-of-term 'a log key seals nothing after its time' vendor bundle publish --out late.ctrust
absent 'no bundle is left' late.ctrust
