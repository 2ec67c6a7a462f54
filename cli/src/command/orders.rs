//! The commands that the daemon takes and confirms, and whose outcome comes as events.

use std::io::Read as _;

use crate::{
    arguments::{self, Order, Presence, Switch},
    client::Client,
    error::Error,
    ice_servers,
    output::Output,
    table::plain,
};
use offhook_control::{
    reply::{Done, ServerAnswer},
    request::{
        Answer, AttachCalls, Broadcast, Channels, ConferenceChat, Deaf, Dtmf, Echo, Follow, Fsapi,
        Hangup, Info, Jsapi, LogLevel, Message, Moderate, Mute, OfAccount, OfCall, Publish,
        RefuseTransfer, Reject, Request, Token, ToolAnswer, Transfer,
    },
    rpc::read_result,
};
use serde_json::Value;

/// Longest text that is read from standard input; a line of the control socket holds no more.
const LONGEST_INPUT: u64 = 60 * 1024;

/// The request that an order stands for, and the words for a person.
pub(crate) fn request(order: &Order) -> Result<(Request, String), Error> {
    let whose = |call: &Option<String>| {
        call.as_deref().map_or_else(
            || "the call".to_owned(),
            |call| format!("call {}", plain(call)),
        )
    };
    let of_call = |call: &Option<String>| OfCall { call: call.clone() };
    Ok(match order {
        Order::Answer(wish) => (
            Request::Answer(answer(wish)?),
            format!("answering {}", whose(&wish.call)),
        ),
        Order::Reject { call, end } => (
            Request::Reject(Reject {
                call: call.clone(),
                cause: end.cause.clone(),
                sip_code: end.sip_code,
                headers: end.headers.clone(),
            }),
            format!("refusing {}", whose(call)),
        ),
        Order::Hangup { call, end } => (
            Request::Hangup(Hangup {
                call: call.clone(),
                cause: end.cause.clone(),
                sip_code: end.sip_code,
                headers: end.headers.clone(),
            }),
            format!("hanging up {}", whose(call)),
        ),
        Order::Hold { call } => (
            Request::Hold(of_call(call)),
            format!("putting {} on hold", whose(call)),
        ),
        Order::Resume { call } => (
            Request::Resume(of_call(call)),
            format!("taking {} back from hold", whose(call)),
        ),
        Order::RestartIce { call } => (
            Request::RestartIce(of_call(call)),
            format!("looking for a new path for {}", whose(call)),
        ),
        Order::Switch(wish) => (
            Request::Switch(answer(wish)?),
            format!("switching to {}", whose(&wish.call)),
        ),
        Order::Transfer { call, to, with } => (
            Request::Transfer(Transfer {
                call: call.clone(),
                to: to.clone(),
                with: with.clone(),
            }),
            format!("transferring {}", whose(call)),
        ),
        Order::Follow { call } => (
            Request::Follow(Follow { call: call.clone() }),
            "calling whom the far end named".to_owned(),
        ),
        Order::RefuseTransfer { call, sip_code } => (
            Request::RefuseTransfer(RefuseTransfer {
                call: call.clone(),
                sip_code: *sip_code,
            }),
            "refusing".to_owned(),
        ),
        Order::Publish {
            state,
            note,
            account,
        } => (
            Request::Publish(Publish {
                account: account.clone(),
                open: *state == Presence::Open,
                note: note.clone(),
            }),
            "telling others".to_owned(),
        ),
        Order::Message(message) => (
            Request::Message(Message {
                account: message.account.clone(),
                call: message.call.clone(),
                to: message.to.clone(),
                text: message.text.clone(),
                images: message.images.clone(),
            }),
            "sending the text".to_owned(),
        ),
        Order::ToolAnswer {
            tool_call,
            output,
            account,
        } => (
            Request::ToolAnswer(ToolAnswer {
                account: account.clone(),
                tool_call: tool_call.clone(),
                output: if output == "-" {
                    from_standard_input()?
                } else {
                    output.clone()
                },
            }),
            "answering the tool call".to_owned(),
        ),
        Order::AssistantAudio { call } => (
            Request::AssistantAudio(of_call(call)),
            "asking for audio events".to_owned(),
        ),
        Order::Token { account } => (
            Request::Token(Token {
                account: account.clone(),
                token: from_standard_input()?,
            }),
            "logging in with the token".to_owned(),
        ),
        Order::Retry { account } => (
            Request::Retry(OfAccount {
                account: account.clone(),
            }),
            "trying again".to_owned(),
        ),
        Order::Watch(wish) => (
            Request::Watch(Channels {
                account: wish.account.clone(),
                channels: wish.channels.clone(),
            }),
            "asking for the channels".to_owned(),
        ),
        Order::Unwatch(wish) => (
            Request::Unwatch(Channels {
                account: wish.account.clone(),
                channels: wish.channels.clone(),
            }),
            "giving the channels up".to_owned(),
        ),
        Order::Broadcast {
            channel,
            data,
            account,
        } => (
            Request::Broadcast(Broadcast {
                account: account.clone(),
                channel: channel.clone(),
                data: data.clone(),
            }),
            format!("sending into {}", plain(channel)),
        ),
        Order::Moderate {
            command,
            member,
            value,
            call,
        } => (
            Request::Moderate(Moderate {
                call: call.clone(),
                command: command.clone(),
                member: member.clone(),
                value: value.clone(),
            }),
            format!("asking for {}", plain(command)),
        ),
        Order::ConferenceChat { text, call } => (
            Request::ConferenceChat(ConferenceChat {
                call: call.clone(),
                text: text.clone(),
            }),
            "writing to the conference".to_owned(),
        ),
        Order::Info {
            text,
            data,
            package,
            content_type,
            body,
            call,
        } => (
            Request::Info(Info {
                call: call.clone(),
                text: text.clone(),
                data: data.clone(),
                package: package.clone(),
                content_type: content_type.clone(),
                body: body.clone(),
            }),
            "telling the server".to_owned(),
        ),
        Order::Dtmf { call, digits } => (
            Request::Dtmf(Dtmf {
                call: call.clone(),
                digits: digits.clone(),
            }),
            format!("sending {} in call {}", plain(digits), plain(call)),
        ),
        Order::Mute { call, state } => {
            let on = *state == Switch::On;
            let words = if on { "muting" } else { "unmuting" };
            (
                Request::Mute(Mute {
                    call: call.clone(),
                    on,
                }),
                format!("{words} call {}", plain(call)),
            )
        }
        Order::Deaf { call, state } => {
            let on = *state == Switch::On;
            let words = if on {
                "no longer listening to"
            } else {
                "listening again to"
            };
            (
                Request::Deaf(Deaf {
                    call: call.clone(),
                    on,
                }),
                format!("{words} call {}", plain(call)),
            )
        }
        Order::LogLevel { level } => (
            Request::LogLevel(LogLevel {
                level: (*level).into(),
            }),
            "log level changed".to_owned(),
        ),
    })
}

