//! ICE candidates and their SDP form, the `candidate:` attribute value (RFC 8839, section 5.1).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use crate::ice::mdns::{NamedCandidate, is_local_name};

/// Where a candidate's address came from (RFC 8445, section 5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CandidateType {
    /// An address of an interface of the host.
    Host,
    /// An address a STUN server saw.
    ServerReflexive,
    /// An address a check from the peer showed.
    PeerReflexive,
    /// An address on a TURN server.
    Relay,
}

impl CandidateType {
    /// The type preference of RFC 8445, section 5.1.2.2, as browsers use it.
    #[must_use]
    pub fn preference(self) -> u32 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relay => 0,
        }
    }
}

impl fmt::Display for CandidateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relay => "relay",
        })
    }
}

/// The transport protocol of a candidate. Only UDP is ever paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CandidateTransport {
    /// `udp`.
    Udp,
    /// `tcp` (RFC 6544): read, then left aside.
    Tcp,
}

impl fmt::Display for CandidateTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        })
    }
}

/// One candidate with a literal address.
///
/// `Display` writes the attribute value without `candidate:` in front; `FromStr` reads it with or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Equal for candidates of one type, base address and server (1 to 32 `ice-char`s).
    pub foundation: String,
    /// 1 is RTP, 2 is RTCP. Under rtcp-mux only 1 is used.
    pub component: u16,
    /// UDP, or TCP which is ignored.
    pub transport: CandidateTransport,
    /// Higher is preferred (RFC 8445, section 5.1.2.1).
    pub priority: u32,
    /// The transport address to send to.
    pub addr: SocketAddr,
    /// Where the address came from.
    pub typ: CandidateType,
    /// The related address, for all types but host. Browsers blank it as `0.0.0.0:0` or `:9`.
    pub raddr: Option<SocketAddr>,
}

impl Candidate {
    /// Why this candidate of a peer takes no part in the checks, or `None` when it does.
    #[must_use]
    pub fn ignorable(&self) -> Option<Ignorable> {
        self.ignorable_as(1)
    }

    /// The same for the checks of this component.
    pub(crate) fn ignorable_as(&self, component: u16) -> Option<Ignorable> {
        if self.component != component {
            Some(Ignorable::OtherComponent)
        } else if self.transport == CandidateTransport::Tcp {
            Some(Ignorable::Tcp)
        } else if self.addr.port() == 0 || !is_unicast(self.addr.ip()) {
            Some(Ignorable::Unreachable)
        } else {
            None
        }
    }
}

fn is_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    }
}

/// A candidate of our own before it is signalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalCandidate {
    /// The address that the far end is to send to.
    pub address: SocketAddr,
    /// Our socket, or our end of the way to the relay (RFC 8445 section 4, "base").
    pub base: SocketAddr,
    /// Where the address came from; never peer reflexive.
    pub typ: CandidateType,
    /// A relay whose server is reached by a connection (TCP or TLS), on which what is lost delays all that follows: it comes after those
    /// that are reached by datagrams.
    pub by_connection: bool,
}

impl LocalCandidate {
    /// A socket of ours.
    #[must_use]
    pub const fn host(address: SocketAddr) -> Self {
        Self {
            address,
            base: address,
            typ: CandidateType::Host,
            by_connection: false,
        }
    }
}

/// Well-formed, yet of no use to this agent: skip it and go on with the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignorable {
    /// A component other than 1; under rtcp-mux RTCP shares component 1 (RFC 5761).
    OtherComponent,
    /// A TCP candidate (RFC 6544).
    Tcp,
    /// A host name: an mDNS `.local` name that hides a browser's address, which is a [`NamedCandidate`], or any other.
    HostName,
    /// Port 0, or an unspecified, multicast or broadcast address.
    Unreachable,
    /// A transport or candidate type this agent does not know.
    UnknownKind,
}

