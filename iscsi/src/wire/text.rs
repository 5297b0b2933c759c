//! How are `key=value` texts read and written (RFC 7143 §6.1)?

use thiserror::Error;

/// Bytes of the longest key name (RFC 7143 §6.1).
pub const KEY_MAX: usize = 63;

/// Bytes of the longest value that we take: a binary item of 1024 bytes in hexadecimal, and its prefix.
pub const VALUE_MAX: usize = 2 + 2 * BINARY_MAX;

/// Bytes of the longest binary value (RFC 7143 §6.1: large-binary-value).
pub const BINARY_MAX: usize = 1024;

/// Pairs in one text (whole, after its PDUs have been put together).
pub const PAIRS_MAX: usize = 64;

/// Bytes of one text, over all of its PDUs (RFC 7143 §6.2 asks for at least 8192).
pub const TEXT_MAX: usize = 16 * 1024;

/// A text that breaks the grammar of RFC 7143 §6.1 or a limit of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadText {
    /// No `=`, an empty or overlong key, or a character no key may have.
    #[error("a text key is malformed")]
    Key,
    /// A value that is overlong or no UTF-8.
    #[error("a text value is malformed")]
    Value,
    /// More than [`PAIRS_MAX`] pairs.
    #[error("there are too many text keys")]
    TooMany,
}

/// All pairs of a text, in order.
///
/// # Errors
/// See [`BadText`].
pub fn parse(text: &[u8]) -> Result<Vec<(&str, &str)>, BadText> {
    let mut pairs = Vec::new();
    // A last pair without its NUL is taken: the end of the data segment ends it too.
    for pair in text.split(|&byte| byte == 0).filter(|pair| !pair.is_empty()) {
        if pairs.len() == PAIRS_MAX {
            return Err(BadText::TooMany);
        }
        let at = pair.iter().position(|&byte| byte == b'=').ok_or(BadText::Key)?;
        pairs.push((key(&pair[..at])?, value(&pair[at + 1..])?));
    }
    Ok(pairs)
}

/// Appends `key=value` and its NUL.
pub fn push(text: &mut Vec<u8>, key: &str, value: &str) {
    text.extend(key.as_bytes());
    text.push(b'=');
    text.extend(value.as_bytes());
    text.push(0);
}

/// A numerical value, decimal or `0x` hexadecimal (RFC 7143 §6.1).
pub fn number(value: &str) -> Option<u32> {
    let (digits, radix) = match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (value, 10),
    };
    // `from_str_radix` would take a sign.
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

/// A binary value, `0x` hexadecimal or `0b` base64 (RFC 7143 §6.1); at most [`BINARY_MAX`] bytes.
pub fn binary(value: &str) -> Option<Vec<u8>> {
    let bytes = match value.as_bytes() {
        [b'0', b'x' | b'X', digits @ ..] => hex(digits)?,
        [b'0', b'b' | b'B', digits @ ..] => base64(digits)?,
        _ => return None,
    };
    (!bytes.is_empty() && bytes.len() <= BINARY_MAX).then_some(bytes)
}

/// A binary value as text: `0x` and two digits for each byte.
pub fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}

fn key(bytes: &[u8]) -> Result<&str, BadText> {
    // standard-label: letters, digits, '.', '-', '+', '@', '_' and, for X# extension keys, '#'.
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b".-+@_#/:".contains(byte);
    if bytes.is_empty() || bytes.len() > KEY_MAX || !bytes.iter().all(fits) {
        return Err(BadText::Key);
    }
    std::str::from_utf8(bytes).map_err(|_| BadText::Key)
}

