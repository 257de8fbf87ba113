#!/usr/bin/env bash
# The log from its first checkpoint to the auditor: signed, proven, exported, computed anew by other hands, gone back
# in time, and damaged by one bit.

source "$(dirname "$0")/lib.sh"
journey log

# Runs `chancery` on the home with the software keys' passphrase.
vendor() { chancery --home home "$@" --pin-fd 3 3<<<"$PASSPHRASE"; }
# A new key beside the custodian's: one line each, the custodian's first.
custodian() { chancery --home home "$@" --pin-fd 3 3< <(printf '%s\n' "$PASSPHRASE" "$PASSPHRASE"); }

# Computes the root of an exported log anew, with nothing of ours: `root FILE SIZE`.
root() {
    python3 - "$@" <<'PYTHON'
import hashlib, sys

from cbor import read, to_sign

def root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()

log, leaves = open(sys.argv[1], "rb").read(), []
while log:
    length = int.from_bytes(log[:4], "big")
    record, log = read(log[4:4 + length])[0], log[4 + length:]
    if record[0] == 1:
        _, index, protected, payload, _, _ = record
        assert index == len(leaves)
        leaves.append(hashlib.sha256(b"\0" + to_sign(protected, payload)).digest())
assert record == [4, len(leaves), record[2], record[3]]
print(root(leaves[:int(sys.argv[2])]).hex())
PYTHON
}

# Changes one bit of what a query finds, where the database file holds it: `damage SQL`.
damage() {
    python3 - "$1" <<'PYTHON'
import sqlite3, sys

path = "home/authority.db"
database = sqlite3.connect(path)
value, = database.execute(sys.argv[1]).fetchone()
database.close()
data = bytearray(open(path, "rb").read())
assert data.count(value) == 1
data[data.find(value) + len(value) // 2] ^= 1
open(path, "wb").write(data)
PYTHON
}

authority home
entitlement=$(grant home 5)
exits 1 'a log without its key is not signed' vendor log checkpoint -o none.checkpoint
says 'the hint names the ceremony' 'chancery role add log' err
absent 'no checkpoint is left' none.checkpoint
works 'the log is given a key' custodian role add log --key file:home/keys/log.pem
works 'the first checkpoint is signed' vendor log checkpoint -o first.checkpoint
works 'it is not signed twice' vendor log checkpoint -o again.checkpoint
same 'the same size gives the same checkpoint' first.checkpoint again.checkpoint
cp -r home before

# A license, proven at the site with public keys alone.
request site "$entitlement" pump.creq >out
issue home "$entitlement" pump.creq pump.clic --json >issued.json
license=$(field issued.json id)
exits 1 'a license newer than the checkpoint is not proven under it' vendor log prove "$license" -o early.tlog-proof
says 'the hint asks for a new checkpoint' 'chancery log checkpoint' err
works 'the log is signed again' vendor log checkpoint -o second.checkpoint --json
size=$(field out size) signed_root=$(field out root)
works 'the license is proven' vendor log prove "$license" -o pump.tlog-proof --json
index=$(field out log_index)
vendor bundle publish -o vendor.ctrust >out
works 'the site finds the license in the log' chancery-site audit pump.clic --trust vendor.ctrust \
    --proof pump.tlog-proof --checkpoint second.checkpoint --json
has out log_index "$index" 'at the same place'
has out root "$signed_root" 'under the same root'
request site "$entitlement" other.creq >out || request site-other "$entitlement" other.creq >out
issue home "$entitlement" other.creq other.clic >out
exits 3 'another license is not where this one is' chancery-site audit other.clic --trust vendor.ctrust --proof pump.tlog-proof
says 'the refusal says so' 'the license is not in the log' err
exits 3 'a checkpoint of before is of another size' chancery-site audit pump.clic --trust vendor.ctrust \
    --proof pump.tlog-proof --checkpoint first.checkpoint
works 'the log went on' vendor log consistency first.checkpoint second.checkpoint
exits 3 'and not backwards' vendor log consistency second.checkpoint first.checkpoint

# The auditor takes the whole log away.
works 'the log agrees with itself' vendor log verify --checkpoint second.checkpoint
works 'the log is exported' vendor log export -o vendor.clog
works 'the site finds the license in the whole log' chancery-site audit pump.clic --trust vendor.ctrust \
    --checkpoint second.checkpoint --log vendor.clog --json
has out log_index "$index" 'at the same place again'
equal 'other hands compute the same root' "$signed_root" "$(root vendor.clog "$size")"
head -c 1500 vendor.clog >cut.clog
exits 3 'a log that is cut is refused' chancery-site audit pump.clic --trust vendor.ctrust --checkpoint second.checkpoint --log cut.clog

# An older copy of the home, and a home with one bit changed.
works 'an older copy agrees with itself' chancery --home before log verify --checkpoint first.checkpoint
exits 5 'and not with what was signed since' chancery --home before log verify --checkpoint second.checkpoint
says 'the alarm names it' 'log-older' out
exits 5 'nor does its log go on' chancery --home before log consistency second.checkpoint
cp home/authority.db whole.db
# Header and payload stand together there, and apart in the signed document.
damage "SELECT CAST(protected || payload AS BLOB) FROM log_leaf WHERE log_index = $index"
exits 5 'one changed bit is an alarm' vendor log verify
says 'the document is named' "document $index" out
says 'and so is the tile' 'tile-hash' out
cp whole.db home/authority.db
damage 'SELECT hashes FROM log_tile WHERE level = 0'
exits 5 'so is one in the tree' vendor log verify
exits 5 'and nothing is signed over it' vendor log checkpoint
says 'because it is not what was signed' 'not those that were signed' err
exits 5 'nor proven under it' vendor log prove "$index" -o wrong.tlog-proof
absent 'no proof is left' wrong.tlog-proof
cp whole.db home/authority.db
works 'the restored home agrees again' vendor log verify --checkpoint second.checkpoint
