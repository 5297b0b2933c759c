#!/bin/bash
# Copies inside the target: EXTENDED COPY and tokens (ODX), between two LUNs of it, byte for byte.
. ./lib.sh

initiator
discover
login
await 30 "no LUN 1" disk_of 'session*' 1
other=$(disk_of 'session*' 1)
hear "$disk"
hear "$other"
mib=8

fill() { dd if=/dev/urandom of="$1" bs=1M count=$mib oflag=direct conv=notrunc status=none; }
same() { cmp --bytes=$((mib << 20)) "$disk" "$other" || fail "$1: the copy differs"; }

step "what the copy manager offers"
expect 0 sg_copy_results --params "$disk"; printf '%s\n' "$said"
says 'Maximum target descriptor count'

step "EXTENDED COPY"
fill "$disk"
expect 0 sg_xcopy if="$disk" of="$other" bs=512 count=$((mib * 2048)) prio=0
drop_caches
same "EXTENDED COPY"

step "tokens: POPULATE TOKEN, RECEIVE ROD TOKEN INFORMATION, WRITE USING TOKEN"
fill "$disk"
drop_caches
one=$(sg_of "$disk") two=$(sg_of "$other")
blocks=$(printf '%08x' $((mib * 2048)))
# bytes HEX: writes what hex digits say.
bytes() { tr -d ' \n' <<<"$1" | sed 's/../\\x&/g' | xargs -0 printf; }
range="00000000 00000000 $blocks 00000000"
bytes "001e 0000 00000000 00000000 0000 0010 $range" >/tmp/populate
sg_raw --send=32 --infile=/tmp/populate "$one" 83 10 00 00 00 00 00 00 00 01 00 00 00 20 00 00
sg_raw --request=1024 --outfile=/tmp/told "$one" 84 07 00 00 00 01 00 00 00 00 00 00 04 00 00 00
tail -c +39 /tmp/told | head -c 512 >/tmp/token
{ bytes "0226 0000 00000000 00000000 00000000"; cat /tmp/token; bytes "00000000 0000 0010 $range"; } >/tmp/using
[ "$(stat -c %s /tmp/using)" = 552 ] || fail "a list of $(stat -c %s /tmp/using) bytes"
sg_raw --send=552 --infile=/tmp/using "$two" 83 11 00 00 00 00 00 00 00 02 00 00 02 28 00 00
drop_caches
same "tokens"

step "a token that somebody made up is worth nothing"
{ bytes "0226 0000 00000000 00000000 00000000"; head -c 8 /tmp/token; head -c 504 /dev/urandom; bytes "00000000 0000 0010 $range"; } >/tmp/using
expect 5 sg_raw --send=552 --infile=/tmp/using "$two" 83 11 00 00 00 00 00 00 00 03 00 00 02 28 00 00
logout
no_io_errors
step "done"
