#!/usr/bin/env bash
# An authority is backed up, lost and restored, and no serial is used twice: clones, older copies, damaged and foreign
# backups, a full disk, and a backup that is opened without Chancery.
#
# The `age` tool is the other hand: it makes the keys and opens what Chancery encrypted. Not here: single bytes of a
# backup and forged databases (authority/tests/cli), kills (tests/crash), the HSM's own log (yubihsm).

# A mount namespace for the disk that is full.
if [[ -z ${OWN_MOUNTS:-} ]]; then
    OWN_MOUNTS=1 exec unshare --map-root-user --mount -- bash "$0" "$@"
fi
source "$(dirname "$0")/lib.sh"
journey backup
command -v age-keygen >/dev/null || { echo 'age is missing: apt-get install age'; exit 1; }

# Runs `chancery` with the software keys' passphrase, for as many as two of them.
vendor() { chancery "$@" --pin-fd 3 3< <(printf '%s\n' "$PASSPHRASE" "$PASSPHRASE"); }
# Runs `chancery` with the passphrase of a backup.
secret() { chancery "$@" --pin-fd 3 3<<<"$escrow"; }
# Prints the code of the error that a command under --json left in `err`.
code() { field err error.code; }
# Asserts that a command is refused for a reason: `refused EXIT CODE WHAT COMMAND…`.
refused() {
    local exit=$1 reason=$2 what=$3
    shift 3
    exits "$exit" "$what" "$@" --json
    equal "$what: for that reason" "$reason" "$(code)"
}
# What of a restore could be left beside a home.
beside() { find . -maxdepth 1 -name '.*.restore-*' | wc -l; }

escrow=$(random)
canaries "$escrow"
age-keygen -o identity.txt 2>/dev/null
age-keygen -o stranger.txt 2>/dev/null
recipient=$(age-keygen -y identity.txt)
canaries "$(grep AGE-SECRET identity.txt)"

authority home
entitlement=$(grant home 9)
works 'the log is given a key' vendor --home home role add log --key file:home/keys/log.pem
vendor --home home log checkpoint -o 1.checkpoint >out
request site-1 "$entitlement" 1.creq >out
issue home "$entitlement" 1.creq 1.clic --json >issued.json
first=$(field issued.json id)
id=$(chancery --home home doctor --json >doctor.json && field doctor.json findings.3.message | grep -o '[0-9a-f]\{64\}')

# ---- Made, tried, and opened by other hands ---------------------------------------------------------------------
works 'a backup is made for a recipient' chancery --home home backup -o early.age --recipient "$recipient" --with-keys --json
sha256=$(field out sha256)
equal 'the hash that it tells is the file’s' "$sha256" "$(sha256sum early.age | cut -d' ' -f1)"
has out opened_by_owner false 'nobody’s key was needed to try it'
works 'its owner’s key is tried' chancery --home home backup -o owned.age --recipient "$recipient" --identity identity.txt --json
has out opened_by_owner true 'and opens it'
absent 'nothing in plain stays in the home' home/.backup
works 'age opens it' age --decrypt -i identity.txt -o plain early.age
python3 - plain >list <<'PYTHON'
import hashlib, sqlite3, sys

data = open(sys.argv[1], "rb").read()
end = data.index(b"\n\n") + 2
lines, at = data[:end].decode().splitlines(), end
for line in lines:
    if line.startswith("file "):
        _, name, size, sha256 = line.split(" ")
        part = data[at:at + int(size)]
        assert hashlib.sha256(part).hexdigest() == sha256, name
        if name == "authority.db":
            open("opened.db", "wb").write(part)
        at += int(size)
        print(name)
