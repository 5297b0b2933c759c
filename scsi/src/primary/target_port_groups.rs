//! REPORT and SET TARGET PORT GROUPS: through which ports is the unit reached, and how well (SPC-4, ALUA)?

use crate::book::AccessState;
use crate::command::Asked;
use crate::plan::Plan;
use crate::port::PortGroup;
use crate::sense::Sense;

/// REPORT TARGET PORT GROUPS, in the length only or the extended header format.
pub(crate) fn report(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    // The format types other than these two have bits that the table does not know.
    let extended = asked.cdb.flag(1, EXTENDED_HEADER);
    let groups: Vec<u8> = asked.port.groups.iter().flat_map(|group| descriptor(asked, group)).collect();
    // EXTENDED HEADER: its format type; an IMPLICIT TRANSITION TIME is not specified.
    let header: &[u8] = if extended { &[0x10, 0, 0, 0] } else { &[] };
    let len = (header.len() + groups.len()) as u32;
    Ok(Plan::data([&len.to_be_bytes()[..], header, &groups].concat(), asked.cdb.u32(6)))
}

/// SET TARGET PORT GROUPS: the parameter list first.
pub(crate) fn set(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let len = asked.cdb.u32(6);
    match len {
        0 => Ok(Plan::good()),
        _ if !len.is_multiple_of(4) || len > LIST_MAX => Err(Sense::PARAMETER_LIST_LENGTH),
        _ if asked.data_out < len => Err(Sense::DATA_OUT_LENGTH),
        _ => Ok(Plan::Gather { len }),
    }
}

/// All of the list is checked before any of it counts.
///
/// # Errors
/// 5/26/00 for a state that cannot be asked for, or a group that is not there; 4/67/0A where the operator has closed a
/// group.
pub(crate) fn gathered(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    let mut wanted = Vec::new();
    for (place, descriptor) in list.get(4..).unwrap_or_default().chunks_exact(4).enumerate() {
        let at = 4 + 4 * place as u16;
        let state = settable(descriptor[0] & 0x0F).ok_or(Sense::invalid_parameter_bit(at, 3))?;
        let number = u16::from_be_bytes([descriptor[2], descriptor[3]]);
        if !asked.port.groups.iter().any(|group| group.number == number) {
            return Err(Sense::invalid_parameter(at + 2));
        }
        wanted.push((number, state));
    }
    if asked.unit.book().request_access(&wanted, asked.nexus.id().session) {
        Ok(Plan::good())
    } else {
        Err(Sense::SET_TARGET_PORT_GROUPS_FAILED)
    }
}

/// States that an initiator may ask for: offline is of the ports, and transitioning is on the way to something.
fn settable(state: u8) -> Option<AccessState> {
    match state {
        0x0 => Some(AccessState::ActiveOptimized),
        0x1 => Some(AccessState::ActiveNonOptimized),
        0x2 => Some(AccessState::Standby),
        0x3 => Some(AccessState::Unavailable),
        _ => None,
    }
}

/// The target port group descriptor.
fn descriptor(asked: &Asked<'_>, group: &PortGroup) -> Vec<u8> {
    let (state, reason) = asked.unit.book().access_and_reason(group.number);
    let [high, low] = group.number.to_be_bytes();
    let ports = &group.ports[..group.ports.len().min(u8::MAX.into())];
    let mut descriptor = vec![state as u8, STATES, high, low, 0, reason as u8, 0, ports.len() as u8];
    descriptor.extend(ports.iter().flat_map(|&port| u32::from(port).to_be_bytes()));
    descriptor
}

/// PARAMETER DATA FORMAT 001b.
const EXTENDED_HEADER: u8 = 0x20;

/// T_SUP, O_SUP, U_SUP, S_SUP, AN_SUP and AO_SUP: every state but the one that depends on addresses.
const STATES: u8 = 0xCF;

