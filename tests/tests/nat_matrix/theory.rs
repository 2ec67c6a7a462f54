//! Which way two ends have to find, by what lies before them (RFC 4787, RFC 8445).

use std::fmt;

use offhook_link::nat::NatKind;
use offhook_tests::namespace::Translation;
use offhook_tests::phone::Path;

/// How a machine is on the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// With an address of its own.
    Public,
    /// Behind a router.
    Behind(Translation),
}

/// Who calls.
pub(crate) const CALLERS: [Access; 4] = [
    Access::Public,
    Access::Behind(Translation::FullCone),
    Access::Behind(Translation::PortRestricted),
    Access::Behind(Translation::Symmetric),
];

/// Who is called.
pub(crate) const ANSWERERS: [Access; 6] = [
    Access::Public,
    Access::Behind(Translation::FullCone),
    Access::Behind(Translation::PortRestricted),
    Access::Behind(Translation::Symmetric),
    Access::Behind(Translation::NoUdp),
    Access::Behind(Translation::OnlyTcp443),
];

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "none",
            Self::Behind(Translation::FullCone) => "full cone",
            Self::Behind(Translation::PortRestricted) => "port restricted",
            Self::Behind(Translation::Symmetric) => "symmetric",
            Self::Behind(Translation::NoUdp) => "UDP blocked",
            Self::Behind(Translation::OnlyTcp443) => "only TCP 443",
        })
    }
}

impl Access {
    pub(crate) const fn translation(self) -> Option<Translation> {
        match self {
            Self::Public => None,
            Self::Behind(translation) => Some(translation),
        }
    }

    const fn passes_udp(self) -> bool {
        !matches!(
            self,
            Self::Behind(Translation::NoUdp | Translation::OnlyTcp443)
        )
    }

    const fn nat(self) -> Option<NatKind> {
        match self {
            Self::Behind(Translation::FullCone) => Some(NatKind::FullCone),
            Self::Behind(Translation::PortRestricted) => Some(NatKind::PortRestricted),
            Self::Behind(Translation::Symmetric) => Some(NatKind::Symmetric),
            Self::Public | Self::Behind(Translation::NoUdp | Translation::OnlyTcp443) => None,
        }
    }

    /// What the other end takes it for: a symmetric NAT shows an address that no server had seen.
    const fn seen_as(self) -> &'static str {
        match self {
            Self::Public => "host",
            Self::Behind(Translation::Symmetric) => "prflx",
            Self::Behind(_) => "srflx",
        }
    }
}

/// Whether two ends talk by the way that these have to find: the caller's view of it, then the answerer's.
pub(crate) fn fits(caller: Access, answerer: Access, here: &Path, there: &Path) -> bool {
    let udp = caller.passes_udp() && answerer.passes_udp();
    if udp && NatKind::meets(caller.nat(), answerer.nat()) {
        // The pair's own end is the socket, whatever the NAT makes of it.
        let direct = |path: &Path, far: Access| {
            path.local_kind() == "host" && path.remote_kind() == far.seen_as()
        };
        return direct(here, answerer) && direct(there, caller);
    }
    // One relay is enough. Whose it is, is a matter of priorities where both have one; who has no UDP, has to use its own.
    let own = |path: &Path, access: Access| access.passes_udp() || path.local_kind() == "relay";
    here.is_relayed() && there.is_relayed() && own(here, caller) && own(there, answerer)
}