assert at == len(data) and lines[0] == "chancery-backup 1"
print(sqlite3.connect("opened.db").execute("PRAGMA integrity_check").fetchone()[0])
PYTHON
equal 'and finds the database and the keys, whole' 'authority.db keys/issuing.pem keys/log.pem keys/root.pem ok' "$(paste -sd' ' list)"
refused 1 file-exists 'a backup is never written over' chancery --home home backup -o early.age --recipient "$recipient"
works 'a backup is made under a passphrase' secret --home home backup -o phrase.age --passphrase --json
has out keys_left.# 3 'without the files of keys, which it names'
refused 2 usage 'a backup for nobody is not made' chancery --home home backup -o nobody.age --recipient "$(grep AGE-SECRET identity.txt)"
equal 'an identity given by mistake is not repeated' 0 "$(holding out err)"
equal 'no backup shows a secret' 0 "$(holding early.age owned.age phrase.age home)"

# ---- What is wrong with a backup is refused, and leaves nothing ---------------------------------------------------
back() { chancery --home "$1" restore "$2" --identity identity.txt "${@:3}"; }
refused 3 backup-wrong-key 'a stranger does not open it' chancery --home new restore early.age --identity stranger.txt
refused 3 backup-wrong-key 'nor does a passphrase' secret --home new restore early.age --passphrase
refused 3 backup-foreign-authority 'another authority was asked for' back new early.age --authority "$(printf '%064d' 1)"
refused 3 backup-other 'another file was asked for' back new early.age --sha256 "$(sha256sum owned.age | cut -d' ' -f1)"
head -c -1 early.age >bad.age
refused 3 backup-damaged 'the last byte is missing' back new bad.age
head -c 100000 early.age >bad.age
refused 3 backup-damaged 'its end is missing' back new bad.age
python3 - <<'PYTHON'
data = open("early.age", "rb").read()
start = data.index(b"\n--- ") + 5 + 43 + 1 + 16
piece = 64 * 1024 + 16
flipped = bytearray(data)
flipped[start + piece + 99] ^= 1
open("flip.age", "wb").write(flipped)
one, two = data[start:start + piece], data[start + piece:start + 2 * piece]
assert len(two) == piece
open("swap.age", "wb").write(data[:start] + two + one + data[start + 2 * piece:])
PYTHON
refused 3 backup-damaged 'one bit is changed' back new flip.age
refused 3 backup-damaged 'two pieces are swapped' back new swap.age
# A recipient is known to everybody: anybody can encrypt anything to it.
age -r "$recipient" -o forged.age 1.clic
refused 3 backup-damaged 'what is encrypted is no backup' back new forged.age
python3 - <<'PYTHON'
data = open("plain", "rb").read()
database = data.index(b"\n\n") + 2
forged = data[:database].replace(b"\nlog 4 ", b"\nlog 3 ")
assert forged != data[:database]
open("forged", "wb").write(forged + data[database:])
PYTHON
age -r "$recipient" -o fewer.age forged
refused 3 backup-damaged 'a backup that says less of its log than it holds' back new fewer.age
absent 'no home comes of them' new
equal 'nothing is left of them' 0 "$(beside)"
refused 1 already-initialized 'a home is never restored over' back home early.age

# ---- Restored: it signs nothing until it is shown to hold all that was signed ---------------------------------------
request site-2 "$entitlement" 2.creq >out
issue home "$entitlement" 2.creq 2.clic >out
vendor --home home log checkpoint -o 2.checkpoint >out
chancery --home home backup -o late.age --recipient "$recipient" --with-keys >out
works 'the backup of before is restored' back early early.age --authority "$id" --sha256 "$sha256" --json
has out issuing locked 'and signs nothing'
works 'the newest is restored' back late late.age
works 'under a passphrase too' secret --home phrase restore phrase.age --passphrase
has <(chancery --home early license list --json) 0.id "$first" 'what was issued is known'
request site-3 "$entitlement" 3.creq >out
for home in early late; do
    refused 3 issuing-locked "$home: no license" issue "$home" "$entitlement" 3.creq 3.clic
    refused 3 issuing-locked "$home: no key" vendor --home "$home" role add log --key "file:$home/keys/more.pem"
    exits 1 "$home: doctor says why" chancery --home "$home" doctor
    says "$home: and what to do" 'restore --reconcile' out
