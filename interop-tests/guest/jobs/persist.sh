#!/bin/bash
# Persistent reservations, as fence_scsi and as the validation of a Windows cluster use them: two I_T nexuses.
. ./lib.sh

out() { local device=$1; shift; sg_persist --out --no-inquiry "$@" "$(sg_of "$device")"; }
in_() { local device=${!#}; sg_persist --in --no-inquiry "${@:1:$#-1}" "$(sg_of "$device")"; }
ready() { sg_turs "$(sg_of "$1")"; }
write_to() { dd if=/dev/zero of="$1" bs=4096 count=1 seek=8 oflag=direct conv=notrunc status=none; }
read_from() { dd if="$1" of=/dev/null bs=4096 count=1 skip=8 iflag=direct status=none; }
keys() { in_ --read-keys "$disk" | grep -o '0x[0-9a-f]*$' | sort | tr '\n' ' '; }

initiator
discover
login
login_again
hear "$disk"
hear "$second"

step "what the unit can do"
expect 0 in_ --report-capabilities "$disk"; printf '%s\n' "$said"
says 'Persist Through Power Loss Capable(PTPL_C): 1'
for type in 'Write Exclusive: 1' 'Exclusive Access: 1' 'Write Exclusive, registrants only: 1' 'Exclusive Access, all registrants: 1'; do says "$type"; done
in_ --read-keys "$disk" | grep -q 'there are NO registered reservation keys' || fail "the unit has keys already"

step "as fence_scsi: both nodes register, one reserves for registrants"
out "$disk" --register-ignore --param-sark=0xa --param-aptpl
out "$second" --register-ignore --param-sark=0xb --param-aptpl
[ "$(keys)" = "0xa 0xb " ] || fail "the keys are $(keys)"
out "$disk" --reserve --param-rk=0xa --prout-type=5
expect 0 in_ --read-reservation "$second"; says 'Key=0xa'; says 'Write Exclusive, registrants only'
write_to "$disk"
write_to "$second"
expect 0 in_ --read-full-status "$disk"; printf '%s\n' "$said"; says 'Key=0xb'; says 'iqn.2026-11.com.example:guest'

step "the other node is fenced: its key goes, and so do its writes, and nothing else"
# Who has written is looked at by udev, which would hear what we want to hear.
udevadm settle --timeout=30
out "$disk" --preempt-abort --param-rk=0xa --param-sark=0xb --prout-type=5
[ "$(keys)" = "0xa " ] || fail "the keys are $(keys)"
# Its nexus hears why, once; the one that fenced it hears nothing.
expect 6 ready "$second"
expect 0 ready "$second"
expect 0 ready "$disk"
if write_to "$second" 2>/dev/null; then fail "a fenced node writes"; fi
read_from "$second"
write_to "$disk"
expect 24 out "$second" --release --param-rk=0xb --prout-type=5

step "the fenced node comes back by registering"
# The last registration says whether all of them outlive a restart.
out "$second" --register --param-sark=0xb --param-aptpl
write_to "$second"

step "keys and reservation outlive the target"
host restart
await 60 "the sessions do not come back" sg_turs "$disk"
hear "$disk"
await 60 "the second session does not come back" sg_turs "$second"
hear "$second"
[ "$(keys)" = "0xa 0xb " ] || fail "the keys are $(keys)"
expect 0 in_ --read-reservation "$disk"; says 'Key=0xa'

step "registrations belong to the initiator port, and outlive its session"
iscsiadm --mode session --sid "${again#session}" --logout
[ "$(keys)" = "0xa 0xb " ] || fail "the keys are $(keys)"
login_again
hear "$second"

step "as the validation of a cluster: register, reserve, refused, preempt, release, clear"
out "$disk" --clear --param-rk=0xa
hear "$second"
[ "$(keys)" = "" ] || fail "the keys are $(keys)"
out "$disk" --register --param-sark=0x11
out "$second" --register --param-sark=0x22
expect 24 out "$disk" --register --param-rk=0x99 --param-sark=0x12
for type in 1 3 5 6 7 8; do
  out "$disk" --reserve --param-rk=0x11 --prout-type=$type
  expect 0 in_ --read-reservation "$disk"
  [ $type -ge 7 ] || expect 24 out "$second" --reserve --param-rk=0x22 --prout-type=$type
  out "$disk" --release --param-rk=0x11 --prout-type=$type
  hear "$second"
done
out "$disk" --reserve --param-rk=0x11 --prout-type=5
out "$second" --preempt --param-rk=0x22 --param-sark=0x11 --prout-type=5
hear "$disk"
[ "$(keys)" = "0x22 " ] || fail "the keys are $(keys)"
if write_to "$disk" 2>/dev/null; then fail "a node that was preempted writes"; fi
out "$second" --release --param-rk=0x22 --prout-type=5
write_to "$disk"
out "$second" --clear --param-rk=0x22

step "a reservation is handed to another port by name"
out "$disk" --register --param-sark=0x31
out "$disk" --reserve --param-rk=0x31 --prout-type=1
if write_to "$second" 2>/dev/null; then fail "write exclusive does not exclude"; fi
out "$disk" --release --param-rk=0x31 --prout-type=1
out "$disk" --clear --param-rk=0x31

step "RESERVE and RELEASE of SPC-2"
hear "$disk"; hear "$second"
expect 0 sg_raw "$(sg_of "$disk")" 16 00 00 00 00 00
expect 24 ready "$second"
expect 0 sg_raw "$(sg_of "$second")" 17 00 00 00 00 00
expect 24 ready "$second"
expect 0 sg_raw "$(sg_of "$disk")" 17 00 00 00 00 00
expect 0 sg_turs "$second"
step "done"
