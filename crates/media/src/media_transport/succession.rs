//! The DTLS association that the far end may begin in the place of the one that there is.
//!
//! Anybody can send a ClientHello, or what begins like one. So the association in use carries media until the other is complete, with
//! whom the description names (RFC 6347, section 4.2.8); a handshake that comes to nothing leaves no trace.

use std::time::Instant;

use crate::dtls::endpoint::DatagramRefused;
use crate::dtls::fingerprint::Fingerprint;
use crate::dtls::setup::DtlsRole;
use crate::media_transport::association::{Association, AssociationEvent};
use crate::media_transport::config::TransportConfig;

/// The association that waits for the far end's ClientHello, or is in its handshake.
#[derive(Debug, Default)]
pub(crate) struct Succession {
    association: Option<Box<Association>>,
    /// A handshake has begun, and has until then.
    give_up: Option<Instant>,
    /// Names the handshake: its ClientHellos have it in common, with and without the cookie.
    random: Option<Random>,
}

/// A ClientHello's random bytes.
type Random = [u8; 32];

impl Succession {
    /// Waits for this one to be begun.
    pub(crate) fn expect(&mut self, association: Association) {
        *self = Self {
            association: Some(Box::new(association)),
            ..Self::default()
        };
    }

    /// Waits for none any more.
    pub(crate) fn leave(&mut self) {
        *self = Self::default();
    }

    /// Whether the one that is waited for is this.
    pub(crate) fn is_for(
        &self,
        role: DtlsRole,
        fingerprints: &[Fingerprint],
        tls_id: Option<&str>,
    ) -> bool {
        let association = self.association.as_ref();
        association.is_some_and(|it| it.is_for(role, fingerprints, tls_id))
    }

    pub(crate) fn count(&self) -> usize {
        self.association.iter().count()
    }

    /// Whether the datagram belongs to its handshake. An alert may be the present association's goodbye.
    pub(crate) fn takes(&self, datagram: &[u8]) -> bool {
        let is_begun = self.give_up.is_some();
        self.association.is_some()
            && (is_begun || client_random(datagram).is_some())
            && !is_alert(datagram)
    }

    /// Takes a datagram of its handshake. A ClientHello of another one takes its place: either may be the far end's.
    pub(crate) fn handle(
        &mut self,
        datagram: &[u8],
        config: &TransportConfig,
        now: Instant,
    ) -> Result<(), DatagramRefused> {
        if let Some(random) = client_random(datagram) {
            if self.random.is_some_and(|begun| begun != random) {
                self.expect_anew(config);
            }
            self.random = Some(random);
        }
        let Some(association) = &mut self.association else {
            return Ok(());
        };
        association.start(now);
        self.give_up.get_or_insert(now + config.limits.dtls);
        association.handle(datagram, now)
    }

    pub(crate) fn handle_timeout(&mut self, config: &TransportConfig, now: Instant) {
        let Some(give_up) = self.give_up else {
            return;
        };
        if now >= give_up {
            self.expect_anew(config);
        } else if let Some(association) = &mut self.association {
            association.handle_timeout(now);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let association = self.association.as_ref().filter(|_| self.give_up.is_some());
        let repeat = association.and_then(|association| association.deadline());
        repeat.into_iter().chain(self.give_up).min()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.give_up?;
        self.association.as_mut()?.poll_transmit()
    }

    /// The association that takes over, complete, with what it has to say.
    pub(crate) fn poll_complete(
        &mut self,
        config: &TransportConfig,
        now: Instant,
    ) -> Option<(Association, AssociationEvent)> {
        self.give_up?;
        match self.association.as_mut()?.poll_event(now)? {
            event @ AssociationEvent::Connected(_) => {
                let association = self.association.take()?;
                self.leave();
                Some((*association, event))
            }
            AssociationEvent::Unencrypted
            | AssociationEvent::Failed(_)
            | AssociationEvent::ClosedByPeer => {
                self.expect_anew(config);
                None
            }
        }
    }

    /// What was begun came to nothing, and may have been a stranger's: the far end may mean it yet.
    fn expect_anew(&mut self, config: &TransportConfig) {
        let before = self.association.take();
        self.leave();
        // It could be made once with the same configuration.
        let anew = before.and_then(|before| before.anew(config).ok());
        self.association = anew.map(Box::new);
    }
}

/// What a datagram begins a handshake with, as client: a record in the clear (epoch 0) with such a message, whole or its first part.
fn client_random(datagram: &[u8]) -> Option<Random> {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    /// Behind the headers of record and message, and the version.
    const RANDOM_AT: usize = 13 + 12 + 2;
    let is_hello = datagram.first() == Some(&HANDSHAKE)
        && datagram.get(3..5) == Some(&[0, 0])
        && datagram.get(13) == Some(&CLIENT_HELLO);
    let random = datagram.get(RANDOM_AT..)?.first_chunk();
    random.copied().filter(|_| is_hello)
}

fn is_alert(datagram: &[u8]) -> bool {
    const ALERT: u8 = 21;
    datagram.first() == Some(&ALERT)
}
