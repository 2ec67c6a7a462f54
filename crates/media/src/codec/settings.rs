//! How the Opus encoder is set up.

/// Settings of the Opus encoder; the defaults are right for telephone speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusSettings {
    /// Effort, 0 to 10. 9 is the default; 5 costs two thirds of it for 0.05 PESQ.
    pub complexity: u8,
    /// Mean rate in bit/s, 6000 to 510000.
    pub bitrate: u32,
    /// Carries a coarse copy of the previous frame, for a receiver that waits one packet (RFC 6716 section 2.1.7).
    pub inband_fec: bool,
    /// Loss to expect, in percent; steers how much the copy of the previous frame may cost.
    pub expected_loss_percent: u8,
    /// Sends next to nothing while nobody speaks (RFC 6716 section 2.1.9).
    pub dtx: bool,
    /// Variable bit rate; false gives packets of equal size.
    pub vbr: bool,
}

impl Default for OpusSettings {
    fn default() -> Self {
        Self {
            complexity: 9,
            bitrate: 32_000,
            inband_fec: true,
            expected_loss_percent: 5,
            dtx: false,
            vbr: true,
        }
    }
}
