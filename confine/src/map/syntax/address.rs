//! Addresses and networks in a map, and the mistakes that people make with them.
//!
//! The names of users and addresses stand in the same column of a map. A mistyped address must not be taken for a user:
//! no such user would ever come, and the rule would have no effect, without a word. [`looks_like_address`] tells the
//! two apart.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::context::excerpt;

/// Why a word is not an address or a network.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Bits behind the prefix are set.
    #[error(
        "{word} has bits set behind its prefix; did you mean {network} (the network) or {address} (one address)?"
    )]
    HostBits {
        /// The word as written.
        word: String,
        /// The network that the address lies in.
        network: IpNet,
        /// The address.
        address: IpAddr,
    },
    /// The prefix is longer than the address.
    #[error("the prefix of {word} is too long; for {family} it is a number from 0 to {max}")]
    PrefixTooLong {
        /// The word as written.
        word: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// The longest prefix.
        max: u8,
    },
    /// The text behind the slash is not a plain number.
    #[error(
        "{word} has no prefix length behind its slash; write a number from 0 to {max}, without leading zeros"
    )]
    NoPrefix {
        /// The word as written.
        word: String,
        /// The longest prefix.
        max: u8,
    },
    /// The network is IPv4-mapped and larger than all of IPv4.
    #[error(
        "{word} is an IPv4-mapped network with a prefix shorter than 96; did you mean 0.0.0.0/0 (all of IPv4)?"
    )]
    MappedPrefix {
        /// The word as written.
        word: String,
    },
    /// The form is clear, but maps do not have it, or other programs read it in another way.
    #[error("{word} {wrong}; did you mean {meant}?")]
    Form {
        /// The word as written.
        word: String,
        /// What is wrong with the form.
        wrong: &'static str,
        /// The same in a form that maps have.
        meant: String,
    },
    /// A number of an IPv4 address is larger than 255.
    #[error("{word} is not an address: {octet} is over 255; write four numbers from 0 to 255")]
    Octet {
        /// The word as written.
        word: String,
        /// The number.
        octet: String,
    },
    /// The word is something else.
    #[error(
        "{word} is not an address; write one such as 192.0.2.7 or 2001:db8::7, \
         or a network such as 192.0.2.0/24 or 2001:db8::/32"
    )]
    Malformed {
        /// The word as written.
        word: String,
    },
}

/// Reads an address, which is a network of one, or a network. An IPv4-mapped IPv6 address becomes IPv4.
pub(in crate::map) fn parse(word: &str) -> Result<IpNet, AddressError> {
    let (left, prefix) = match word.split_once('/') {
        Some((left, prefix)) => (left, Some(prefix)),
        None => (word, None),
    };
    let Ok(address) = left.parse::<IpAddr>() else { return Err(diagnose(word, left, prefix)) };
    match prefix {
        None => Ok(IpNet::from(address.to_canonical())),
        Some(prefix) => network(word, address, prefix),
    }
}

/// The network of `address`, with the text behind the slash.
fn network(word: &str, address: IpAddr, prefix: &str) -> Result<IpNet, AddressError> {
    let (family, max) = if address.is_ipv4() { ("IPv4", 32) } else { ("IPv6", 128) };
    let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
    if !digits || (prefix.len() > 1 && prefix.starts_with('0')) {
        return Err(match netmask(address, prefix) {
            Some(meant) => form(word, "has a netmask where a prefix length belongs", meant.to_string()),
            None => AddressError::NoPrefix { word: excerpt(word), max },
        });
    }
    let too_long = || AddressError::PrefixTooLong { word: excerpt(word), family, max };
    let length: u8 = prefix.parse().map_err(|_| too_long())?;
    if length > max {
        return Err(too_long());
    }
    let (address, length) = match (address, address.to_canonical()) {
        (IpAddr::V6(_), IpAddr::V4(mapped)) if length >= 96 => (IpAddr::V4(mapped), length - 96),
        (IpAddr::V6(_), IpAddr::V4(_)) => return Err(AddressError::MappedPrefix { word: excerpt(word) }),
        _ => (address, length),
    };
    let given = IpNet::new(address, length).map_err(|_| too_long())?;
    if given.network() != address {
        return Err(AddressError::HostBits { word: excerpt(word), network: given.trunc(), address });
    }
    Ok(given)
}

/// The network that `address/255.255.0.0` means.
fn netmask(address: IpAddr, mask: &str) -> Option<IpNet> {
    let mask = mask.parse::<IpAddr>().ok()?;
    IpNet::with_netmask(address, mask).ok().map(|net| net.trunc())
}

