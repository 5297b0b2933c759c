//! What third-party copy offers: the operating parameters, and page 8Fh (SPC-4, third-party copy page).

use super::{
    COPY_BYTES_MAX, COPY_BYTES_OPTIMAL, CSCDS_MAX, DESCRIPTORS_LEN_MAX, RANGES_MAX, SEGMENT_BYTES_MAX, SEGMENTS_MAX,
    TOKEN_IDLE_MAX_S, TOKEN_IDLE_S, descriptor, rod,
};
use crate::book::Copies;
use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// RECEIVE COPY OPERATING PARAMETERS.
pub(crate) fn operating_parameters(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    /// SNLID: a copy need have no identifier.
    const SNLID: u8 = 0x01;
    let mut data = vec![0; 44];
    data[3] = 40 + descriptor::ALL.len() as u8;
    data[4] = SNLID;
    data[8..10].copy_from_slice(&(CSCDS_MAX as u16).to_be_bytes());
    data[10..12].copy_from_slice(&(SEGMENTS_MAX as u16).to_be_bytes());
    data[12..16].copy_from_slice(&(DESCRIPTORS_LEN_MAX as u32).to_be_bytes());
    data[16..20].copy_from_slice(&SEGMENT_BYTES_MAX.to_be_bytes());
    data[34..36].copy_from_slice(&(Copies::MAX as u16).to_be_bytes());
    data[36] = Copies::MAX as u8;
    data[37] = GRANULARITY;
    data[43] = descriptor::ALL.len() as u8;
    data.extend_from_slice(&descriptor::ALL);
    Ok(Plan::data(data, asked.cdb.u32(10)))
}

/// The body of page 8Fh: descriptors in ascending order of their types.
pub(crate) fn page(asked: &Asked<'_>) -> Vec<u8> {
    let parts: [(u16, Vec<u8>); 8] = [
        (0x0000, block_device_rod_limits(asked)),
        (0x0001, supported_commands(asked)),
        (0x0004, parameter_data()),
        (0x0008, supported_descriptors()),
        // SUPPORTED CSCD DESCRIPTOR IDS: the unit that is asked.
        (0x000C, vec![0, 2, 0xFF, 0xFF]),
        (0x0106, rod_token_features()),
        (0x0108, supported_rods()),
        (0x8001, general_copy_operations()),
    ];
    let descriptor = |(kind, mut body): (u16, Vec<u8>)| {
        body.resize(body.len().next_multiple_of(4), 0);
        [&kind.to_be_bytes()[..], &(body.len() as u16).to_be_bytes(), &body].concat()
    };
    parts.into_iter().flat_map(descriptor).collect()
}

fn block_device_rod_limits(asked: &Asked<'_>) -> Vec<u8> {
    let block_size = u64::from(asked.unit.medium().block_size);
    let mut body = vec![0; 32];
    body[6..8].copy_from_slice(&(RANGES_MAX as u16).to_be_bytes());
    body[8..12].copy_from_slice(&TOKEN_IDLE_MAX_S.to_be_bytes());
    body[12..16].copy_from_slice(&TOKEN_IDLE_S.to_be_bytes());
    body[16..24].copy_from_slice(&(COPY_BYTES_MAX / block_size).to_be_bytes());
    body[24..32].copy_from_slice(&(COPY_BYTES_OPTIMAL / block_size).to_be_bytes());
    body
}

/// From the table that dispatches, so that what is reported and what is done cannot differ.
fn supported_commands(asked: &Asked<'_>) -> Vec<u8> {
    let command = |opcode: u8| {
        let actions: Vec<u8> =
            asked.table.rows_of(opcode).iter().filter_map(|row| row.action).map(|action| action as u8).collect();
        [vec![opcode, actions.len() as u8], actions].concat()
    };
    let list = [command(0x83), command(0x84)].concat();
    [vec![list.len() as u8], list].concat()
}

fn parameter_data() -> Vec<u8> {
    let mut body = vec![0; 28];
    body[4..6].copy_from_slice(&(CSCDS_MAX as u16).to_be_bytes());
    body[6..8].copy_from_slice(&(SEGMENTS_MAX as u16).to_be_bytes());
    body[8..12].copy_from_slice(&(DESCRIPTORS_LEN_MAX as u32).to_be_bytes());
    body
}

fn supported_descriptors() -> Vec<u8> {
    [&[descriptor::ALL.len() as u8][..], &descriptor::ALL].concat()
}

/// Tokens of other copy managers (REMOTE TOKENS) are not known here.
fn rod_token_features() -> Vec<u8> {
    let mut body = vec![0; 44];
    body[12..16].copy_from_slice(&TOKEN_LIFE_MIN_S.to_be_bytes());
    body[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
    body[20..24].copy_from_slice(&TOKEN_IDLE_MAX_S.to_be_bytes());
    // Features of block device RODs.
    let mut block = vec![0; 48];
    block[3] = 44;
    block[8..16].copy_from_slice(&COPY_BYTES_MAX.to_be_bytes());
    block[16..24].copy_from_slice(&COPY_BYTES_OPTIMAL.to_be_bytes());
    block[24..32].copy_from_slice(&COPY_BYTES_MAX.to_be_bytes());
    block[32..40].copy_from_slice(&COPY_BYTES_OPTIMAL.to_be_bytes());
    body[42..44].copy_from_slice(&(block.len() as u16).to_be_bytes());
    [body, block].concat()
}

fn supported_rods() -> Vec<u8> {
    /// A token of this type can be given to the copy manager, or be had from it.
    const TOKEN_IN: u8 = 0x02;
    const TOKEN_OUT: u8 = 0x01;
    let rod = |kind: u32, flags: u8| {
        let mut one = vec![0; 64];
        one[..4].copy_from_slice(&kind.to_be_bytes());
        one[4] = flags;
        one
    };
    let rods = [rod(rod::ACCESS_UPON_REFERENCE, TOKEN_IN | TOKEN_OUT), rod(rod::ZERO, TOKEN_IN)].concat();
    [vec![0, 0], (rods.len() as u16).to_be_bytes().to_vec(), rods].concat()
}

fn general_copy_operations() -> Vec<u8> {
    let mut body = vec![0; 32];
    body[0..4].copy_from_slice(&(Copies::MAX as u32).to_be_bytes());
    body[4..8].copy_from_slice(&(Copies::MAX as u32).to_be_bytes());
    body[8..12].copy_from_slice(&SEGMENT_BYTES_MAX.to_be_bytes());
    body[12] = GRANULARITY;
    body
}

/// DATA SEGMENT GRANULARITY as a power of two: the smallest block there is.
const GRANULARITY: u8 = 9;

/// MINIMUM TOKEN LIFETIME in seconds.
const TOKEN_LIFE_MIN_S: u32 = 1;
