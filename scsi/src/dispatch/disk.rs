//! The commands of a disk: what they look like, and what may stand in their way.

use crate::block::{cache, capacity, defects, erase, lba_status, prefetch, transfer, unmap, verify, whole, write_same};
use crate::command::Table;
use crate::command::row::{Handler, Offered, Row, WhenPersistent, WhenReserved};
use crate::copy::{extended, offer, populate, status, write_using};
use crate::primary::{
    buffer, diagnostic, inquiry, luns, mode_select, mode_sense, persistent_in, persistent_out, ready, request_sense,
    reserve, supported,
};
use crate::primary::{identifying_information, log_select, log_sense, target_port_groups, timestamp};
use crate::sense::Sense;
use WhenPersistent::Reads;
use WhenReserved::{Allowed, AllowedIf};

/// The table that dispatches, and from which REPORT SUPPORTED OPERATION CODES is made.
pub(crate) static TABLE: Table = Table::new(ROWS, Sense::INVALID_OPCODE);

/// All bits of a byte.
const X: u8 = 0xFF;

/// DPO, FUA and FUA_NV in byte 1. RDPROTECT and WRPROTECT above them stay out: there is no protection information.
const ACCESS: u8 = 0x1A;

/// DPO and the two bits of BYTCHK.
const CHECK: u8 = 0x16;

/// GROUP NUMBER is a hint for statistics that nobody reads; RARC one for rebuilds that do not happen here.
const GROUP_6: (u8, u8) = (6, 0x1F);
const GROUP_10: (u8, u8) = (10, 0x1F);
const GROUP_14: (u8, u8) = (14, 0x3F);
const RARC: (u8, u8) = (1, 0x04);
/// GROUP NUMBER of a CDB of variable length, and the expected tags: without protection information nothing has one.
const TAGS: &[(u8, u8)] = &[(6, 0x3F), (20, X), (21, X), (22, X), (23, X), (24, X), (25, X), (26, X), (27, X)];
const TAGS_AND_RARC: &[(u8, u8)] =
    &[(6, 0x3F), (10, 0x04), (20, X), (21, X), (22, X), (23, X), (24, X), (25, X), (26, X), (27, X)];
/// SYNC_NV: there is no non-volatile cache that it could tell from the medium.
const SYNC_NV: (u8, u8) = (1, 0x04);

/// Failures that a SANITIZE ends.
const FAILED: &[Sense] = &[Sense::FORMAT_CORRUPTED, Sense::SANITIZE_FAILED];

/// Seconds: what the slowest disk may need to be written from end to end.
const DAY: u32 = 86_400;

/// START STOP UNIT with START, and without a power condition, disturbs nobody (SBC-3, reservations).
const IF_STARTING: WhenReserved = AllowedIf { at: 4, mask: 0xF1, value: 0x01 };
const IF_ALLOWING: WhenReserved = AllowedIf { at: 4, mask: 0x03, value: 0x00 };

/// The same under persistent reservations.
const WHO_STARTS: WhenPersistent = WhenPersistent::AllowedIf { at: 4, mask: 0xF1, value: 0x01 };
const WHO_ALLOWS: WhenPersistent = WhenPersistent::AllowedIf { at: 4, mask: 0x03, value: 0x00 };
const ANYBODY: WhenPersistent = WhenPersistent::Allowed;

const SCOPE_AND_TYPE: (u8, u8) = (2, X);

const fn persistent_in(usage: &'static [u8], handler: Handler) -> Row {
    Row::new(usage, handler).service_action().names_actions().passes_standby().when_persistent(ANYBODY)
}

