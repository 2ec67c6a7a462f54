//! A DTLS handshake, as client and as server, through our trait, with datagrams lost, repeated, changed and invented.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use offhook_media::dtls::certificate::Certificate;
use offhook_media::dtls::endpoint::{DtlsConfig, DtlsEndpoint, DtlsEvent, Handshake};
use offhook_media::dtls::rtc::RtcDtls;
use offhook_media::dtls::setup::DtlsRole;
use offhook_media::srtp::profile::SrtpProfile;

use crate::instructions::{Instruction, Wire, next};

/// Instructions; end 0 is the client. `Speak` says goodbye.
///
/// # Panics
/// When an end never rests, is done twice, or both are done with different keys though nothing was changed.
pub fn run(mut data: &[u8]) {
    let Some(mut ends) = ends() else {
        return;
    };
    let mut now = Instant::now();
    let mut wire = Wire::default();
    let mut done: [Option<Handshake>; 2] = [None, None];
    let mut honest = true;
    for end in &mut ends {
        end.start(now);
    }
    settle(&mut ends, &mut wire, &mut done);
    while let Some((instruction, rest)) = next(data) {
        data = rest;
        honest &= !matches!(
            instruction,
            Instruction::Change { .. } | Instruction::Cut(_) | Instruction::Invent { .. }
        );
        if let Instruction::Wait(span) = instruction {
            now += Duration::from_millis(span.into());
        } else if let Instruction::Speak(end) = instruction {
            ends[end].close(now);
        } else if let Some((end, datagram)) = wire.apply(instruction) {
            let _ = ends[end].handle(&datagram, now);
        }
        for end in &mut ends {
            if end.deadline().is_some_and(|due| due <= now) {
                end.handle_timeout(now);
            }
        }
        settle(&mut ends, &mut wire, &mut done);
    }
    if let ([Some(one), Some(other)], true) = (&done, honest) {
        assert_eq!(one.profile, other.profile);
        assert!(
            one.keying_material == other.keying_material,
            "keys that differ"
        );
    }
}

fn settle(ends: &mut [RtcDtls; 2], wire: &mut Wire, done: &mut [Option<Handshake>; 2]) {
    for (number, end) in ends.iter_mut().enumerate() {
        while let Some(datagram) = end.poll_transmit() {
            wire.send(number, datagram);
        }
        while let Some(event) = end.poll_event() {
            if let DtlsEvent::Complete(handshake) = event {
                let before = done[number].replace(handshake);
                assert!(before.is_none(), "done twice");
            }
        }
    }
}

fn ends() -> Option<[RtcDtls; 2]> {
    static CERTIFICATE: OnceLock<Option<Arc<Certificate>>> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| Certificate::generate().ok().map(Arc::new));
    let certificate = certificate.as_ref()?;
    let end = |role| {
        RtcDtls::new(&DtlsConfig {
            certificate: Arc::clone(certificate),
            role,
            profiles: SrtpProfile::USUAL.to_vec(),
            retransmit: Duration::from_millis(250),
            mtu: 1200,
        })
        .ok()
    };
    Some([end(DtlsRole::Client)?, end(DtlsRole::Server)?])
}
