#!/bin/bash
# One disk by two portal groups: dm-multipath takes both paths for one disk, prefers what ALUA says, follows when that
# changes, and goes on when a path is cut.
. ./lib.sh

# A path that is cut is to be found out soon.
NOOP_TIMEOUT=5
initiator
discover | sort | tee /tmp/found
[ "$(wc -l </tmp/found)" = 2 ] || fail "discovery names other than two portals"
grep -qx "127.0.0.1:$PORT,1 $TARGET" /tmp/found || fail "no portal group 1"
grep -qx "127.0.0.1:$PORT2,2 $TARGET" /tmp/found || fail "no portal group 2"

step "both paths are one disk"
iscsiadm --mode node --targetname "$TARGET" --op update --name node.session.timeo.replacement_timeout --value 5
iscsiadm --mode node --targetname "$TARGET" --login
path_of() {
  local session
  for session in /sys/class/iscsi_session/session*; do
    grep -qx "$1" "$session"/device/connection*/iscsi_connection/connection*/persistent_port && disk_of "$(basename "$session")" && return
  done
  return 1
}
await 30 "no disk by portal group 1" path_of "$PORT"
await 30 "no disk by portal group 2" path_of "$PORT2"
udevadm settle --timeout=30
one=$(path_of "$PORT") two=$(path_of "$PORT2")
hear "$one"
hear "$two"
[ "$(/lib/udev/scsi_id --whitelisted "$one")" = "$(/lib/udev/scsi_id --whitelisted "$two")" ] || fail "two names for one disk"
expect 0 sg_vpd --page=di_port "$one"; says 'Relative target port: 0x1'
expect 0 sg_vpd --page=di_port "$two"; says 'Relative target port: 0x2'
cat >/etc/multipath.conf <<CONF
defaults {
  user_friendly_names yes
  find_multipaths no
  path_grouping_policy group_by_prio
  prio alua
  failback immediate
  polling_interval 1
  max_polling_interval 2
  no_path_retry 30
}
blacklist {
  devnode "^vd[a-z]"
}
CONF
modprobe -a dm_multipath dm_round_robin dm_service_time scsi_dh_alua 2>/dev/null || true
mkdir -p /run/multipathd /etc/multipath
multipathd
map() { ls /dev/mapper/mpath* >/dev/null 2>&1; }
await 30 "no map" map
disk=$(ls /dev/mapper/mpath*)
shown() { multipath -ll | tee /tmp/shown; }
shown
[ "$(grep -c 'prio=50' /tmp/shown)" -ge 1 ] || fail "no path has the priority of an active optimized one"
groups() { [ "$(shown | grep -c 'policy=')" = "$1" ]; }
await 20 "two optimized paths are not one group" groups 1

reads() { awk '{ print $1 }' "/sys/block/$(basename "$1")/stat"; }
# Which of the two paths reads of the map take.
taken() {
  local a b
  a=$(reads "$one") b=$(reads "$two")
  dd if="$disk" of=/dev/null bs=64k count=64 iflag=direct status=none
  a=$(($(reads "$one") - a)) b=$(($(reads "$two") - b))
  echo "$a by group 1, $b by group 2" >&2
  if [ $a -gt 32 ] && [ $b -le 8 ]; then echo one; elif [ $b -gt 32 ] && [ $a -le 8 ]; then echo two; else echo both; fi
}
takes() { [ "$(taken)" = "$1" ]; }

step "the initiator moves the unit to group 2, with I/O under way"
( for i in $(seq 1 60); do dd if=/dev/urandom of="$disk" bs=64k count=4 seek=$((i * 4)) oflag=direct conv=notrunc status=none || exit 1; sleep 0.1; done ) & writer=$!
expect 0 sg_stpg --tp=1,2 --state=1,0 "$two"
await 30 "reads do not go by group 2" takes two
shown
step "and back"
expect 0 sg_stpg --tp=1,2 --state=0,1 "$one"
await 30 "reads do not go by group 1" takes one
wait $writer || fail "a write failed while the paths changed"

step "a path in standby, which the kernel may open again by itself (explicit ALUA), and the disk goes on"
expect 0 sg_stpg --tp=1,2 --state=2,0 "$two"
for i in $(seq 1 10); do
  dd if=/dev/urandom of="$disk" bs=64k count=4 seek=$((i * 4)) oflag=direct conv=notrunc status=none
  dd if="$disk" of=/dev/null bs=64k count=16 iflag=direct status=none
done
shown
expect 0 sg_stpg --tp=1,2 --state=0,0 "$two"
hear "$one"
hear "$two"

step "a path is cut, and I/O goes on"
nft add table ip cut
nft 'add chain ip cut out { type filter hook output priority -200 ; }'
nft add rule ip cut out tcp dport "$PORT" drop
dd if=/dev/urandom of=/tmp/data bs=64k count=16 status=none
timeout 120 dd if=/tmp/data of="$disk" bs=64k oflag=direct conv=notrunc status=none || fail "no write by the path that is left"
shown
nft delete table ip cut
healed() { [ "$(multipath -ll | grep -c 'active ready running')" = 2 ]; }
await 60 "the path does not come back" healed
cmp --bytes=$((16 << 16)) /tmp/data "$disk" || fail "what was written is not there"
multipath -ll
multipath -F || true
step "done"
