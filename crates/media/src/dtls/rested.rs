//! An association beside media that flows: a few hundred bytes in place of the implementation's ten thousand.
//!
//! Once the far end's media was opened with the keys agreed on, its handshake is over. What may still come is a repeat of
//! its last flight that was long on its way, and an alert; what may still go out is our goodbye. The goodbye is sealed
//! beforehand; for an alert the implementation is woken with the keys, and forgotten again.

use std::sync::Arc;
use std::time::Instant;

use rtc_dtls::endpoint::Endpoint;
use rtc_dtls::state::State;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use zeroize::Zeroizing;

use crate::dtls::endpoint::DtlsConfig;
use crate::dtls::rtc::{PEER, drain, handshake_config};
use crate::dtls::setup::DtlsRole;

/// What is left of an association.
pub(crate) struct Rested {
    /// Keys and record numbers, in the implementation's own form.
    state: Zeroizing<Vec<u8>>,
    /// `close_notify`, sealed beforehand.
    goodbye: Vec<Vec<u8>>,
}

impl Rested {
    /// Takes what has to stay out of an association whose handshake is complete. The implementation is of no use then.
    ///
    /// # Errors
    /// When it has no state that could be woken again. It is as it was then.
    pub(crate) fn of(
        endpoint: &mut Endpoint,
        config: &DtlsConfig,
        now: Instant,
    ) -> Result<Self, Error> {
        let whole = endpoint
            .get_connection_state(PEER)
            .ok_or(Error::ErrConnClosed)?
            .marshal_binary()
            .map(Zeroizing::new)?;
        // Who the far end is was checked: its certificates need not be kept.
        let mut state = revive(&whole, config)?;
        state.peer_certificates.clear();
        let state = state.marshal_binary().map(Zeroizing::new)?;
        revive(&state, config)?;
        endpoint.close(now)?;
        Ok(Self {
            state,
            goodbye: drain(endpoint),
        })
    }

    /// The implementation again, as far as reading records goes.
    ///
    /// # Errors
    /// What the implementation says against its own state.
    pub(crate) fn wake(&self, config: &DtlsConfig, now: Instant) -> Result<Endpoint, Error> {
        let state = revive(&self.state, config)?;
        let handshake =
            handshake_config(config).map_err(|error| Error::Other(format!("{error:?}")))?;
        let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
        // With a state given this begins no handshake, whichever side we were on.
        endpoint.connect(now, PEER, Arc::new(handshake), Some(state))?;
        Ok(endpoint)
    }

    pub(crate) fn into_goodbye(self) -> Vec<Vec<u8>> {
        self.goodbye
    }
}

fn revive(state: &[u8], config: &DtlsConfig) -> Result<State, Error> {
    let provider = Arc::clone(config.certificate.provider());
    let mut revived = State::new(provider, config.role == DtlsRole::Client);
    revived.unmarshal_binary(state)?;
    Ok(revived)
}
