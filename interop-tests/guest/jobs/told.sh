#!/bin/bash
# What a disk tells of itself, as sg3_utils read it: every page, every command, every log, and none of it a lie that
# a tool of others would notice.
. ./lib.sh

initiator
discover
login
hear "$disk"

step "standard data and every page of vital product data"
expect 0 sg_inq "$disk"; says 'FERRITE'; says '3PC=1'; says 'TPGS=[123]'; says 'CmdQue=1'
expect 0 sg_vpd --page=sv "$disk"
pages=$(sg_vpd --page=sv --raw "$disk" | tail -c +5 | od -An -v -tx1)
[ "$(wc -w <<<"$pages")" -ge 11 ] || fail "few pages: $pages"
for page in $pages; do
  expect 0 sg_vpd --page="0x$page" "$disk"
done
expect 0 sg_vpd --all "$disk"; printf '%s\n' "$said"
for name in 'Supported VPD pages' 'Unit serial number' 'Device Identification' 'Software interface identification\|Management network addresses' \
  'Extended inquiry data' 'Mode page policy' 'SCSI ports' 'Third party copy' 'Block limits' 'Block device characteristics' \
  'Logical block provisioning'; do
  says "$name"
done
expect 0 sg_vpd --page=di "$disk"; says 'NAA'; says 'T10 vendor'; says 'Relative target port: 0x1'; says 'Target port group: 0x1'
says "SCSI name string: *$\|SCSI name string:"
expect 0 sg_vpd --page=bl "$disk"; says 'Maximum compare and write length: 255'; says 'Maximum unmap LBA count'

step "capacity, twice"
expect 0 sg_readcap --long "$disk"; says "$((BYTES / 512))"; says 'lbpme=1'
expect 0 sg_readcap "$disk"

step "mode pages, current, changeable, default, saved"
for control in 0 1 2 3; do
  expect "$([ $control = 3 ] && echo "${SAVED:-0}" || echo 0)" sg_modes --all --control=$control "$disk"
done
expect 0 sg_modes --all "$disk"; printf '%s\n' "$said"
for name in 'Read-Write error recovery' 'Caching' 'Control mode page\|Control' 'Informational exceptions'; do says "$name"; done
expect 0 sg_modes --page=8 "$disk"
expect 0 sg_modes --page=0xa,1 "$disk"
expect 0 sg_modes --page=0x1c,2 "$disk"

step "an initiator sets the unit read-only, and writable again"
# The kernel learns of it and does not open such a disk for writing, so the commands go another way.
sg=$(sg_of "$disk")
swp() { expect 0 sg_wr_mode --page=0xa --contents="a,a,0,0,$1,0,0,0,0,0,0,0" --mask=0,0,0,0,8,0,0,0,0,0,0,0 "$sg"; }
block=(sg_write_same --lba=0 --num=1 --xferlen=512)
swp 8
hear "$sg"
expect 7 "${block[@]}" "$sg"
swp 0
hear "$sg"
expect 0 "${block[@]}" "$sg"

step "logs"
expect 0 sg_logs --all "$disk"; printf '%s\n' "$said"
says 'Supported log pages'; says 'General [Ss]tatistics'; says 'Logical block provisioning'

step "the commands that are there"
expect 0 sg_opcodes "$disk"; printf '%s\n' "$said"
for name in 'Compare and write' 'Extended copy' 'Persistent reserve out' 'Unmap' 'Sanitize' 'Write same(16)' 'Get LBA status' 'Write using token'; do
  grep -qi -- "$name" <<<"$said" || fail "sg_opcodes does not list $name"
done
expect 0 sg_opcodes --rctd "$disk"
expect 0 sg_opcodes --tmf "$disk"; says 'Abort task'
expect 0 sg_opcodes --opcode=0x89 "$disk"

step "ports and paths"
expect 0 sg_rtpg --decode "$disk"; says 'active/optimized'
expect 0 sg_rtpg --extended "$disk"
expect 0 sg_luns "$disk"

step "small talk"
expect 0 sg_timestamp "$disk"
expect 0 sg_timestamp --milliseconds=1700000000000 "$disk"
expect 0 sg_timestamp "$disk"; says '17000000\|2023'
expect 0 sg_ident "$disk"
expect 0 sg_senddiag --test "$disk"
expect 0 sg_read_buffer --mode=3 "$disk"
expect 0 sg_read_buffer --mode=11 --length=4 "$disk"
expect 0 sg_requests "$disk"
expect 0 sg_turs "$disk"
expect 0 sg_prevent --allow "$disk"
expect 0 sg_start --start "$disk"
expect 0 sg_get_lba_status --lba=0 "$disk"
expect 0 sg_verify --lba=0 --count=8 "$disk"
expect 0 sg_sync "$disk"
expect 0 sg_reassign --grown "$disk"

step "the kernel found nothing to complain of"
logout
no_io_errors
