#!/bin/bash
# SANITIZE and FORMAT UNIT: the whole medium, with progress, and nothing of what was there is left.
. ./lib.sh

initiator
discover
login
hear "$disk"
fill() { dd if=/dev/urandom of="$disk" bs=1M count=$((BYTES >> 20)) oflag=direct conv=notrunc status=none; }
zeroes() { drop_caches; cmp --bytes="$BYTES" "$disk" /dev/zero || fail "$1: something is left"; }

step "block erase"
fill
expect 0 sg_sanitize --block --quick "$disk"
hear "$disk"
zeroes "block erase"

step "overwrite, waited for here while the unit says how far it is"
fill
head -c 4 /dev/zero >/tmp/pattern
expect 0 sg_sanitize --overwrite --pattern=/tmp/pattern --ipl=4 --quick --early "$disk"
polls=0
while expect_not_ready=$(sg_requests --progress "$disk" 2>&1); grep -qi 'progress' <<<"$expect_not_ready"; do
  polls=$((polls + 1))
  [ $polls -lt 600 ] || fail "it does not end"
  sleep 0.2
done
echo "$polls looks at the progress"
await 60 "the unit does not become ready" sg_turs "$disk"
zeroes "overwrite"

step "format"
fill
expect 0 sg_format --format --quick --wait --size=512 "$disk"
hear "$disk"
zeroes "format"
expect 5 sg_sanitize --crypto --quick "$disk"
logout
step "done"
