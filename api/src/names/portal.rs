//! Where initiators connect: an address and a port.

use super::quoted;
use crate::{Refusal, codes};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// An address to listen on: `127.0.0.1`, `192.0.2.10:3260`, `[::]:3260`, `::1`.
///
/// Without a port it is 3260, the one IANA gave to iSCSI. Port 0 lets the system choose. Host names are not
/// taken: what a target listens on must not depend on a resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortalAddress(SocketAddr);

impl PortalAddress {
    /// The port that IANA gave to iSCSI.
    pub const DEFAULT_PORT: u16 = 3260;

    /// Reads an address with or without a port.
    ///
    /// # Errors
    /// `F-0208`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).filter(|t| t.contains(':')).unwrap_or(text);
        let with_default = bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, Self::DEFAULT_PORT));
        with_default.or_else(|_| text.parse()).map(PortalAddress).map_err(|_| {
            Refusal::new(codes::BAD_PORTAL, format!("{} is not a portal", quoted(text)))
                .hint("write ADDRESS:PORT, as in \"192.0.2.10:3260\" or \"[::]:3260\"")
        })
    }

    /// The address and port.
    pub fn socket(self) -> SocketAddr {
        self.0
    }
}

impl From<SocketAddr> for PortalAddress {
    fn from(address: SocketAddr) -> Self {
        PortalAddress(address)
    }
}

impl fmt::Display for PortalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for PortalAddress {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for PortalAddress {
    type Error = Refusal;
    fn try_from(text: &str) -> Result<Self, Refusal> {
        Self::parse(text)
    }
}

impl TryFrom<String> for PortalAddress {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<PortalAddress> for String {
    fn from(portal: PortalAddress) -> String {
        portal.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_3260_unless_it_is_given() {
        let read = [
            ("127.0.0.1", "127.0.0.1:3260"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("::1", "[::1]:3260"),
            ("[::1]", "[::1]:3260"),
            ("[::]:13260", "[::]:13260"),
        ];
        for (text, whole) in read {
            let portal = PortalAddress::parse(text).expect(text);
            assert_eq!(portal.to_string(), whole);
            assert_eq!(PortalAddress::parse(whole).unwrap(), portal);
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in [
            "",
            "localhost",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "[127.0.0.1]",
            "[::1",
            "::1]",
            "256.0.0.1",
            "a:b:c:d",
            "192.0.2.1:3260,1",
        ] {
            assert_eq!(PortalAddress::parse(text).map_err(|r| r.code), Err(codes::BAD_PORTAL), "{text:?}");
        }
    }
}
