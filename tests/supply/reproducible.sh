#!/usr/bin/env bash
# Builds both programs twice with .ci/release: from two copies of the sources in two folders, with two target folders
# and two of cargo's own folders, and compares them byte by byte. No path of this machine may stand in them.
# Usage: tests/supply/reproducible.sh FOLDER, which is emptied before and after.
set -euo pipefail
folder=$(realpath -m "${1:?usage: tests/supply/reproducible.sh FOLDER}")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rm -rf "$folder"
failed=0

# The copies differ in the length of their paths as well.
for place in one another/and/deeper; do
    sources=$folder/$place/sources
    mkdir -p "$sources" "$folder/$place/cargo"
    git -c "safe.directory=$PWD" ls-files -z --cached --others --exclude-standard |
        tar --null --files-from=- --create --file=- | tar -x -C "$sources"
    for part in "$cargo_home"/{registry,git,config.toml}; do
        [[ ! -e $part ]] || ln -s "$part" "$folder/$place/cargo/"
    done
    env -u RUSTFLAGS CARGO_HOME="$folder/$place/cargo" CARGO_TARGET_DIR="$folder/$place/target" \
        bash "$sources/.ci/release" "$folder/$place/programs"
done

# Counts where a file holds one of some texts, one a line; none for no text.
occurrences() {
    [[ -n $1 ]] || { echo 0 && return; }
    { grep --only-matching --fixed-strings --text --regexp="$1" "$2" || (($? == 1)); } | wc -l
}

# Where the home is short, a folder of our own may have its name, as that of the commands of roots has: such paths are
# counted off.
files=$(git -c "safe.directory=$PWD" ls-files)
for program in chancery chancery-site chancery.cdx.json chancery-site.cdx.json; do
    programs=("$folder"/one/programs/$program "$folder"/another/and/deeper/programs/$program)
    fault=''
    cmp "${programs[@]}" || fault="depends on where it is built"
    for path in "$folder" "$cargo_home" "$HOME/"; do
        own=$(grep --fixed-strings "$path" <<<"$files" || true)
        if (($(occurrences "$path" "${programs[0]}") > $(occurrences "$own" "${programs[0]}"))); then
            fault="holds the path $path"
        fi
    done
    if [[ -n $fault ]]; then
        echo "error: $program $fault"
        failed=$((failed + 1))
    fi
done
rm -rf "$folder"
echo "reproducible: $((4 - failed)) passed, $failed failed"
exit "$((failed > 0))"
