#!/usr/bin/env bash
# A license signed through the YubiHSM client, with the client library's mock behind loopback HTTP.

source "$(dirname "$0")/lib.sh"
journey mockhsm

mock=${MOCKHSM_BIN:-$TARGET/debug/mockhsm}
[[ -x $mock ]] || { echo "$mock is missing: cargo build --locked --manifest-path tests/mockhsm/Cargo.toml --target-dir ${TARGET@Q}"; exit 1; }
"$mock" 0 >port 2>mock.err &
for _ in {1..100}; do
    [[ ! -s port ]] || break
    sleep 0.1
done
port=$(<port)
password=password # the mock's, as the factory sets it
key="yubihsm:serial=0123456789;id=0x0101?connector=http://127.0.0.1:$port"

works 'init makes the issuing key in the mock' chancery init --home home --issuing-key "$key" --pin-fd 3 \
    3<<<"$PASSPHRASE"$'\n'"$password"
says 'init says that it generated it' 'generated issuer key' out
stock home
entitlement=$(grant home 1)
request site "$entitlement" pump.creq >out
exits 4 'a wrong password is refused' chancery --home home license issue --entitlement "$entitlement" \
    --request pump.creq -o pump.clic --pin-fd 3 3<<<wrong
absent 'no license is left' pump.clic
works 'a license is issued' chancery --home home license issue --entitlement "$entitlement" \
    --request pump.creq -o pump.clic --pin-fd 3 3<<<"$password"
chancery --home home bundle publish -o vendor.ctrust >out
works 'the license verifies' chancery-site verify pump.clic --trust vendor.ctrust
works 'the site installs it' chancery-site --state site install pump.clic --trust vendor.ctrust
works 'the feature may run' chancery-site --state site check logging

works 'a P-256 key is generated' chancery key generate "${key/0x0101/0x0102}" --algorithm p256 --pin-fd 3 3<<<"$password"
works 'init finds that key' chancery init --home p256 --issuing-key "${key/0x0101/0x0102}" --pin-fd 3 \
    3<<<"$PASSPHRASE"$'\n'"$password"
says 'init says that it found it' 'found issuer key' out
stock p256
entitlement=$(grant p256 1)
request p256-site "$entitlement" p256.creq >out
works 'a P-256 license is issued' chancery --home p256 license issue --entitlement "$entitlement" \
    --request p256.creq -o p256.clic --pin-fd 3 3<<<"$password"
chancery --home p256 bundle publish -o p256.ctrust >out
works 'it verifies' chancery-site verify p256.clic --trust p256.ctrust

kill %1
wait %1 2>/dev/null || true
entitlement=$(grant home 1)
request late-site "$entitlement" late.creq >out
exits 4 'a connector that is away is told' chancery --home home license issue --entitlement "$entitlement" \
    --request late.creq -o late.clic --pin-fd 3 3<<<"$password"
chancery --home home entitlement show "$entitlement" --json >out
equal 'and draws no activation' 0 "$(field out used)"
