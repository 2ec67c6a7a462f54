//! This machine's network interfaces, and which of their addresses calls may use.

use std::io;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::driver::bind::{Bind, BindError};

/// Most sockets of one call: more addresses than these only make ICE slower.
const MAX_SOCKETS: usize = 8;
/// Addresses of which it is remembered that they were told to be left out.
const MAX_TOLD: usize = 64;
/// How long a listing of the interfaces is good for.
const LISTING_AGE: Duration = Duration::from_secs(1);

/// Some interfaces: by name, or by an address of theirs.
///
/// Written as a name (`eth0`), the beginning of names (`docker*`), an address (`192.0.2.7`) or a network (`10.0.0.0/8`,
/// `fd00::/8`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfacePattern {
    /// The interface of this name.
    Name(String),
    /// Every interface whose name begins so.
    Prefix(String),
    /// Addresses that share this many leading bits with this one.
    Network(IpAddr, u8),
}

/// The text is no [`InterfacePattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoPattern(&'static str);

impl FromStr for InterfacePattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address, bits(address)));
        }
        if let Some((address, length)) = text.split_once('/') {
            let address: IpAddr = address
                .parse()
                .map_err(|_| NoPattern("what stands before its slash is no IP address"))?;
            let length = length
                .parse()
                .ok()
                .filter(|length| *length <= bits(address));
            let length = length.ok_or(NoPattern("its network has an impossible length"))?;
            return Ok(Self::Network(address, length));
        }
        let (name, prefix) = match text.strip_suffix('*') {
            Some(name) => (name, true),
            None => (text, false),
        };
        // IFNAMSIZ has 16 bytes with the closing zero; `:` begins the label of an alias.
        let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'*' | b':');
        if name.is_empty() || name.len() > 15 || !name.bytes().all(fits) {
            return Err(NoPattern("it is no interface name, address or network"));
        }
        let name = name.to_owned();
        Ok(if prefix {
            Self::Prefix(name)
        } else {
            Self::Name(name)
        })
    }
}

impl InterfacePattern {
    fn fits(&self, listed: &Listed) -> bool {
        match self {
            Self::Name(name) => listed.name == *name,
            Self::Prefix(prefix) => listed.name.starts_with(prefix.as_str()),
            Self::Network(network, length) => {
                let other = u32::from(bits(*network)) - u32::from(*length);
                let differing = match (listed.ip, network) {
                    (IpAddr::V4(ip), IpAddr::V4(network)) => {
                        u128::from(ip.to_bits() ^ network.to_bits())
                    }
                    (IpAddr::V6(ip), IpAddr::V6(network)) => ip.to_bits() ^ network.to_bits(),
                    (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                        return false;
                    }
                };
                differing.checked_shr(other).unwrap_or(0) == 0
            }
        }
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Which interfaces' addresses are used. The default: those of all, in the system's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InterfaceChoice {
    /// Only what one of these fits; empty: everything. A loopback interface that is named here is used.
    pub allow: Vec<InterfacePattern>,
    /// Nothing that one of these fits, whatever `allow` says.
    pub deny: Vec<InterfacePattern>,
    /// What the first of these fits comes first, and so on: it has the higher priority (RFC 8445, section 5.1.2) within IPv4 and
    /// within IPv6.
    pub prefer: Vec<InterfacePattern>,
}

impl InterfaceChoice {
    fn allows(&self, listed: &Listed) -> bool {
        let fits =
            |patterns: &[InterfacePattern]| patterns.iter().any(|pattern| pattern.fits(listed));
        (self.allow.is_empty() || fits(&self.allow)) && !fits(&self.deny)
    }

    fn rank(&self, listed: &Listed) -> usize {
        let place = self.prefer.iter().position(|pattern| pattern.fits(listed));
        place.unwrap_or(self.prefer.len())
    }
}

/// This machine's addresses, listed afresh when the listing is old.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    listed: Option<(Instant, Vec<Listed>)>,
    /// Addresses that had no room among those of a call, and were told of.
    left_out: Vec<IpAddr>,
}

#[derive(Debug, Clone)]
struct Listed {
    name: String,
    ip: IpAddr,
    loopback: bool,
    /// Its link is known to be up: a bridge without members, or a port without a cable, has an address all the same.
    running: bool,
}

impl Addresses {
    /// The addresses that `bind` stands for, in the system's order, a few at most.
    pub(crate) fn of(&mut self, bind: &Bind, now: Instant) -> Result<Vec<IpAddr>, BindError> {
        let (addresses, left_out) = match bind {
            Bind::Addresses(addresses) => {
                let (taken, rest) = addresses.split_at(addresses.len().min(MAX_SOCKETS));
                (taken.to_vec(), rest.to_vec())
            }
            Bind::Interfaces { loopback, choice } => choose(self.listing(now)?, *loopback, choice),
        };
        self.tell_left_out(&left_out);
        if addresses.is_empty() {
            return Err(self.none());
        }
        Ok(addresses)
    }

