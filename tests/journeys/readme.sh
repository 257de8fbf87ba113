#!/usr/bin/env bash
# Runs every command that README.md and the guides show: in each block marked ```console, the lines that begin
# with `$ `, with their here-documents, and the next line after a backslash.
#
# Those of one page run in order, in one shell and in one empty folder, so that a command finds what earlier ones
# made. Commands of cargo run in the repository. Not run, and said so: the test command, which is what runs this.
# Not here: the pages of devices, whose commands want the device (hsm-config/tests/profiles.rs).

source "$(dirname "$0")/lib.sh"
journey readme

# Prints the commands of a page, each ended by a NUL.
commands() {
    awk '
        function finish() { printf "%s%c", command, 0; state = "" }
        /^```console *$/ { inside = 1; next }
        /^```/ { inside = 0 }
        !inside { next }
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
    ' "$1"
}

cargo() { (cd "$ROOT" && command cargo "$@"); }

# Runs the commands of a page in this shell: later ones use the variables that earlier ones set.
page() {
    local command status shown commands
    mapfile -d '' -t commands < <(commands "$ROOT/$1")
    if ((${#commands[@]} > 0)); then passed "$1 shows commands"; else failed "$1 shows no command"; fi
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
    cd "$WORK"
}

# Defaults that a command falls back to are this journey's, not those of whoever runs it.
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
HOME=$WORK/owner
mkdir "$HOME"

page README.md
for guide in "$ROOT"/docs/guide/*.md; do
    page "${guide#"$ROOT/"}"
done