/// Bytes of the longest parameter list, which has room for sixteen thousand groups.
const LIST_MAX: u32 = 0xFFFC;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::Attention;
    use crate::sense::SenseKey;
    use crate::tests::{Bench, attention, conflict, good, refused};

    const REPORT: [u8; 12] = [0xA3, 0x0A, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    const TEST_UNIT_READY: [u8; 6] = [0; 6];

    fn two_groups() -> Bench {
        let mut bench = Bench::disk();
        bench.port.groups =
            vec![PortGroup { number: 1, ports: vec![1, 2] }, PortGroup { number: 0x0102, ports: vec![0x0304] }];
        bench
    }

    /// Hears that the access state has changed.
    fn hears(bench: &mut Bench) {
        assert_eq!(bench.ask(&TEST_UNIT_READY), attention(Attention::AccessStateChanged));
    }

    fn set(len: u16) -> Vec<u8> {
        [&[0xA4, 0x0A, 0, 0, 0, 0, 0, 0][..], &len.to_be_bytes(), &[0, 0]].concat()
    }

    fn not_ready(ascq: u8) -> Plan {
        refused(Sense::new(SenseKey::NotReady, 0x04, ascq))
    }

    #[test]
    fn groups_are_reported_with_their_states_and_ports_in_both_formats() {
        let mut bench = two_groups();
        bench.unit.book().set_access(0x0102, AccessState::Standby, None);
        hears(&mut bench);
        let groups = [0x00, 0xCF, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x02, 0xCF, 1, 2, 0, 2, 0, 1, 0, 0, 3, 4];
        assert_eq!(bench.ask(&REPORT), good(&[&[0, 0, 0, 28][..], &groups].concat()));
        let mut extended = REPORT;
        extended[1] |= 0x20;
        assert_eq!(bench.ask(&extended), good(&[&[0, 0, 0, 32, 0x10, 0, 0, 0][..], &groups].concat()));
        extended[9] = 5;
        extended[8] = 0;
        assert_eq!(bench.ask(&extended), good(&[0, 0, 0, 32, 0x10]));
        extended[9] = 0;
        assert_eq!(bench.ask(&extended), good(&[]));
    }

    #[test]
    fn other_formats_are_pointed_at() {
        let mut other = REPORT;
        other[1] = 0x4A;
        assert_eq!(Bench::disk().ask(&other), refused(Sense::invalid_bit(1, 6)));
    }

    #[test]
    fn an_initiator_moves_the_unit_between_groups_and_the_others_hear_it() {
        let mut bench = two_groups();
        let mut other = bench.neighbour(2);
        bench.gives(&set(12), &[0, 0, 0, 0, 0x02, 0, 0, 1, 0x00, 0, 1, 2]);
        assert_eq!(other.ask(&TEST_UNIT_READY), attention(Attention::AccessStateChanged));
        // Both came through group 1, which is in standby now; a status of 1 tells that an initiator wanted it so.
        assert_eq!([bench.ask(&TEST_UNIT_READY), other.ask(&TEST_UNIT_READY)], [not_ready(0x0B), not_ready(0x0B)]);
        assert_eq!(bench.data(&REPORT)[4..12], [0x02, 0xCF, 0, 1, 0, 1, 0, 2]);
        assert_eq!(bench.data(&REPORT)[20..28], [0x00, 0xCF, 1, 2, 0, 0, 0, 1], "that group has not changed");
        bench.gives(&set(8), &[0, 0, 0, 0, 0x01, 0, 0, 1]);
        assert_eq!(bench.ask(&TEST_UNIT_READY), good(&[]));
    }

    #[test]
    fn what_the_operator_has_closed_no_initiator_opens() {
        for (closed, ascq) in [
            (AccessState::Standby, 0x0B),
            (AccessState::Unavailable, 0x0C),
            (AccessState::Offline, 0x0C),
            (AccessState::Transitioning, 0x0A),
        ] {
            let mut bench = two_groups();
            bench.unit.book().set_access(1, closed, None);
            hears(&mut bench);
            let open = [0, 0, 0, 0, 0x01, 0, 1, 2, 0x00, 0, 0, 1];
            assert_eq!(bench.gathered(&set(12), &open), refused(Sense::SET_TARGET_PORT_GROUPS_FAILED));
            assert_eq!(bench.ask(&TEST_UNIT_READY), not_ready(ascq));
            assert_eq!(bench.unit.book().access(0x0102), AccessState::ActiveOptimized, "nothing of it counts");
        }
        let mut bench = two_groups();
        bench.unit.book().set_access(1, AccessState::Standby, None);
        hears(&mut bench);
        bench.gives(&set(8), &[0, 0, 0, 0, 0x02, 0, 0, 1]);
        bench.unit.book().set_access(1, AccessState::ActiveNonOptimized, None);
        hears(&mut bench);
        bench.gives(&set(8), &[0, 0, 0, 0, 0x00, 0, 0, 1]);
        assert_eq!(bench.unit.book().access(1), AccessState::ActiveOptimized);
    }

    #[test]
    fn what_changes_nothing_is_told_to_nobody() {
        let mut bench = two_groups();
        let mut other = bench.neighbour(2);
        bench.gives(&set(8), &[0, 0, 0, 0, 0x00, 0, 0, 1]);
        assert_eq!(bench.ask(&set(0)), good(&[]));
        assert_eq!(other.ask(&TEST_UNIT_READY), good(&[]));
    }

    #[test]
    fn states_and_groups_that_are_not_there_are_pointed_at() {
        for state in [0x4, 0x5, 0xE, 0xF] {
            let list = [0, 0, 0, 0, 0x00, 0, 0, 1, state, 0, 0, 1];
            assert_eq!(two_groups().gathered(&set(12), &list), refused(Sense::invalid_parameter_bit(8, 3)));
        }
        let list = [0, 0, 0, 0, 0x00, 0, 0, 1, 0, 0, 0, 3];
        assert_eq!(two_groups().gathered(&set(12), &list), refused(Sense::invalid_parameter(10)));
    }

    #[test]
    fn lists_are_whole_descriptors_and_bounded() {
        for (len, plan) in [
            (0, good(&[])),
            (3, refused(Sense::PARAMETER_LIST_LENGTH)),
            (4, Plan::Gather { len: 4 }),
            (6, refused(Sense::PARAMETER_LIST_LENGTH)),
            (8, Plan::Gather { len: 8 }),
            (0xFFFC, Plan::Gather { len: 0xFFFC }),
        ] {
            assert_eq!(two_groups().plan_with(&set(len), len.into()), plan, "{len}");
        }
        let past = [0xA4, 0x0A, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(two_groups().plan_with(&past, 0x1_0000), refused(Sense::PARAMETER_LIST_LENGTH));
        assert_eq!(two_groups().plan_with(&set(8), 7), refused(Sense::DATA_OUT_LENGTH));
        assert_eq!(two_groups().gathered(&set(4), &[0; 4]), good(&[]));
    }

    /// The commands that SPC-4 lists for the states standby and unavailable, and READ CAPACITY: an initiator wants to
    /// know the disk on every path before it needs one.
    #[test]
    fn in_standby_a_unit_tells_of_itself_and_moves_no_data_and_unavailable_it_tells_less() {
        let passing = |access: AccessState, ascq: u8| {
            let mut bench = two_groups();
            bench.unit.book().set_access(1, access, None);
            hears(&mut bench);
            // UNMAP, SANITIZE and WRITE ATOMIC are not, or not all, of the bench's disk.
            let commands = Bench::every_command().into_iter().filter(|cdb| !matches!(cdb[0], 0x42 | 0x48 | 0x9C));
            let commands = commands.filter(|cdb| bench.ask(cdb) != not_ready(ascq));
            let mut passing: Vec<(u8, u8)> = commands.map(|cdb| (cdb[0], cdb[1])).collect();
            passing.dedup_by_key(
                |(opcode, action)| if matches!(opcode, 0x5E | 0x5F) { (*opcode, 0) } else { (*opcode, *action) },
            );
            passing
        };
        let unavailable = [(0x03, 0), (0x12, 0), (0xA0, 0), (0xA3, 0x0A), (0xA4, 0x0A)];
        assert_eq!(passing(AccessState::Unavailable, 0x0C), unavailable);
        assert_eq!(passing(AccessState::Transitioning, 0x0A), unavailable);
        let mut standby = vec![
            (0x15, 0),
            (0x1A, 0),
            (0x1C, 0),
            (0x1D, 0),
            (0x25, 0),
            (0x3B, 0),
            (0x3C, 0),
            (0x4C, 0),
            (0x4D, 0),
            (0x55, 0),
            (0x5A, 0),
            (0x5E, 0),
            (0x5F, 0),
            (0x9E, 0x10),
        ];
        standby.extend(unavailable);
        standby.sort_unstable();
        assert_eq!(passing(AccessState::Standby, 0x0B), standby);
    }

    #[test]
    fn a_reservation_keeps_others_from_setting_and_not_from_asking() {
        let mut holder = two_groups();
        let mut other = holder.neighbour(2);
        holder.done(&[0x16, 0, 0, 0, 0, 0]);
        other.data(&REPORT);
        assert_eq!(other.plan_with(&set(8), 8), conflict());
    }
}
