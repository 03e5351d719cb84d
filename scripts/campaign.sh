#!/usr/bin/env bash
# Attacks in rounds chosen at random, for as long as you like; the gate does a few rounds of each. Builds what it needs; needs
# root, and what scripts/python.sh installs.
#
#     scripts/campaign.sh NAME [--rounds N] [--seed S]
#     scripts/campaign.sh --list
#
# It prints its seed; with that seed the same things happen, as far as processes keep their pace. Ends with 1 where something broke.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "${1-}" = --list ] || scripts/setup.sh
exec cargo run --quiet --package framebroker-campaigns --locked -- "$@"
