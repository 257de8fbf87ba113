#!/usr/bin/env bash
# PINs and passphrases stay inside the process: a random canary is looked for wherever else it could be.
#
# Looked at: arguments and environment of the running process while it holds the canary, everything that it
# writes by any system call, its output, and every file it leaves. Each look has a control that must find it.

source "$(dirname "$0")/lib.sh"
journey secrets

random() { od -An -N12 -tx1 /dev/urandom | tr -d ' \n'; }

# The forms in which a secret could be written by mistake.
forms() {
    printf '%s\n' "$1"
    printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n' && echo
    printf '%s' "$1" | base64 -w0 | tr -d '=' && echo
}

# Prints how many of the given files and folders hold a secret of the file `canaries`.
holding() { { grep -rlaF -f canaries -- "$@" 2>/dev/null || true; } | wc -l; }

# Prints the places of a process, and of its children, that show a secret.
exposed() {
    local pid=$1 child place
    for place in cmdline environ; do
        # A process that keeps its memory to itself shows its environment to nobody but the superuser.
        if grep -qaF -f "$WORK/canaries" "/proc/$pid/$place" 2>/dev/null; then echo "$place"; fi
    done
    for child in $(cat "/proc/$pid/task/"*/children 2>/dev/null); do exposed "$child"; done
}

# Runs a command that reads secrets, holds it while it has them without their last newline, and looks.
# `held CODE NAME SECRETS COMMAND…`; its output is in NAME.out and NAME.err.
held() {
    local code=$1 name=$2 secrets=$3 got=0 looks=0 found=''
    shift 3
    rm -f pins
    mkfifo -m 600 pins
    strace -f -qq -e trace=execve,prctl,prlimit64,setrlimit,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg \
        -e signal=none -v -s 1000000 -o "$name.calls" -- "$@" --pin-fd 3 3<pins >"$name.out" 2>"$name.err" &
    local tracer=$!
    exec {writer}>pins
    printf '%s' "$secrets" >&"$writer"
    local limit=''
    while kill -0 "$tracer" 2>/dev/null; do
        found+=$(exposed "$tracer")
        looks=$((looks + 1))
        if ((looks == LOOKS)); then
            limit=$(awk '/^Max core file size/ { print $5, $6 }' "/proc/$(tr -d " " <"/proc/$tracer/task/$tracer/children")/limits")
            printf '\n' >&"$writer"
            exec {writer}>&-
        fi
        sleep 0.02
    done
    wait "$tracer" || got=$?
    equal "$name: exit code" "$code" "$got"
    if ((looks >= LOOKS)); then passed "$name: watched while it ran"; else failed "$name: ended before it was watched"; fi
    equal "$name: neither arguments nor environment show it" '' "$found"
    equal "$name: no core can be dumped" '0 0' "$limit"
    if grep -q 'prctl(PR_SET_DUMPABLE, \(0\|SUID_DUMP_DISABLE\)) *= 0' "$name.calls"; then
        passed "$name: its memory is closed to other processes"
    else
        failed "$name: its memory is open to other processes of its user"
    fi
    equal "$name: nothing was started and nothing written with it" 0 "$(holding "$name.calls")"
    equal "$name: no output shows it" 0 "$(holding "$name.out" "$name.err")"
}

# How often a process is looked at while it waits for the end of its secret.
LOOKS=20

root=$(random) issuing=$(random) pin=$(random) wrong=$(random)
for secret in "$root" "$issuing" "$pin" "$wrong"; do forms "$secret"; done >canaries

# Controls: each look finds a secret that is there.
bash -c 'sleep 30; true' "$root" &
control=$!
sleep 0.2
equal 'control: arguments are looked at' cmdline "$(exposed $control)"
kill $control
SECRET=$pin sleep 30 &
control=$!
sleep 0.2
equal 'control: the environment is looked at' environ "$(exposed $control)"
kill $control
sh -c 'SECRET=$1 sleep 30; true' sh "$wrong" >/dev/null &
control=$!
sleep 0.2
equal 'control: children are looked at' 'cmdline environ' "$(exposed $control | sort -u | paste -sd' ')"
# shellcheck disable=SC2046 # one word a process
kill $(cat /proc/$control/task/*/children) $control
mkdir control
printf 'x\0%s\0' "$issuing" >control/binary
printf '%s' "$issuing" | base64 >control/encoded
equal 'control: files are looked at, in each form' 2 "$(holding control)"
strace -f -qq -e trace=write -s 1000000 -o control.calls -- cp control/binary /dev/stdout >/dev/null
equal 'control: writing is looked at' 1 "$(holding control.calls)"
rm -r control control.calls

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