/// What is wrong with a word whose part before the slash is not an address.
fn diagnose(word: &str, left: &str, prefix: Option<&str>) -> AddressError {
    let with_prefix = |address: IpAddr| match prefix {
        Some(prefix) => format!("{address}/{prefix}"),
        None => address.to_string(),
    };
    if let Some(address) = bracketed(left) {
        return form(word, "has brackets, which belong to URLs", with_prefix(address));
    }
    if let Some(address) = left.split_once('%').and_then(|(a, _)| a.parse::<Ipv6Addr>().ok()) {
        return form(
            word,
            "has a zone, which a client's address here never has",
            with_prefix(address.into()),
        );
    }
    if let Some(address) = left.split_once(':').and_then(|(a, _)| a.parse::<Ipv4Addr>().ok()) {
        return form(word, "has a port, and rules know addresses only", with_prefix(address.into()));
    }
    let octets: Vec<&str> = left.trim_end_matches('*').trim_end_matches('.').split('.').collect();
    if octets.iter().any(|o| o.is_empty() || !o.bytes().all(|b| b.is_ascii_digit())) {
        return AddressError::Malformed { word: excerpt(word) };
    }
    if let Some(octet) = octets.iter().find(|o| o.parse::<u64>().map_or(true, |n| n > 255)) {
        return AddressError::Octet { word: excerpt(word), octet: excerpt(octet) };
    }
    let mut bytes = [0_u8; 4];
    for (byte, octet) in bytes.iter_mut().zip(&octets) {
        *byte = octet.parse().unwrap_or(0);
    }
    let address = IpAddr::from(bytes);
    match (octets.len(), prefix) {
        (5.., _) => AddressError::Malformed { word: excerpt(word) },
        (4, _) if octets.iter().any(|o| o.len() > 1 && o.starts_with('0')) => {
            form(word, "has an octet with leading zeros, octal for some programs", with_prefix(address))
        }
        (4, _) => form(word, "goes on after its fourth number", with_prefix(address)),
        (_, Some(_)) => form(word, "has fewer than four numbers", with_prefix(address)),
        (n, None) => form(word, "has fewer than four numbers", format!("{address}/{}", n * 8)),
    }
}

/// The address in `[2001:db8::7]` or `[2001:db8::7]:443`.
fn bracketed(left: &str) -> Option<IpAddr> {
    let (inner, _) = left.strip_prefix('[')?.split_once(']')?;
    inner.parse().ok()
}

/// The error for an address in a form that maps do not have. If the better form has a mistake, too, the error tells
/// that one.
fn form(word: &str, wrong: &'static str, meant: String) -> AddressError {
    match parse(&meant) {
        Ok(_) => AddressError::Form { word: excerpt(word), wrong, meant },
        Err(error) => error,
    }
}

