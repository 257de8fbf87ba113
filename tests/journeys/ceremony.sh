#!/usr/bin/env bash
# A root ceremony of eight people: custodians and a recovery set on machines of their own, the issuing key in a token,
# a witness elsewhere. Killed at every step and gone on with; then a license, and what is refused on the way.

source "$(dirname "$0")/lib.sh"
journey ceremony

PIN=123456
token vendor "$PIN"
(umask 077 && printf '%s\n' "$PIN" >pin)

# Each person has a folder of their own, and a passphrase of their own.
CUSTODIANS=(alice bob carol david erin)
RECOVERY=(frank grace heidi)
for person in "${CUSTODIANS[@]}" "${RECOVERY[@]}" wendy; do mkdir "$person"; done

party() { printf '\n[[%s]]\nname = "%s"\nkey = "exchange"\n%s\n' "$1" "$2" "${3:-}"; }

# Writes a plan: `plan FILE [THRESHOLD]`.
plan() {
    {
        printf 'name = "Journey Works"\noperator = "Dana Keller"\nobservers = ["Robin Vogt"]\nthreshold = %s\n' "${2:-3}"
        for person in alice bob carol; do party custodian "$person"; done
        for person in david erin; do party custodian "$person" 'signs = false'; done
        printf '\n[recovery]\nthreshold = 2\n'
        for person in "${RECOVERY[@]}"; do party recovery.custodian "$person"; done
        cat <<TOML

[[role]]
role = "issuer"
key = "pkcs11:token=vendor;object=issuing?module-path=$MODULE&pin-source=file:$WORK/pin"
products = ["pump"]
protection = "hardware"

[[role]]
role = "log"
key = "file:keys/log.pem"

[[role]]
role = "witness"
name = "wendy"
key = "exchange"
TOML
    } >"$1"
}

# Somebody shows that they have their key: `proves PERSON PLAN OUT`, in the folder of their own machine.
proves() {
    (cd "$1" && chancery ceremony prove "$2" --name "$1" --key "file:key.pem" --out "$3" --pin-fd 3 3<<<"$1's passphrase" >out)
}

# The ceremony, unattended: `ceremony PLAN [ARGUMENT…]`. The plan says where the token's PIN is.
ceremony() {
    local file=$1
    shift
    chancery --home home ceremony run "$file" --exchange exchange --yes --json --pin-fd 3 "$@" \
        3<<<"$PASSPHRASE"
}

# ---- The plan ----------------------------------------------------------------------------------------------------

plan plan.toml
works 'the plan can be carried out' chancery ceremony plan plan.toml --json
HASH=$(field out plan_sha256)
equal 'its hash is that of the file' "$(sha256sum plan.toml | cut -d' ' -f1)" "$HASH"
works 'the example is a plan' chancery ceremony plan --example
cp out example.toml
works 'and can be carried out' chancery ceremony plan example.toml
sed 's/^name = "bob"/name = "alice"/; s/^threshold = 3/threshold = 4/' plan.toml >bad.toml
exits 3 'a plan with two faults is refused' chancery ceremony plan bad.toml
says 'a threshold that nobody meets is told' '[quorum-short]' err
says 'and, in the same breath, a name that occurs twice' '[name-twice]' err
exits 3 'nobody at a terminal: refused' chancery --home home ceremony run plan.toml </dev/null
exits 3 'another plan than the one that was reviewed' ceremony plan.toml --plan-hash "${HASH/%?/0}0"
says 'by name' plan-hash-wrong err
absent 'nothing was begun' .home.ceremony-*

# ---- Proofs of the keys ------------------------------------------------------------------------------------------

works 'without anybody, the ceremony waits' ceremony plan.toml --plan-hash "$HASH"
has out finished false 'it says so'
equal 'for everybody who is elsewhere' 9 "$(field out waiting.#)"
mkdir exchange
for person in "${CUSTODIANS[@]}" "${RECOVERY[@]}" wendy; do proves "$person" ../plan.toml "../exchange/$person.cpos"; done
exits 3 'nobody can prove under a name that the plan has not' \
    chancery ceremony prove plan.toml --name mallory --key file:mallory.pem --out mallory.cpos
absent 'and nothing is made' mallory.pem

