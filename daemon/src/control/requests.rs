//! Maps each request to the engine, and each refusal to its JSON-RPC error.

use offhook_control::error::{Code, RpcError};
use offhook_control::reply::{CallPlaced, Calls, Done, Status, Subscribed};
use offhook_control::request::{Level, Request};
use offhook_control::rpc::{RequestId, write_result};
use offhook_engine::driver::events::Events;
use offhook_engine::error::Error;
use offhook_engine::request::CallRequest;
use offhook_engine::vocabulary::{CallId, Cause};
use tracing::level_filters::LevelFilter;

use crate::control::replies;
use crate::control::server::Daemon;

/// What a request is answered with.
pub(crate) enum Answer {
    Status(Status),
    Placed(CallPlaced),
    Calls(Calls),
    Done(Done),
    Subscribed { reply: Subscribed, events: Events },
}

impl Answer {
    /// The answer as a line.
    pub(crate) fn write(&self, id: &RequestId) -> String {
        match self {
            Self::Status(status) => write_result(id, status),
            Self::Placed(placed) => write_result(id, placed),
            Self::Calls(calls) => write_result(id, calls),
            Self::Done(done) => write_result(id, done),
            Self::Subscribed { reply, .. } => write_result(id, reply),
        }
    }
}

/// Does what is asked.
pub(crate) async fn serve(request: Request, daemon: &Daemon) -> Result<Answer, RpcError> {
    let engine = &daemon.engine;
    let refused = |error: Error| refusal(&error);
    match request {
        Request::Status => {
            let status = engine.status().await.map_err(refused)?;
            Ok(Answer::Status(replies::status(&status, daemon)))
        }
        Request::Call(call) => {
            let request = CallRequest {
                account: call.account,
                number: call.number,
                caller_name: call.caller_name,
                caller_number: call.caller_number,
            };
            let call = engine.call(request).await.map_err(refused)?;
            Ok(Answer::Placed(CallPlaced {
                call: call.to_string(),
            }))
        }
        Request::Answer(answer) => {
            let call = answer.call.as_deref().map(call_id).transpose()?;
            engine.answer(call).await.map(done).map_err(refused)
        }
        Request::Hangup(hangup) => {
            let call = hangup.call.as_deref().map(call_id).transpose()?;
            let cause = hangup.cause.as_deref().map(cause).transpose()?;
            engine.hang_up(call, cause).await.map(done).map_err(refused)
        }
        Request::Dtmf(dtmf) => {
            let call = call_id(&dtmf.call)?;
            engine
                .dtmf(call.clone(), dtmf.digits)
                .await
                .map_err(refused)?;
            Ok(done(call))
        }
        Request::Mute(mute) => {
            let call = call_id(&mute.call)?;
            engine.mute(call.clone(), mute.on).await.map_err(refused)?;
            Ok(done(call))
        }
        Request::Calls => {
            let calls = engine.calls().await.map_err(refused)?;
            Ok(Answer::Calls(Calls {
                calls: calls.iter().map(replies::call).collect(),
            }))
        }
        Request::Subscribe => {
            let subscription = engine.subscribe().await.map_err(refused)?;
            let snapshot = replies::status(&subscription.status, daemon);
            let reply = Subscribed {
                seq: subscription.seq,
                snapshot,
            };
            Ok(Answer::Subscribed {
                reply,
                events: subscription.events,
            })
        }
        Request::LogLevel(wanted) => {
            let level = log_level(wanted.level);
            if !daemon.level.set(level) {
                return Err(RpcError::new(Code::InternalError, "the log is gone")
                    .with_remedy("restart the daemon"));
            }
            tracing::info!(%level, "log level changed");
            Ok(Answer::Done(Done::default()))
        }
        // A method that `METHODS` does not name, so that no reader lets it through.
        _ => Err(RpcError::new(
            Code::MethodNotFound,
            "this daemon does not know the method",
        )),
    }
}

fn done(call: CallId) -> Answer {
    Answer::Done(Done {
        call: Some(call.to_string()),
    })
}

const fn log_level(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

fn call_id(text: &str) -> Result<CallId, RpcError> {
    CallId::from_wire(text).ok_or_else(|| {
        RpcError::new(
            Code::NoSuchCall,
            "a call's id is neither empty nor longer than 256 bytes",
        )
        .with_remedy("list the calls and name one of them")
    })
}

fn cause(text: &str) -> Result<Cause, RpcError> {
    let known = match text.parse() {
        Ok(code) => Cause::from_code(code),
        Err(_) => Cause::from_name(&text.to_ascii_uppercase()),
    };
    known.ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        RpcError::new(Code::InvalidParams, format!("hangup: no cause `{shown}`"))
            .with_remedy("use a name such as USER_BUSY, or its Q.850 number")
    })
}

/// The engine's refusal as an error object.
fn refusal(error: &Error) -> RpcError {
    let code = match error {
        Error::UnknownAccount { .. } | Error::WhichAccount { .. } => Code::NoSuchAccount,
        Error::NotReady { .. } => Code::NotReady,
        Error::UnknownCall { .. } | Error::NoCall(_) | Error::WhichCall { .. } => Code::NoSuchCall,
        Error::WrongState { .. } => Code::WrongState,
        Error::Number { .. } | Error::Digit(_) | Error::DigitCount { .. } => Code::InvalidParams,
        Error::TooManyCalls { .. } | Error::ShuttingDown => Code::Busy,
        Error::Ended | _ => Code::InternalError,
    };
    let object = RpcError::new(code, error.to_string());
    match error.remedy() {
        Some(remedy) => object.with_remedy(remedy),
        None => object,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_named_by_name_or_number() {
        assert_eq!(cause("USER_BUSY").unwrap(), Cause::USER_BUSY);
        assert_eq!(cause("user_busy").unwrap(), Cause::USER_BUSY);
        assert_eq!(cause("17").unwrap(), Cause::USER_BUSY);
        for wrong in ["", "BUSY_ISH", "99999", "-1"] {
            let error = cause(wrong).unwrap_err();
            assert_eq!(error.code, Code::InvalidParams as i32);
            assert!(error.remedy().unwrap().contains("USER_BUSY"));
        }
    }

    #[test]
    fn a_refusal_keeps_its_sentence_and_its_remedy() {
        let error = refusal(&Error::UnknownAccount {
            name: "dask".to_owned(),
            known: vec!["desk".into()],
        });
        assert_eq!(error.code, Code::NoSuchAccount as i32);
        assert!(error.message.contains("dask"));
        assert_eq!(error.remedy(), Some("name one of desk"));
    }
}
