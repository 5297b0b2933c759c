//! Which commands, and which task management functions, does the unit have (SPC-4)?

use crate::command::{Asked, Row};
use crate::plan::Plan;
use crate::sense::Sense;

/// REPORT SUPPORTED OPERATION CODES, made from the table that dispatches.
pub(crate) fn operation_codes(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let timeouts = asked.cdb.flag(2, RCTD);
    let data = match asked.cdb.u8(2) & 0x07 {
        0 => all(asked, timeouts),
        options @ 1..=3 => one(asked, options, timeouts)?,
        _ => return Err(Sense::invalid_bit(2, 2)),
    };
    Ok(Plan::data(data, asked.cdb.u32(6)))
}

/// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS.
pub(crate) fn task_management(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let mut data = vec![FUNCTIONS, 0, 0, 0];
    if asked.cdb.flag(2, REPD) {
        // The extended form adds timeouts, and there are none to give.
        data[3] = 12;
        data.resize(16, 0);
    }
    Ok(Plan::data(data, asked.cdb.u32(6)))
}

/// Return command timeouts descriptors.
const RCTD: u8 = 0x80;

/// Return extended parameter data.
const REPD: u8 = 0x80;

/// ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET, TARGET RESET; not CLEAR ACA. QUERY TASK and its kin
/// depend on what an initiator has negotiated with the transport, so they are not promised to everyone.
const FUNCTIONS: u8 = 0x80 | 0x40 | 0x10 | 0x08 | 0x02;

/// The all_commands parameter data: a command descriptor for each row.
fn all(asked: &Asked<'_>, timeouts: bool) -> Vec<u8> {
    const CTDP: u8 = 0x02;
    const SERVACTV: u8 = 0x01;
    let mut data = vec![0; 4];
    for row in offered(asked, asked.table.rows()) {
        let flags = if timeouts { CTDP } else { 0 } | if row.action.is_some() { SERVACTV } else { 0 };
        let len = row.usage.len() as u8;
        let [high, low] = row.action.unwrap_or(0).to_be_bytes();
        data.extend_from_slice(&[row.opcode(), 0, high, low, 0, flags, 0, len]);
        if timeouts {
            data.extend_from_slice(&timeouts_descriptor(row));
        }
    }
    let len = (data.len() - 4) as u32;
    data[..4].copy_from_slice(&len.to_be_bytes());
    data
}

/// The one_command parameter data.
///
/// # Errors
/// 5/24/00 where an operation code with service actions is asked for without one (option 1), or one without them
/// is asked for with one (option 2). Option 3 takes both.
fn one(asked: &Asked<'_>, options: u8, timeouts: bool) -> Result<Vec<u8>, Sense> {
    const CTDP: u8 = 0x80;
    const NOT_SUPPORTED: u8 = 0x01;
    const AS_THE_STANDARD_SAYS: u8 = 0x03;
    let (opcode, action) = (asked.cdb.u8(3), asked.cdb.u16(4));
    let rows = asked.table.rows_of(opcode);
    let has_actions = rows.iter().any(|row| row.action.is_some());
    match options {
        1 if has_actions => return Err(Sense::invalid_bit(2, 2)),
        2 if !rows.is_empty() && !has_actions => return Err(Sense::invalid_bit(2, 2)),
        _ => {}
    }
    let asked_for = |row: &&Row| match row.action {
        Some(its) => its == action,
        // Option 3: a command without service actions is supported under the service action zero only.
        None => options == 1 || action == 0,
    };
    let Some(row) = offered(asked, rows).find(asked_for) else {
        return Ok(vec![0, NOT_SUPPORTED, 0, 0]);
    };
    let flags = AS_THE_STANDARD_SAYS | if timeouts { CTDP } else { 0 };
    let mut data = vec![0, flags, 0, row.usage.len() as u8];
    data.extend_from_slice(row.usage);
    if timeouts {
        data.extend_from_slice(&timeouts_descriptor(row));
    }
    Ok(data)
}

fn offered<'a>(asked: &'a Asked<'_>, rows: &'static [Row]) -> impl Iterator<Item = &'static Row> + use<'a> {
    let medium = asked.unit.medium();
    rows.iter().filter(move |row| row.is_offered(medium))
}

/// The command timeouts descriptor: no nominal time, for the disk is somebody else's; the recommended timeout is the
/// row's.
fn timeouts_descriptor(row: &Row) -> [u8; 12] {
    let mut descriptor = [0; 12];
    descriptor[1] = 0x0A;
    descriptor[8..].copy_from_slice(&row.timeout_s.to_be_bytes());
    descriptor
}

