//! Which addresses a rule means: one, or all that share its first bits.

use crate::names::quoted;
use crate::{Refusal, codes};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address, or a network in CIDR notation; IPv4 and IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressRange {
    network: IpAddr,
    bits: u8,
}

impl AddressRange {
    /// Reads `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`.
    ///
    /// # Errors
    /// `F-0601`. Bits behind the prefix are one of its reasons: `192.0.2.5/24` may mean one host or its
    /// network, and a list of who may enter is no place to guess.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse =
            |why: &str| Refusal::new(codes::BAD_RULE, format!("{} is not an address range: {why}", quoted(text)));
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| {
            refuse("no IPv4 or IPv6 address stands there")
                .hint("write ADDRESS or ADDRESS/BITS; host names are not looked up")
        })?;
        let width = width(network);
        let bits = match bits {
            None => width,
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().unwrap_or(u8::MAX),
            Some(_) => return Err(refuse("the prefix length is not a number")),
        };
        if bits > width || text.ends_with('/') {
            return Err(refuse(&format!("the prefix length is 0 to {width}")));
        }
        let start = masked(network, bits);
        if start != network {
            return Err(refuse("it has bits behind the prefix")
                .hint(format!("write {start}/{bits} for the network, or {network} for the one host")));
        }
        Ok(AddressRange { network, bits })
    }

    /// Whether `address` is in the range. The two families never match each other.
    pub fn contains(&self, address: IpAddr) -> bool {
        width(address) == width(self.network) && masked(address, self.bits) == self.network
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first `bits` of `address`, the rest zero.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == width(self.network) {
            return self.network.fmt(f);
        }
        write!(f, "{}/{}", self.network, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contains(range: &str, address: &str) -> bool {
        AddressRange::parse(range).expect(range).contains(address.parse().unwrap())
    }

    #[test]
    fn a_range_ends_where_its_prefix_ends() {
        assert!(contains("198.51.100.0/28", "198.51.100.15"));
        assert!(!contains("198.51.100.0/28", "198.51.100.16"));
        assert!(contains("2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!contains("2001:db8::/33", "2001:db8:8000::1"));
        assert!(contains("192.0.2.1", "192.0.2.1") && !contains("192.0.2.1", "192.0.2.0"));
    }

    #[test]
    fn no_bits_mean_every_address_of_the_family_and_only_of_it() {
        assert!(contains("0.0.0.0/0", "255.255.255.255") && contains("::/0", "ffff::"));
        assert!(!contains("0.0.0.0/0", "::1") && !contains("::/0", "127.0.0.1"));
    }

    #[test]
    fn what_is_not_a_range_is_refused() {
        for text in [
            "",
            "/",
            "192.0.2.1/",
            "192.0.2.1/33",
            "::1/129",
            "192.0.2.0/+8",
            "192.0.2/24",
            "host",
            "192.0.2.0/24/24",
            "fe80::1%eth0",
        ] {
            assert_eq!(AddressRange::parse(text).map_err(|r| r.code), Err(codes::BAD_RULE), "{text:?}");
        }
    }

    #[test]
    fn bits_behind_the_prefix_are_refused_with_both_things_they_may_mean() {
        let hint = AddressRange::parse("192.0.2.5/24").unwrap_err().hint.unwrap();
        assert_eq!(hint, "write 192.0.2.0/24 for the network, or 192.0.2.5 for the one host");
    }

    proptest! {
        #[test]
        fn a_network_contains_exactly_the_addresses_that_share_its_bits(base: u32, other: u32, bits in 0u8..=32) {
            let start = masked(IpAddr::V4(base.into()), bits);
            let range = AddressRange::parse(&format!("{start}/{bits}")).unwrap();
            let shares = bits == 0 || (base ^ other) >> (32 - u32::from(bits)) == 0;
            prop_assert_eq!(range.contains(IpAddr::V4(other.into())), shares);
        }
    }
}
