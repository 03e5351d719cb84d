#!/usr/bin/env bash
# Builds the Python package (client/python), checks its style and runs its tests, in an environment of their own:
# target/python. Installs what is missing there, with pip; needs Python 3.11 or newer. About a minute on two cores.
#
#   scripts/python.sh                      everything
#   scripts/python.sh -k lifetime -x       options are pytest's
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
environment=target/python
requirements=client/python/requirements.txt

# Anew where the requirements or the interpreter are others than before.
wanted="$("$python" --version; cat "$requirements")"
if [ "$(cat "$environment/installed" 2>/dev/null)" != "$wanted" ]; then
    echo "installing into $environment:"
    sed 's/^/  /' "$requirements"
    rm -rf "$environment"
    "$python" -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
    echo "$wanted" >"$environment/installed"
fi

# As a user installs it (pip install ./client/python), but unoptimised, and with the maturin that is there already.
export PATH="$PWD/$environment/bin:$PATH"
"$environment/bin/pip" install --quiet --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall \
    --config-settings=build-args="--profile=dev --locked" ./client/python
# From elsewhere, so that it is not the sources that are imported.
(cd / && python -c 'import framebroker; print("framebroker", framebroker.__version__, "is installed")')

# What the tests run beside it: brokers, and consumers in Rust and C.
cargo build --bins --package framebroker --package framectl --locked
cargo build --lib --package framebroker-c --locked
FRAMEBROKER_BINARIES=$(realpath "${CARGO_TARGET_DIR:-target}/debug")
export FRAMEBROKER_BINARIES
cd client/python
ruff format --check .
ruff check --quiet .
# The bound is for all tests; each has its own (pyproject.toml).
exec timeout --foreground --kill-after=10 600 python -m pytest "$@"