    fn none(&self) -> BindError {
        let listed = self.listed.iter().flat_map(|(_, listed)| listed);
        let mut up: Vec<String> = listed.map(|listed| listed.name.clone()).collect();
        up.dedup();
        if up.is_empty() {
            BindError::NoAddress
        } else {
            BindError::NoneAllowed { up }
        }
    }

    /// Says once of each address that calls do without it.
    fn tell_left_out(&mut self, left_out: &[IpAddr]) {
        let is_news = |ip: &&IpAddr| !self.left_out.contains(ip);
        let news: Vec<IpAddr> = left_out.iter().filter(is_news).copied().collect();
        if news.is_empty() {
            return;
        }
        if self.left_out.len() + news.len() > MAX_TOLD {
            self.left_out.clear();
        }
        tracing::info!(
            addresses = ?news,
            limit = MAX_SOCKETS,
            "this machine has more addresses than a call uses; name the interfaces to use for others"
        );
        self.left_out.extend(news);
    }

    /// The next listing is a fresh one.
    pub(crate) fn forget(&mut self) {
        self.listed = None;
    }

    /// Whether an interface that is up has the address now; when in doubt one has.
    pub(crate) fn has(&mut self, ip: IpAddr, now: Instant) -> bool {
        self.listing(now)
            .map_or(true, |listing| listing.iter().any(|listed| listed.ip == ip))
    }

