#!/usr/bin/env bash
# Runs every command that README.md and the guides show: in each block marked ```console, the lines that begin
# with `$ `, with their here-documents, and the next line after a backslash.
#
# Those of one page run in order, in one shell and in one empty folder, so that a command finds what earlier ones
# made. Commands of cargo run in the repository. Not run, and said so: the test command, which is what runs this.
# Such lines of blocks marked ```text want a device, another person or another day: they run in an empty folder, where
# they have to be understood (an exit code other than 2), and the journeys of their own run them for good.
# Not here: the pages of devices, whose commands want the device (hsm-config/tests/profiles.rs).

source "$(dirname "$0")/lib.sh"
journey readme

# Prints the commands of a page in blocks of one kind, each ended by a NUL: `commands KIND FILE`.
commands() {
    awk -v begin='^ *```'"$1 *$" '
        function finish() { printf "%s%c", command, 0; state = "" }
        $0 ~ begin { inside = 1; next }
        /^ *```/ { inside = 0 }
        !inside { next }
        { sub(/^ +\$ /, "$ ") }
        state == "document" { command = command "\n" $0; if ($0 == word) finish(); next }
        state == "more" { command = command "\n" $0; if (!/\\$/) finish(); next }
        /^\$ / {
            command = substr($0, 3)
            if (match($0, /<<\047?[A-Z]+/)) {
                state = "document"
                word = substr($0, RSTART, RLENGTH)
                gsub(/[<\047]/, "", word)
            } else if (/\\$/) state = "more"
            else finish()
        }
        END { if (state != "") printf "false # %s: does not end%c", command, 0 }
    ' "$2"
}

cargo() { (cd "$ROOT" && command cargo "$@"); }

# Runs the commands of a page in this shell: later ones use the variables that earlier ones set.
page() {
    local command status shown commands others
    mapfile -d '' -t commands < <(commands console "$ROOT/$1")
    mapfile -d '' -t others < <(commands text "$ROOT/$1")
    if ((${#commands[@]} + ${#others[@]} > 0)); then passed "$1 shows commands"; else failed "$1 shows no command"; fi
    mkdir "$WORK/${1//\//-}"
    cd "$WORK/${1//\//-}"
    for command in "${commands[@]}"; do
        shown=${command%%$'\n'*}
        if [[ $command == *tests/run.sh* ]]; then
            echo "  not run: $shown"
            continue
        fi
        status=0
        eval "$command" >"$WORK/out" 2>"$WORK/err" </dev/null || status=$?
        if ((status == 0)); then
            passed "\$ $shown"
        else
            failed "\$ $shown: exit code $status"
            sed 's/^/       | /' "$WORK/out" "$WORK/err"
        fi
    done
    rm -rf "$WORK/empty"
    mkdir "$WORK/empty"
    cd "$WORK/empty"
    for command in "${others[@]}"; do
        status=0
        eval "$command" >"$WORK/out" 2>"$WORK/err" </dev/null || status=$?
        if ((status != 2 && status != 127)); then
            passed "understood: ${command%%$'\n'*}"
        else
            failed "not understood: $command"
            sed 's/^/       | /' "$WORK/err"
        fi
    done
    cd "$WORK"
}

# What the pages leave to the reader to have noted.
authority_id=$(printf '0%.0s' {1..64})
sha256=$authority_id

# Defaults that a command falls back to are this journey's, not those of whoever runs it.
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
HOME=$WORK/owner
mkdir "$HOME"

page README.md
for guide in "$ROOT"/docs/guide/*.md; do
    page "${guide#"$ROOT/"}"
done
