# What the jobs share: an initiator, its sessions and disks, calls to the host. Sourced by each job first.
#
# Variables of all jobs: PORT (the portal's, on 127.0.0.1), TARGET (its name), LUN, HOST_PORT. For logins: CHAP_USER and
# CHAP_SECRET, MUTUAL_USER and MUTUAL_SECRET, DISCOVERY_USER and DISCOVERY_SECRET, HEADER_DIGEST and DATA_DIGEST;
# what is not set is not used.
set -Eeuo pipefail
. ./env

portal=127.0.0.1:$PORT
node=(iscsiadm --mode node --targetname "$TARGET" --portal "$portal")

step() { printf '== %s (%ss)\n' "$1" "$SECONDS"; }
fail() { printf 'FAILED: %s\n' "$1"; exit 1; }
trap 'printf "FAILED: line %s of %s: %s\n" "$LINENO" "$0" "$BASH_COMMAND"; dmesg | tail -n 25' ERR

# Asks the host for a deed by name; prints its reply.
host() {
  local code
  exec 3<>"/dev/tcp/127.0.0.1/$HOST_PORT"
  printf '%s\n' "$1" >&3
  read -r code <&3
  cat <&3
  exec 3>&-
  return "$code"
}

# Waits until a command succeeds: `await SECONDS WHAT COMMAND...`.
await() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$limit" ] || { dmesg | tail -n 25; fail "$what"; }
    sleep 0.2
  done
}

initiator() {
  mkdir -p /run/lock/iscsi
  echo "InitiatorName=${INITIATOR:-iqn.2026-11.com.example:guest}" >/etc/iscsi/initiatorname.iscsi
  # An emulated processor under load is late without anything being wrong: the job that is about NOPs says so.
  sed -i -e "s/^node.conn\[0\].timeo.noop_out_timeout.*/node.conn[0].timeo.noop_out_timeout = ${NOOP_TIMEOUT:-30}/" \
    -e 's/^node.startup.*/node.startup = manual/' /etc/iscsi/iscsid.conf
  if [ -n "${DISCOVERY_USER:-}" ]; then
    cat >>/etc/iscsi/iscsid.conf <<CONF
discovery.sendtargets.auth.authmethod = CHAP
discovery.sendtargets.auth.username = $DISCOVERY_USER
discovery.sendtargets.auth.password = $DISCOVERY_SECRET
CONF
  fi
  iscsid
}

discover() { iscsiadm --mode discovery --type sendtargets --portal "$portal"; }

set_node() { "${node[@]}" --op update --name "$1" --value "$2"; }

# Writes the variables into the node's record, as an administrator would.
prepare() {
  if [ -n "${CHAP_USER:-}" ]; then
    set_node node.session.auth.authmethod CHAP
    set_node node.session.auth.username "$CHAP_USER"
    set_node node.session.auth.password "$CHAP_SECRET"
  fi
  if [ -n "${MUTUAL_USER:-}" ]; then
    set_node node.session.auth.username_in "$MUTUAL_USER"
    set_node node.session.auth.password_in "$MUTUAL_SECRET"
  fi
  set_node 'node.conn[0].iscsi.HeaderDigest' "${HEADER_DIGEST:-None}"
  set_node 'node.conn[0].iscsi.DataDigest' "${DATA_DIGEST:-None}"
}

# The LUN as the kernel counts: above 255 the addressing method shows in the number (SAM-5 4.7.7.3, flat space).
kernel_lun=$((LUN < 256 ? LUN : 16384 + LUN))

# The disk of a LUN, $LUN unless said otherwise, in a session, by the session's name in sysfs.
disk_of() {
  local found
  found=$(ls -d /sys/class/iscsi_session/$1/device/target*/*:"${2:-$kernel_lun}"/block/*) && echo "/dev/${found##*/}"
}

# Logs in, and sets `disk` to the LUN's device.
login() {
  "${node[@]}" --login
  await 30 "no disk with LUN $LUN" disk_of 'session*'
  udevadm settle --timeout=30
  disk=$(disk_of 'session*')
}

# Logs in once more: another I_T nexus of the same initiator. Sets `second` to its device for the LUN.
login_again() {
  local known
  known=$(ls /sys/class/iscsi_session)
  iscsiadm --mode session --sid "${known#session}" --op new
  again=$(ls /sys/class/iscsi_session | grep -vx "$known")
  await 30 "no disk with LUN $LUN in the second session" disk_of "$again"
  udevadm settle --timeout=30
  second=$(disk_of "$again")
}

# A command whose exit code has to be this: `expect CODE COMMAND...`. What it says stands in `said`.
expect() {
  local wanted=$1 code=0
  shift
  said=$("$@" 2>&1) || code=$?
  [ "$code" = "$wanted" ] || { printf '%s\n' "$said"; fail "exit $code and not $wanted: $*"; }
}

# What the last `expect` said has to contain this.
says() { grep -q -- "$1" <<<"$said" || { printf '%s\n' "$said"; fail "does not say '$1'"; }; }

# The disk for SCSI commands alone: opening it makes nobody probe it behind our back.
sg_of() { echo "/dev/$(ls "/sys/block/${1##*/}/device/scsi_generic")"; }

# Every attention that waits for a nexus is heard, so that the next command's answer is its own.
hear() { for _ in 1 2 3 4 5 6; do sg_turs "$1" >/dev/null 2>&1 && return; done; fail "$1 does not become ready"; }

logout() {
  # Who has written is looked at by udev, and a look that the logout cuts short is an error in the kernel's log.
  udevadm settle --timeout=30
  "${node[@]}" --logout
  await 20 "$disk is still there after the logout" test ! -b "$disk"
}

# A login that has to be refused, with the exit code of iscsiadm: 24 is a failed authentication.
refused() {
  local code=0
  "${node[@]}" --login || code=$?
  [ "$code" = "$1" ] || fail "a login was to be refused with $1, and ended with $code: $2"
  if iscsiadm --mode session >/dev/null 2>&1; then fail "there is a session after a refused login: $2"; fi
}

# What the kernel says of the one session or connection: `sys CLASS FILE`.
sys() { cat /sys/class/"$1"/*/"$2"; }

drop_caches() { sync; echo 3 >/proc/sys/vm/drop_caches; }

# fio, quiet when all is well.
load() { fio --eta=never --output=/tmp/fio.out "$@" || { cat /tmp/fio.out; fail "fio $*"; }; }

no_io_errors() {
  if dmesg | grep -E 'I/O error|Buffer I/O|EXT4-fs error|critical (medium|target) error'; then fail "the kernel saw errors"; fi
}
