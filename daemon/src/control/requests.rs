//! Maps each request to the engine, and each refusal to its JSON-RPC error.

use offhook_control::error::{Code, RpcError};
use offhook_control::reply::{CallPlaced, Calls, Done, ServerAnswer, Status, Subscribed};
use offhook_control::request::{self, Call, Header, Level, Request};
use offhook_control::rpc::{RequestId, write_result};
use offhook_engine::driver::events::Events;
use offhook_engine::error::Error;
use offhook_engine::request::{AnswerOptions, CallRequest, EndOptions, Message, ServerCommand};
use offhook_engine::vocabulary::{
    AudioCodec, CallId, Cause, IceServer, InfoItem, ReplacesDialog, Secret, Variable,
};
use serde_json::Value;
use toml::Spanned;
use tracing::level_filters::LevelFilter;

use crate::config::checked;
use crate::control::replies;
use crate::control::server::Daemon;

/// What a request is answered with.
pub(crate) enum Answer {
    Status(Status),
    Placed(CallPlaced),
    Calls(Calls),
    Done(Done),
    Server(ServerAnswer),
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
            Self::Server(answer) => write_result(id, answer),
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
            let call = engine.call(call_request(call)?).await.map_err(refused)?;
            Ok(Answer::Placed(CallPlaced {
                call: call.to_string(),
            }))
        }
        Request::Answer(answer) => {
            let (call, options) = answering("answer", answer)?;
            engine
                .answer(call, options)
                .await
                .map(done)
                .map_err(refused)
        }
        Request::Reject(reject) => {
            let call = any_call(reject.call.as_deref())?;
            let options = ending(reject.cause, reject.sip_code, reject.headers)?;
            engine
                .reject(call, options)
                .await
                .map(done)
                .map_err(refused)
        }
        Request::Hangup(hangup) => {
            let call = any_call(hangup.call.as_deref())?;
            let options = ending(hangup.cause, hangup.sip_code, hangup.headers)?;
            engine
                .hang_up(call, options)
                .await
                .map(done)
                .map_err(refused)
        }
        Request::Hold(wish) => {
            let call = any_call(wish.call.as_deref())?;
            engine.hold(call, true).await.map(done).map_err(refused)
        }
        Request::Resume(wish) => {
            let call = any_call(wish.call.as_deref())?;
            engine.hold(call, false).await.map(done).map_err(refused)
        }
        Request::RestartIce(wish) => {
            let call = any_call(wish.call.as_deref())?;
            engine.restart_ice(call).await.map(done).map_err(refused)
        }
        Request::Switch(wish) => {
            let (call, options) = answering("switch", wish)?;
            engine
                .switch(call, options)
                .await
                .map(done)
                .map_err(refused)
        }
        Request::Transfer(transfer) => {
            let call = any_call(transfer.call.as_deref())?;
            let outcome = match (transfer.to, transfer.with) {
                (Some(to), None) => engine.transfer(call, to).await,
                (None, Some(with)) => engine.transfer_with(call, call_id(&with)?).await,
                (Some(_), Some(_)) | (None, None) => {
                    return Err(RpcError::new(
                        Code::InvalidParams,
                        "transfer: exactly one of `to` and `with` says where the far end goes",
                    )
                    .with_remedy("give a number in `to`, or another call in `with`"));
                }
            };
            outcome.map(done).map_err(refused)
        }
        Request::Follow(wish) => {
            let call = engine.follow(call_id(&wish.call)?).await.map_err(refused)?;
            Ok(Answer::Placed(CallPlaced {
                call: call.to_string(),
            }))
        }
        Request::RefuseTransfer(wish) => {
            engine
                .refuse_transfer(call_id(&wish.call)?, wish.sip_code)
                .await
                .map_err(refused)?;
            Ok(Answer::Done(Done::default()))
        }
        Request::Publish(wish) => {
            engine
                .publish(wish.account, wish.open, wish.note)
                .await
                .map_err(refused)?;
            Ok(Answer::Done(Done::default()))
        }
        Request::Message(message) => {
            let message = Message {
                account: message.account,
                call: any_call(message.call.as_deref())?,
                to: message.to,
                text: message.text,
                images: message.images,
            };
            let message = engine.message(message).await.map_err(refused)?;
            Ok(Answer::Done(Done {
                call: None,
                message,
            }))
        }
        Request::ToolAnswer(answer) => {
            engine
                .tool_answer(answer.account, answer.tool_call, answer.output)
                .await
                .map_err(refused)?;
            Ok(Answer::Done(Done::default()))
        }
        Request::AssistantAudio(wish) => {
            let call = any_call(wish.call.as_deref())?;
            engine
                .assistant_audio(call)
                .await
                .map(done)
                .map_err(refused)
        }
        Request::Token(wish) => {
            engine
                .token(wish.account, Secret::new(wish.token))
                .await
                .map_err(refused)?;
            Ok(Answer::Done(Done::default()))
        }
        Request::Retry(wish) => {
            engine.retry(wish.account).await.map_err(refused)?;
            Ok(Answer::Done(Done::default()))
        }
        Request::Watch(wish) => {
            engine
                .watch(wish.account, wish.channels, true)
                .await
                .map_err(refused)?;
            Ok(Answer::Done(Done::default()))
        }
        Request::Unwatch(wish) => {
            engine
                .watch(wish.account, wish.channels, false)
                .await
                .map_err(refused)?;
            Ok(Answer::Done(Done::default()))
        }
        Request::Broadcast(wish) => {
            engine
                .broadcast(wish.account, wish.channel, wish.data)
                .await
                .map_err(refused)?;
            Ok(Answer::Done(Done::default()))
        }
        Request::Jsapi(wish) => {
            let command = ServerCommand::Json {
                command: wish.command,
                data: wish.data,
            };
            let answer = engine.server_command(wish.account, command).await;
            answer.map(answered).map_err(refused)
        }
        Request::Fsapi(wish) => {
            let command = ServerCommand::Text {
                command: wish.command,
                arguments: wish.arguments,
            };
            let answer = engine.server_command(wish.account, command).await;
            answer.map(answered).map_err(refused)
        }
        Request::Echo(wish) => {
            let answer = engine.echo(wish.account, wish.data).await;
            answer.map(answered).map_err(refused)
        }
        Request::AttachCalls(wish) => {
            let call = any_call(wish.call.as_deref())?;
            let answer = engine.attach_calls(wish.account, call).await;
            answer.map(answered).map_err(refused)
        }
        Request::DisablePushNotification(wish) => {
            let answer = engine.disable_push_notification(wish.account).await;
            answer.map(answered).map_err(refused)
        }
        Request::Moderate(wish) => {
            let call = any_call(wish.call.as_deref())?;
            engine
                .moderate(call, wish.command, wish.member, wish.value)
                .await
                .map(done)
                .map_err(refused)
        }
        Request::ConferenceChat(wish) => {
            let call = any_call(wish.call.as_deref())?;
            engine
                .conference_chat(call, wish.text)
                .await
                .map(done)
                .map_err(refused)
        }
        Request::Info(wish) => {
            let call = any_call(wish.call.as_deref())?;
            let item = match (wish.text, wish.data, wish.package) {
                (Some(text), None, None) => InfoItem::Text(text),
                (None, Some(data), None) => InfoItem::Command(data),
                (None, None, Some(package)) => InfoItem::Package {
                    package,
                    content_type: wish.content_type.unwrap_or_else(|| "text/plain".to_owned()),
                    body: wish.body.unwrap_or_default(),
                },
                _ => return Err(one_of("text", "data or package")),
            };
            engine.info(call, item).await.map(done).map_err(refused)
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
        Request::Deaf(deaf) => {
            let call = call_id(&deaf.call)?;
            engine.deaf(call.clone(), deaf.on).await.map_err(refused)?;
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

fn any_call(text: Option<&str>) -> Result<Option<CallId>, RpcError> {
    text.map(call_id).transpose()
}

/// A call to be placed.
fn call_request(call: Call) -> Result<CallRequest, RpcError> {
    let variable = |(name, value): (String, Value)| match Variable::from_json(value) {
        Some(value) => Ok((name, value)),
        None => {
            let shown: String = name.chars().take(40).collect();
            Err(RpcError::new(
                Code::InvalidParams,
                format!("call: `user_variables.{shown}` is no single value"),
            )
            .with_remedy("give text, true, false or a number"))
        }
    };
    let mut pick_up = call.pick_up;
    // Whoever is named beside it is called.
    let named = pick_up.as_mut().and_then(|dialog| dialog.to.take());
    let number = match call.number.is_empty() {
        true => named.unwrap_or_default(),
        false => call.number,
    };
    Ok(CallRequest {
        account: call.account,
        number,
        caller_name: call.caller_name,
        caller_number: call.caller_number,
        id: any_call(call.id.as_deref())?,
        headers: fields(call.headers),
        client_state: call.client_state,
        user_variables: call
            .user_variables
            .into_iter()
            .map(variable)
            .collect::<Result<_, _>>()?,
        codecs: call
            .codecs
            .into_iter()
            .map(codec)
            .collect::<Result<_, _>>()?,
        muted: call.muted,
        late_offer: call.late_offer,
        replaces: pick_up.map(|dialog| ReplacesDialog {
            call_id: dialog.call_id,
            to_tag: dialog.to_tag,
            from_tag: dialog.from_tag,
            early_only: dialog.early_only,
        }),
        relay_only: call.relay_only,
        ice_servers: ice_servers("call", call.ice_servers)?,
        trickle: call.trickle,
    })
}

/// A codec by the name that it has in the configuration.
fn codec(name: String) -> Result<AudioCodec, RpcError> {
    checked::codec(&Spanned::new(0..0, name))
        .map_err(|(_, fault)| RpcError::new(Code::InvalidParams, format!("call: {fault}")))
}

/// A call's own STUN and TURN servers. Neither a password nor a URL that may hold one stands in the error.
fn ice_servers(
    method: &str,
    wanted: Option<Vec<request::IceServer>>,
) -> Result<Option<Vec<IceServer>>, RpcError> {
    let read = |server| {
        let (url, credentials) = match server {
            request::IceServer::Url(url) => (url, (None, None)),
            request::IceServer::Relay(relay) => (relay.url, (relay.username, relay.password)),
        };
        let fault = |why: String| {
            let shown: String = match url.contains('@') {
                true => "...".to_owned(),
                false => url.chars().take(60).collect(),
            };
            let message = format!("{method}: `{shown}` in `ice_servers` {why}");
            RpcError::new(Code::InvalidParams, message)
        };
        let server: IceServer = url
            .parse()
            .map_err(|error| fault(format!("names no server: {error}")))?;
        match credentials {
            (Some(username), Some(password)) => Ok(server.with_credentials(username, password)),
            (None, None) => Ok(server),
            (Some(_), None) | (None, Some(_)) => Err(fault(
                "has only one of `username` and `password`".to_owned(),
            )),
        }
    };
    wanted
        .map(|servers| servers.into_iter().map(read).collect())
        .transpose()
}

fn answering(
    method: &str,
    answer: request::Answer,
) -> Result<(Option<CallId>, AnswerOptions), RpcError> {
    let options = AnswerOptions {
        headers: fields(answer.headers),
        client_state: answer.client_state,
        muted: answer.muted,
        ice_servers: ice_servers(method, answer.ice_servers)?,
        trickle: answer.trickle,
    };
    Ok((any_call(answer.call.as_deref())?, options))
}

fn ending(
    wanted: Option<String>,
    sip_code: Option<u16>,
    headers: Vec<Header>,
) -> Result<EndOptions, RpcError> {
    Ok(EndOptions {
        cause: wanted.as_deref().map(cause).transpose()?,
        sip_code,
        headers: fields(headers),
    })
}

/// Exactly one of two parameters has to be there.
fn one_of(one: &str, other: &str) -> RpcError {
    let message = format!("name {one} or {other}, and not both");
    RpcError::new(Code::InvalidParams, message)
}

fn fields(headers: Vec<Header>) -> Vec<(String, String)> {
    headers
        .into_iter()
        .map(|header| (header.name, header.value))
        .collect()
}

fn answered(answer: Value) -> Answer {
    Answer::Server(ServerAnswer { answer })
}

fn done(call: CallId) -> Answer {
    Answer::Done(Done {
        call: Some(call.to_string()),
        message: None,
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
        Error::Number { .. }
        | Error::Digit(_)
        | Error::DigitCount { .. }
        | Error::NoToken(_)
        | Error::IceServers { .. }
        | Error::Unsendable { .. }
        | Error::NoUuid { .. }
        | Error::CallExists { .. }
        | Error::NoReferral
        | Error::TransferPartner => Code::InvalidParams,
        Error::Anonymous { .. }
        | Error::NoTokenLogin { .. }
        | Error::CommandsNotAllowed { .. }
        | Error::NotCarried { .. } => Code::NotAllowed,
        Error::Server(_) => Code::Refused,
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