mv exchange/bob.cpos bob.cpos
(cd bob && chancery ceremony prove ../plan.toml --name bob --key file:../alice/key.pem --out ../exchange/bob.cpos \
    --pin-fd 3 3<<<"alice's passphrase" >out)
exits 3 'two custodians with one key are refused' ceremony plan.toml
says 'by name' custodian-twice err
mv bob.cpos exchange/bob.cpos

sed 's/Robin Vogt/Mallory/' plan.toml >other.toml
mv exchange/carol.cpos carol.cpos
proves carol ../other.toml ../exchange/carol.cpos
exits 3 'a proof for another plan is refused' ceremony plan.toml
says 'by name' proof-other err
flip carol.cpos exchange/carol.cpos -1
exits 3 'a proof that was changed is refused' ceremony plan.toml
says 'by name' signature-wrong err
mv carol.cpos exchange/carol.cpos
printf 'nothing of ours' >exchange/foreign.ccer
exits 3 'a file that is nothing of ours is refused' ceremony plan.toml
says 'by name' exchange-foreign err
rm exchange/foreign.ccer

# ---- Root version 1 ----------------------------------------------------------------------------------------------

works 'with all proofs, it goes on to the signatures' ceremony plan.toml
equal 'and waits for three custodians and three of the recovery set' 6 "$(field out waiting.#)"
AUTHORITY=$(field out waiting.3.authority_id)
absent 'there is no home yet' home
exits 3 'another plan cannot take it over' ceremony other.toml
says 'by name' ceremony-plan-changed err

# A custodian signs: `signs PERSON REQUEST OUT`.
signs() {
    (cd "$1" && chancery root sign "$2" --key file:key.pem --out "$3" --yes --pin-fd 3 3<<<"$1's passphrase" >out)
}
# Somebody of the recovery set proves that they could act: `recovers PERSON OUT [AUTHORITY]`.
recovers() {
    (cd "$1" && chancery ceremony prove --authority-id "${3:-$AUTHORITY}" --name "$1" --key file:key.pem --out "$2" \
        --pin-fd 3 3<<<"$1's passphrase" >out)
}

cp exchange/root.ccer root.ccer
works 'asked again, it asks for the same root' ceremony plan.toml
same 'byte for byte' root.ccer exchange/root.ccer

