//! Which event channels are listened to, and what was lost on them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Channels of one session; more are refused.
pub(crate) const MOST_CHANNELS: usize = 256;
/// Longest name of a channel.
pub(crate) const LONGEST_NAME: usize = 256;

/// Our user's channels. Subscriptions die with the socket, so what is wanted is kept apart from what the server grants.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    wanted: BTreeSet<String>,
    granted: BTreeSet<String>,
    /// Given up, and the server has not said that it knows.
    given_up: BTreeSet<String>,
    /// Number that the next event of a subscription should have.
    next: BTreeMap<String, i64>,
}

/// The lists in a reply to `subscribe` or `unsubscribe`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lists {
    pub(crate) subscribed: Vec<String>,
    /// Those of `subscribed` that the server heard of only now: their numbers begin anew.
    pub(crate) fresh: Vec<String>,
    pub(crate) denied: Vec<String>,
    pub(crate) unsubscribed: Vec<String>,
}

impl Lists {
    /// Reads a result, or the members of an error: a server that grants nothing answers with an error of lists.
    pub(crate) fn read(reply: &Value) -> Self {
        let list = |name: &str| names(reply.get(name));
        let fresh = list("subscribedChannels");
        let mut subscribed = fresh.clone();
        subscribed.extend(list("alreadySubscribedChannels"));
        let mut unsubscribed = list("unsubscribedChannels");
        unsubscribed.extend(list("notSubscribedChannels"));
        Self {
            subscribed,
            fresh,
            denied: list("unauthorizedChannels"),
            unsubscribed,
        }
    }
}

fn names(list: Option<&Value>) -> Vec<String> {
    match list {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .take(MOST_CHANNELS)
            .collect(),
        _ => Vec::new(),
    }
}

impl Channels {
    /// Takes wishes down; `false` when there are too many or one is no name.
    pub(crate) fn want(&mut self, channels: &[String]) -> bool {
        let new = channels.iter().filter(|name| !self.wanted.contains(*name));
        let fits = self.wanted.len() + new.count() <= MOST_CHANNELS;
        let named = |name: &String| !name.is_empty() && name.len() <= LONGEST_NAME;
        if !fits || channels.is_empty() || !channels.iter().all(named) {
            return false;
        }
        for name in channels {
            self.given_up.remove(name);
            self.wanted.insert(name.clone());
        }
        true
    }

    pub(crate) fn unwant(&mut self, channels: &[String]) {
        for name in channels {
            if self.wanted.remove(name) && self.given_up.len() < MOST_CHANNELS {
                self.given_up.insert(name.clone());
            }
        }
    }

    /// Whether events of this channel come though it was given up: the request for that was lost.
    pub(crate) fn is_given_up(&self, name: &str) -> bool {
        self.given_up.contains(name)
    }

    /// All that a new socket has to ask for.
    pub(crate) fn wanted(&self) -> Vec<String> {
        self.wanted.iter().cloned().collect()
    }

    /// What the server sends us at present.
    pub(crate) fn granted(&self) -> Vec<String> {
        self.granted.iter().cloned().collect()
    }

    pub(crate) fn on_lists(&mut self, lists: &Lists) {
        for name in &lists.subscribed {
            let new = self.wanted.contains(name) && self.granted.insert(name.clone());
            if new || lists.fresh.contains(name) {
                self.next.remove(name);
            }
        }
        for name in lists.denied.iter().chain(&lists.unsubscribed) {
            self.granted.remove(name);
            self.next.remove(name);
            self.given_up.remove(name);
        }
        // One that is denied now will be denied after each reconnect too.
        for name in &lists.denied {
            self.wanted.remove(name);
        }
        // Such as an answer to a request from before it was given up.
        let spare = lists.subscribed.iter();
        let spare = spare.filter(|name| !self.wanted.contains(*name));
        let room = MOST_CHANNELS.saturating_sub(self.given_up.len());
        self.given_up.extend(spare.take(room).cloned());
    }

    /// Where a reply is not what is wanted by now: channels to ask for, and channels to give up.
    pub(crate) fn amiss(&self, lists: &Lists) -> (Vec<String>, Vec<String>) {
        let missing = lists.unsubscribed.iter();
        let missing = missing.filter(|name| self.wanted.contains(*name));
        let spare = lists.subscribed.iter();
        let spare = spare.filter(|name| !self.wanted.contains(*name));
        (missing.cloned().collect(), spare.cloned().collect())
    }

    /// A reply to our own question for the channels of a conference, which our user did not name.
    pub(crate) fn on_conference_lists(&mut self, lists: &Lists) {
        for name in &lists.fresh {
            self.next.remove(name);
        }
    }

    /// A conference is over for us, and with it what it let us hear.
    pub(crate) fn forget(&mut self, channels: &[String]) {
        for name in channels {
            if !self.granted.contains(name) {
                self.next.remove(name);
            }
        }
    }

    /// How many events of a subscription were lost before this one; `conference`: of one that comes with a conference.
    pub(crate) fn lost_before(&mut self, subscription: &str, conference: bool, serial: i64) -> u64 {
        if !conference && !self.granted.contains(subscription) {
            return 0;
        }
        let expected = self
            .next
            .insert(subscription.to_owned(), serial.saturating_add(1));
        expected.map_or(0, |expected| {
            u64::try_from(serial.saturating_sub(expected)).unwrap_or(0)
        })
    }

    /// The socket is gone, and all that the server granted with it.
    pub(crate) fn on_socket_lost(&mut self) {
        self.granted.clear();
        self.given_up.clear();
        self.next.clear();
    }
}
