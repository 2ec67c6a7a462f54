//! `offhook call`: places a call and, if wished, waits until it is answered or has failed.

use crate::{arguments, client::Client, error::Error, ice_servers, output::Output, table::plain};
use offhook_control::{
    notice::{Ended, Event, Said},
    reply::{CallIds, CallPlaced, CallState, Calls},
    request::{Call, Request},
    rpc::read_result,
};
use serde_json::{Value, to_value};

pub(crate) fn run(
    wish: &arguments::Call,
    client: &mut Client,
    output: &Output,
) -> Result<(), Error> {
    // Before the call is placed, so that nothing that happens to it is missed.
    if wish.wait {
        client.subscribe()?;
    }
    let raw = client.request(&Request::Call(Call {
        account: wish.account.clone(),
        number: wish.number.clone().unwrap_or_default(),
        caller_name: wish.caller_name.clone(),
        caller_number: wish.caller_number.clone(),
        headers: wish.headers.clone(),
        client_state: wish.client_state.clone(),
        id: wish.id.clone(),
        user_variables: wish.user_variables.iter().cloned().collect(),
        codecs: wish.codecs.clone(),
        muted: wish.muted,
        late_offer: wish.late_offer,
        pick_up: wish.pick_up.clone(),
        relay_only: wish.relay_only,
        ice_servers: ice_servers::read(&wish.ice)?,
        trickle: wish.ice.trickle,
    }))?;
    let placed: CallPlaced =
        read_result(raw.clone()).map_err(|error| Error::BadAnswer(error.to_string()))?;
    let picked_up = wish.pick_up.as_ref().and_then(|it| it.to.as_deref());
    let callee = wish
        .number
        .as_deref()
        .or(picked_up)
        .map_or_else(|| "the assistant".to_owned(), plain);
    if !wish.wait {
        return output.print(&raw, || {
            format!("calling {callee} as call {}", plain(&placed.call))
        });
    }
    match wait(&placed.call, client)? {
        Outcome::Answered(said, ids) => {
            let value = json_of_outcome(
                &placed.call,
                "answered",
                to_value(said).unwrap_or_default(),
                ids,
            );
            output.print(&value, || {
                format!("{callee} answered: call {}", plain(&placed.call))
            })
        }
        Outcome::Ended(ended, ids) => {
            // Scripts get the figures on standard output; the sentence goes to standard error for both.
            let value = json_of_outcome(
                &placed.call,
                "ended",
                to_value(&ended).unwrap_or_default(),
                ids,
            );
            output.print_for_scripts(&value)?;
            Err(Error::CallFailed {
                call: placed.call,
                ended,
            })
        }
    }
}

enum Outcome {
    Answered(Said, Option<CallIds>),
    Ended(Box<Ended>, Option<CallIds>),
}

fn wait(call: &str, client: &mut Client) -> Result<Outcome, Error> {
    loop {
        let Some(notice) = client.next_notice()?.typed else {
            continue;
        };
        if matches!(notice.event, Event::Overflow { .. }) {
            // What was lost may have been the one thing that is waited for.
            if is_answered(call, client)? {
                return Ok(Outcome::Answered(Said::default(), None));
            }
            continue;
        }
        if notice.call.as_deref() != Some(call) {
            continue;
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "everything else is on the way to one of these two"
        )]
        match notice.event {
            Event::Answered(said) => return Ok(Outcome::Answered(said, notice.ids)),
            Event::Ended(ended) => return Ok(Outcome::Ended(Box::new(ended), notice.ids)),
            _ => {}
        }
    }
}

/// Whether people can talk by now; an error when the call is gone.
fn is_answered(call: &str, client: &mut Client) -> Result<bool, Error> {
    let raw = client.request(&Request::Calls)?;
    let calls: Calls = read_result(raw).map_err(|error| Error::BadAnswer(error.to_string()))?;
    match calls.calls.iter().find(|status| status.call == call) {
        Some(status) => Ok(matches!(status.state, CallState::Active | CallState::Held)),
        None => Err(Error::OutcomeLost {
            call: call.to_owned(),
        }),
    }
}

/// What is told of the outcome, as the daemon told it, with the call and its names.
fn json_of_outcome(call: &str, outcome: &str, mut told: Value, ids: Option<CallIds>) -> Value {
    if let Value::Object(fields) = &mut told {
        fields.insert("call".to_owned(), call.into());
        fields.insert("outcome".to_owned(), outcome.into());
        if let Some(ids) = ids.and_then(|ids| to_value(ids).ok()) {
            fields.insert("ids".to_owned(), ids);
        }
    }
    told
}