# A second ceremony of the same plan makes another root; answers to it count nowhere else.
mkdir elsewhere
cp exchange/*.cpos elsewhere/
sleep 1.1 # roots of one second and one plan are the same authority
chancery --home second ceremony run plan.toml --exchange elsewhere --yes --json --pin-fd 3 \
    3<<<"$PASSPHRASE" >out
signs alice ../elsewhere/root.ccer ../exchange/alice.ccer
exits 3 'an answer over another root is refused' ceremony plan.toml
says 'by name' authority-other err
rm exchange/alice.ccer
rm -r elsewhere .second.ceremony-*

signs alice ../root.ccer ../exchange/alice.ccer
signs bob ../root.ccer ../exchange/bob.ccer
exits 3 'who is not asked cannot sign' bash -c \
    'cd david && chancery root sign ../root.ccer --key file:key.pem --out no.ccer --yes --pin-fd 3 3<<<"david'"'"'s passphrase"'
works 'two of three are not enough' ceremony plan.toml
has out finished false 'it still waits'
absent 'and there is no home' home
signs carol ../root.ccer ../exchange/carol.ccer
mv exchange/carol.ccer carol.ccer
flip carol.ccer exchange/carol.ccer -1
exits 3 'a signature that was changed is refused' ceremony plan.toml
says 'by name' signature-wrong err
mv carol.ccer exchange/carol.ccer

for person in frank grace; do recovers "$person" "../exchange/$person-recovery.cpos"; done
works 'without one of the recovery set, it waits' ceremony plan.toml
equal 'for that one' heidi "$(field out waiting.0.who)"
recovers heidi ../exchange/heidi-recovery.cpos "$(printf '00%.0s' {1..32})"
exits 3 'a proof for another authority is refused' ceremony plan.toml
says 'by name' proof-other err
rm exchange/heidi-recovery.cpos
recovers heidi ../exchange/heidi-recovery.cpos

# ---- Killed everywhere -------------------------------------------------------------------------------------------

command -v strace >/dev/null || { echo 'strace is missing: apt-get install strace'; exit 1; }
# Every how many syncs of a file the ceremony is killed.
STRIDE=${CEREMONY_STRIDE:-7}
KEPT=$WORK/kept
mkdir "$KEPT"
cp -r exchange "$KEPT"

# Runs the ceremony, killed when it makes a file durable for the Nth time: `killed N`.
killed() {
    strace -f -qq -o /dev/null -e trace=fsync,fdatasync -e "inject=fsync,fdatasync:signal=KILL:when=$1" \
        chancery --home home ceremony run plan.toml --exchange exchange --yes --json --pin-fd 3 \
        3<<<"$PASSPHRASE" >out 2>err
}

# From its beginning to the signatures: one root is written, whatever happens.
kills=0 good=0
for ((when = 1; ; when += STRIDE)); do
    rm -rf .home.ceremony-* exchange
    mkdir exchange
    for person in "${CUSTODIANS[@]}" "${RECOVERY[@]}" wendy; do cp "$KEPT/exchange/$person.cpos" exchange; done
    if killed "$when" 2>/dev/null; then break; fi
    kills=$((kills + 1))
    rm -f before.ccer
    [[ ! -e exchange/root.ccer ]] || cp exchange/root.ccer before.ccer
    if ceremony plan.toml >out 2>err && [[ $(field out waiting.#) == 6 ]] &&
        { [[ ! -e before.ccer ]] || cmp -s before.ccer exchange/root.ccer; }; then
        good=$((good + 1))
    else
        cat out err
    fi
done
equal "killed at $kills places before the signatures, it goes on to one root" "$kills" "$good"
if ((kills > 3)); then passed 'and it was killed at several'; else failed "it was killed at $kills places only"; fi

# A ceremony for which everybody has signed. A home that is copied is refused, so each is made anew.
signed() {
    rm -rf home .home.ceremony-* exchange
    mkdir exchange
    for person in "${CUSTODIANS[@]}" "${RECOVERY[@]}" wendy; do cp "$KEPT/exchange/$person.cpos" exchange; done
    ceremony plan.toml >out
    AUTHORITY=$(field out waiting.3.authority_id)
    for person in alice bob carol; do signs "$person" ../exchange/root.ccer "../exchange/$person.ccer"; done
    for person in "${RECOVERY[@]}"; do recovers "$person" "../exchange/$person-recovery.cpos"; done
}

# From the signatures to its end: always to the same authority.
kills=0 good=0
for ((when = 1; ; when += STRIDE)); do
    signed
    if killed "$when" 2>/dev/null; then break; fi
    kills=$((kills + 1))
    # Killed in its very last step, the home is there already.
    if [[ -d home ]] || { ceremony plan.toml >out 2>err && [[ $(field out authority_id) == "$AUTHORITY" ]]; }; then
        good=$((good + 1))
    else
        cat out err
    fi
done
equal "killed at $kills places after them, it goes on to the same authority" "$kills" "$good"
if ((kills > 3)); then passed 'and it was killed at several'; else failed "it was killed at $kills places only"; fi

# ---- What came of it ---------------------------------------------------------------------------------------------

has out finished true 'undisturbed, it ends'
has out authority_id "$AUTHORITY" 'with the authority that everybody wrote down'
absent 'nothing in the making is left' .home.ceremony-*
exits 1 'it cannot be run again' ceremony plan.toml
says 'for the home is taken' already-initialized err
works 'the log verifies' chancery --home home log verify --checkpoint exchange/ceremony.checkpoint
works 'doctor finds nothing wrong' chancery --home home doctor
works 'the transcript verifies' chancery ceremony show exchange/transcript.cose --trust exchange/ceremony.ctrust \
    --authority-id "$AUTHORITY" --json
has out plan_sha256 "$HASH" 'and names the plan'
equal 'and every step' 10 "$(field out steps.#)"
has out steps.0.confirmed false 'and that nobody was at the machine'
says 'the printed one names who watched' 'Robin Vogt' exchange/transcript.txt
flip exchange/transcript.cose changed.cose 200
exits 3 'a transcript that was changed is refused' \
    chancery ceremony show changed.cose --trust exchange/ceremony.ctrust
exits 3 'so is one of another authority' chancery ceremony show exchange/transcript.cose \
    --trust exchange/ceremony.ctrust --authority-id "$(printf '00%.0s' {1..32})"

# ---- And a license -----------------------------------------------------------------------------------------------

stock home
ENTITLEMENT=$(grant home 1)
request site "$ENTITLEMENT" pump.creq >out
works 'the authority issues a license' chancery --home home license issue --entitlement "$ENTITLEMENT" \
    --request pump.creq -o pump.clic
works 'a site verifies it with the bundle of the ceremony' \
    chancery-site verify pump.clic --trust exchange/ceremony.ctrust

# ---- A quorum is lost --------------------------------------------------------------------------------------------

kid() { sed -n 's/.* has key \([0-9a-f]*\)$/\1/p' "$1/out"; }
for person in david erin; do
    chancery --home home key export "$(kid "$person")" --format pem -o "$person.pem" >out
done
printf 'threshold = 2\n[[custodian]]\npublic-key = "david.pem"\n[[custodian]]\npublic-key = "erin.pem"\n' >next.toml
works 'the recovery set that the home keeps is the one that the root commits to' \
    chancery --home home root rotate --plan next.toml --recovery home/ceremony/recovery.toml --out recovery.ccer \
    --signer "$(kid frank)" --signer "$(kid grace)" --signer "$(kid david)" --signer "$(kid erin)"
chancery --home home root abandon >out
sed 's/threshold = 2/threshold = 1/' home/ceremony/recovery.toml >home/ceremony/weaker.toml
exits 3 'with another threshold it is not' \
    chancery --home home root rotate --plan next.toml --recovery home/ceremony/weaker.toml --out weaker.ccer \
    --signer "$(kid frank)" --signer "$(kid david)" --signer "$(kid erin)"

# ---- With people at the terminal ---------------------------------------------------------------------------------

cat >solo.toml <<'TOML'
name = "Solo Works"
operator = "Dana Keller"
threshold = 1

[[custodian]]
name = "Dana Keller"
key = "file:keys/custodian.pem"

[[custodian]]
name = "Robin Vogt"
key = "exchange"
signs = false

[[role]]
role = "log"
key = "file:keys/log.pem"
TOML
mkdir robin room
(cd robin && chancery ceremony prove ../solo.toml --name 'Robin Vogt' --key file:key.pem --out ../room/robin.cpos --json \
    --pin-fd 3 3<<<'a passphrase' >out)
FINGERPRINT=$(field robin/out fingerprint)
SOLO=$(sha256sum solo.toml | cut -d' ' -f1)
# The ceremony at a terminal, with prompts and answers as lines: `attended ANSWERS`.
attended() {
    # shellcheck disable=SC2059 # the answers have escapes
    printf "$1" >answers
    python3 "$ROOT/tests/journeys/at-terminal.py" answers chancery --home solo ceremony run solo.toml \
        --exchange room --pin-fd 3 3< <(printf '%s\n' "${PINS[@]}")
}
PINS=(one two)
exits 1 'who types another end of the plan`s hash is asked again, and can stop' \
    attended 'From paper\t00000000\nFrom paper\tstop\n'
says 'it says that it is not the one' 'That is not it' out
absent 'nothing was begun' .solo.ceremony-*
exits 1 'who hears another fingerprint does not go on' \
    attended "From paper\t${SOLO: -8}\nmachine\tmachine\ndevices\tdevices\nreads on\tdeadbeef\nreads on\tstop\n"
if grep -qF "${FINGERPRINT: -8}" out; then failed 'the end of the fingerprint is on the screen'; else passed 'its end is not on the screen'; fi
exits 1 'what is done stays done, and the ceremony can be stopped at the root' attended \
    "From paper\t${SOLO: -8}\nreads on\t${FINGERPRINT: -8}\n\`custodians\`\tcustodians\n\`keys\`\tkeys\nauthority id\tstop\n"
says 'steps that are done are named' 'machine: done' out
PINS=(one two)
works 'and gone on with to its end' attended \
    "From paper\t${SOLO: -8}\nauthority id down\tEND8 authority id\n\`root\`\troot\n\`sign\`\tsign\n\`signatures\`\tsignatures\n\`recovery\`\trecovery\n\`authority\`\tauthority\n\`checkpoint\`\tcheckpoint\n\`bundle\`\tbundle\n"
works 'its transcript verifies' chancery ceremony show room/transcript.cose --trust room/ceremony.ctrust --json
has out steps.9.confirmed true 'and says that every step was confirmed'
