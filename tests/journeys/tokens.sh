#!/usr/bin/env bash
# Licenses signed by PKCS#11 tokens of other makers: a TPM 2.0, NSS, and Kryoptic where it is named.
#
# Each token is made by the program `token` of tests/simulators/pkcs11, which runs this file again beside it, with
# faults to inject. Not here: SoftHSM2 (`softhsm.sh`), YubiKeys (`yubikey.sh`).

source "$(dirname "$0")/lib.sh"

# The user's PIN of every token, fixed by tests/simulators/pkcs11.
PIN=canary-1234

# Tells the module of a fault, `fault LINE`, or of none, `fault`.
fault() { printf "${1:+%s\n}" "${1:-}" >"$CHANCERY_FAULTS_CONTROL"; }

# The whole journey of the token in the environment: `on KIND ALGORITHM`.
on() {
    local kind=$1 algorithm=$2 key wrong root
    wrong=$(random) root=$(random)
    canaries "$PIN" "$wrong" "$root"
    looks_find "$PIN"
    key="pkcs11:token=Chancery%20test;object=issuing?module-path=$CHANCERY_TOKEN_MODULE"
    works 'probe finds the token' chancery --json key probe "pkcs11:?module-path=$CHANCERY_TOKEN_MODULE"
    says 'with a reference' 'pkcs11:token=Chancery%20test' out
    held 0 generate "$PIN" chancery key generate "$key" --algorithm "$algorithm"
    held 0 init "$root"$'\n'"$PIN" chancery init --home "$kind" --issuing-key "$key"
    says 'init says that it found the key' 'found issuer key' init.out
    loop "$kind" "$PIN"

    ask "$kind" refused
    held 4 wrong-pin "$wrong" chancery --home "$kind" --json license issue --entitlement "$ENTITLEMENT" \
        --request refused.creq -o refused.clic
    says 'the refusal has its code' '"wrong-pin"' wrong-pin.err
    absent 'no license is left' refused.clic
    fault token-pulled
    exits 4 'a token that is away is told' chancery --home "$kind" --json license issue \
        --entitlement "$ENTITLEMENT" --request refused.creq -o refused.clic --pin-fd 3 3<<<"$PIN"
    says 'as what it is' '"token-absent"' err
    fault
    used "$kind" 0 'neither drew an activation'
    fault signature-wrong
    exits 4 'a signature that is wrong is told' chancery --home "$kind" --json license issue \
        --entitlement "$ENTITLEMENT" --request refused.creq -o refused.clic --pin-fd 3 3<<<"$PIN"
    says 'as what it is' '"bad-signature"' err
    absent 'no license is left' refused.clic
    fault
    used "$kind" 1 'the attempt keeps the activation that it drew'
    held 0 issue "$PIN" chancery --home "$kind" license issue --entitlement "$ENTITLEMENT" \
        --request refused.creq -o refused.clic
    used "$kind" 1 'the same request again uses it up, and draws no other'
    equal 'no home, site, output or document holds it' 0 \
        "$(holding "$kind" ./*-site ./*.out ./*.err out err ./*.clic ./*.creq ./*.ctrust ./*.calls)"
}

if (($# > 0)); then
    journey "tokens-$1"
    on "$@"
    exit
fi

journey tokens
token=$TARGET/debug/token
module=$TARGET/debug/libchancery_pkcs11_faults.so
for built in "$token" "$module"; do
    [[ -e $built ]] || { echo "$built is missing: cargo build --locked --manifest-path tests/simulators/pkcs11/Cargo.toml --target-dir ${TARGET@Q}"; exit 1; }
done
self=$ROOT/tests/journeys/tokens.sh
kinds=('tpm p256' 'nss p256')
if [[ -n ${CHANCERY_KRYOPTIC_MODULE:-} ]]; then
    kinds+=('kryoptic ed25519')
else
    # shellcheck disable=SC2016 # a command for the reader
    echo 'NOT DONE: Kryoptic; name it with CHANCERY_KRYOPTIC_MODULE=$(tests/simulators/kryoptic/build.sh)'
fi
for kind in "${kinds[@]}"; do
    read -r name algorithm <<<"$kind"
    if "$token" "$name" bash "$self" "$name" "$algorithm"; then passed "$name"; else failed "$name"; fi
done
