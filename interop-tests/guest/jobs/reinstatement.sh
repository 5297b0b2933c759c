#!/bin/bash
# A connection dies without a word to the target; the initiator logs in again under the same name and ISID, and the
# target takes the new session in place of the old one (RFC 7143 §6.3.5). No command is lost, no application notices.
NOOP_TIMEOUT=3
. ./lib.sh

initiator
discover
prepare
set_node node.session.timeo.replacement_timeout 120
set_node 'node.conn[0].timeo.noop_out_interval' 2
login
old=$(ss --tcp --numeric --no-header state established "dport = :$PORT" | awk '{ print $3 }' | sed 's/.*://')
[ "$(wc -w <<<"$old")" = 1 ] || fail "one connection was expected: $old"

step "a reservation of the session that will be lost"
sg_raw --request=0 "$disk" 16 00 00 00 00 00

step "load in the background"
fio --eta=never --name=load --filename="$disk" --size=8M --bs=4k --rw=randwrite --ioengine=libaio --iodepth=8 --direct=1 \
  --verify=crc32c --do_verify=1 --verify_fatal=1 --rate_iops=300 --output=/tmp/load.out &
fio=$!
sleep 1

step "from port $old nothing goes out and nothing comes in any more"
nft -f - <<NFT
table ip cut {
  chain out { type filter hook output priority 0; tcp sport $old drop; }
  chain in { type filter hook input priority 0; tcp dport $old drop; }
}
NFT
moved() {
  local now
  now=$(ss --tcp --numeric --no-header state established "dport = :$PORT" | awk '{ print $3 }' | sed 's/.*://' | grep -vx "$old")
  [ -n "$now" ] && [ "$(sys iscsi_session state)" = LOGGED_IN ]
}
await 60 "no new connection" moved

step "the load ends well over the new one"
wait $fio || { cat /tmp/load.out; fail "the load"; }
no_io_errors
[ "$(iscsiadm --mode session | wc -l)" = 1 ] || fail "more than one session"

step "the reservation went with the old session"
# Another name is another I_T nexus: it may write, so nobody holds the reservation (SPC-2 5.5.1, loss of the nexus).
iscsiadm --mode iface --interface second --op new
iscsiadm --mode iface --interface second --op update --name iface.transport_name --value tcp
iscsiadm --mode iface --interface second --op update --name iface.initiatorname --value iqn.2026-11.com.example:second
iscsiadm --mode discovery --type sendtargets --portal "$portal" --interface second
before=$(ls /sys/class/iscsi_session)
"${node[@]}" --interface second --login
session=$(ls /sys/class/iscsi_session | grep -vx "$before")
await 30 "no second disk" disk_of "$session"
udevadm settle --timeout=30
second=$(disk_of "$session")
dd if=/dev/zero of="$second" bs=4k count=1 seek=4096 oflag=direct status=none || fail "the reservation of a dead session holds"
no_io_errors
step "done"
