//! What the user listens to, and the dialogs in which it comes (RFC 6665, 4.1 and 4.4.1).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::event::RefusedChannel;
use crate::sip::auth::authorization::Authorization;
use crate::sip::dialog::Dialog;
use crate::sip::flow_id::FlowId;
use crate::sip::message::ids::Ids;
use crate::sip::subscription::bucket::Bucket;
use crate::sip::subscription::channel::Channel;
use crate::sip::subscription::dialog_info::DialogInfo;

/// Most channels of one user.
pub(in crate::sip) const MOST_CHANNELS: usize = 256;
/// Most notifiers that may answer one SUBSCRIBE.
pub(in crate::sip) const MOST_LEGS: usize = 4;

/// Names a dialog of a subscription, for deadlines and requests.
pub(in crate::sip) type LegId = u64;

/// Everything that the user listens to.
#[derive(Debug)]
pub(in crate::sip) struct Subscriptions {
    pub(in crate::sip) wanted: BTreeMap<String, Wanted>,
    pub(in crate::sip) legs: BTreeMap<LegId, Leg>,
    last_leg: LegId,
    /// Channels that were refused since the user was told last.
    pub(in crate::sip) refused: Vec<RefusedChannel>,
    /// The user is to be told.
    pub(in crate::sip) changed: bool,
    /// Room for notifications that nobody asked for.
    pub(in crate::sip) unasked: Bucket,
}

/// A channel that the user wants.
#[derive(Debug)]
pub(in crate::sip) struct Wanted {
    pub(in crate::sip) channel: Channel,
    pub(in crate::sip) auth: Authorization,
    /// The first SUBSCRIBE, whose Call-ID and tag all of its dialogs have.
    pub(in crate::sip) attempt: Option<Attempt>,
    /// How long is asked for.
    pub(in crate::sip) expires: Duration,
    /// That was raised already after a 423.
    pub(in crate::sip) raised: bool,
    /// Failures since the last notification.
    pub(in crate::sip) failures: u32,
    /// It was granted.
    pub(in crate::sip) held: bool,
    /// Its last dialog was brief, and it was asked for anew at once.
    pub(in crate::sip) hurried: bool,
    /// Notifications that could not be passed on since the last that was.
    pub(in crate::sip) lost: u64,
    pub(in crate::sip) room: Bucket,
}

/// The names of a first SUBSCRIBE.
#[derive(Clone, Debug)]
pub(in crate::sip) struct Attempt {
    pub(in crate::sip) call_id: String,
    pub(in crate::sip) tag: String,
    pub(in crate::sip) cseq: u32,
    /// It went to another address than at first.
    pub(in crate::sip) redirected: bool,
    /// Connections that could not carry it.
    pub(in crate::sip) tried: Vec<FlowId>,
}

/// One dialog with one notifier.
#[derive(Debug)]
pub(in crate::sip) struct Leg {
    pub(in crate::sip) channel: Channel,
    pub(in crate::sip) dialog: Dialog,
    pub(in crate::sip) flow: FlowId,
    pub(in crate::sip) auth: Authorization,
    pub(in crate::sip) born: Instant,
    pub(in crate::sip) ends: Instant,
    /// A NOTIFY came.
    pub(in crate::sip) notified: bool,
    /// The user does not want it any more.
    pub(in crate::sip) leaving: bool,
    /// Its connection was lost: the notifier does not reach us.
    pub(in crate::sip) stale: bool,
    /// What it told meanwhile may be missing: the next refresh brings it, and is owed soon.
    pub(in crate::sip) misses: bool,
    /// Refusals of such refreshes.
    pub(in crate::sip) failures: u32,
    /// A refresh is out.
    pub(in crate::sip) busy: bool,
    /// Another one is to follow.
    pub(in crate::sip) again: bool,
    pub(in crate::sip) raised: bool,
    pub(in crate::sip) info: DialogInfo,
}

impl Subscriptions {
    pub(in crate::sip) fn new(now: Instant) -> Self {
        Self {
            wanted: BTreeMap::new(),
            legs: BTreeMap::new(),
            last_leg: 0,
            refused: Vec::new(),
            changed: false,
            unasked: Bucket::new(now),
        }
    }

    pub(in crate::sip) fn refuse(&mut self, channel: String, code: Option<u16>, reason: String) {
        self.refused.push(RefusedChannel {
            channel,
            code,
            reason,
        });
        self.changed = true;
    }

    pub(in crate::sip) fn add(&mut self, leg: Leg) -> LegId {
        self.last_leg += 1;
        self.legs.insert(self.last_leg, leg);
        self.last_leg
    }

    /// The dialog that a NOTIFY belongs to.
    pub(in crate::sip) fn leg_of_notice(&self, ids: &Ids) -> Option<LegId> {
        let mut legs = self.legs.iter();
        legs.find(|(_, leg)| leg.dialog.has_request(ids))
            .map(|(id, _)| *id)
    }

    /// The channel whose first SUBSCRIBE a NOTIFY is about.
    pub(in crate::sip) fn attempt_of_notice(&self, ids: &Ids) -> Option<String> {
        let fits =
            |attempt: &Attempt| attempt.call_id == ids.call_id && attempt.tag == ids.to_tag();
        let mut wanted = self.wanted.iter();
        wanted
            .find(|(_, wanted)| wanted.attempt.as_ref().is_some_and(fits))
            .map(|(name, _)| name.clone())
    }

    /// The dialogs of a channel that the user wants.
    pub(in crate::sip) fn legs_of(&self, name: &str) -> Vec<LegId> {
        let of = |leg: &Leg| !leg.leaving && leg.channel.name == name;
        let legs = self.legs.iter().filter(|(_, leg)| of(leg));
        legs.map(|(id, _)| *id).collect()
    }

    /// All that was granted.
    pub(in crate::sip) fn held(&self) -> Vec<String> {
        let held = self.wanted.iter().filter(|(_, wanted)| wanted.held);
        held.map(|(name, _)| name.clone()).collect()
    }
}

impl Wanted {
    pub(in crate::sip) fn new(channel: Channel, expires: Duration, now: Instant) -> Self {
        Self {
            channel,
            auth: Authorization::default(),
            attempt: None,
            expires,
            raised: false,
            failures: 0,
            held: false,
            hurried: false,
            lost: 0,
            room: Bucket::new(now),
        }
    }
}

/// Whether a refusal of a first SUBSCRIBE may be another answer after a while. All others are the last word.
pub(in crate::sip) fn may_pass(status: u16) -> bool {
    matches!(
        status,
        408 | 413 | 430 | 480 | 486 | 487 | 491 | 500 | 502..=504 | 580 | 600
    )
}

/// Whether a refusal of a refresh ends the subscription (RFC 6665, 4.1.2.2).
pub(in crate::sip) fn ends(status: u16) -> bool {
    matches!(status, 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604)
}
