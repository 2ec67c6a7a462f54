//! Addresses that exist only within somebody's own network.

use std::net::IpAddr;

/// RFC 1918, RFC 6598, link-local, RFC 4193.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private()
                || address.is_link_local()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => {
            let first = address.segments()[0];
            first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
        }
    }
}

/// Whether there are addresses, and none that others could reach.
#[must_use]
pub fn are_private(addresses: &[IpAddr]) -> bool {
    !addresses.is_empty() && addresses.iter().copied().all(is_private)
}

#[cfg(test)]
mod tests {
    use super::are_private;

    #[test]
    fn networks_of_ones_own_are_told_from_the_internet() {
        let are = |texts: &[&str]| {
            let read: Vec<_> = texts.iter().map(|text| text.parse().unwrap()).collect();
            are_private(&read)
        };
        assert!(are(&[
            "10.0.0.5",
            "192.168.1.1",
            "172.16.0.1",
            "100.64.1.1"
        ]));
        assert!(are(&["fd00::1", "fe80::1", "169.254.0.9"]));
        assert!(!are(&["10.0.0.5", "203.0.113.9"]));
        assert!(!are(&["2001:db8::1"]));
        assert!(!are(&["127.0.0.1"]));
        assert!(!are(&[]));
    }
}
