//! Somebody's calls: dialog-info documents, whole or only what changed (RFC 4235, 4).

use std::collections::BTreeMap;

use roxmltree::Node;
use serde_json::{Value, json};

use crate::sip::subscription::xml::{self, BadDocument, attribute, child, children, text};

/// Most dialogs of one that are remembered.
const MOST: usize = 64;

/// What a subscription knows of somebody's calls.
#[derive(Clone, Debug, Default)]
pub struct DialogInfo {
    version: Option<u64>,
    dialogs: BTreeMap<String, Value>,
}

/// What a document did.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// All that is known now; `gap`: something was missed, and the whole list has to be asked for.
    Known {
        /// The form that an event shows.
        data: Value,
        /// One or more versions did not come, and this one is not whole.
        gap: bool,
    },
    /// It is older than what is known already (4.3).
    Old,
}

impl DialogInfo {
    /// Takes a document in.
    pub fn take(&mut self, body: &str) -> Result<Change, BadDocument> {
        let document = xml::read(body)?;
        let root = document.root_element();
        if root.tag_name().name() != "dialog-info" {
            return Err(BadDocument("it is no dialog-info".to_owned()));
        }
        let version: Option<u64> = root
            .attribute("version")
            .and_then(|text| text.trim().parse().ok());
        let partial = attribute(root, "state").is_some_and(|state| state == "partial");
        let gap = match (self.version, version) {
            (Some(known), Some(new)) if new <= known => return Ok(Change::Old),
            (Some(known), Some(new)) => partial && new > known + 1,
            // A partial one cannot be the first.
            (None, _) => partial,
            (Some(_), None) => false,
        };
        self.version = version;
        if !partial {
            self.dialogs.clear();
        }
        for node in children(root, "dialog").take(MOST) {
            let Some(id) = attribute(node, "id") else {
                continue;
            };
            // The oldest name makes room: there is no other order.
            if self.dialogs.len() >= MOST && !self.dialogs.contains_key(&id) {
                self.dialogs.pop_first();
            }
            let shown = dialog(&id, node);
            self.dialogs.insert(id, shown);
        }
        let data = json!({
            "kind": "dialog",
            "entity": attribute(root, "entity"),
            "version": version,
            "dialogs": self.dialogs.values().collect::<Vec<_>>(),
        });
        // Told once, and then over.
        self.dialogs
            .retain(|_, shown| shown["state"] != "terminated");
        Ok(Change::Known { data, gap })
    }

