#!/bin/bash
# A disk's life: found, logged in, made a file system, loaded and verified, synced, checked, found again as it was left.
. ./lib.sh

step "discovery names the target and its portal"
initiator
discover | tee /tmp/found
grep -qx "$portal,1 $TARGET" /tmp/found || fail "discovery does not name $TARGET at $portal"
[ "$(wc -l </tmp/found)" = "${TARGETS:-1}" ] || fail "discovery names other than ${TARGETS:-1} targets"

step "login"
prepare
login
[ "$(sys iscsi_session state)" = LOGGED_IN ] || fail "the session's state is $(sys iscsi_session state)"
[ "$(sys iscsi_connection header_digest)" = "${HEADER_DIGEST_IN_USE:-0}" ] || fail "header digest: $(sys iscsi_connection header_digest)"
[ "$(sys iscsi_connection data_digest)" = "${DATA_DIGEST_IN_USE:-0}" ] || fail "data digest: $(sys iscsi_connection data_digest)"
[ "$(blockdev --getsize64 "$disk")" = "$BYTES" ] || fail "the size is $(blockdev --getsize64 "$disk") and not $BYTES"
lsblk --output NAME,SIZE,SERIAL,WWN,VENDOR,MODEL "$disk"
ls /dev/disk/by-id/ | grep -q '^wwn-\|^scsi-3' || fail "no name by an identifier that stays: $(ls /dev/disk/by-id/)"
for file in initial_r2t immediate_data first_burst_len max_burst_len; do echo "$file $(sys iscsi_session $file)"; done

step "what the kernel thinks of the cache is what it is"
cache=$(cat /sys/block/"${disk##*/}"/queue/write_cache)
[ "$cache" = "${CACHE:-write back}" ] || fail "the kernel thinks the cache is '$cache', and it is '${CACHE:-write back}'"

step "a file system"
mkfs.ext4 -q -F "$disk"
mkdir -p /mnt
mount "$disk" /mnt

step "random writes, verified"
load --name=random --directory=/mnt --size=12M --bs=4k --rw=randwrite --ioengine=libaio --iodepth=16 --direct=1 \
  --verify=crc32c --do_verify=1 --verify_fatal=1 --end_fsync=1

step "large writes, verified"
load --name=large --directory=/mnt --size=16M --bs=1M --rw=write --ioengine=libaio --iodepth=4 --direct=1 \
  --verify=crc32c --do_verify=1 --verify_fatal=1 --end_fsync=1

step "small synced writes"
load --name=synced --directory=/mnt --size=256k --bs=4k --rw=write --fsync=1 --verify=crc32c --do_verify=1 --verify_fatal=1

step "a file, its digest, fsync"
dd if=/dev/urandom of=/mnt/file bs=64k count=64 conv=fsync status=none
sha256sum /mnt/file >/tmp/digest
umount /mnt

step "the file system is clean"
fsck.ext4 -f -n "$disk"

step "logout, and no trace of it"
logout
if iscsiadm --mode session 2>/dev/null; then fail "a session is left"; fi

step "back again, all as it was"
login
drop_caches
mount "$disk" /mnt
sha256sum --check --quiet /tmp/digest
for job in "random 4k 12M" "large 1M 16M"; do
  read -r name block size <<<"$job"
  load --name="$name" --directory=/mnt --size="$size" --bs="$block" --rw="$([ "$name" = random ] && echo randwrite || echo write)" \
    --direct=1 --verify=crc32c --verify_only=1 --verify_fatal=1
done

step "deleted and trimmed"
rm /mnt/random* /mnt/large*
fstrim --verbose /mnt || [ "${TRIM:-yes}" = no ] || fail "fstrim"
sha256sum --check --quiet /tmp/digest
umount /mnt
fsck.ext4 -f -n "$disk"
logout
no_io_errors
step "done"
