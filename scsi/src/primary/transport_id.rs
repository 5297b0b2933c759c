//! TransportIDs of iSCSI: how parameter lists name an initiator (SPC-4, TransportID identifiers).

use crate::sense::Sense;
use std::sync::Arc;

/// Whom a TransportID means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Initiator {
    /// A port: its name as registrations have it, `iqn...,i,0x<isid>` with twelve small digits.
    Port(Arc<str>),
    /// A device, whatever its ports are: its iSCSI name.
    Device(String),
}

/// The TransportID at the beginning of `bytes`, which are at `at` of the parameter list, and its length.
///
/// # Errors
/// 5/1A/00, when it is cut off; 5/26/00 that points at what is wrong in it.
pub(crate) fn parse(bytes: &[u8], at: u16) -> Result<(Initiator, usize), Sense> {
    let (header, rest) = bytes.split_at_checked(HEADER).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    if header[0] & PROTOCOL != ISCSI {
        return Err(Sense::invalid_parameter_bit(at, 3));
    }
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if len < ADDITIONAL_MIN || !len.is_multiple_of(4) {
        return Err(Sense::invalid_parameter(at + 2));
    }
    let name = rest.get(..len).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    let wrong_name = Sense::invalid_parameter(at + HEADER as u16);
    let name = text(name).ok_or(wrong_name)?;
    let initiator = match header[0] & FORMAT {
        DEVICE_NAME if is_iscsi_name(name) => Initiator::Device(name.to_owned()),
        PORT_NAME => Initiator::Port(port_name(name).ok_or(wrong_name)?),
        DEVICE_NAME => return Err(wrong_name),
        _ => return Err(Sense::invalid_parameter_bit(at, 7)),
    };
    Ok((initiator, HEADER + len))
}

/// The TransportID of an initiator port.
pub(crate) fn of_port(name: &str) -> Vec<u8> {
    let len = (name.len() + 1).next_multiple_of(4).max(ADDITIONAL_MIN);
    let mut bytes = vec![PORT_NAME | ISCSI, 0];
    bytes.extend_from_slice(&u16::try_from(len).expect("iSCSI names are short").to_be_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes.resize(HEADER + len, 0);
    bytes
}

/// Up to the first NUL, which must be there.
fn text(field: &[u8]) -> Option<&str> {
    let end = field.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(&field[..end]).ok()
}

/// `<name>,i,0x<isid>` with all twelve digits of the ISID.
fn port_name(text: &str) -> Option<Arc<str>> {
    let (name, isid) = text.split_once(SEPARATOR)?;
    if !is_iscsi_name(name) || isid.is_empty() || isid.len() > ISID_DIGITS {
        return None;
    }
    if !isid.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let isid = u64::from_str_radix(isid, 16).ok()?;
    Some(format!("{name}{SEPARATOR}{isid:012x}").into())
}

/// RFC 7143, iSCSI names: not longer than 223 bytes, and nothing that could not be printed.
fn is_iscsi_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len()) && !name.chars().any(|one| one.is_control() || one.is_whitespace())
}

const HEADER: usize = 4;

/// PROTOCOL IDENTIFIER: iSCSI.
const ISCSI: u8 = 0x05;
const PROTOCOL: u8 = 0x0F;

/// TPID FORMAT.
const FORMAT: u8 = 0xC0;
const DEVICE_NAME: u8 = 0x00;
const PORT_NAME: u8 = 0x40;

/// The least ADDITIONAL LENGTH.
const ADDITIONAL_MIN: usize = 20;

const SEPARATOR: &str = ",i,0x";
const ISID_DIGITS: usize = 12;
const NAME_MAX: usize = 223;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first: u8, len: u16, name: &[u8]) -> Vec<u8> {
        let mut bytes = [&[first, 0][..], &len.to_be_bytes(), name].concat();
        bytes.resize(4 + usize::from(len), 0);
        bytes
    }

    #[test]
    fn a_port_is_named_by_name_and_isid_in_twelve_small_digits() {
        let expected = Initiator::Port("iqn.a:b,i,0x00023d0000ab".into());
        for name in [&b"iqn.a:b,i,0x00023d0000ab"[..], b"iqn.a:b,i,0x00023D0000AB", b"iqn.a:b,i,0x23d0000ab"] {
            assert_eq!(parse(&id(0x45, 28, name), 24), Ok((expected.clone(), 32)));
        }
    }

    #[test]
    fn a_device_is_named_by_its_name_alone() {
        assert_eq!(parse(&id(0x05, 20, b"iqn.a:b"), 24), Ok((Initiator::Device("iqn.a:b".into()), 24)));
    }

    #[test]
    fn what_follows_an_id_is_not_looked_at() {
        let two = [id(0x05, 20, b"iqn.a"), id(0x45, 24, b"iqn.b,i,0x1")].concat();
        let (_, len) = parse(&two, 28).unwrap();
        assert_eq!(parse(&two[len..], 52), Ok((Initiator::Port("iqn.b,i,0x000000000001".into()), 28)));
    }

    #[test]
    fn each_wrong_field_is_pointed_at() {
        let name = b"iqn.a,i,0x000000000001";
        let wrong = [
            (id(0x40, 24, name), Sense::invalid_parameter_bit(24, 3)),
            (id(0x85, 24, name), Sense::invalid_parameter_bit(24, 7)),
            (id(0xC5, 24, name), Sense::invalid_parameter_bit(24, 7)),
            (id(0x45, 16, b"a,i,0x1"), Sense::invalid_parameter(26)),
            (id(0x45, 26, name), Sense::invalid_parameter(26)),
            (id(0x45, 20, b"iqn.aaaaaaaaaa,i,0x1"), Sense::invalid_parameter(28)),
            (id(0x45, 20, b"iqn.a"), Sense::invalid_parameter(28)),
            (id(0x45, 20, b"iqn.a,i,0x"), Sense::invalid_parameter(28)),
            (id(0x45, 20, b"iqn.a,i,0x+1"), Sense::invalid_parameter(28)),
            (id(0x45, 28, b"iqn.a,i,0x0000000000001"), Sense::invalid_parameter(28)),
            (id(0x45, 20, b",i,0x1"), Sense::invalid_parameter(28)),
            (id(0x05, 20, b""), Sense::invalid_parameter(28)),
            (id(0x05, 20, b"iqn a"), Sense::invalid_parameter(28)),
            (id(0x05, 20, b"iqn\xFF"), Sense::invalid_parameter(28)),
            (id(0x05, 228, &[b'a'; 224]), Sense::invalid_parameter(28)),
        ];
        for (bytes, sense) in wrong {
            assert_eq!(parse(&bytes, 24), Err(sense), "{bytes:02x?}");
        }
        assert!(parse(&id(0x05, 224, &[b'a'; 223]), 24).is_ok());
    }

    #[test]
    fn an_id_that_is_cut_off_is_too_short() {
        let whole = id(0x45, 24, b"iqn.a,i,0x1");
        for len in [0, 3, 4, 27] {
            assert_eq!(parse(&whole[..len], 24), Err(Sense::PARAMETER_LIST_LENGTH));
        }
    }

    #[test]
    fn a_port_that_is_written_is_read_as_the_same() {
        for name in ["a,i,0x000000000001", "iqn.2026-11.com.example:host,i,0x00023d000001"] {
            let bytes = of_port(name);
            assert_eq!((bytes[0], bytes.len() % 4, *bytes.last().unwrap()), (0x45, 0, 0));
            assert!(bytes.len() >= 24);
            assert_eq!(parse(&bytes, 24), Ok((Initiator::Port(name.into()), bytes.len())));
        }
    }
}
