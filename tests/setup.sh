#!/usr/bin/env bash
# Installs what the tests need and a machine with Rust, a C compiler and Python may lack.
#
# Debian packages (as root, or with sudo that asks nothing), components of the Rust toolchain, and a Python
# environment under target/. Where something cannot be installed, fails and names the command. What is there is
# left alone. Not here: tools for `--long` (tests/run.sh builds those).

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

give_up() {
    echo "error: $1" >&2
    echo "hint: run \`$2\`, then this again" >&2
    exit 1
}

# Debian packages, each wanted where its program is missing.
missing=()
want() { command -v "$1" >/dev/null || missing+=("$2"); }
want_file() { compgen -G "$1" >/dev/null || missing+=("$2"); }
want softhsm2-util softhsm2
want pkcs11-tool opensc
want swtpm swtpm
want tpm2-abrmd tpm2-abrmd
want tpm2_dictionarylockout tpm2-tools
want dbus-run-session dbus-daemon
want certutil libnss3-tools
want pcscd pcscd
want yubico-piv-tool yubico-piv-tool
want_file '/usr/lib/*/libtpm2_pkcs11.so.1' libtpm2-pkcs11-1
want_file '/usr/lib/*/libtss2-tcti-tabrmd.so.0' libtss2-tcti-tabrmd0
want_file '/usr/lib/*/libsoftokn3.so' libnss3
want_file '/usr/lib/*/libykcs11.so' ykcs11
want_file '/usr/lib/pcsc/drivers/serial/libifdvpcd.so' vsmartcard-vpcd
want_file '/usr/lib/*/pkgconfig/libpcsclite.pc' libpcsclite-dev
want pkg-config pkg-config
want zbarimg zbar-tools
want strace strace
want age age
want openssl openssl
want c++ g++
want git git
want unshare util-linux
want findmnt mount
want python3 python3
if [[ ${1:-} == --long ]]; then
    # What compiles Kryoptic.
    compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || missing+=(libclang-dev)
    want make make
    want perl perl
fi
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if ((${#missing[@]} > 0)); then
    command="apt-get install --yes --no-install-recommends ${missing[*]}"
    as_root=()
    if ((EUID != 0)); then as_root=(sudo -n); fi
    command -v apt-get >/dev/null || give_up "missing: ${missing[*]}, and this is not Debian" "install them by hand"
    [[ $EUID == 0 ]] || sudo -n true 2>/dev/null || give_up "missing: ${missing[*]}, and sudo asks" "sudo $command"
    "${as_root[@]}" apt-get update --quiet || give_up 'package lists cannot be fetched' 'sudo apt-get update'
    # shellcheck disable=SC2086 # one word an argument
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive $command || give_up "cannot install ${missing[*]}" "sudo $command"
fi

# The Rust toolchain.
command -v cargo >/dev/null || give_up 'cargo is missing' 'curl https://sh.rustup.rs | sh'
cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt ||
    give_up 'rustfmt is missing' 'rustup component add rustfmt'
cargo clippy --version >/dev/null 2>&1 || rustup component add clippy ||
    give_up 'clippy is missing' 'rustup component add clippy'

# The Python environment of tests/interop, made anew when its list changes.
environment=$target/interop
wanted=$(sha256sum tests/interop/requirements.txt)
if [[ $(cat "$environment/requirements.sha256" 2>/dev/null) != "$wanted" ]]; then
    rm -rf "$environment"
    mkdir -p "$target"
    python3 -m venv "$environment" || give_up 'cannot make a Python environment' "python3 -m venv $environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement tests/interop/requirements.txt ||
        give_up 'cannot install Python packages' "$environment/bin/pip install --requirement tests/interop/requirements.txt"
    echo "$wanted" >"$environment/requirements.sha256"
fi

softhsm2-util --version
strace --version | head -n 1
cargo --version
"$environment/bin/python" -c 'import importlib.metadata as m, sys; print("Python", sys.version.split()[0] + ", cwt", m.version("cwt"))'
