#!/usr/bin/env bash
# Builds Kryoptic as a PKCS#11 module, once for each state of its lock file, and prints the module's path.
#
# The module goes to ${CARGO_TARGET_DIR:-target}/tools/kryoptic/HASH/, where later runs find it. The first run
# compiles OpenSSL and takes minutes; what the compilers say goes to stderr. Needs Perl, make, a C compiler
# and libclang. Not here: a token.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=../../..
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target/tools/kryoptic"
tools=$(cd "$target/tools/kryoptic" && pwd)

hash=$(cat Cargo.lock Cargo.toml src/lib.rs | sha256sum | cut -c 1-16)
module=$tools/$hash/libkryoptic_pkcs11.so
if [[ ! -f $module ]]; then
    for library in "${LIBCLANG_PATH:-}" /usr/lib/llvm-*/lib /usr/lib64 /usr/lib/*-linux-gnu; do
        if compgen -G "$library/libclang*.so*" >/dev/null; then clang=1; fi
    done
    if [[ -z ${clang:-} ]]; then
        echo 'error: libclang is missing' >&2
        echo 'hint: run `apt-get install libclang-dev`, then this again' >&2
        exit 1
    fi
    # Its own directory, so that no build of Chancery waits for it, and beside the module only that.
    CARGO_TARGET_DIR=$tools/build nice -n 19 cargo build --locked >&2
    mkdir -p "$tools/$hash"
    cp "$tools/build/debug/libkryoptic_pkcs11.so" "$module.partial"
    mv "$module.partial" "$module"
    rm -rf "$tools/build"
fi
echo "$module"