    fn listing(&mut self, now: Instant) -> Result<&[Listed], BindError> {
        if self
            .listed
            .as_ref()
            .is_none_or(|(at, _)| now.saturating_duration_since(*at) > LISTING_AGE)
        {
            let mut listing = list().map_err(BindError::Interfaces)?;
            listing.retain(|listed| !is_link_local(listed.ip));
            self.listed = Some((now, listing));
        }
        Ok(self
            .listed
            .as_ref()
            .map_or(&[], |(_, listed)| listed.as_slice()))
    }
}

/// The addresses of all interfaces that are up. One that was taken down keeps its IPv4 addresses, and nothing leaves by them.
#[cfg(target_os = "linux")]
fn list() -> io::Result<Vec<Listed>> {
    use nix::ifaddrs::getifaddrs;
    use nix::net::if_::InterfaceFlags;

    use crate::driver::receive::as_address;

    let up = |flags: InterfaceFlags| flags.contains(InterfaceFlags::IFF_UP);
    let useful = getifaddrs()?.filter(|interface| up(interface.flags));
    let listed = useful.filter_map(|interface| {
        let ip = as_address(interface.address.as_ref()?)?.ip();
        Some(Listed {
            name: interface.interface_name,
            ip,
            loopback: ip.is_loopback(),
            running: interface.flags.contains(InterfaceFlags::IFF_RUNNING),
        })
    });
    Ok(listed.collect())
}

/// The addresses of all interfaces that are not known to be down.
#[cfg(not(target_os = "linux"))]
fn list() -> io::Result<Vec<Listed>> {
    use if_addrs::IfOperStatus;

    let interfaces = if_addrs::get_if_addrs()?.into_iter();
    let useful = interfaces.filter(|interface| {
        matches!(
            interface.oper_status,
            IfOperStatus::Up | IfOperStatus::Unknown
        )
    });
    let listed = useful.map(|interface| Listed {
        ip: interface.ip(),
        loopback: interface.is_loopback(),
        running: interface.oper_status == IfOperStatus::Up,
        name: interface.name,
    });
    Ok(listed.collect())
}

const fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// The addresses to use, and those for which there is no room.
fn choose(
    listing: &[Listed],
    loopback: bool,
    choice: &InterfaceChoice,
) -> (Vec<IpAddr>, Vec<IpAddr>) {
    let mut allowed: Vec<&Listed> = listing
        .iter()
        .filter(|listed| choice.allows(listed))
        .collect();
    let outside = allowed.iter().any(|listed| !listed.loopback);
    let loopback = loopback || !outside || !choice.allow.is_empty();
    allowed.retain(|listed| !listed.loopback || loopback);
    allowed.sort_by_key(|listed| choice.rank(listed));
    let taken = with_room(&allowed, choice);
    let (taken, left_out): (Vec<_>, Vec<_>) = allowed
        .iter()
        .enumerate()
        .partition(|(place, _)| taken.contains(place));
    let ips = |of: Vec<(usize, &&Listed)>| of.iter().map(|(_, listed)| listed.ip).collect();
    (ips(taken), ips(left_out))
}

/// The places of those that are used: what is preferred before what is not, links that are up before others, and IPv4 and IPv6 by
/// turns, since a path may exist by one of them alone.
fn with_room(allowed: &[&Listed], choice: &InterfaceChoice) -> Vec<usize> {
    let mut places: Vec<usize> = (0..allowed.len()).collect();
    places.sort_by_key(|place| (choice.rank(allowed[*place]), !allowed[*place].running));
    let (ipv4, ipv6): (Vec<usize>, Vec<usize>) = places
        .iter()
        .partition(|place| allowed[**place].ip.is_ipv4());
    let most = ipv4.len().max(ipv6.len());
    let turns = (0..most).flat_map(|turn| [ipv4.get(turn), ipv6.get(turn)]);
    turns.flatten().copied().take(MAX_SOCKETS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, ip: &str) -> Listed {
        let ip: IpAddr = ip.parse().unwrap();
        Listed {
            name: name.to_owned(),
            ip,
            loopback: ip.is_loopback(),
            running: true,
        }
    }

    fn machine() -> Vec<Listed> {
        vec![
            listed("lo", "127.0.0.1"),
            listed("docker0", "172.17.0.1"),
            listed("wlan0", "198.51.100.9"),
            listed("eth0", "192.0.2.7"),
            listed("eth0", "2001:db8::7"),
        ]
    }

    fn patterns(texts: &[&str]) -> Vec<InterfacePattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn chosen(allow: &[&str], deny: &[&str], prefer: &[&str]) -> Vec<String> {
        let choice = InterfaceChoice {
            allow: patterns(allow),
            deny: patterns(deny),
            prefer: patterns(prefer),
        };
        let (chosen, _) = choose(&machine(), false, &choice);
        chosen.iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn loopback_is_used_only_when_asked_or_alone() {
        let all = InterfaceChoice::default();
        let both = [listed("lo", "127.0.0.1"), listed("eth0", "192.0.2.7")];
        assert_eq!(
            choose(&both, false, &all).0,
            ["192.0.2.7".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(choose(&both, true, &all).0.len(), 2);
        assert_eq!(choose(&both[..1], false, &all).0.len(), 1);
        assert!(choose(&[], true, &all).0.is_empty());
    }

    /// Docker makes a bridge for each network, most of them without anything behind, and a VPN comes last.
    #[test]
    fn bridges_leave_room_for_ipv6_and_for_a_vpn() {
        let mut machine: Vec<Listed> = (0..12)
            .map(|n| Listed {
                running: n < 2,
                ..listed(&format!("br-{n}"), &format!("172.{}.0.1", 17 + n))
            })
            .collect();
        machine.push(listed("tun0", "10.8.0.2"));
        machine.push(listed("eth0", "2001:db8::7"));
        let all = InterfaceChoice::default();
        let (chosen, left_out) = choose(&machine, false, &all);
        assert_eq!(chosen.len(), MAX_SOCKETS);
        assert_eq!(chosen.len() + left_out.len(), machine.len());
        for wanted in ["172.17.0.1", "172.18.0.1", "10.8.0.2", "2001:db8::7"] {
            assert!(chosen.contains(&wanted.parse().unwrap()), "{wanted}");
        }
        let order = |ip: &IpAddr| machine.iter().position(|listed| listed.ip == *ip);
        assert!(chosen.is_sorted_by_key(order), "{chosen:?}");
        // What is preferred has room before all.
        let prefer = InterfaceChoice {
            prefer: patterns(&["br-11"]),
            ..InterfaceChoice::default()
        };
        let (chosen, _) = choose(&machine, false, &prefer);
        assert_eq!(chosen[0], "172.28.0.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn interfaces_are_allowed_denied_and_preferred_by_name_and_by_network() {
        const ALL: [&str; 4] = ["172.17.0.1", "198.51.100.9", "192.0.2.7", "2001:db8::7"];
        assert_eq!(chosen(&[], &[], &[]), ALL);
        assert_eq!(chosen(&["eth0"], &[], &[]), ["192.0.2.7", "2001:db8::7"]);
        assert_eq!(
            chosen(&["eth*", "10.0.0.0/8"], &["2001:db8::/32"], &[]),
            ["192.0.2.7"]
        );
        assert_eq!(chosen(&[], &["docker*", "wlan0"], &[]), ALL[2..]);
        assert_eq!(
            chosen(&[], &["172.16.0.0/12"], &["192.0.2.7", "wlan*"]),
            ["192.0.2.7", "198.51.100.9", "2001:db8::7"]
        );
        // What is named is wanted, loopback too; what is denied is not, though it is allowed.
        assert_eq!(
            chosen(&["lo", "eth0"], &["::/0"], &[]),
            ["127.0.0.1", "192.0.2.7"]
        );
        assert!(chosen(&["eth0"], &["eth0"], &[]).is_empty());
        assert_eq!(chosen(&["0.0.0.0/0"], &["127.0.0.0/8"], &[]), ALL[..3]);
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        for (text, reason) in [
            ("10.0.0.0/33", "impossible length"),
            ("fd00::/x", "impossible length"),
            ("eth0/8", "no IP address"),
            ("", "no interface name"),
            ("*", "no interface name"),
            ("eth 0", "no interface name"),
            ("a-name-beyond-every-limit", "no interface name"),
        ] {
            let refusal = text.parse::<InterfacePattern>().unwrap_err();
            assert!(refusal.to_string().contains(reason), "{text}: {refusal}");
        }
    }

    #[test]
    fn nothing_allowed_is_told_with_what_there_is() {
        let mut addresses = Addresses::default();
        #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
        let now = Instant::now();
        addresses.listed = Some((now, machine()));
        let bind = Bind::Interfaces {
            loopback: false,
            choice: InterfaceChoice {
                allow: patterns(&["eth1"]),
                ..InterfaceChoice::default()
            },
        };
        let error = addresses.of(&bind, now).unwrap_err().to_string();
        assert!(error.contains("(up: lo, docker0, wlan0, eth0)"), "{error}");
    }
}