/// Why a candidate line gave no [`Candidate`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CandidateError {
    /// Well-formed but not for us.
    #[error("candidate left aside: {0:?}")]
    Ignorable(Ignorable),
    /// The line is cut short before this field.
    #[error("candidate line ends before its {0}")]
    Missing(&'static str),
    /// A field cannot be read.
    #[error("candidate line has a bad {0}")]
    Bad(&'static str),
}

impl FromStr for Candidate {
    type Err = CandidateError;

    /// Reads `[candidate:]foundation component transport priority address port typ TYPE ...`.
    ///
    /// Extensions behind the type (generation, ufrag, network-id, ...) are stepped over unread.
    ///
    /// # Errors
    /// [`CandidateError::Ignorable`] for what is right but of no use (host names, unknown types or transports);
    /// TCP candidates and other components parse and say so by [`Candidate::ignorable`].
    fn from_str(line: &str) -> Result<Self, CandidateError> {
        let (candidate, name) = read(line)?;
        match name {
            None => Ok(candidate),
            Some(_) => Err(CandidateError::Ignorable(Ignorable::HostName)),
        }
    }
}

impl FromStr for NamedCandidate {
    type Err = CandidateError;

    /// Reads such a line whose address is a name below `local`.
    ///
    /// # Errors
    /// [`CandidateError`]; also for an address or another name.
    fn from_str(line: &str) -> Result<Self, CandidateError> {
        let (candidate, name) = read(line)?;
        let name = name.map(str::to_ascii_lowercase);
        let name = name.filter(|name| is_local_name(name));
        let name = name.ok_or(CandidateError::Ignorable(Ignorable::HostName))?;
        Ok(Self { name, candidate })
    }
}

/// A candidate line; with a name in the place of its address, where it has one.
fn read(line: &str) -> Result<(Candidate, Option<&str>), CandidateError> {
    let line = line.trim();
    let line = line.strip_prefix("a=").unwrap_or(line);
    let line = line.strip_prefix("candidate:").unwrap_or(line);
    let mut fields = line.split_ascii_whitespace();
    let mut next = |name| fields.next().ok_or(CandidateError::Missing(name));

    let foundation = next("foundation")?;
    if foundation.len() > 32 {
        return Err(CandidateError::Bad("foundation"));
    }
    let component = number(next("component")?, "component")?;
    let transport = next("transport")?;
    let priority = number(next("priority")?, "priority")?;
    let address = next("address")?;
    let port = number(next("port")?, "port")?;
    if next("type")? != "typ" {
        return Err(CandidateError::Bad("type"));
    }
    let typ = next("type")?;
    let raddr = related_address(fields);

    let transport = if transport.eq_ignore_ascii_case("udp") {
        CandidateTransport::Udp
    } else if transport.eq_ignore_ascii_case("tcp") {
        CandidateTransport::Tcp
    } else {
        return Err(CandidateError::Ignorable(Ignorable::UnknownKind));
    };
    let typ = match typ {
        "host" => CandidateType::Host,
        "srflx" => CandidateType::ServerReflexive,
        "prflx" => CandidateType::PeerReflexive,
        "relay" => CandidateType::Relay,
        _ => return Err(CandidateError::Ignorable(Ignorable::UnknownKind)),
    };
    let (ip, name) = match address.parse::<IpAddr>() {
        Ok(ip) => (ip, None),
        Err(_) if is_host_name(address) => (Ipv4Addr::UNSPECIFIED.into(), Some(address)),
        Err(_) => return Err(CandidateError::Bad("address")),
    };
    let candidate = Candidate {
        foundation: foundation.to_owned(),
        component,
        transport,
        priority,
        addr: SocketAddr::new(ip, port),
        typ,
        raddr,
    };
    Ok((candidate, name))
}

fn number<N: FromStr>(field: &str, name: &'static str) -> Result<N, CandidateError> {
    field.parse().map_err(|_| CandidateError::Bad(name))
}

fn is_host_name(address: &str) -> bool {
    address.contains(|c: char| c.is_ascii_alphabetic())
        && address
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

/// `raddr` and `rport` among the name/value pairs behind the type. A peer that hides or garbles them loses nothing:
/// they are for diagnosis only.
fn related_address<'a>(fields: impl Iterator<Item = &'a str>) -> Option<SocketAddr> {
    let (mut ip, mut port) = (None, None);
    let mut fields = fields;
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match name {
            "raddr" => ip = value.parse::<IpAddr>().ok(),
            "rport" => port = value.parse::<u16>().ok(),
            _ => {}
        }
    }
    Some(SocketAddr::new(ip?, port?))
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {} {} typ {}",
            self.foundation,
            self.component,
            self.transport,
            self.priority,
            self.addr.ip(),
            self.addr.port(),
            self.typ
        )?;
        if let Some(raddr) = self.raddr {
            write!(f, " raddr {} rport {}", raddr.ip(), raddr.port())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        Candidate, CandidateError, CandidateTransport, CandidateType, Ignorable, SocketAddr,
    };

    #[test]
    fn a_browser_line_with_extensions_is_read() {
        let candidate: Candidate =
            "candidate:842163049 1 udp 1677729535 203.0.113.9 51472 typ srflx raddr 0.0.0.0 \
             rport 0 generation 0 ufrag EsAw network-id 1 network-cost 10"
                .parse()
                .unwrap();
        assert_eq!(candidate.typ, CandidateType::ServerReflexive);
        assert_eq!(
            candidate.addr,
            "203.0.113.9:51472".parse::<SocketAddr>().unwrap()
        );
        assert_eq!(candidate.raddr, Some("0.0.0.0:0".parse().unwrap()));
        assert_eq!(candidate.ignorable(), None);
    }

    #[test]
    fn a_freeswitch_line_is_read_and_its_component_two_ignored() {
        let candidate: Candidate =
            "5489357312 2 udp 2130706431 192.0.2.4 30512 typ host generation 0"
                .parse()
                .unwrap();
        assert_eq!(candidate.ignorable(), Some(Ignorable::OtherComponent));
    }

    #[test]
    fn tcp_and_names_are_ignorable_not_errors_of_the_peer() {
        let tcp: Candidate = "1 1 TCP 1518280447 192.0.2.4 9 typ host tcptype active"
            .parse()
            .unwrap();
        assert_eq!(tcp.ignorable(), Some(Ignorable::Tcp));
        let name = "1 1 udp 2122260223 4f3a6a2e-52e1-4f64-a1d0.local 54400 typ host"
            .parse::<Candidate>()
            .unwrap_err();
        assert_eq!(name, CandidateError::Ignorable(Ignorable::HostName));
    }

    #[test]
    fn a_cut_line_names_the_missing_field() {
        let error = "1 1 udp 99 192.0.2.4".parse::<Candidate>().unwrap_err();
        assert_eq!(error, CandidateError::Missing("port"));
    }

    fn any_candidate() -> impl Strategy<Value = Candidate> {
        let typ = prop_oneof![
            Just(CandidateType::Host),
            Just(CandidateType::ServerReflexive),
            Just(CandidateType::PeerReflexive),
            Just(CandidateType::Relay),
        ];
        let transport = prop_oneof![Just(CandidateTransport::Udp), Just(CandidateTransport::Tcp)];
        (
            "[A-Za-z0-9+/]{1,32}",
            1_u16..=256,
            transport,
            any::<u32>(),
            any::<(std::net::IpAddr, u16)>(),
            typ,
            proptest::option::of(any::<(std::net::IpAddr, u16)>()),
        )
            .prop_map(
                |(foundation, component, transport, priority, addr, typ, raddr)| Candidate {
                    foundation,
                    component,
                    transport,
                    priority,
                    addr: SocketAddr::from(addr),
                    typ,
                    raddr: raddr.map(SocketAddr::from),
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(candidate in any_candidate()) {
            prop_assert_eq!(candidate.to_string().parse::<Candidate>().unwrap(), candidate);
        }

        #[test]
        fn no_line_makes_the_parser_panic(line in "(candidate:)?[ -~]{0,120}") {
            let _ = line.parse::<Candidate>();
        }
    }
}
