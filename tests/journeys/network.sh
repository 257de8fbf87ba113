#!/usr/bin/env bash
# chancery-site calls no network: every command, without a network, watched by strace.

source "$(dirname "$0")/lib.sh"
journey network

# Runs a command in a network namespace of its own; its network system calls go to the file `calls`.
watched() {
    unshare --map-root-user --net -- strace -f -qq -e trace=%network -e signal=none -o "$WORK/calls" -- "$@"
}

# Asserts the exit code of a chancery-site command, and that it made no network system call.
quiet() {
    local code=$1 what=$2
    shift 2
    rm -f calls
    exits "$code" "$what" watched chancery-site "$@"
    if [[ -e calls && ! -s calls ]]; then
        passed "$what: no network call"
    else
        failed "$what: network calls, or strace did not run"
        sed 's/^/       | /' calls || true
    fi
}

# The control: strace sees a socket where there is one, also in a child process.
works 'a socket can be opened under strace' watched python3 -c 'import socket; socket.socket().close()'
says 'strace sees it' 'socket(AF_INET' calls
works 'a child can open one' watched sh -c 'python3 -c "import socket; socket.socket(socket.AF_UNIX).close()"; true'
says 'strace sees it in a child' 'socket(AF_UNIX' calls
exits 1 'there is no network to reach' watched python3 -c 'import socket; socket.create_connection(("192.0.2.1", 9), 2)'

authority home
entitlement=$(grant home 2)
chancery --home home bundle publish -o vendor.ctrust >out

quiet 0 fingerprint --state site fingerprint
quiet 0 request --state site request --product pump --entitlement "$entitlement" -o pump.creq --qr pump-request.png
issue home "$entitlement" pump.creq pump.clic --qr pump.png >out
quiet 0 'verify a file' verify pump.clic --trust vendor.ctrust
quiet 0 'verify a picture' verify pump.png --trust vendor.ctrust
quiet 0 install --state site install pump.clic --trust vendor.ctrust
quiet 0 check --state site check logging
quiet 0 'check as JSON' --state site check channels --json
quiet 3 'a denied check' --state site check turbo
quiet 0 status --state site status
flip pump.clic forged.clic -1
quiet 3 'a forged license' verify forged.clic --trust vendor.ctrust
quiet 0 completions completions bash
