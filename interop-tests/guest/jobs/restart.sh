#!/bin/bash
# The target is killed and comes back, again and again, under load: nothing that was acknowledged is lost, and no
# application sees an error.
. ./lib.sh

initiator
discover
prepare
set_node node.session.timeo.replacement_timeout 120
set_node 'node.conn[0].timeo.noop_out_interval' 5
login

step "load in the background"
fio --eta=never --name=load --filename="$disk" --size=16M --bs=4k --rw=randwrite --ioengine=libaio --iodepth=8 --direct=1 \
  --verify=crc32c --do_verify=1 --verify_fatal=1 --rate_iops=400 --output=/tmp/load.out &
fio=$!

for round in 1 2 3; do
  step "acknowledged before the cut ($round)"
  # A place of its own behind what fio writes; direct and synced, so that nothing of it is only in the guest.
  dd if=/dev/urandom of=/tmp/before bs=64k count=8 status=none
  dd if=/tmp/before of="$disk" bs=64k seek=$((20 * 16 + round * 8)) oflag=direct conv=fsync,notrunc status=none
  kill -0 $fio 2>/dev/null || { cat /tmp/load.out; fail "the load ended before the cut"; }

  step "cut ($round)"
  host kill
  sleep 1
  [ "$(sys iscsi_session state)" != "" ] || fail "the session is gone"
  host start

  step "back ($round)"
  back() { [ "$(sys iscsi_session state)" = LOGGED_IN ]; }
  await 60 "the session does not come back" back
  dd if="$disk" of=/tmp/after bs=64k skip=$((20 * 16 + round * 8)) count=8 iflag=direct status=none
  cmp /tmp/before /tmp/after || fail "what was acknowledged before the cut is lost"
done

step "the load ends well"
wait $fio || { cat /tmp/load.out; fail "the load"; }
no_io_errors
logout

step "and all of it is there for who comes later"
login
load --name=load --filename="$disk" --size=16M --bs=4k --rw=randwrite --direct=1 --verify=crc32c --verify_only=1 --verify_fatal=1
logout
step "done"