fn answer(wish: &arguments::Answer) -> Result<Answer, Error> {
    Ok(Answer {
        call: wish.call.clone(),
        headers: wish.headers.clone(),
        client_state: wish.client_state.clone(),
        muted: wish.muted,
        ice_servers: ice_servers::read(&wish.ice)?,
        trickle: wish.ice.trickle,
    })
}

/// Asks, and prints what the daemon took on.
pub(crate) fn give(
    request: &Request,
    words: &str,
    client: &mut Client,
    output: &Output,
) -> Result<(), Error> {
    let raw = client.request(request)?;
    let done: Done =
        read_result(raw.clone()).map_err(|error| Error::BadAnswer(error.to_string()))?;
    output.print(&raw, || match done.call {
        // The request named no call: the reply says which one it was.
        Some(call) if !words.contains(&call) => {
            words.replacen("the call", &format!("call {}", plain(&call)), 1)
        }
        Some(_) | None => match done.message {
            Some(message) => words.replacen("the text", &format!("text {message}"), 1),
            None => words.to_owned(),
        },
    })
}

/// `offhook jsapi`: asks, and prints what the server answered.
pub(crate) fn jsapi(
    command: &str,
    data: &Value,
    account: Option<&str>,
    client: &mut Client,
    output: &Output,
) -> Result<(), Error> {
    let request = Request::Jsapi(Jsapi {
        account: account.map(str::to_owned),
        command: command.to_owned(),
        data: data.clone(),
    });
    ask(&request, client, output)
}

/// `offhook fsapi`: the same for text commands.
pub(crate) fn fsapi(
    command: &str,
    arguments: &[String],
    account: Option<&str>,
    client: &mut Client,
    output: &Output,
) -> Result<(), Error> {
    let request = Request::Fsapi(Fsapi {
        account: account.map(str::to_owned),
        command: command.to_owned(),
        arguments: arguments.join(" "),
    });
    ask(&request, client, output)
}

/// `offhook echo`: the same for whatever comes back as it is.
pub(crate) fn echo(
    data: &Value,
    account: Option<&str>,
    client: &mut Client,
    output: &Output,
) -> Result<(), Error> {
    let request = Request::Echo(Echo {
        account: account.map(str::to_owned),
        data: data.clone(),
    });
    ask(&request, client, output)
}

/// `offhook attach-calls`: asks for the calls that wait.
pub(crate) fn attach_calls(
    call: Option<&str>,
    account: Option<&str>,
    client: &mut Client,
    output: &Output,
) -> Result<(), Error> {
    let request = Request::AttachCalls(AttachCalls {
        account: account.map(str::to_owned),
        call: call.map(str::to_owned),
    });
    ask(&request, client, output)
}

/// `offhook disable-push-notification`: wants no more push messages.
pub(crate) fn disable_push_notification(
    account: Option<&str>,
    client: &mut Client,
    output: &Output,
) -> Result<(), Error> {
    let account = account.map(str::to_owned);
    let request = Request::DisablePushNotification(OfAccount { account });
    ask(&request, client, output)
}

fn ask(request: &Request, client: &mut Client, output: &Output) -> Result<(), Error> {
    let raw = client.request(request)?;
    let answer: ServerAnswer =
        read_result(raw.clone()).map_err(|error| Error::BadAnswer(error.to_string()))?;
    output.print(&raw, || match answer.answer.as_str() {
        Some(text) => text.lines().map(plain).collect::<Vec<_>>().join("\n"),
        None => plain(&answer.answer.to_string()),
    })
}

/// A secret or a long text: neither belongs on a command line. Without the closing newline.
fn from_standard_input() -> Result<String, Error> {
    let mut text = String::new();
    std::io::stdin()
        .take(LONGEST_INPUT)
        .read_to_string(&mut text)
        .map_err(Error::Input)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
