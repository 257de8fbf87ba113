#!/usr/bin/env bash
# PINs and passphrases stay inside the process: a random canary is looked for wherever else it could be.
#
# Looked at: arguments and environment of the running process while it holds the canary, everything that it
# writes by any system call, its output, and every file it leaves. Each look has a control that must find it.

source "$(dirname "$0")/lib.sh"
journey secrets

root=$(random) issuing=$(random) pin=$(random) wrong=$(random)
canaries "$root" "$issuing" "$pin" "$wrong"
looks_find "$issuing"

# Key files: one passphrase each.
held 0 init "$root"$'\n'"$issuing" chancery init --home home
stock home
entitlement=$(grant home 1)
request site "$entitlement" pump.creq >out
held 4 wrong-passphrase "$wrong" chancery --home home license issue --entitlement "$entitlement" \
    --request pump.creq -o pump.clic
held 4 wrong-passphrase-json "$wrong" chancery --home home --json license issue --entitlement "$entitlement" \
    --request pump.creq -o pump.clic
held 0 issue "$issuing" chancery --home home --json license issue --entitlement "$entitlement" \
    --request pump.creq -o pump.clic --qr pump.png --armor pump.asc
held 0 generate "$pin" chancery --home home key generate file:generated.pem

# A token: the PIN goes to its module.
token vendor "$pin"
key="pkcs11:token=vendor;object=issuing?module-path=$MODULE"
held 0 generate-on-token "$pin" chancery key generate "$key"
held 0 init-on-token "$root"$'\n'"$pin" chancery init --home on-token --issuing-key "$key"
stock on-token
entitlement=$(grant on-token 1)
request site-token "$entitlement" token.creq >out
held 4 wrong-pin "$wrong" chancery --home on-token license issue --entitlement "$entitlement" \
    --request token.creq -o token.clic
held 0 issue-on-token "$pin" chancery --home on-token license issue --entitlement "$entitlement" \
    --request token.creq -o token.clic
chancery --home home doctor --json >doctor.out
chancery --home home key list --json >keys.out

# Everything that is left.
for place in home on-token site site-token tokens ./*.out ./*.err ./*.clic ./*.pem; do
    equal "$place does not hold it" 0 "$(holding "$place")"
done
