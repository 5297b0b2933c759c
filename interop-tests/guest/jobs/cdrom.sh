#!/bin/bash
# A disc: the kernel's own driver finds a drive, mounts what is in it, ejects and loads it.
. ./lib.sh

drive() { ls /dev/sr0; }
initiator
discover
prepare
"${node[@]}" --login
modprobe -a sr_mod isofs 2>/dev/null || true
await 30 "no drive" drive
udevadm settle --timeout=30
disk=/dev/sr0

step "a drive with a disc"
expect 0 sg_inq "$disk"; says 'PDT=5'; says 'RMB=1'
expect 0 sg_readcap "$disk"; says 'Logical block length=2048'
[ "$(blockdev --getsize64 "$disk")" = "$BYTES" ] || fail "the size is $(blockdev --getsize64 "$disk") and not $BYTES"
mkdir -p /mnt
mount -t iso9660 -o ro "$disk" /mnt
[ "$(sha256sum </mnt/data | cut -d' ' -f1)" = "$DIGEST" ] || fail "the file on the disc is another"
expect 0 sg_get_config "$disk"; printf '%s\n' "$said"

step "it is locked while it is mounted, and nobody writes to it"
expect 5 sg_start --eject "$disk"
if dd if=/dev/zero of="$disk" bs=2048 count=1 oflag=direct conv=notrunc status=none 2>/dev/null; then fail "a disc was written"; fi
umount /mnt

step "out, and in again"
expect 0 sg_prevent --allow "$disk"
expect 0 sg_start --eject "$disk"
expect 2 sg_turs "$disk"
expect 0 sg_start --load "$disk"
hear "$disk"
mount -t iso9660 -o ro "$disk" /mnt
[ "$(sha256sum </mnt/data | cut -d' ' -f1)" = "$DIGEST" ] || fail "the file on the disc is another"
umount /mnt
"${node[@]}" --logout
step "done"
