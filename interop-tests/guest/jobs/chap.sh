#!/bin/bash
# Who may enter: the right secrets in both directions, and nobody else.
. ./lib.sh
# What iscsiadm says to a failed authentication (ISCSI_ERR_LOGIN_AUTH_FAILED).
auth_failed=24

initiator
if [ -n "${DISCOVERY_USER:-}" ]; then
  step "discovery with a wrong secret is refused"
  right=$DISCOVERY_SECRET
  sed -i 's/^discovery.sendtargets.auth.password = .*/discovery.sendtargets.auth.password = wrong-wrong-wrong/' /etc/iscsi/iscsid.conf
  if discover; then fail "discovery with a wrong secret"; fi
  sed -i "s/^discovery.sendtargets.auth.password = .*/discovery.sendtargets.auth.password = $right/" /etc/iscsi/iscsid.conf
fi
step "discovery"
discover

step "without a name and a secret"
refused $auth_failed "no CHAP"

step "with a wrong secret"
prepare
set_node node.session.auth.password wrong-wrong-wrong
refused $auth_failed "a wrong secret"

step "with a wrong name"
set_node node.session.auth.password "$CHAP_SECRET"
set_node node.session.auth.username somebody
refused $auth_failed "a wrong name"
set_node node.session.auth.username "$CHAP_USER"

step "a target that does not prove itself is not believed"
set_node node.session.auth.password_in wrong-wrong-wrong
code=0
"${node[@]}" --login || code=$?
[ "$code" != 0 ] || fail "the initiator took a target with a wrong secret"
set_node node.session.auth.password_in "$MUTUAL_SECRET"

step "both right"
login
dd if=/dev/urandom of=/tmp/data bs=64k count=16 status=none
dd if=/tmp/data of="$disk" bs=64k oflag=direct status=none
dd if="$disk" of=/tmp/back bs=64k count=16 iflag=direct status=none
cmp /tmp/data /tmp/back
logout

step "both right, for one direction only"
set_node node.session.auth.username_in ""
set_node node.session.auth.password_in ""
login
logout
no_io_errors
step "done"
