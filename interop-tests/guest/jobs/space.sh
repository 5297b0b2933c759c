#!/bin/bash
# Space that comes back: UNMAP, WRITE SAME with UNMAP, discards of the kernel, trims of a file system; and the map of it.
. ./lib.sh

# KiB that the host's file occupies.
occupied() { host occupied; }

initiator
discover
login
hear "$disk"
echo "discard: granularity $(cat /sys/block/"${disk##*/}"/queue/discard_granularity), max $(cat /sys/block/"${disk##*/}"/queue/discard_max_bytes)"
[ "$(cat /sys/block/"${disk##*/}"/queue/discard_max_bytes)" -gt 0 ] || fail "the kernel sees no discard"

step "written, it occupies space; discarded, it does not"
dd if=/dev/urandom of="$disk" bs=1M count=16 oflag=direct conv=fsync,notrunc status=none
full=$(occupied)
[ "$full" -ge 16000 ] || fail "16 MiB written, $full KiB occupied"
expect 0 sg_get_lba_status --lba=0 "$disk"; printf '%s\n' "$said"; says 'mapped'
blkdiscard "$disk"
empty=$(occupied)
[ "$empty" -lt 1024 ] || fail "all discarded, $empty KiB occupied"
expect 0 sg_get_lba_status --lba=0 "$disk"; printf '%s\n' "$said"; says 'deallocated'
cmp --bytes=$((16 << 20)) "$disk" /dev/zero || fail "discarded blocks are not zeroes"

step "UNMAP and WRITE SAME by hand"
dd if=/dev/urandom of="$disk" bs=1M count=4 oflag=direct conv=fsync,notrunc status=none
expect 0 sg_unmap --lba=0 --num=2048 "$disk"
expect 0 sg_write_same --unmap --lba=2048 --num=2048 --xferlen=512 --16 "$disk"
expect 0 sg_write_same --unmap --ndob --lba=4096 --num=2048 --16 "$disk"
drop_caches
cmp --bytes=$((3 << 20)) "$disk" /dev/zero || fail "unmapped blocks are not zeroes"
[ "$(occupied)" -lt 2048 ] || fail "$(occupied) KiB occupied"

step "a file system trims"
mkfs.ext4 -q -F -E nodiscard "$disk"
mkdir -p /mnt
mount "$disk" /mnt
dd if=/dev/urandom of=/mnt/file bs=1M count=24 conv=fsync status=none
before=$(occupied)
rm /mnt/file
sync
fstrim --verbose /mnt
after=$(occupied)
echo "occupied: $before KiB with the file, $after KiB trimmed"
[ $((before - after)) -gt 20000 ] || fail "the trim gave nothing back"
umount /mnt
fsck.ext4 -f -n "$disk"

step "zeroes without sending them"
blkdiscard --zeroout --offset 0 --length $((8 << 20)) "$disk"
cmp --bytes=$((8 << 20)) "$disk" /dev/zero || fail "zeroed blocks are not zeroes"
logout
no_io_errors
step "done"
