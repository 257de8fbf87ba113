#!/usr/bin/env bash
# Batches: many licenses under one operation of a SoftHSM2 key, hostile input, resuming, files, and a site.
#
# `pkcs11-spy` stands between the program and the token and counts what the token is asked to sign.

source "$(dirname "$0")/lib.sh"
journey batch

PIN=135790 LICENSES=${LICENSES:-600}
token vendor "$PIN"
for SPY in /usr/lib/x86_64-linux-gnu/pkcs11-spy.so /usr/lib/aarch64-linux-gnu/pkcs11-spy.so \
    /usr/lib64/pkcs11/pkcs11-spy.so /usr/lib/pkcs11/pkcs11-spy.so; do
    [[ ! -e $SPY ]] || break
done
[[ -e $SPY ]] || { echo 'pkcs11-spy.so is missing: apt-get install opensc'; exit 1; }
export PKCS11SPY=$MODULE PKCS11SPY_OUTPUT=$WORK/spy.log

signatures() { grep -c '^[0-9]*: C_SignInit$' spy.log || true; }
vendor() { chancery --home home "$@"; }
with_pin() { chancery --home home "$@" --pin-fd 3 3<<<"$PIN"; }
bound() { # BINDING QUANTITY [ARGUMENT…]
    local binding=$1 quantity=$2
    shift 2
    vendor entitlement grant --customer "${CUSTOMER:-acme}" --product pump --edition standard \
        --quantity "$quantity" --binding "$binding" --json "$@" >granted.json
    field granted.json id
}
row() { printf '{"entitlement":"%s"}\n' "$1"; }
asked() { printf '{"entitlement":"%s","request":"%s"}\n' "$1" "$2"; }

# ---- An issuing key that signs each license alone seals no batch ----
authority home
north=$(bound site "$LICENSES" --site north)
row "$north" >one.jsonl
exits 3 'a key that signs directly seals no batch' vendor batch issue --input one.jsonl
says 'the refusal says how to get a key that does' 'role add issuer --mode seal' err

works 'the custodian certifies a key on the token that seals' chancery --home home role add issuer --mode seal \
    --key "pkcs11:token=vendor;object=sealing?module-path=$SPY" --without-attestation --pin-fd 3 3<<<"$PASSPHRASE"$'\n'"$PIN"
vendor bundle publish -o vendor.ctrust >out

# ---- Hostile rows: each is named, and nothing is issued ----
device=$(bound device 3)
free=$(bound none 2)
request site-1 "$device" d1.creq >out
request site-2 "$device" d2.creq >out
head -c 100 d1.creq >cut.creq
ln -s d2.creq link.creq
{
    row "$north"                                     # 1: good
    echo 'not json'                                  # 2
    printf '{"entitlement":"%s","x":1}\n' "$north"   # 3: unknown field
    printf '{"entitlement":"%s","entitlement":"%s"}\n' "$north" "$north" # 4: twice
    row ent_0000000000000                            # 5: unknown
    row "$device"                                    # 6: needs a request
    asked "$north" d1.creq                           # 7: takes none
    asked "$device" missing.creq                     # 8
    asked "$device" cut.creq                         # 9
    asked "$device" link.creq                        # 10: a link is no file
    asked "$device" d1.creq                          # 11: good
    asked "$device" d1.creq                          # 12: the same device again
    row "$free" && row "$free" && row "$free"        # 13, 14 good, 15 one too many
    head -c 9000 /dev/zero | tr '\0' a && echo       # 16: too long
    echo                                             # 17: empty
    printf '{"entitlement":"%s","request":"\\u0000"}\n' "$device" # 18: no file has that name
    row "$north"                                     # 19: good
} >hostile.jsonl
before=$(query home 'SELECT count(*) FROM log_leaf')
: >spy.log
exits 3 'hostile rows are refused' vendor batch issue --input hostile.jsonl --json
has err error.code batch-rows-refused 'the refusal has its code'
told() { says "line $1 is refused: $2" "line $1: $2" err; }
told 2 row-malformed
told 3 row-malformed
told 4 row-malformed
told 5 entitlement-unknown
told 6 request-missing
told 7 request-unasked
told 8 file-not-found
told 9 truncated
told 10 not-a-regular-file
told 12 device-repeated
told 15 entitlement-exhausted
told 16 row-too-long
told 17 row-malformed
told 18 'file-io'
for line in 1 11 13 14 19; do
    if grep -q "line $line:" err; then failed "line $line is good, and is named"; else passed "line $line is not named"; fi
done
equal 'nothing entered the log' "$before" "$(query home 'SELECT count(*) FROM log_leaf')"
equal 'the token was not asked' 0 "$(signatures)"
: >empty.jsonl
exits 3 'an empty input is refused' vendor batch issue --input empty.jsonl
ln -s one.jsonl linked.jsonl
exits 1 'an input that is a link is refused' vendor batch issue --input linked.jsonl

# ---- A wrong PIN costs nothing ----
for ((number = 0; number < LICENSES; number++)); do row "$north"; done >rows.jsonl
mkdir orders
cp d1.creq d2.creq orders
{ asked "$device" d1.creq && asked "$device" d2.creq && row "$free"; } >orders/mixed.jsonl
exits 4 'a wrong PIN is refused' chancery --home home batch issue --input rows.jsonl --pin-fd 3 3<<<'000000'
equal 'nothing entered the log' "$before" "$(query home 'SELECT count(*) FROM log_leaf')"

# ---- One operation for all licenses ----
: >spy.log
works "$LICENSES licenses are issued" with_pin batch issue --input rows.jsonl --json
batch=$(field out batch)
has out licenses "$LICENSES" 'the batch has all of them'
equal 'the token signed once' 1 "$(signatures)"
equal 'the log has one operation for them' "1 $LICENSES" \
    "$(query home "SELECT count(*), sum(leaf_count) FROM operation WHERE first_index = $batch")"
