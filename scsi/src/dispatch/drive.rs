//! The commands of a drive for optical discs (MMC-6, SPC-4).

use crate::command::row::WhenReserved;
use crate::command::{Row, Table};
use crate::optical::{configuration, disc, drive, events, mode, read, structure, toc};
use crate::primary::{inquiry, luns, request_sense, reserve, supported, target_port_groups};
use crate::sense::Sense;
use WhenReserved::{Allowed, AllowedIf};

/// The table that dispatches, and from which REPORT SUPPORTED OPERATION CODES is made.
pub(crate) static TABLE: Table = Table::new(ROWS, Sense::INVALID_OPCODE);

/// All bits of a byte.
const X: u8 = 0xFF;

/// DPO and FUA: there is nothing that a cache could have other than the disc.
const ACCESS: u8 = 0x18;

/// Seconds: a tray has to move.
const TRAY: u32 = 60;

/// START STOP UNIT with START alone disturbs nobody (SBC-3, reservations).
const IF_STARTING: WhenReserved = AllowedIf { at: 4, mask: 0x03, value: 0x01 };
const IF_ALLOWING: WhenReserved = AllowedIf { at: 4, mask: 0x03, value: 0x00 };

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // TEST UNIT READY
    Row::new(&[0x00, 0, 0, 0, 0, 0], drive::test),
    // REQUEST SENSE
    Row::new(&[0x03, 0x01, 0, 0, X, 0], request_sense::of_disk).passes_attention().passes_not_ready().when_reserved(Allowed),
    // INQUIRY
    Row::new(&[0x12, 0x01, X, X, X, 0], inquiry::of_disk).passes_attention().passes_not_ready().when_reserved(Allowed),
    // RESERVE (6): without EXTENT, its identification and list length mean nothing.
    Row::new(&[0x16, 0, 0, 0, 0, 0], reserve::reserve).alone().passes_not_ready().ignoring(&[(2, X), (3, X), (4, X)]),
    // RELEASE (6)
    Row::new(&[0x17, 0, 0, 0, 0, 0], reserve::release).alone().passes_not_ready().ignoring(&[(2, X)]).when_reserved(Allowed),
    // MODE SENSE (6)
    Row::new(&[0x1A, 0x08, X, X, X, 0], mode::six).passes_not_ready(),
    // START STOP UNIT: IMMED changes nothing, for it is done at once.
    Row::new(&[0x1B, 0x01, 0, 0, 0x03, 0], drive::start_stop).passes_not_ready().when_reserved(IF_STARTING).takes_s(TRAY),
    // PREVENT ALLOW MEDIUM REMOVAL
    Row::new(&[0x1E, 0, 0, 0, 0x03, 0], drive::prevent_allow).passes_not_ready().when_reserved(IF_ALLOWING),
    // READ CAPACITY: LOGICAL BLOCK ADDRESS and PMI are obsolete.
    Row::new(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], read::capacity)
        .ignoring(&[(2, X), (3, X), (4, X), (5, X), (8, 0x01)]).when_reserved(Allowed),
    // READ (10)
    Row::new(&[0x28, ACCESS, X, X, X, X, 0, X, X, 0], read::read),
    // READ TOC/PMA/ATIP: with the format of old ATAPI drivers in the CONTROL byte.
    Row::new(&[0x43, 0x02, 0x0F, 0, 0, 0, X, X, X, 0xC0], toc::read),
    // GET CONFIGURATION
    Row::new(&[0x46, 0x03, X, X, 0, 0, 0, X, X, 0], configuration::get).passes_attention().passes_not_ready().when_reserved(Allowed),
    // GET EVENT STATUS NOTIFICATION
    Row::new(&[0x4A, 0x01, 0, 0, X, 0, 0, X, X, 0], events::get).passes_attention().passes_not_ready().when_reserved(Allowed),
    // READ DISC INFORMATION
    Row::new(&[0x51, 0x07, 0, 0, 0, 0, 0, X, X, 0], disc::information),
    // READ TRACK INFORMATION
    Row::new(&[0x52, 0x03, X, X, X, X, 0, X, X, 0], disc::track),
    // RESERVE (10): without EXTENT, third party and LONGID, the rest means nothing.
    Row::new(&[0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0], reserve::reserve).alone().passes_not_ready()
        .ignoring(&[(2, X), (3, X), (7, X), (8, X)]),
    // RELEASE (10)
    Row::new(&[0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0], reserve::release).alone().passes_not_ready()
        .ignoring(&[(2, X), (3, X), (7, X), (8, X)]).when_reserved(Allowed),
    // MODE SENSE (10)
    Row::new(&[0x5A, 0x08, X, X, 0, 0, 0, X, X, 0], mode::ten).passes_not_ready(),
    // REPORT LUNS
    Row::new(&[0xA0, 0, X, 0, 0, 0, X, X, X, X, 0, 0], luns::report).passes_attention().passes_not_ready().when_reserved(Allowed),
    // REPORT TARGET PORT GROUPS
    Row::new(&[0xA3, 0x2A, 0, 0, 0, 0, X, X, X, X, 0, 0], target_port_groups::report)
        .service_action().passes_not_ready().when_reserved(Allowed),
    // REPORT SUPPORTED OPERATION CODES
    Row::new(&[0xA3, 0x0C, 0x87, X, X, X, X, X, X, X, 0, 0], supported::operation_codes)
        .service_action().passes_not_ready().when_reserved(Allowed),
    // REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS
    Row::new(&[0xA3, 0x0D, 0x80, 0, 0, 0, X, X, X, X, 0, 0], supported::task_management)
        .service_action().passes_not_ready().when_reserved(Allowed),
    // SET TARGET PORT GROUPS
    Row::new(&[0xA4, 0x0A, 0, 0, 0, 0, X, X, X, X, 0, 0], target_port_groups::set)
        .service_action().passes_not_ready().gathers(target_port_groups::gathered),
    // READ (12): STREAMING asks for speed that is there anyway.
    Row::new(&[0xA8, ACCESS, X, X, X, X, X, X, X, X, 0, 0], read::read).ignoring(&[(10, 0x80)]),
    // READ DISC STRUCTURE: the address is for formats that are not there, and AGID for keys that are not needed.
    Row::new(&[0xAD, 0x0F, 0, 0, 0, 0, X, X, X, X, 0, 0], structure::read)
        .ignoring(&[(2, X), (3, X), (4, X), (5, X), (10, 0xC0)]),
    // READ CD MSF
    Row::new(&[0xB9, 0x1C, 0, X, X, X, X, X, X, X, 0, 0], read::read_cd_msf).ignoring(&[(1, 0x02)]),
    // MECHANISM STATUS
    Row::new(&[0xBD, 0, 0, 0, 0, 0, 0, 0, X, X, 0, 0], drive::mechanism_status).passes_not_ready(),
    // READ CD: DAP is about audio.
    Row::new(&[0xBE, 0x1C, X, X, X, X, X, X, X, X, 0, 0], read::read_cd).ignoring(&[(1, 0x02)]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Bench, refused};

    #[test]
    fn a_drive_has_no_command_that_writes() {
        assert!(TABLE.rows().iter().all(|row| !row.writes));
        let mut bench = Bench::drive(1000);
        for opcode in [0x04, 0x0A, 0x2A, 0x2E, 0x41, 0x42, 0x8A, 0x93, 0xAA] {
            assert_eq!(bench.ask(&[opcode; 16]), refused(Sense::INVALID_OPCODE), "{opcode:02x}");
        }
    }

    #[test]
    fn without_a_disc_no_command_panics_and_those_about_a_disc_say_that_there_is_none() {
        let mut bench = Bench::drive(0);
        let mut without = Vec::new();
        for row in TABLE.rows() {
            let mut cdb = vec![0; row.usage.len()];
            cdb[0] = row.opcode();
            cdb[1] = row.action.unwrap_or(0) as u8;
            if bench.plan(&cdb) == refused(Sense::NO_MEDIUM) {
                without.push(row.opcode());
            }
        }
        assert_eq!(without, [0x00, 0x25, 0x28, 0x43, 0x51, 0x52, 0xA8, 0xAD, 0xBE]);
    }
}
