//! Nonces of digest challenges: they carry their own proof, so that none has to be kept.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use ring::hmac;

/// Most nonces whose use is remembered; the oldest may be used again after that.
const REMEMBERED: usize = 64 * 1024;

/// What a nonce turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Good,
    /// Ours, and too old, or used up.
    Stale,
    /// Not ours.
    Unknown,
}

/// Makes nonces and judges them.
pub(super) struct Nonces {
    key: hmac::Key,
    started: Instant,
    serial: u64,
    used: BTreeSet<u64>,
    order: VecDeque<u64>,
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

impl Nonces {
    pub(super) fn new(rng: &mut StdRng, now: Instant) -> Self {
        let secret: [u8; 32] = rng.random();
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            started: now,
            serial: 0,
            used: BTreeSet::new(),
            order: VecDeque::new(),
        }
    }

    /// A new one.
    pub(super) fn make(&mut self, now: Instant) -> String {
        self.serial += 1;
        let head = format!("{:x}.{:x}", self.age(now).as_secs(), self.serial);
        let proof = self.proof(&head);
        format!("{head}.{proof}")
    }

    /// Judges one that a client shows; `once`: it is good for one request only, this one.
    pub(super) fn judge(
        &mut self,
        nonce: &str,
        life: Duration,
        once: bool,
        now: Instant,
    ) -> Judgement {
        let Some((head, proof)) = nonce.rsplit_once('.') else {
            return Judgement::Unknown;
        };
        if proof != self.proof(head) {
            return Judgement::Unknown;
        }
        let Some((made, serial)) = head.split_once('.') else {
            return Judgement::Unknown;
        };
        let read = |text| u64::from_str_radix(text, 16).ok();
        let (Some(made), Some(serial)) = (read(made), read(serial)) else {
            return Judgement::Unknown;
        };
        if self.age(now) > Duration::from_secs(made) + life {
            return Judgement::Stale;
        }
        if once && !self.use_up(serial) {
            return Judgement::Stale;
        }
        Judgement::Good
    }

    fn use_up(&mut self, serial: u64) -> bool {
        if !self.used.insert(serial) {
            return false;
        }
        self.order.push_back(serial);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.used.remove(&oldest);
        }
        true
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    fn proof(&self, head: &str) -> String {
        let tag = hmac::sign(&self.key, head.as_bytes());
        let bytes = tag.as_ref().get(..12).unwrap_or_default();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn nonces_live_for_a_while_or_for_one_request() {
        let start = Instant::now();
        let mut nonces = Nonces::new(&mut StdRng::from_seed([3; 32]), start);
        let life = Duration::from_secs(10);
        let nonce = nonces.make(start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(nonces.judge(&nonce, life, false, at(9)), Judgement::Good);
        assert_eq!(nonces.judge(&nonce, life, true, at(9)), Judgement::Good);
        assert_eq!(nonces.judge(&nonce, life, true, at(9)), Judgement::Stale);
        assert_eq!(nonces.judge(&nonce, life, false, at(11)), Judgement::Stale);
        for wrong in ["", "x", "0.1.00", &nonce.replace('.', "")] {
            let judged = nonces.judge(wrong, life, false, at(0));
            assert_eq!(judged, Judgement::Unknown, "{wrong}");
        }
    }
}
