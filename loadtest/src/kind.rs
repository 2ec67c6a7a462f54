//! What a failed call is filed under: few words, the same for the same fault, our own faults named as ours.

use offhook_engine::ended::{EndReason, Ended};

pub(crate) fn of(ended: &Ended) -> String {
    match &ended.reason {
        EndReason::HungUp | EndReason::ShutDown => "ended here".to_owned(),
        EndReason::Far { cause, .. } => match (ended.answered, ended.sip.code) {
            (true, _) => format!("the far end hung up early ({})", cause.name()),
            (false, Some(code)) => format!("refused by the far end: {} ({code})", cause.name()),
            (false, None) => format!("refused by the far end: {}", cause.name()),
        },
        EndReason::Server { cause, .. } => format!("ended by the server: {}", cause.name()),
        EndReason::ConnectionLost { .. } => "the connection to the server was lost".to_owned(),
        EndReason::TimeLimit { cause, .. } => format!("time limit: {}", cause.name()),
        EndReason::Media(error) => format!("media: {error}"),
        EndReason::PrivateMedia { .. } => "media: the server is at a private address".to_owned(),
        EndReason::MediaRefused(_) => "media: the far end's description cannot be used".to_owned(),
        EndReason::NoSocket(why) => format!("our own limit: {why}"),
        EndReason::MediaLost => "our own limit: the media thread is overloaded".to_owned(),
        EndReason::NoOffer | EndReason::NoAnswerDescription => {
            "the server sent no description".to_owned()
        }
        other => other.to_string(),
    }
}