#[cfg(test)]
mod tests {
    use crate::dispatch::DISK;
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    fn report(options: u8, opcode: u8, action: u8) -> [u8; 12] {
        [0xA3, 0x0C, options, opcode, 0, action, 0, 0, 0x10, 0, 0, 0]
    }

    #[test]
    fn one_command_without_service_actions() {
        let golden = [0, 3, 0, 10, 0x28, 0x1A, 255, 255, 255, 255, 0, 255, 255, 0];
        assert_eq!(Bench::disk().ask(&report(1, 0x28, 0)), good(&golden));
        assert_eq!(Bench::disk().ask(&report(3, 0x28, 0)), good(&golden));
        assert_eq!(Bench::disk().ask(&report(3, 0x28, 1)), good(&[0, 1, 0, 0]));
        assert_eq!(Bench::disk().ask(&report(2, 0x28, 0)), refused(Sense::invalid_bit(2, 2)));
    }

    #[test]
    fn one_command_with_service_actions() {
        let golden = [0, 3, 0, 16, 0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0];
        assert_eq!(Bench::disk().ask(&report(2, 0x9E, 0x10)), good(&golden));
        assert_eq!(Bench::disk().ask(&report(3, 0x9E, 0x10)), good(&golden));
        assert_eq!(Bench::disk().ask(&report(2, 0x9E, 0x1F)), good(&[0, 1, 0, 0]));
        assert_eq!(Bench::disk().ask(&report(1, 0x9E, 0x10)), refused(Sense::invalid_bit(2, 2)));
    }

    #[test]
    fn a_command_that_does_not_exist_is_reported_as_that_and_not_as_an_error() {
        for options in [1, 2, 3] {
            assert_eq!(Bench::disk().ask(&report(options, 0xFF, 0)), good(&[0, 1, 0, 0]));
        }
    }

    #[test]
    fn a_timeouts_descriptor_follows_where_it_is_asked_for() {
        let golden = [0, 0x83, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30];
        assert_eq!(Bench::disk().ask(&report(0x81, 0x00, 0)), good(&golden));
    }

    #[test]
    fn other_reporting_options_and_reserved_bits_are_refused() {
        assert_eq!(Bench::disk().ask(&report(4, 0, 0)), refused(Sense::invalid_bit(2, 2)));
        assert_eq!(Bench::disk().ask(&report(0x08, 0, 0)), refused(Sense::invalid_bit(2, 3)));
    }

    #[test]
    fn unmap_is_there_only_where_the_medium_has_it() {
        assert_eq!(Bench::disk().ask(&report(1, 0x42, 0)), good(&[0, 1, 0, 0]));
        let golden = [0, 3, 0, 10, 0x42, 1, 0, 0, 0, 0, 0, 255, 255, 0];
        assert_eq!(Bench::thin_disk().ask(&report(1, 0x42, 0)), good(&golden));
    }

    #[test]
    fn the_list_of_all_commands_is_the_table() {
        let data = Bench::thin_disk().data(&report(0, 0, 0));
        let action = |entry: &[u8]| u16::from_be_bytes([entry[2], entry[3]]);
        let listed: Vec<_> = data[4..].chunks_exact(8).map(|entry| (entry[0], action(entry))).collect();
        let rows: Vec<_> = DISK.rows().iter().map(|row| (row.opcode(), row.action.unwrap_or(0))).collect();
        assert_eq!(listed, rows);
        assert_eq!(data[..4], ((data.len() - 4) as u32).to_be_bytes());
        let read_capacity_16 = [0x9E, 0, 0, 0x10, 0, 1, 0, 16];
        assert!(data[4..].chunks_exact(8).any(|entry| entry == read_capacity_16));
    }

    #[test]
    fn the_list_of_all_commands_has_their_timeouts_on_request() {
        let data = Bench::disk().data(&report(0x80, 0, 0));
        assert_eq!(data[4..24], [0, 0, 0, 0, 0, 2, 0, 6, 0, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30]);
        assert_eq!((data.len() - 4) % 20, 0);
    }

    #[test]
    fn task_management_functions_are_reported_in_both_forms() {
        let report = |repd: u8| [0xA3, 0x0D, repd, 0, 0, 0, 0, 0, 0, 255, 0, 0];
        assert_eq!(Bench::disk().ask(&report(0)), good(&[0xDA, 0, 0, 0]));
        let mut extended = [0; 16];
        extended[0] = 0xDA;
        extended[3] = 12;
        assert_eq!(Bench::disk().ask(&report(0x80)), good(&extended));
    }
}
