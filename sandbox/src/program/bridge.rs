//! Passes what arrives on to another call, or to nobody.

use std::time::Instant;

use offhook_media::program::{
    AudioFormat, AudioPacket, CallKey, Destination, Outgoing, Program, ProgramCommand,
};

/// One direction of a bridge: payloads go to the far end of another call as they came.
#[derive(Debug)]
pub(crate) struct Bridge {
    to: Option<CallKey>,
}

impl Bridge {
    /// Towards this call.
    pub(crate) fn to(call: CallKey) -> Self {
        Self { to: Some(call) }
    }

    /// Towards nobody: the call sends and passes nothing.
    pub(crate) fn nowhere() -> Self {
        Self { to: None }
    }
}

impl Program for Bridge {
    fn negotiated(&mut self, _format: &AudioFormat, _now: Instant) {}

    fn packet(&mut self, packet: &AudioPacket<'_>, _now: Instant, out: &mut Outgoing) {
        if let Some(call) = self.to {
            out.forward(Destination::Call(call), packet);
        }
    }

    fn slot(&mut self, _now: Instant, _out: &mut Outgoing) {}

    fn command(&mut self, _command: ProgramCommand, _now: Instant) {}
}