done
refused 3 issuing-locked 'no checkpoint of its own, to be released by' vendor --home early log checkpoint -o own.checkpoint
absent 'nothing was signed' 3.clic
absent 'no checkpoint either' own.checkpoint
reconcile() { chancery --home "$1" restore --reconcile --checkpoint "$2" "${@:3}"; }
refused 5 log-older 'the older one lacks a license' reconcile early 2.checkpoint --nothing-signed-since
refused 3 checkpoint-not-newest 'an older checkpoint is not enough' reconcile late 1.checkpoint --nothing-signed-since
refused 3 signatures-uncounted 'software keys count nothing' reconcile late 2.checkpoint
refused 3 issuing-locked 'it is still locked' issue late "$entitlement" 3.creq 3.clic
works 'the newest backup, the newest checkpoint, and the operator’s word' reconcile late 2.checkpoint --nothing-signed-since
refused 3 lock-none 'once is enough' reconcile late 2.checkpoint --nothing-signed-since
works 'it issues again' issue late "$entitlement" 3.creq 3.clic
works 'and its log goes on' vendor --home late log checkpoint -o 3.checkpoint
works 'the log agrees with every checkpoint' chancery --home late log verify --checkpoint 2.checkpoint
works 'the second goes on from the first' vendor --home late log consistency 2.checkpoint 3.checkpoint
vendor --home late bundle publish -o vendor.ctrust >out
works 'the site takes what it issued' chancery-site verify 3.clic --trust vendor.ctrust
equal 'no index of the log is used twice' 0 "$(query late 'SELECT count(*) - count(DISTINCT log_index) FROM log_leaf')"
exits 5 'the original, which the newer checkpoint contradicts, is found' chancery --home home log verify --checkpoint 3.checkpoint
says 'as older' log-older out

# ---- Clones -------------------------------------------------------------------------------------------------------
cp -a late clone
request site-4 "$entitlement" 4.creq >out
refused 5 home-copied 'the second of two clones is refused' issue clone "$entitlement" 4.creq 4.clic
exits 5 'doctor raises the alarm' chancery --home clone doctor
works 'what it holds can be read' chancery --home clone license list
works 'the first goes on' issue late "$entitlement" 4.creq 4.clic
refused 3 lease-held 'it has nothing to take over' chancery --home late restore --adopt
works 'the clone takes over' chancery --home clone restore --adopt --json
has out issuing locked 'and is locked'
vendor --home late log checkpoint -o 4.checkpoint >out
refused 5 log-older 'it lacks what the first issued' reconcile clone 4.checkpoint --nothing-signed-since
# The database alone, copied over the one of a home.
cp late/authority.db kept.db
cp clone/authority.db late/authority.db
rm -f late/authority.db-wal late/authority.db-shm
refused 5 home-copied 'another clone’s database in the home' issue late "$entitlement" 4.creq again.clic
cp kept.db late/authority.db
works 'put back, it is the home again' issue late "$entitlement" 4.creq again.clic

# ---- A full disk ----------------------------------------------------------------------------------------------------
mkdir stick
mount -t tmpfs -o size=64K,mode=700 tmpfs stick
exits 1 'a backup does not fit' chancery --home late backup -o stick/full.age --recipient "$recipient" --json
equal 'the error says so' disk-full "$(code)"
equal 'nothing is left on the stick' 0 "$(find stick -type f | wc -l)"
absent 'nor in the home' late/.backup
exits 1 'a home does not fit' chancery --home stick/home restore late.age --identity identity.txt --json
equal 'nothing of it is left' 0 "$(find stick -type f | wc -l)"
umount stick

equal 'no secret is anywhere' 0 "$(holding late clone early phrase home out err ./*.age)"
