//! What an account allows its calls' media beyond, or short of, what is usual.

use crate::sdp::concessions::Concessions;
use crate::sdp::extras::Extras;
use crate::sdp::refusal::SdesRefused;
use crate::session::config::SessionConfig;
use crate::srtp::profile::SrtpProfile;

/// Smallest RSA key that the usual call accepts: media servers of old make their own certificates of this size.
pub const MINIMUM_RSA_BITS: u16 = 1024;

/// Whose certificate a call shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Certificates {
    /// One for all calls: far ends that compare notes can tell that they are of one client.
    #[default]
    Shared,
    /// One of its own for each call.
    PerCall,
}

/// What an account allows. The default is what is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaPolicy {
    /// What to agree on beyond the least of a call.
    pub extras: Extras,
    /// Take SRTP with tags of 32 bits, too (`AES_CM_128_HMAC_SHA1_32`).
    pub short_tags: bool,
    /// Take a far end whose only certificate fingerprint is one of sha-1.
    pub sha1_fingerprints: bool,
    /// Smallest RSA key of a far end's certificate, in bits.
    pub minimum_rsa_bits: u16,
    /// Whose certificate a call shows.
    pub certificates: Certificates,
    /// Take keys that stand in the description itself (SDES, RFC 4568), or why not.
    pub sdes: Result<(), SdesRefused>,
    /// What a far end may lack of WebRTC.
    pub concessions: Concessions,
    /// Send to where the first packet of a far end without ICE comes from, whatever its description says.
    pub latching: bool,
    /// Ask the links of a call for the addresses that a far end hides behind names (mDNS), as browsers do in one's own network.
    pub mdns: bool,
}

impl Default for MediaPolicy {
    fn default() -> Self {
        Self {
            extras: Extras::default(),
            short_tags: false,
            sha1_fingerprints: false,
            minimum_rsa_bits: MINIMUM_RSA_BITS,
            certificates: Certificates::default(),
            sdes: Err(SdesRefused::NotAllowed),
            concessions: Concessions::default(),
            latching: false,
            mdns: false,
        }
    }
}

impl MediaPolicy {
    /// Makes a session keep to it; whose certificate is shown, its owner decides.
    pub fn apply(&self, config: &mut SessionConfig) {
        config.extras = self.extras;
        config.sha1_fingerprints = self.sha1_fingerprints;
        config.minimum_rsa_bits = self.minimum_rsa_bits;
        config.sdes = self.sdes;
        config.concessions = self.concessions;
        config.latching = self.latching;
        config.mdns = self.mdns;
        let short = SrtpProfile::Aes128CmHmacSha1_32;
        if self.short_tags && !config.profiles.contains(&short) {
            config.profiles.push(short);
        }
    }
}
