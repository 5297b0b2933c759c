#!/bin/bash
# COMPARE AND WRITE from two sessions at once: a counter in a block, of which no increment may be lost.
. ./lib.sh

block() { printf '%-511s\n' "$1"; }
# Adds one, $ROUNDS times, by whatever tries it takes.
count() {
  local device=$1 done=0 value code
  : >"/tmp/tries.$2"
  while [ "$done" -lt "$ROUNDS" ]; do
    value=$(dd if="$device" bs=512 count=1 iflag=direct status=none | head -n 1 | tr -d ' \0')
    { block "$value"; block $((value + 1)); } >"/tmp/caw.$2"
    code=0
    sg_compare_and_write --in="/tmp/caw.$2" --lba=0 --num=1 --xferlen=1024 "$device" >/dev/null 2>&1 || code=$?
    case $code in
      0) done=$((done + 1)) ;;
      14) ;; # MISCOMPARE: the other was faster.
      *) echo "exit $code"; return 1 ;;
    esac
    echo >>"/tmp/tries.$2"
  done
}

initiator
discover
login
login_again
hear "$disk"
hear "$second"

step "a miscompare names the first byte that differs"
block 0 | dd of="$disk" bs=512 count=1 oflag=direct conv=notrunc status=none
{ block 7; block 8; } >/tmp/wrong
expect 14 sg_compare_and_write --in=/tmp/wrong --lba=0 --num=1 --xferlen=1024 "$disk"

step "two sessions count"
count "$disk" a & one=$!
count "$second" b & two=$!
wait $one || fail "the first session"
wait $two || fail "the second session"
value=$(dd if="$disk" bs=512 count=1 iflag=direct status=none | head -n 1 | tr -d ' \0')
echo "counted to $value in $(cat /tmp/tries.a /tmp/tries.b | wc -l) tries"
[ "$value" = $((2 * ROUNDS)) ] || fail "counted to $value and not $((2 * ROUNDS)): an increment was lost"
no_io_errors
step "done"