/// Whether a word that is not an address was probably meant as one. This is so for
/// - digits and dots, also with the signs of ranges and wildcards (`/ - , * :`), if there are at least two dots or a
///   slash between numbers: `300.1.1.1`, `10.0.0.`, `10.0.0.1-9`, `10/8`;
/// - up to four dotted numbers before a slash, whatever stands behind it: `10.0.0.0/a`;
/// - hexadecimal digits and dots with at least two colons, in brackets or not, whatever follows a slash or a `%`:
///   `2001:db8::/129`, `[::1]`, `fe80::1%eth0`.
///
/// It is not so for `alice`, `v1.2`, `12345/admin` (a Kerberos principal) and `10.1`. These are users.
pub(in crate::map) fn looks_like_address(word: &str) -> bool {
    let (left, right) = word.split_once('/').map_or((word, None), |(l, r)| (l, Some(r)));
    let dots = left.matches('.').count();
    if left.starts_with(|c: char| c.is_ascii_digit()) {
        let numeric = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || b".-,*:/".contains(&b));
        let number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if numeric(left) {
            match right {
                None if dots >= 2 => return true,
                Some(_) if dots >= 1 => return true,
                Some(right) if number(left) && number(right) => return true,
                _ => {}
            }
        }
    }
    let inner = left.split('%').next().unwrap_or(left);
    inner.matches(':').count() >= 2 && inner.bytes().all(|b| b.is_ascii_hexdigit() || b".:[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(word: &str) -> String {
        parse(word).expect("an address").to_string()
    }

    fn error(word: &str) -> String {
        parse(word).expect_err("an error").to_string()
    }

    #[test]
    fn addresses_and_networks_of_both_families() {
        assert_eq!(ok("10.0.0.1"), "10.0.0.1/32");
        assert_eq!(ok("10.0.0.0/8"), "10.0.0.0/8");
        assert_eq!(ok("0.0.0.0/0"), "0.0.0.0/0");
        assert_eq!(ok("2001:DB8::/32"), "2001:db8::/32");
        assert_eq!(ok("::1"), "::1/128");
        assert_eq!(ok("::/0"), "::/0");
    }

    #[test]
    fn ipv4_mapped_becomes_ipv4() {
        assert_eq!(ok("::ffff:10.0.0.1"), "10.0.0.1/32");
        assert_eq!(ok("::ffff:10.0.0.0/104"), "10.0.0.0/8");
        assert_eq!(ok("::ffff:0:0/96"), "0.0.0.0/0");
        assert_eq!(
            error("::ffff:0:0/95"),
            "::ffff:0:0/95 is an IPv4-mapped network with a prefix shorter than 96; \
             did you mean 0.0.0.0/0 (all of IPv4)?"
        );
    }

    #[test]
    fn every_mistake_has_its_answer() {
        for (word, text) in [
            (
                "10.0.0.1/8",
                "10.0.0.1/8 has bits set behind its prefix; \
                 did you mean 10.0.0.0/8 (the network) or 10.0.0.1 (one address)?",
            ),
            (
                "::ffff:10.0.0.1/104",
                "::ffff:10.0.0.1/104 has bits set behind its prefix; \
                 did you mean 10.0.0.0/8 (the network) or 10.0.0.1 (one address)?",
            ),
            ("10.0.0.0/33", "the prefix of 10.0.0.0/33 is too long; for IPv4 it is a number from 0 to 32"),
            ("10.0.0.0/999", "the prefix of 10.0.0.0/999 is too long; for IPv4 it is a number from 0 to 32"),
            (
                "2001:db8::/129",
                "the prefix of 2001:db8::/129 is too long; for IPv6 it is a number from 0 to 128",
            ),
            (
                "10.0.0.0/",
                "10.0.0.0/ has no prefix length behind its slash; write a number from 0 to 32, without leading zeros",
            ),
            (
                "10.0.0.0/08",
                "10.0.0.0/08 has no prefix length behind its slash; write a number from 0 to 32, without leading zeros",
            ),
            (
                "::/+8",
                "::/+8 has no prefix length behind its slash; write a number from 0 to 128, without leading zeros",
            ),
            (
                "10.1.2.3/255.255.0.0",
                "10.1.2.3/255.255.0.0 has a netmask where a prefix length belongs; did you mean 10.1.0.0/16?",
            ),
            ("300.1.1.1", "300.1.1.1 is not an address: 300 is over 255; write four numbers from 0 to 255"),
            (
                "010.1.1.1",
                "010.1.1.1 has an octet with leading zeros, octal for some programs; did you mean 10.1.1.1?",
            ),
            ("10/8", "10/8 has fewer than four numbers; did you mean 10.0.0.0/8?"),
            (
                "10.1/8",
                "10.1.0.0/8 has bits set behind its prefix; \
                 did you mean 10.0.0.0/8 (the network) or 10.1.0.0 (one address)?",
            ),
            ("10.1.2.3.", "10.1.2.3. goes on after its fourth number; did you mean 10.1.2.3?"),
            ("10.1.2.", "10.1.2. has fewer than four numbers; did you mean 10.1.2.0/24?"),
            ("10.1.*", "10.1.* has fewer than four numbers; did you mean 10.1.0.0/16?"),
            ("10.0.0.1:80", "10.0.0.1:80 has a port, and rules know addresses only; did you mean 10.0.0.1?"),
            ("[::1]:443", "[::1]:443 has brackets, which belong to URLs; did you mean ::1?"),
            (
                "fe80::1%eth0",
                "fe80::1%eth0 has a zone, which a client's address here never has; did you mean fe80::1?",
            ),
            (
                "10.0.0.1-9",
                "10.0.0.1-9 is not an address; write one such as 192.0.2.7 or 2001:db8::7, \
                 or a network such as 192.0.2.0/24 or 2001:db8::/32",
            ),
        ] {
            assert_eq!(error(word), text);
        }
        for word in ["", "/8", "1.2.3.4.5", "2001:db8::g", "1:2:3", "alice", "*", "...", "10.0.0.*.*"] {
            assert!(error(word).contains("is not an address"), "{word}: {}", error(word));
        }
    }

    #[test]
    fn where_users_end_and_addresses_begin() {
        for word in [
            "300.1.1.1",
            "10.0.0.",
            "10.0.0",
            "10.0.0.1-9",
            "10/8",
            "10.1/16",
            "10.0.0.0/a",
            "10.0.0.*",
            "10.0.0.1,10.0.0.2",
            "10.0.0.1:80",
            "2001:db8::/129",
            "1:2:3",
            "[::1]",
            "fe80::1%eth0",
            "::/",
        ] {
            assert!(looks_like_address(word), "{word}");
        }
        for word in [
            "alice",
            "v1.2",
            "10.1",
            "42",
            "12345/admin",
            "dead/beef",
            "host/a.example.org",
            "a.b.c.d",
            "-",
            ".",
            "10.0.0.1@example.org",
            "1.2.3rc1",
            "日.本.語",
        ] {
            assert!(!looks_like_address(word), "{word}");
        }
    }
}