/// Who may do what, registrations say.
const fn persistent_out(usage: &'static [u8]) -> Row {
    let row = Row::new(usage, persistent_out::out).gathers(persistent_out::gathered);
    row.service_action().names_actions().passes_standby().alone().when_persistent(ANYBODY)
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // TEST UNIT READY
    Row::new(&[0x00, 0, 0, 0, 0, 0], ready::test).when_persistent(ANYBODY),
    // REQUEST SENSE
    Row::new(&[0x03, 0x01, 0, 0, X, 0], request_sense::of_disk).passes_attention().passes_not_ready().when_reserved(Allowed)
        .when_persistent(ANYBODY),
    // FORMAT UNIT: DEFECT LIST FORMAT and CMPLST tell of a list that is not taken, and the interleave is obsolete.
    Row::new(&[0x04, 0x30, 0, 0, 0, 0], erase::format).alone().ignoring(&[(1, 0x0F), (3, X), (4, X)])
        .writes().takes_s(DAY).gathers(erase::format_with).mends(&[Sense::FORMAT_CORRUPTED]),
    // READ (6)
    Row::new(&[0x08, 0x1F, X, X, X, 0], transfer::read).when_persistent(Reads),
    // WRITE (6)
    Row::new(&[0x0A, 0x1F, X, X, X, 0], transfer::write).writes(),
    // INQUIRY
    Row::new(&[0x12, 0x01, X, X, X, 0], inquiry::of_disk).passes_attention().passes_not_ready().when_reserved(Allowed)
        .when_persistent(ANYBODY),
    // MODE SELECT (6)
    Row::new(&[0x15, 0x11, 0, 0, X, 0], mode_select::six).alone().gathers(mode_select::gathered_six).passes_standby(),
    // RESERVE (6): without EXTENT, its identification and list length mean nothing.
    Row::new(&[0x16, 0, 0, 0, 0, 0], reserve::reserve).alone().ignoring(&[(2, X), (3, X), (4, X)])
        .when_persistent(ANYBODY),
    // RELEASE (6)
    Row::new(&[0x17, 0, 0, 0, 0, 0], reserve::release).alone().ignoring(&[(2, X)]).when_reserved(Allowed)
        .when_persistent(ANYBODY),
    // MODE SENSE (6)
    Row::new(&[0x1A, 0x08, X, X, X, 0], mode_sense::six).passes_standby().when_persistent(Reads),
    // START STOP UNIT
    Row::new(&[0x1B, 0x01, 0, 0x0F, 0xF7, 0], cache::start_stop).when_reserved(IF_STARTING).takes_s(60)
        .when_persistent(WHO_STARTS),
    // RECEIVE DIAGNOSTIC RESULTS
    Row::new(&[0x1C, 0x01, X, X, X, 0], diagnostic::receive).passes_standby().when_persistent(Reads),
    // SEND DIAGNOSTIC: DEVOFFL and UNITOFFL allow what does not happen.
    Row::new(&[0x1D, 0xF4, 0, X, X, 0], diagnostic::send).passes_standby().ignoring(&[(1, 0x03)]).gathers(diagnostic::sent),
    // PREVENT ALLOW MEDIUM REMOVAL
    Row::new(&[0x1E, 0, 0, 0, 0x03, 0], ready::prevent_allow).when_reserved(IF_ALLOWING).when_persistent(WHO_ALLOWS),
    // READ CAPACITY (10): LOGICAL BLOCK ADDRESS and PMI are obsolete.
    Row::new(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], capacity::ten)
        .ignoring(&[(2, X), (3, X), (4, X), (5, X), (8, 0x01)]).when_reserved(Allowed).when_persistent(ANYBODY).passes_standby(),
    // READ (10)
    Row::new(&[0x28, ACCESS, X, X, X, X, 0, X, X, 0], transfer::read).ignoring(&[GROUP_6, RARC])
        .when_persistent(Reads),
    // WRITE (10)
    Row::new(&[0x2A, ACCESS, X, X, X, X, 0, X, X, 0], transfer::write).ignoring(&[GROUP_6]).writes(),
    // WRITE AND VERIFY (10)
    Row::new(&[0x2E, CHECK, X, X, X, X, 0, X, X, 0], transfer::write_and_verify).ignoring(&[GROUP_6]).writes(),
    // VERIFY (10)
    Row::new(&[0x2F, CHECK, X, X, X, X, 0, X, X, 0], verify::verify).ignoring(&[GROUP_6]).when_persistent(Reads),
    // PRE-FETCH (10)
    Row::new(&[0x34, 0x02, X, X, X, X, 0, X, X, 0], prefetch::prefetch).ignoring(&[GROUP_6]).when_persistent(Reads),
    // SYNCHRONIZE CACHE (10)
    Row::new(&[0x35, 0x02, X, X, X, X, 0, X, X, 0], cache::synchronize).ignoring(&[GROUP_6, SYNC_NV]).takes_s(120),
    // READ DEFECT DATA (10)
    Row::new(&[0x37, 0, 0x1F, 0, 0, 0, 0, X, X, 0], defects::ten).when_persistent(Reads),
    // WRITE BUFFER: BUFFER ID and BUFFER OFFSET mean nothing to an echo.
    Row::new(&[0x3B, 0x1F, 0, 0, 0, 0, X, X, X, 0], buffer::write).passes_standby()
        .ignoring(&[(2, X), (3, X), (4, X), (5, X)]).gathers(buffer::written),
    // READ BUFFER
    Row::new(&[0x3C, 0x1F, 0, 0, 0, 0, X, X, X, 0], buffer::read).passes_standby()
        .ignoring(&[(2, X), (3, X), (4, X), (5, X)]).when_persistent(Reads),
    // WRITE SAME (10)
    Row::new(&[0x41, 0x18, X, X, X, X, 0, X, X, 0], write_same::write_same)
        .ignoring(&[GROUP_6]).writes().takes_s(120).gathers(write_same::gathered),
    // UNMAP
    Row::new(&[0x42, 0x01, 0, 0, 0, 0, 0, X, X, 0], unmap::unmap)
        .ignoring(&[GROUP_6]).writes().offered(Offered::WithUnmap).takes_s(120).gathers(unmap::gathered),
    // SANITIZE, OVERWRITE
    Row::new(&[0x48, 0xA1, 0, 0, 0, 0, 0, X, X, 0], erase::overwrite).alone().service_action().names_actions()
        .writes().takes_s(DAY).gathers(erase::overwrite_with).mends(FAILED),
    // SANITIZE, BLOCK ERASE
    Row::new(&[0x48, 0xA2, 0, 0, 0, 0, 0, 0, 0, 0], erase::block_erase).alone().service_action()
        .offered(Offered::WithBlockErase).writes().takes_s(DAY).mends(FAILED),
    // SANITIZE, EXIT FAILURE MODE: there is nothing to wait for, and no failure to allow.
    Row::new(&[0x48, 0x1F, 0, 0, 0, 0, 0, 0, 0, 0], erase::exit_failure_mode).alone().service_action()
        .ignoring(&[(1, 0xA0)]).mends(FAILED),
    // LOG SELECT
    Row::new(&[0x4C, 0x02, X, X, 0, 0, 0, X, X, 0], log_select::select).passes_standby(),
    // LOG SENSE
    Row::new(&[0x4D, 0, X, X, 0, X, X, X, X, 0], log_sense::sense).answers(log_sense::answered)
        .when_reserved(Allowed).when_persistent(ANYBODY).passes_standby(),
    // MODE SELECT (10)
    Row::new(&[0x55, 0x11, 0, 0, 0, 0, 0, X, X, 0], mode_select::ten).alone()
        .gathers(mode_select::gathered_ten).passes_standby(),
    // RESERVE (10): without EXTENT, third party and LONGID, the rest means nothing.
    Row::new(&[0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0], reserve::reserve).alone().ignoring(&[(2, X), (3, X), (7, X), (8, X)])
        .when_persistent(ANYBODY),
    // RELEASE (10)
    Row::new(&[0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0], reserve::release).alone()
        .ignoring(&[(2, X), (3, X), (7, X), (8, X)]).when_reserved(Allowed).when_persistent(ANYBODY),
    // MODE SENSE (10)
    Row::new(&[0x5A, 0x18, X, X, 0, 0, 0, X, X, 0], mode_sense::ten).passes_standby().when_persistent(Reads),
    // PERSISTENT RESERVE IN: READ KEYS, READ RESERVATION, REPORT CAPABILITIES, READ FULL STATUS
    persistent_in(&[0x5E, 0x00, 0, 0, 0, 0, 0, X, X, 0], persistent_in::read_keys),
    persistent_in(&[0x5E, 0x01, 0, 0, 0, 0, 0, X, X, 0], persistent_in::read_reservation),
    persistent_in(&[0x5E, 0x02, 0, 0, 0, 0, 0, X, X, 0], persistent_in::report_capabilities),
    persistent_in(&[0x5E, 0x03, 0, 0, 0, 0, 0, X, X, 0], persistent_in::read_full_status),
    // PERSISTENT RESERVE OUT: registering, clearing and moving go without SCOPE and TYPE.
    persistent_out(&[0x5F, persistent_out::REGISTER, 0, 0, 0, X, X, X, X, 0]).ignoring(&[SCOPE_AND_TYPE]),
    persistent_out(&[0x5F, persistent_out::RESERVE, X, 0, 0, X, X, X, X, 0]),
    persistent_out(&[0x5F, persistent_out::RELEASE, X, 0, 0, X, X, X, X, 0]),
    persistent_out(&[0x5F, persistent_out::CLEAR, 0, 0, 0, X, X, X, X, 0]).ignoring(&[SCOPE_AND_TYPE]),
    persistent_out(&[0x5F, persistent_out::PREEMPT, X, 0, 0, X, X, X, X, 0]),
    persistent_out(&[0x5F, persistent_out::PREEMPT_AND_ABORT, X, 0, 0, X, X, X, X, 0]),
    persistent_out(&[0x5F, persistent_out::REGISTER_AND_IGNORE, 0, 0, 0, X, X, X, X, 0]).ignoring(&[SCOPE_AND_TYPE]),
    persistent_out(&[0x5F, persistent_out::REGISTER_AND_MOVE, 0, 0, 0, X, X, X, X, 0]).ignoring(&[SCOPE_AND_TYPE]),
    // READ (32)
    Row::new(&[0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x09, ACCESS, 0, X, X, X, X, X, X, X, X, 0, 0, 0, 0, 0, 0, 0, 0, X, X, X, X], transfer::read)
        .service_action().ignoring(TAGS_AND_RARC).when_persistent(Reads),
    // VERIFY (32)
    Row::new(&[0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x0A, CHECK, 0, X, X, X, X, X, X, X, X, 0, 0, 0, 0, 0, 0, 0, 0, X, X, X, X], verify::verify)
        .service_action().ignoring(TAGS).when_persistent(Reads),
    // WRITE (32)
    Row::new(&[0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x0B, ACCESS, 0, X, X, X, X, X, X, X, X, 0, 0, 0, 0, 0, 0, 0, 0, X, X, X, X], transfer::write)
        .service_action().ignoring(TAGS).writes(),
    // WRITE AND VERIFY (32)
    Row::new(&[0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x0C, CHECK, 0, X, X, X, X, X, X, X, X, 0, 0, 0, 0, 0, 0, 0, 0, X, X, X, X], transfer::write_and_verify)
        .service_action().ignoring(TAGS).writes(),
    // WRITE SAME (32)
    Row::new(&[0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x0D, 0x19, 0, X, X, X, X, X, X, X, X, 0, 0, 0, 0, 0, 0, 0, 0, X, X, X, X], write_same::write_same)
        .service_action().ignoring(TAGS).writes().takes_s(120).gathers(write_same::gathered),
    // GET LBA STATUS (32): SCAN LENGTH and ELEMENT IDENTIFIER are zero, so all blocks of all elements.
    Row::new(&[0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x12, 0, 0, X, X, X, X, X, X, X, X, 0, 0, 0, 0, 0, 0, 0, 0, X, X, X, X], lba_status::variable)
        .service_action().when_persistent(Reads).takes_s(60).answers(lba_status::variable_answered),
    // EXTENDED COPY (LID1)
    Row::new(&[0x83, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, X, X, X, X, 0, 0], extended::lid1)
        .service_action().takes_s(120).gathers(extended::lid1_gathered).copies(extended::done),
    // EXTENDED COPY (LID4)
    Row::new(&[0x83, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, X, X, X, X, 0, 0], extended::lid4)
        .service_action().takes_s(120).gathers(extended::lid4_gathered).copies(extended::done),
    // POPULATE TOKEN
    Row::new(&[0x83, 0x10, 0, 0, 0, 0, X, X, X, X, X, X, X, X, 0, 0], populate::populate)
        .ignoring(&[GROUP_14]).service_action().when_persistent(Reads).gathers(populate::gathered),
    // WRITE USING TOKEN
    Row::new(&[0x83, 0x11, 0, 0, 0, 0, X, X, X, X, X, X, X, X, 0, 0], write_using::write)
        .ignoring(&[GROUP_14]).service_action().writes().takes_s(120)
        .gathers(write_using::gathered).copies(write_using::done),
    // COPY OPERATION ABORT
    Row::new(&[0x83, 0x1C, X, X, X, X, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], extended::abort).service_action(),
    // RECEIVE COPY STATUS (LID1)
    Row::new(&[0x84, 0x00, X, 0, 0, 0, 0, 0, 0, 0, X, X, X, X, 0, 0], status::lid1).service_action()
        .when_persistent(ANYBODY),
    // RECEIVE COPY DATA (LID1)
    Row::new(&[0x84, 0x01, X, 0, 0, 0, 0, 0, 0, 0, X, X, X, X, 0, 0], status::held_data).service_action()
        .when_persistent(ANYBODY),
    // RECEIVE COPY OPERATING PARAMETERS: LIST IDENTIFIER is reserved, and sent by those who fill it in everywhere.
    Row::new(&[0x84, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, X, X, X, X, 0, 0], offer::operating_parameters)
        .ignoring(&[(2, X)]).service_action().when_persistent(ANYBODY),
    // RECEIVE COPY FAILURE DETAILS (LID1)
    Row::new(&[0x84, 0x04, X, 0, 0, 0, 0, 0, 0, 0, X, X, X, X, 0, 0], status::failure_details).service_action()
        .when_persistent(ANYBODY),
    // RECEIVE COPY STATUS (LID4)
    Row::new(&[0x84, 0x05, X, X, X, X, 0, 0, 0, 0, X, X, X, X, 0, 0], status::lid4).service_action()
        .when_persistent(ANYBODY),
    // RECEIVE ROD TOKEN INFORMATION
    Row::new(&[0x84, 0x07, X, X, X, X, 0, 0, 0, 0, X, X, X, X, 0, 0], status::rod_token).service_action()
        .when_persistent(ANYBODY),
    // REPORT ALL ROD TOKENS
    Row::new(&[0x84, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, X, X, X, X, 0, 0], status::all_tokens).service_action()
        .when_persistent(ANYBODY),
    // READ (16)
    Row::new(&[0x88, ACCESS, X, X, X, X, X, X, X, X, X, X, X, X, 0, 0], transfer::read).ignoring(&[GROUP_14, RARC])
        .when_persistent(Reads),
    // COMPARE AND WRITE
    Row::new(&[0x89, ACCESS, X, X, X, X, X, X, X, X, 0, 0, 0, X, 0, 0], whole::compare_and_write)
        .ignoring(&[GROUP_14]).writes(),
    // WRITE (16)
    Row::new(&[0x8A, ACCESS, X, X, X, X, X, X, X, X, X, X, X, X, 0, 0], transfer::write)
        .ignoring(&[GROUP_14]).writes(),
    // ORWRITE (16)
    Row::new(&[0x8B, ACCESS, X, X, X, X, X, X, X, X, X, X, X, X, 0, 0], whole::or_write)
        .ignoring(&[GROUP_14]).writes(),
    // WRITE AND VERIFY (16)
    Row::new(&[0x8E, CHECK, X, X, X, X, X, X, X, X, X, X, X, X, 0, 0], transfer::write_and_verify)
        .ignoring(&[GROUP_14]).writes(),
    // VERIFY (16)
    Row::new(&[0x8F, CHECK, X, X, X, X, X, X, X, X, X, X, X, X, 0, 0], verify::verify).ignoring(&[GROUP_14])
        .when_persistent(Reads),
    // PRE-FETCH (16)
    Row::new(&[0x90, 0x02, X, X, X, X, X, X, X, X, X, X, X, X, 0, 0], prefetch::prefetch)
        .ignoring(&[GROUP_14]).when_persistent(Reads),
    // SYNCHRONIZE CACHE (16)
    Row::new(&[0x91, 0x02, X, X, X, X, X, X, X, X, X, X, X, X, 0, 0], cache::synchronize)
        .ignoring(&[GROUP_14, SYNC_NV]).takes_s(120),
    // WRITE SAME (16)
    Row::new(&[0x93, 0x19, X, X, X, X, X, X, X, X, X, X, X, X, 0, 0], write_same::write_same)
        .ignoring(&[GROUP_14]).writes().takes_s(120).gathers(write_same::gathered),
    // WRITE ATOMIC (16)
    Row::new(&[0x9C, ACCESS, X, X, X, X, X, X, X, X, 0, 0, X, X, 0, 0], whole::write_atomic)
        .ignoring(&[GROUP_14]).writes().offered(Offered::WithAtomic),
    // READ CAPACITY (16): LOGICAL BLOCK ADDRESS and PMI are obsolete here too.
    Row::new(&[0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, X, X, X, X, 0, 0], capacity::sixteen)
        .ignoring(&[(2, X), (3, X), (4, X), (5, X), (6, X), (7, X), (8, X), (9, X), (14, 0x01)])
        .service_action().when_reserved(Allowed).when_persistent(ANYBODY).passes_standby(),
    // GET LBA STATUS (16): of all blocks, for a REPORT TYPE of SBC-4 is not known.
    Row::new(&[0x9E, 0x12, X, X, X, X, X, X, X, X, X, X, X, X, 0, 0], lba_status::sixteen)
        .service_action().when_persistent(Reads).takes_s(60).answers(lba_status::sixteen_answered),
    // REPORT LUNS
    Row::new(&[0xA0, 0, X, 0, 0, 0, X, X, X, X, 0, 0], luns::report).passes_attention().passes_not_ready().when_reserved(Allowed)
        .when_persistent(ANYBODY),
    // REPORT IDENTIFYING INFORMATION: two bytes of the CDB are for storage arrays only.
    Row::new(&[0xA3, 0x05, 0, 0, 0, 0, X, X, X, X, 0xFE, 0], identifying_information::report)
        .ignoring(&[(4, X), (5, X)]).service_action().when_reserved(Allowed).when_persistent(ANYBODY),
    // REPORT TARGET PORT GROUPS
    Row::new(&[0xA3, 0x2A, 0, 0, 0, 0, X, X, X, X, 0, 0], target_port_groups::report)
        .service_action().passes_not_ready().when_reserved(Allowed).when_persistent(ANYBODY),
    // REPORT SUPPORTED OPERATION CODES
    Row::new(&[0xA3, 0x0C, 0x87, X, X, X, X, X, X, X, 0, 0], supported::operation_codes)
        .service_action().when_reserved(Allowed).when_persistent(Reads),
    // REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS
    Row::new(&[0xA3, 0x0D, 0x80, 0, 0, 0, X, X, X, X, 0, 0], supported::task_management)
        .service_action().when_reserved(Allowed).when_persistent(Reads),
    // REPORT TIMESTAMP
    Row::new(&[0xA3, 0x0F, 0, 0, 0, 0, X, X, X, X, 0, 0], timestamp::report)
        .service_action().when_reserved(Allowed).when_persistent(ANYBODY),
    // SET IDENTIFYING INFORMATION
    Row::new(&[0xA4, 0x06, 0, 0, 0, 0, X, X, X, X, 0xFE, 0], identifying_information::set)
        .ignoring(&[(4, X), (5, X)]).service_action().alone().gathers(identifying_information::gathered),
    // SET TARGET PORT GROUPS
    Row::new(&[0xA4, 0x0A, 0, 0, 0, 0, X, X, X, X, 0, 0], target_port_groups::set)
        .service_action().passes_not_ready().gathers(target_port_groups::gathered),
    // SET TIMESTAMP
    Row::new(&[0xA4, 0x0F, 0, 0, 0, 0, X, X, X, X, 0, 0], timestamp::set)
        .service_action().gathers(timestamp::gathered),
    // READ (12)
    Row::new(&[0xA8, ACCESS, X, X, X, X, X, X, X, X, 0, 0], transfer::read).ignoring(&[GROUP_10, RARC])
        .when_persistent(Reads),
    // WRITE (12)
    Row::new(&[0xAA, ACCESS, X, X, X, X, X, X, X, X, 0, 0], transfer::write).ignoring(&[GROUP_10]).writes(),
    // WRITE AND VERIFY (12)
    Row::new(&[0xAE, CHECK, X, X, X, X, X, X, X, X, 0, 0], transfer::write_and_verify)
        .ignoring(&[GROUP_10]).writes(),
    // VERIFY (12)
    Row::new(&[0xAF, CHECK, X, X, X, X, X, X, X, X, 0, 0], verify::verify).ignoring(&[GROUP_10])
        .when_persistent(Reads),
    // READ DEFECT DATA (12): what its index counts is never there.
    Row::new(&[0xB7, 0x1F, 0, 0, 0, 0, X, X, X, X, 0, 0], defects::twelve)
        .ignoring(&[(2, X), (3, X), (4, X), (5, X)]).when_persistent(Reads),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::row::VARIABLE_LENGTH;

    #[test]
    fn the_length_of_each_command_is_that_of_its_group() {
        for row in TABLE.rows() {
            // GROUP CODE: the three high bits of an operation code.
            let len = match row.opcode() >> 5 {
                0 => 6,
                1 | 2 => 10,
                4 => 16,
                3 => 32,
                5 => 12,
                group => panic!("group {group} has no length"),
            };
            assert_eq!(row.usage.len(), len, "{:02x}", row.opcode());
        }
    }

    #[test]
    fn no_command_takes_control_bits() {
        for row in TABLE.rows() {
            // CONTROL is the last byte, but for commands of variable length, where it is beside the operation code.
            let control = if row.opcode() == VARIABLE_LENGTH { row.usage[1] } else { row.usage[row.usage.len() - 1] };
            assert_eq!(control, 0, "{:02x}", row.opcode());
        }
    }

    #[test]
    fn what_is_ignored_is_neither_looked_at_nor_outside_of_the_command() {
        for row in TABLE.rows() {
            for &(at, mask) in row.ignored {
                let usage = row.usage[usize::from(at)];
                assert_eq!(usage & mask, 0, "byte {at} of {:02x}", row.opcode());
            }
        }
    }

    #[test]
    fn commands_with_a_parameter_list_are_those_that_gather() {
        let mut gathering: Vec<u8> =
            TABLE.rows().iter().filter(|row| row.gathered.is_some()).map(Row::opcode).collect();
        gathering.dedup();
        assert_eq!(gathering, [0x04, 0x15, 0x1D, 0x3B, 0x41, 0x42, 0x48, 0x55, 0x5F, 0x7F, 0x83, 0x93, 0xA4]);
    }
}