fn value(bytes: &[u8]) -> Result<&str, BadText> {
    if bytes.len() > VALUE_MAX {
        return Err(BadText::Value);
    }
    std::str::from_utf8(bytes).map_err(|_| BadText::Value)
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    // An odd number of digits has an implied leading zero.
    let (first, rest) = digits.split_at(digits.len() % 2);
    let mut bytes = Vec::with_capacity(digits.len().div_ceil(2));
    for &byte in first {
        bytes.push(digit(byte)?);
    }
    for pair in rest.chunks_exact(2) {
        bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    Some(bytes)
}

fn base64(digits: &[u8]) -> Option<Vec<u8>> {
    let body = match digits {
        [body @ .., b'=', b'='] | [body @ .., b'='] => body,
        body => body,
    };
    // Padding, where there is any, must fill up a group of four.
    if body.len() % 4 == 1 || (body.len() != digits.len() && !digits.len().is_multiple_of(4)) {
        return None;
    }
    let mut bytes = Vec::with_capacity(body.len() / 4 * 3 + 2);
    for group in body.chunks(4) {
        let mut bits = 0u32;
        for &digit in group {
            bits = bits << 6 | u32::from(sextet(digit)?);
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

fn sextet(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_in_order_and_the_last_nul_may_be_missing() {
        let pairs = parse(b"InitiatorName=iqn.a\0\0SessionType=Normal\0Empty=").unwrap();
        assert_eq!(pairs, [("InitiatorName", "iqn.a"), ("SessionType", "Normal"), ("Empty", "")]);
        assert_eq!(parse(b"A=b=c\0").unwrap(), [("A", "b=c")]);
    }

    #[test]
    fn malformed_keys_and_values_are_refused() {
        assert_eq!(parse(b"novalue\0"), Err(BadText::Key));
        assert_eq!(parse(b"=x\0"), Err(BadText::Key));
        assert_eq!(parse(b"a b=x\0"), Err(BadText::Key));
        assert_eq!(parse(b"a=\xff\xfe\0"), Err(BadText::Value));
    }

    #[test]
    fn limits_hold_at_the_limit_and_break_one_past_it() {
        let key = |len| [vec![b'k'; len], b"=v".to_vec()].concat();
        assert!(parse(&key(KEY_MAX)).is_ok());
        assert_eq!(parse(&key(KEY_MAX + 1)), Err(BadText::Key));
        let value = |len| [b"k=".to_vec(), vec![b'v'; len]].concat();
        assert!(parse(&value(VALUE_MAX)).is_ok());
        assert_eq!(parse(&value(VALUE_MAX + 1)), Err(BadText::Value));
        let pairs = |count| b"k=v\0".repeat(count);
        assert_eq!(parse(&pairs(PAIRS_MAX)).unwrap().len(), PAIRS_MAX);
        assert_eq!(parse(&pairs(PAIRS_MAX + 1)), Err(BadText::TooMany));
        assert_eq!(binary(&to_hex(&[7; BINARY_MAX])).unwrap().len(), BINARY_MAX);
        assert_eq!(binary(&to_hex(&[7; BINARY_MAX + 1])), None);
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal_and_have_no_sign() {
        assert_eq!(number("262144"), Some(262_144));
        assert_eq!(number("0x40000"), Some(262_144));
        assert_eq!(number("0X1f"), Some(31));
        for bad in ["", "0x", "-1", "+1", "4294967296", "12a", "0x-1", " 1"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn binary_values_come_in_hexadecimal_and_base64() {
        assert_eq!(binary("0x0aFF").unwrap(), [0x0a, 0xff]);
        assert_eq!(binary("0xabc").unwrap(), [0x0a, 0xbc]);
        assert_eq!(binary("0bTWFu").unwrap(), b"Man");
        assert_eq!(binary("0bTWE=").unwrap(), b"Ma");
        assert_eq!(binary("0BTQ==").unwrap(), b"M");
        assert_eq!(binary("0bTWE").unwrap(), b"Ma");
        for bad in ["", "0x", "0b", "12", "0xzz", "0bT", "0bT===", "0bTWE=x", "0b*bcd", "0bTWFu="] {
            assert_eq!(binary(bad), None, "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(pairs in proptest::collection::vec(("[A-Za-z.#-]{1,63}", "[ -~]{0,255}"), 0..20)) {
            let mut text = Vec::new();
            pairs.iter().for_each(|(key, value)| push(&mut text, key, value));
            let read: Vec<_> = parse(&text).unwrap().into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            proptest::prop_assert_eq!(read, pairs);
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>, text: String) {
            let _ = parse(&bytes);
            let _ = (number(&text), binary(&text), binary(&format!("0x{text}")), binary(&format!("0b{text}")));
        }
    }
}
