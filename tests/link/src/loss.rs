//! The state of a lossy line: whether the next packet is lost.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::conditions::Loss;

/// Where the chain of [`Loss::Bursts`] stands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LossState {
    bad: bool,
}

impl LossState {
    /// Asks for one packet.
    pub(crate) fn loses(&mut self, loss: &Loss, rng: &mut StdRng) -> bool {
        let share = match *loss {
            Loss::Random(share) => share,
            Loss::Bursts {
                worsens,
                recovers,
                good,
                bad,
            } => {
                let turn = if self.bad { recovers } else { worsens };
                self.bad ^= happens(turn, rng);
                if self.bad { bad } else { good }
            }
        };
        happens(share, rng)
    }
}

/// Whether something of this chance happens.
pub(crate) fn happens(chance: f64, rng: &mut StdRng) -> bool {
    chance > 0.0 && rng.random::<f64>() < chance
}