equal 'no sealed license is kept twice' 0 \
    "$(query home "SELECT count(*) FROM signed_document WHERE log_index >= $batch")"
works 'the same rows again are the same batch' with_pin batch issue --input rows.jsonl --json
has out batch "$batch" 'it has the same name'
has out issued_before true 'the program says so'
equal 'the token was not asked again' 1 "$(signatures)"
equal 'no license was added' "$LICENSES" "$(query home 'SELECT count(*) FROM license')"
exits 3 'under a label they would be others, and no activation is left' vendor batch issue --input rows.jsonl --label again
row "$north" >more.jsonl
exits 3 'no activation is left' vendor batch issue --input more.jsonl
says 'the refusal says which line' 'line 1: entitlement-exhausted' err

# ---- Requests beside the input ----
works 'rows with requests are issued' with_pin batch issue --input orders/mixed.jsonl --json
mixed=$(field out batch)
vendor entitlement show "$device" --json >out
has out used 2 'two devices hold a license'
asked "$device" ../d1.creq >orders/answered.jsonl
exits 3 'a request that is answered is refused' vendor batch issue --input orders/answered.jsonl
says 'the refusal says so' 'line 1: request-known' err

# ---- Interrupted between the intent and the signature, the same input goes on ----
other=$(bound site 5 --site south)
for number in 1 2 3 4 5; do row "$other"; done >south.jsonl
mv tokens away && mkdir tokens
exits 4 'a token that is away is told' with_pin batch issue --input south.jsonl
rmdir tokens && mv away tokens
works 'the token back, the rows are issued' with_pin batch issue --input south.jsonl --json
south=$(field out batch)
works 'batches are listed' vendor batch list --json
has out '#' 3 'three of them'
works 'a batch is shown' vendor batch show "$batch" --json
has out signers.0.signed true 'its signer has signed'
exits 1 'an unknown batch is told' vendor batch show 1
says 'by its code' 'batch 1 is unknown' err

# ---- Files by customer and site, resumable ----
works 'the batch is exported' vendor batch export "$batch" --out files --json
has out written "$LICENSES" 'every license is a file'
equal 'they lie by customer and site' "$LICENSES" "$(find files/acme/north -name 'lic_*.clic' | wc -l)"
equal 'and nothing else lies there' "$LICENSES" "$(find files -type f | wc -l)"
victim=$(find files -name '*.clic' | sort | sed -n 1p)
cp "$victim" kept.clic
rm "$victim"
: >"$(dirname "$victim")/.lic_killed.clic.abcdef.chancery-tmp"
works 'exporting again goes on' vendor batch export "$batch" --out files --json
has out written 1 'only what was missing is written'
has out there_before $((LICENSES - 1)) 'the rest is passed over'
same 'the file is the same' "$victim" kept.clic
equal 'what a killed run left is gone' 0 "$(find files -name '.*chancery-tmp' | wc -l)"
printf x >>"$victim"
exits 1 'a file with other content is an error' vendor batch export "$batch" --out files
says 'the error names it' "$(basename "$victim")" err
equal 'it is left as it is' "$(($(stat -c %s kept.clic) + 1))" "$(stat -c %s "$victim")"
mkdir planted
ln -s "$WORK/files" planted/acme
exits 1 'a folder that is a link is refused' vendor batch export "$south" --out planted
CUSTOMER=con
vendor customer add con --name 'Consolidated' >out
row "$(bound none 1)" >con.jsonl
CUSTOMER=acme
works 'a customer with a name that Windows keeps is served' with_pin batch issue --input con.jsonl --json
works 'the export escapes that name' vendor batch export "$(field out batch)" --out names
equal 'the folder is escaped' '%63on' "$(ls names)"

# ---- Sites and auditors ----
works 'a site verifies a license of the batch' chancery-site verify kept.clic --trust vendor.ctrust
license=$(basename "$victim" .clic)
works 'one license is exported alone' vendor license export "$license" -o single.clic --qr single.png
same 'it is the same document' single.clic kept.clic
if (($(stat -c %s single.clic) <= 1100)); then passed 'it takes at most 1,100 bytes'; else failed 'it is larger than 1,100 bytes'; fi
works 'a site verifies the picture' chancery-site verify single.png --trust vendor.ctrust
flip kept.clic forged.clic -80 # in the seal
exits 3 'a seal with another bit is refused' chancery-site verify forged.clic --trust vendor.ctrust
works 'the mixed batch is exported' vendor batch export "$mixed" --out mixed
for file in mixed/acme/*.clic; do
    if chancery-site --state site-1 install "$file" --trust vendor.ctrust >out 2>err &&
        chancery-site --state site-1 check logging >out 2>err; then
        FOUND=1
        break
    fi
done
equal 'the device that asked may run with its license' 1 "${FOUND:-0}"
works 'one license is issued alone, in a batch of one' with_pin license issue --entitlement "$(bound none 1)" -o alone.clic --json
works 'a site verifies it' chancery-site verify alone.clic --trust vendor.ctrust
request site-3 "$device" d3.creq >out
: >spy.log
works 'a request is answered in a batch of one' with_pin license issue --entitlement "$device" --request d3.creq -o d3.clic
equal 'with one signature' 1 "$(signatures)"
works 'the same request gives the same license' with_pin license issue --entitlement "$device" --request d3.creq -o again.clic
same 'byte for byte' d3.clic again.clic
equal 'without another signature' 1 "$(signatures)"
works 'the log agrees with all of it' vendor log verify
works 'the log is exported with every seal' vendor log export -o log.clog --json
works 'doctor finds nothing' vendor doctor
