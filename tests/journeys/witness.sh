#!/usr/bin/env bash
# A witness on a second machine: set up, asked for a batch, lost answers, and a thief who has a copy of the authority.

source "$(dirname "$0")/lib.sh"
journey witness

# Runs `chancery` on a home with the software keys' passphrase.
vendor() { chancery --home home "$@" --pin-fd 3 3<<<"$PASSPHRASE"; }
thief() { chancery --home thief "$@" --pin-fd 3 3<<<"$PASSPHRASE"; }
witness() { chancery --home witness "$@" --pin-fd 3 3<<<"$PASSPHRASE"; }
# A new key beside the custodian's: one line each, the custodian's first.
custodian() { chancery --home home "$@" --pin-fd 3 3< <(printf '%s\n' "$PASSPHRASE" "$PASSPHRASE"); }
# Writes rows for requests: `rows ENTITLEMENT FILE REQUEST…`.
rows() {
    local entitlement=$1 file=$2 request
    shift 2
    for request in "$@"; do printf '{"entitlement": "%s", "request": "%s"}\n' "$entitlement" "$request"; done >"$file"
}

authority home
entitlement=$(grant home 20)
for number in 1 2 3 4 5 6; do request "site$number" "$entitlement" "pump$number.creq" >out; done

# The witness is made on its own machine, from a bundle and an id that came another way.
works 'the log is given a key' custodian role add log --key file:home/keys/log.pem
vendor bundle publish -o first.ctrust --json >published.json
id=$(field published.json authority_id)
works 'a checkpoint is made' vendor log checkpoint -o first.checkpoint --json
began=$(field out size)
stranger=$(printf '%064d' 7)
exits 3 'a bundle of another authority is refused' witness witness init --trust first.ctrust --authority "$stranger"
says 'and named' 'authority' err
absent 'nothing is left of it' witness
works 'the witness is made' witness witness init --trust first.ctrust --authority "$id" \
    --checkpoint first.checkpoint -o witness.pem
exits 1 'and not twice in one place' witness witness init --trust first.ctrust --authority "$id"
works 'its key is certified' vendor role add witness --public-key witness.pem
works 'an issuing key that needs it is certified' custodian role add issuer --key file:home/keys/sealing.pem \
    --mode seal --co-signer witness
vendor bundle publish -o vendor.ctrust >out
exits 3 'its key does not begin again elsewhere' chancery --home second witness init --trust vendor.ctrust \
    --authority "$id" --key file:witness/keys/witness.pem --pin-fd 3 3<<<"$PASSPHRASE"
says 'because it is certified' 'certified this key already' err

# A batch: issued, asked for, signed, complete.
rows "$entitlement" first.jsonl pump1.creq pump2.creq
works 'a batch is issued' vendor batch issue --input first.jsonl --json
batch=$(field out batch)
has out sealed_at null 'and waits'
works 'the witness is asked, from where it began' vendor batch request "$batch" --out ask.cwit --known "$began"
exits 2 'it signs nothing unasked' witness witness sign ask.cwit --out answer.cwit
says 'and says so' 'asks a person' err
absent 'no answer is left' answer.cwit
works 'it signs' witness witness sign ask.cwit --out answer.cwit --yes
says 'what it signed was shown: how many' 'licenses:    2' out
says 'and to whom' 'acme 2' out
works 'the same request' witness witness sign ask.cwit --out again.cwit --yes
same 'has the same answer' answer.cwit again.cwit
exits 3 'the request is no answer' vendor batch complete ask.cwit
works 'the answer completes the batch' vendor batch complete answer.cwit
works 'and changes nothing the second time' vendor batch complete answer.cwit
works 'its licenses are written' vendor batch export "$batch" --out licenses
license=$(find licenses -name '*.clic' | sed -n 1p)
works 'a product takes them' chancery-site verify "$license" --trust vendor.ctrust

# A thief has a copy of the whole home: issuing key, log key, database.
vendor log checkpoint -o copied.checkpoint >out
cp -r home thief
exits 5 'a copy is refused as it is' thief log checkpoint -o never.checkpoint
chancery --home thief restore --adopt >out
works 'whoever has it says what the copy wants to hear' chancery --home thief restore --reconcile \
    --checkpoint copied.checkpoint --nothing-signed-since
