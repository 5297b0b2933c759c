//! What stands in the Additional Header Segments of a SCSI Command (RFC 7143 §11.2.2)?

use thiserror::Error;

/// Bytes of additional header segments a header can announce: 255 words.
pub const AHS_MAX: usize = 255 * 4;

/// Bytes of the longest CDB: SPC's variable length CDB, 8 + 252.
pub const CDB_MAX: usize = 260;

/// AHSType of an extended CDB (RFC 7143 §11.2.2.3).
pub const EXTENDED_CDB: u8 = 1;

/// AHSType of a bidirectional read's expected length (RFC 7143 §11.2.2.4).
pub const BIDI_READ_LENGTH: u8 = 2;

/// What the segments said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segments<'a> {
    /// The CDB's bytes from the 17th on.
    pub cdb_rest: Option<&'a [u8]>,
    /// Expected Bidirectional Read Data Length in bytes.
    pub bidi_read: Option<u32>,
}

/// The segments do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the additional header segments are malformed")]
pub struct BadAhs;

/// Reads all segments of one header; unknown types are skipped, as a receiver of an optional segment may.
///
/// # Errors
/// When a length runs over the end, a known segment comes twice, or a known segment has an impossible length.
pub fn parse(mut ahs: &[u8]) -> Result<Segments<'_>, BadAhs> {
    let mut found = Segments::default();
    while !ahs.is_empty() {
        let (&[high, low, kind], rest) = ahs.split_first_chunk::<3>().ok_or(BadAhs)?;
        // AHSLength counts the bytes after AHSType without padding, the reserved byte included.
        let len = usize::from(u16::from_be_bytes([high, low]));
        let padded = (3 + len).next_multiple_of(4) - 3;
        let specific = rest.get(..len).ok_or(BadAhs)?;
        match kind & 0x3f {
            EXTENDED_CDB => {
                let bytes = specific.get(1..).filter(|bytes| !bytes.is_empty() && 16 + bytes.len() <= CDB_MAX);
                if found.cdb_rest.replace(bytes.ok_or(BadAhs)?).is_some() {
                    return Err(BadAhs);
                }
            }
            BIDI_READ_LENGTH => {
                let &[_, a, b, c, d] = specific else {
                    return Err(BadAhs);
                };
                if found.bidi_read.replace(u32::from_be_bytes([a, b, c, d])).is_some() {
                    return Err(BadAhs);
                }
            }
            _ => {}
        }
        ahs = rest.get(padded..).ok_or(BadAhs)?;
    }
    Ok(found)
}

/// The segment that carries `cdb_rest`, the bytes of a CDB from the 17th on, padded to words.
///
/// # Panics
/// When the CDB would be longer than [`CDB_MAX`].
pub fn extended_cdb(cdb_rest: &[u8]) -> Vec<u8> {
    assert!(16 + cdb_rest.len() <= CDB_MAX, "a CDB of {} bytes does not exist", 16 + cdb_rest.len());
    let len = u16::try_from(cdb_rest.len() + 1).expect("the CDB is short");
    let mut ahs = Vec::with_capacity((4 + cdb_rest.len()).next_multiple_of(4));
    ahs.extend(len.to_be_bytes());
    ahs.extend([EXTENDED_CDB, 0]);
    ahs.extend(cdb_rest);
    ahs.resize(ahs.len().next_multiple_of(4), 0);
    ahs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extended_cdb_comes_back_at_every_length() {
        for len in 1..=CDB_MAX - 16 {
            let rest: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let ahs = extended_cdb(&rest);
            assert_eq!(ahs.len() % 4, 0);
            assert_eq!(parse(&ahs), Ok(Segments { cdb_rest: Some(&rest), bidi_read: None }));
        }
    }

    #[test]
    fn a_cdb_of_261_bytes_is_malformed() {
        let mut ahs = vec![0, 246, EXTENDED_CDB, 0];
        ahs.resize(4 + 248, 0);
        assert_eq!(parse(&ahs), Err(BadAhs));
    }

    #[test]
    fn a_length_over_the_end_is_malformed() {
        assert_eq!(parse(&[0, 6, EXTENDED_CDB, 0, 1, 2, 3, 4]), Err(BadAhs));
        assert_eq!(parse(&[0xff, 0xff, 9, 0]), Err(BadAhs));
        assert_eq!(parse(&[0, 5]), Err(BadAhs));
    }

    #[test]
    fn a_segment_that_comes_twice_is_malformed() {
        let one = extended_cdb(&[1, 2, 3, 4]);
        assert_eq!(parse(&[one.clone(), one].concat()), Err(BadAhs));
    }

    #[test]
    fn the_bidirectional_length_is_read_and_unknown_segments_are_skipped() {
        let ahs = [[0, 5, BIDI_READ_LENGTH, 0], [0, 1, 0, 0], [0, 1, 0x3f, 0]].concat();
        assert_eq!(parse(&ahs), Ok(Segments { cdb_rest: None, bidi_read: Some(65536) }));
    }
}
