#!/usr/bin/env bash
# The whole loop with software keys, by file, by QR picture and by armor.

source "$(dirname "$0")/lib.sh"
journey file

works 'init makes an authority' chancery init --home home --name 'Journey Works' --pin-fd 3 3<<<"$PASSPHRASE"
says 'init says that it generated the keys' 'generated custodian key' out
stock home
entitlement=$(grant home 3)
works 'the trust bundle is published' chancery --home home bundle publish -o vendor.ctrust

# By file.
works 'the site makes a request' request site "$entitlement" pump.creq --qr pump-request.png
works 'a license is issued' issue home "$entitlement" pump.creq pump.clic --qr pump.png --armor pump.asc --json
license=$(field out id)
works 'the site installs the file' chancery-site --state site install pump.clic --trust vendor.ctrust
works 'a granted feature may run' chancery-site --state site check logging
works 'a limit is told' chancery-site --state site check channels --json
equal 'the limit is the edition'"'"'s' 16 "$(field out grant.limit)"
exits 3 'a feature that is not granted is denied' chancery-site --state site check turbo
says 'the denial has its reason' 'license does not grant this feature' err
works 'status says that the product works' chancery-site --state site status
says 'status names the license' "$license" out
works 'the authority finds nothing wrong' chancery --home home doctor

# The request as a picture; the license as a picture and as armor.
works 'a request is read from its picture' issue home "$entitlement" pump-request.png again.clic --json
equal 'the picture is the same request' "$license" "$(field out id)"
same 'the same request gives the same bytes' pump.clic again.clic
works 'another site makes a request' request site-qr "$entitlement" qr.creq --qr qr-request.png
rm qr.creq
works 'a license is issued from a picture alone' issue home "$entitlement" qr-request.png qr.clic --qr qr.png
works 'the site installs the picture' chancery-site --state site-qr install qr.png --trust vendor.ctrust
works 'and the feature may run there' chancery-site --state site-qr check logging
exits 3 'a license of another device is refused' chancery-site --state site-qr install pump.clic --trust vendor.ctrust
says 'the refusal names the device' 'device' err
works 'a third site makes a request' request site-armor "$entitlement" armor.creq
works 'its license is issued' issue home "$entitlement" armor.creq armor.clic --armor armor.asc
works 'the site installs the armor' chancery-site --state site-armor install armor.asc --trust vendor.ctrust
works 'and the feature may run there too' chancery-site --state site-armor check logging

# What must not happen.
works 'a fourth site makes a request' request site-late "$entitlement" late.creq
exits 3 'a used-up entitlement is refused' issue home "$entitlement" late.creq late.clic
says 'the refusal counts the activations' '0 of 3 activations left' err
absent 'nothing is left under the file name' late.clic
cp pump.clic before.clic
exits 1 'an existing file is not overwritten' issue home "$entitlement" pump.creq pump.clic
same 'the existing file is as it was' before.clic pump.clic
works 'an issued license is exported again' chancery --home home license export "$license" -o export.clic
same 'the export is the same file' pump.clic export.clic
chancery --home home license list --json >out
equal 'three licenses are listed' 3 "$(field out '#')"

# Without the vendor's machine: stateless verification, and another authority's word.
works 'the license verifies without state' chancery-site verify pump.clic --trust vendor.ctrust
authority other
chancery --home other bundle publish -o other.ctrust >out
exits 3 'another authority does not vouch for it' chancery-site verify pump.clic --trust other.ctrust
exits 5 'another authority at the site is an alarm' chancery-site --state site install pump.clic --trust other.ctrust
works 'the site works on' chancery-site --state site check logging