rows "$entitlement" honest.jsonl pump3.creq
works 'the authority goes on' vendor batch issue --input honest.jsonl --json
honest=$(field out batch)
works 'asks' vendor batch request "$honest" --out honest.cwit
cp -r witness before
works 'is witnessed' witness witness sign honest.cwit --out honest-answer.cwit --yes
works 'and completes' vendor batch complete honest-answer.cwit
rows "$entitlement" forged.jsonl pump4.creq pump5.creq
works 'the thief issues from the copy' thief batch issue --input forged.jsonl --json
forged=$(field out batch)
equal 'at the same place in the log' "$honest" "$forged"
works 'asks the witness' thief batch request "$forged" --out forged.cwit
exits 5 'which raises the alarm' witness witness sign forged.cwit --out forged-answer.cwit --yes
says 'for another batch stands there' 'was signed before' err
absent 'and answers nothing' forged-answer.cwit
rows "$entitlement" beyond.jsonl pump6.creq
thief batch issue --input beyond.jsonl --json >beyond.json
exits 3 'what waits is not passed over by mistake' thief batch request "$(field beyond.json batch)" --out beyond.cwit
works 'further on' thief batch request "$(field beyond.json batch)" --out beyond.cwit --pass-over --known "$((honest + 1))"
exits 5 'the logs have parted' witness witness sign beyond.cwit --out beyond-answer.cwit --yes
exits 1 'the batch stays without its licenses' thief batch export "$forged" --out stolen
absent 'of which none is written' stolen
# Killed at each point at which something becomes durable, the witness resumes what it agreed to and nothing else.
command -v strace >/dev/null || { echo 'strace is missing: apt-get install strace'; exit 1; }
durable=fsync,fdatasync,linkat,rename,renameat,renameat2
struck=0 resumed=0 refused=0
for ((point = 1; point < 60; point++)); do
    rm -rf struck struck.cwit resumed.cwit
    cp -r before struck
    if strace -f -qq -o strace.log -e trace=$durable -e inject=$durable:signal=KILL:when=$point -- chancery --home struck \
        witness sign honest.cwit --out struck.cwit --yes --pin-fd 3 >out 2>err 3<<<"$PASSPHRASE"; then break; fi
    struck=$((struck + 1))
    chancery --home struck witness sign honest.cwit --out resumed.cwit --yes --pin-fd 3 >out 2>err 3<<<"$PASSPHRASE" \
        && resumed=$((resumed + 1))
    got=0
    chancery --home struck witness sign forged.cwit --out forged-answer.cwit --yes >out 2>err || got=$?
    ((got != 5)) || refused=$((refused + 1))
done
if ((struck >= 6)); then passed "killed at $struck points"; else failed "killed at $struck points alone"; fi
equal 'each time it goes on' "$struck" "$resumed"
equal 'and never signs the range twice' "$struck" "$refused"
absent 'nor answers' forged-answer.cwit
witness witness show --json >shown.json
has shown.json batches 2 'two batches were signed in all'

# The witness is put back to an older state, or loses its memory.
cp -r before older
works 'the log is cosigned' vendor log cosign --out log.cwit
works 'by the witness' witness witness sign log.cwit --out log-answer.cwit --yes
works 'whose line is kept' vendor batch complete log-answer.cwit
rows "$entitlement" last.jsonl pump4.creq
works 'a last batch' vendor batch issue --input last.jsonl --json
works 'is asked for' vendor batch request "$(field out batch)" --out last.cwit
exits 5 'an older copy of the witness refuses' chancery --home older witness sign last.cwit --out older.cwit --yes
says 'because it has signed more' 'it remembers' err
cp -r witness lost
rm lost/memory/0000000001
exits 5 'a memory with a gap is an alarm' chancery --home lost witness show
rm -r lost/memory
exits 5 'so is none at all' chancery --home lost witness sign last.cwit --out lost.cwit --yes
says 'and the hint says what then' 'new witness' err
absent 'nothing was signed' lost.cwit
works 'the witness itself signs on' witness witness sign last.cwit --out last-answer.cwit --yes
works 'to the end' vendor batch complete last-answer.cwit
works 'and the log agrees with itself' vendor log verify
