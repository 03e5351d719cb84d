#!/usr/bin/env bash
# Sources of every kind go away and come back, in rounds chosen at random, beside consumers that must lose nothing. The tests do
# three rounds; this does as many as you like (default 50, some seven seconds each). Needs what scripts/setup.sh installs, and root.
#
#     scripts/campaign.sh [ROUNDS] [SEED]
#
# It prints its seed; with that seed the same things happen, as far as processes keep their pace.
set -euo pipefail
cd "$(dirname "$0")/.."

export CAMPAIGN_ROUNDS=${1:-50}
if [ $# -gt 1 ]; then
    export CAMPAIGN_SEED=$2
fi
scripts/setup.sh
exec cargo test --package framebroker-tests --locked --test all_cameras -- --exact campaign::random_losses_leave_nothing_behind --nocapture
