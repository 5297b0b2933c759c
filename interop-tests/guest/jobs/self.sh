#!/bin/bash
# What the guest itself promises to its jobs: variables, calls to the host, an exit code, an end.
. ./lib.sh
printf 'said: %s\n' "$SAYING"
[ "$(host greet)" = hello ] || fail "the host did not greet"
if host "something else"; then fail "the host did what it was not allowed"; fi
[ "$(stat -f -c %T /)" = ext2/ext3 ] || fail "the root is not the guest's disk"
[ ! -e /was-here ] || fail "an earlier run left its traces"
touch /was-here
[ "$THEN" != sleep ] || sleep 600
exit 42