    /// A new subscription begins to count anew.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

fn dialog(id: &str, node: Node<'_, '_>) -> Value {
    let state = child(node, "state");
    let word = state.and_then(text).map(|word| word.to_ascii_lowercase());
    let side = |name| {
        let side = child(node, name)?;
        let identity = child(side, "identity");
        let target = child(side, "target").and_then(|target| attribute(target, "uri"));
        Some(json!({
            "name": identity.and_then(|identity| attribute(identity, "display")),
            "address": identity.and_then(text),
            "target": target,
        }))
    };
    let (local, remote) = (side("local"), side("remote"));
    let direction = attribute(node, "direction");
    let call_id = attribute(node, "call-id");
    let (local_tag, remote_tag) = (attribute(node, "local-tag"), attribute(node, "remote-tag"));
    let to = remote.as_ref().and_then(|remote| {
        remote["target"]
            .as_str()
            .or_else(|| remote["address"].as_str())
    });
    // Who picks up calls the other side of that dialog, which knows it under its own tag first (RFC 3891, 3). Only the side
    // that placed an early one gives it up.
    let ringing = direction.as_deref() == Some("recipient")
        && matches!(word.as_deref(), Some("early" | "proceeding"));
    let free = ringing || word.as_deref() == Some("confirmed");
    let pick_up = match (to, &call_id, &local_tag, &remote_tag) {
        (Some(to), Some(call_id), Some(local), Some(remote)) if free => json!({
            "to": to,
            "call_id": call_id,
            "to_tag": remote,
            "from_tag": local,
            "early_only": ringing,
        }),
        _ => Value::Null,
    };
    json!({
        "id": id,
        "state": word,
        "event": state.and_then(|state| attribute(state, "event")),
        "code": state.and_then(|state| attribute(state, "code")?.parse::<u16>().ok()),
        "direction": direction,
        "duration": child(node, "duration").and_then(|node| text(node)?.parse::<u64>().ok()),
        "call_id": call_id,
        "local_tag": local_tag,
        "remote_tag": remote_tag,
        "local": local,
        "remote": remote,
        "pick_up": pick_up,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(version: u64, state: &str, dialogs: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
             state=\"{state}\" entity=\"sip:bob@example.com\">{dialogs}</dialog-info>"
        )
    }

    fn one(id: &str, state: &str) -> String {
        format!(
            "<dialog id=\"{id}\" call-id=\"c{id}\" local-tag=\"l\" remote-tag=\"r\" direction=\"recipient\"><state>{state}</state>\
             <remote><identity display=\"Al &amp; Co\">sip:alice@example.com</identity><target uri=\"sip:alice@pc.example\"/></remote>\
             </dialog>"
        )
    }

    fn known(info: &mut DialogInfo, body: &str) -> (Vec<String>, bool) {
        let Change::Known { data, gap } = info.take(body).unwrap() else {
            panic!("old: {body}");
        };
        let dialogs = data["dialogs"].as_array().unwrap();
        let shown = dialogs
            .iter()
            .map(|dialog| format!("{} {}", dialog["id"], dialog["state"]).replace('"', ""))
            .collect();
        (shown, gap)
    }

    #[test]
    fn parts_are_put_together_by_their_versions() {
        let mut info = DialogInfo::default();
        let whole = document(0, "full", &one("a", "early"));
        assert_eq!(known(&mut info, &whole), (vec!["a early".into()], false));
        let part = document(1, "partial", &one("b", "Trying"));
        assert_eq!(
            known(&mut info, &part),
            (vec!["a early".into(), "b trying".into()], false)
        );
        assert_eq!(info.take(&part).unwrap(), Change::Old);
        let gone = document(2, "partial", &one("a", "terminated"));
        assert_eq!(
            known(&mut info, &gone),
            (vec!["a terminated".into(), "b trying".into()], false)
        );
        // It is used, and the rest is asked for.
        let late = document(5, "partial", &one("b", "confirmed"));
        assert_eq!(known(&mut info, &late), (vec!["b confirmed".into()], true));
        // A whole one mends any gap.
        let whole = document(9, "full", "");
        assert_eq!(known(&mut info, &whole), (vec![], false));
    }

    #[test]
    fn a_call_that_rings_there_can_be_picked_up() {
        let mut info = DialogInfo::default();
        let body = document(0, "full", &one("a", "early"));
        let Change::Known { data, .. } = info.take(&body).unwrap() else {
            panic!("old");
        };
        assert_eq!(
            data["dialogs"][0]["pick_up"],
            json!({"to": "sip:alice@pc.example", "call_id": "ca", "to_tag": "r", "from_tag": "l", "early_only": true})
        );
        assert_eq!(data["dialogs"][0]["remote"]["name"], "Al & Co");
    }

    #[test]
    fn a_flood_of_dialogs_is_bounded() {
        let mut info = DialogInfo::default();
        for version in 0..20 {
            let many: String = (0..60)
                .map(|n| one(&format!("{version}-{n}"), "early"))
                .collect();
            let _ = info.take(&document(version, "partial", &many)).unwrap();
        }
        assert_eq!(info.dialogs.len(), MOST);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body in "\\PC{0,200}", version in any::<String>()) {
            let mut info = DialogInfo::default();
            let _ = info.take(&body);
            let _ = info.take(&document(1, "partial", &body));
            let _ = info.take(&format!("<dialog-info version='{version}'><dialog id='1'><state>x</state></dialog></dialog-info>"));
        }
    }
}
