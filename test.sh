#!/usr/bin/env bash
# Everything that a change must pass, from a fresh clone on a bare Debian that has Rust: installs what the tests
# need, then formatting, lints, build, doc tests, and all tests, those that drive the real binary with mosquitto,
# paho-mqtt, curl, strace and a browser included. A tool that is missing and cannot be installed is a failure, never a skip.
#
#   ./test.sh                        the whole of it, what CI runs
#   YINLING_KILL_ROUNDS=50 ./test.sh the same with more rounds of kill -9
#   YINLING_ESCALATION_KILLS=200 cargo nextest run -p yinling -E 'test(killed::)'
#                                    as many kills of the real binary, each in an escalation of its own
set -euo pipefail
cd "$(dirname "$0")"

started=$SECONDS
summary=()

step() { # step NAME COMMAND...
    local name=$1 began=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    "$@"
    summary+=("$(printf '%-12s %4d s' "$name" $((SECONDS - began)))")
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo ${CI:+-n} "$@"
    else
        echo "test.sh: not root and no sudo; as root, run: $*" >&2
        return 1
    fi
}

# Debian packages by the command that they bring.
install_packages() {
    local missing=()
    command -v cc >/dev/null || missing+=(build-essential)
    command -v curl >/dev/null || missing+=(curl)
    command -v mosquitto_pub >/dev/null || missing+=(mosquitto-clients)
    command -v openssl >/dev/null || missing+=(openssl)
    command -v strace >/dev/null || missing+=(strace)
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    [ -x /usr/bin/chromium ] || missing+=(chromium)
    command -v faketime >/dev/null || missing+=(faketime)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    [ ${#missing[@]} -eq 0 ] && return
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# Other people's clients and servers, and the vendors' own SDKs, live in the project's own virtual environment: a system
# Python of Debian refuses pip.
install_python_clients() {
    [ -x .venv/bin/python3 ] || python3 -m venv .venv
    local modules='paho.mqtt, aiosmtpd, apprise, gpxpy, cryptography, twilio, tencentcloud.sms, tencentcloud.vms'
    modules+=', schemathesis, standardwebhooks'
    modules+=', alibabacloud_dysmsapi20170525, alibabacloud_dyvmsapi20170525'
    .venv/bin/python3 -c "import $modules" 2>/dev/null && return
    .venv/bin/python3 -m pip install -q 'paho-mqtt>=2,<3' 'aiosmtpd>=1.4,<2' 'apprise>=1.9,<3' 'gpxpy>=1.6,<2' \
        'cryptography>=42' 'twilio>=9,<10' 'alibabacloud-dysmsapi20170525>=4,<5' 'alibabacloud-dyvmsapi20170525>=5,<6' \
        'tencentcloud-sdk-python-sms>=3,<4' 'tencentcloud-sdk-python-vms>=3,<4' \
        'schemathesis>=4,<5' 'standardwebhooks>=1,<2'
}

# What the console is made of and tested with, by its lock.
install_console_parts() {
    local have=api/console/node_modules/.package-lock.json
    [ "$have" -nt api/console/package-lock.json ] && [ -d api/console/node_modules/playwright-core ] && return
    (cd api/console && npm ci --ignore-scripts)
}

install_nextest() {
    cargo nextest --version >/dev/null 2>&1 || cargo install cargo-nextest --locked
}

install_tools() {
    command -v cargo >/dev/null || { echo "test.sh: no cargo; install Rust first: https://rustup.rs" >&2; return 1; }
    install_packages
    install_python_clients
    install_console_parts
    install_nextest
}

export YINLING_PYTHON="$PWD/.venv/bin/python3"
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=0

step tools install_tools
step format cargo fmt --all --check
step lints cargo clippy --workspace --all-targets --locked -- -D warnings
step build cargo build --workspace --all-targets --locked
step doc-tests cargo test --workspace --doc --locked --quiet
step console cargo check -p yinling --no-default-features --locked
step browser node --test --test-concurrency=1 api/console/tests/*.test.mjs
step tests cargo nextest run --workspace --locked --profile ci

printf '\n'
printf '   %s\n' "${summary[@]}"
printf '   %-12s %4d s   all of it passed\n' total $((SECONDS - started))
