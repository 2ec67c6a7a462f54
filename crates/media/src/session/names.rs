//! Candidates of the far end whose address hides behind a name: asked for on the links of the call, and added once they are known.

use std::net::SocketAddr;
use std::time::Instant;

use rand::RngExt;

use crate::ice::candidate::CandidateType;
use crate::ice::mdns::{self, NamedCandidate};
use crate::media_transport::event::Route;
use crate::session::media_session::MediaSession;

impl MediaSession {
    /// Adds one whose address hides behind a name, which is looked for first, where the account allows that.
    pub fn add_named_candidate(&mut self, named: NamedCandidate, now: Instant) {
        self.now = now;
        if self.config.mdns && named.is_of_component_1() {
            // A guess would have to be right in 1.5 s, and lead no further than a check that fails.
            let id = self.rng.random();
            self.names.want(named, id, now);
            self.follow_names();
        }
    }

    /// Asks all links, and takes the candidates whose address is known by now.
    fn follow_names(&mut self) {
        while let Some(question) = self.names.poll_question() {
            let hosts = self.candidates.iter();
            let hosts = hosts.filter(|candidate| candidate.typ == CandidateType::Host);
            // Which link a question of IPv6 goes to is not ours to say, and every responder hears IPv4 too where that is.
            let has_ipv4 = hosts.clone().any(|host| host.base.is_ipv4());
            for host in hosts.filter(|host| host.base.is_ipv4() == has_ipv4) {
                let (local, remote) = (host.base, mdns::group_for(host.base));
                self.questions
                    .push_back((Route { local, remote }, question.clone()));
            }
        }
        while let Some(candidate) = self.names.poll_found() {
            self.add_remote_candidate(candidate, self.now);
        }
    }

    /// Whether it wants to hear what is said to all of its links: names are asked for.
    pub fn is_asking_names(&self) -> bool {
        self.names.is_asking()
    }

    /// Takes an answer to a question of ours, and whatever else is said to all. `false`: it is neither.
    pub(super) fn is_name_answer(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) -> bool {
        let to_all = local.ip().is_multicast();
        let taken = remote.port() == mdns::PORT
            && self.names.is_asking()
            && self.names.handle_datagram(datagram, to_all);
        if taken {
            self.follow_names();
        }
        taken || to_all
    }

    pub(super) fn ask_names_again(&mut self) {
        self.names.handle_timeout(self.now);
        self.follow_names();
    }
}
