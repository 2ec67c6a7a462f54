//! What an end holds, whatever has happened to it: bounds that no number of restarts, moves and forgeries passes.

use offhook_media::census::Census;

/// ICE agents of a transport: one has the path, one was agreed on and seeks another, one is offered.
const AGENTS: usize = 3;

/// Candidates of one agent: an end of a world has three at a time, and is found by a few more after each of its few moves.
const CANDIDATES: usize = 16;

/// Traces of checks of one.
const CHECKS: usize = 160;

/// Datagrams that wait between two inputs: those that came before their time.
const WAITING: usize = 8;

/// Tells an end that holds too much.
pub(super) fn bounded(end: usize, held: Census) -> Result<(), String> {
    let within = held.transports <= 1
        && held.agents <= AGENTS
        && held.local_candidates <= held.agents * CANDIDATES
        && held.remote_candidates <= held.agents * CANDIDATES
        && held.checks <= held.agents * CHECKS
        && held.associations <= 2
        && held.waiting <= WAITING;
    match within {
        true => Ok(()),
        false => Err(format!("end {end} holds too much: {held:?}")),
    }
}
