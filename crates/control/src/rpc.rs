//! JSON-RPC 2.0 envelopes around requests, replies and notices: one line each, written and read.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Code, RpcError};
use crate::hello::Hello;
use crate::notice::Notice;
use crate::request::{METHODS, Request};

/// What a request is answered under. `Null` is for requests whose id could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RequestId {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
    /// No id could be read.
    Null,
}

/// A request as the server reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// To be repeated in the reply.
    pub id: RequestId,
    /// What is asked.
    pub request: Request,
}

/// A line as the client reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum FromServer {
    /// The first line.
    Hello(Hello),
    /// The answer to the request with this id: its result, still untyped, or its error.
    Reply(RequestId, Result<Value, RpcError>),
    /// News.
    Notice(Box<Notice>),
    /// A notification of a newer server; to be passed over.
    Unknown(String),
}

/// The server's line makes no sense to this client.
#[derive(Debug, thiserror::Error)]
#[error("the daemon sent a line that is no reply and no notice: {0}")]
pub struct BadServerLine(#[from] serde_json::Error);

/// Writes a request as one line.
pub fn write_request(id: &RequestId, request: &Request) -> String {
    #[derive(Serialize)]
    struct Envelope<'a> {
        jsonrpc: &'static str,
        id: &'a RequestId,
        #[serde(flatten)]
        request: &'a Request,
    }
    to_line(&Envelope {
        jsonrpc: "2.0",
        id,
        request,
    })
}

/// Writes the result of a request as one line.
pub fn write_result<T: Serialize>(id: &RequestId, result: &T) -> String {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        jsonrpc: &'static str,
        id: &'a RequestId,
        result: &'a T,
    }
    to_line(&Envelope {
        jsonrpc: "2.0",
        id,
        result,
    })
}

/// Writes the error of a request as one line.
pub fn write_error(id: &RequestId, error: &RpcError) -> String {
    #[derive(Serialize)]
    struct Envelope<'a> {
        jsonrpc: &'static str,
        id: &'a RequestId,
        error: &'a RpcError,
    }
    to_line(&Envelope {
        jsonrpc: "2.0",
        id,
        error,
    })
}

/// Writes the first line of a connection.
pub fn write_hello(hello: &Hello) -> String {
    write_notification("hello", hello)
}

/// Writes a notice as one line.
pub fn write_notice(notice: &Notice) -> String {
    write_notification("notice", notice)
}

fn write_notification<T: Serialize>(method: &'static str, params: &T) -> String {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        jsonrpc: &'static str,
        method: &'static str,
        params: &'a T,
    }
    to_line(&Envelope {
        jsonrpc: "2.0",
        method,
        params,
    })
}

fn to_line<T: Serialize>(value: &T) -> String {
    // Our own types have string keys only, the one thing that JSON cannot refuse to write.
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}

/// Reads a request. The error side holds the id to answer under, as far as it could be read, and the error to answer with.
pub fn read_request(line: &str) -> Result<Incoming, (RequestId, RpcError)> {
    let value: Value = serde_json::from_str(line).map_err(|error| {
        (
            RequestId::Null,
            RpcError::new(Code::ParseError, format!("the line is no JSON: {error}")),
        )
    })?;
    let Value::Object(mut object) = value else {
        return Err((
            RequestId::Null,
            invalid("a request is one JSON object; batches are not taken"),
        ));
    };
    let id = match object.remove("id") {
        Some(id) => serde_json::from_value(id).map_err(|_| {
            (
                RequestId::Null,
                invalid("`id` must be a whole number or a text"),
            )
        })?,
        None => {
            return Err((
                RequestId::Null,
                invalid("`id` is missing: every request here is answered"),
            ));
        }
    };
    if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err((id, invalid("`jsonrpc` must be \"2.0\"")));
    }
    let Some(method) = object
        .get("method")
        .and_then(Value::as_str)
        .map(str::to_owned)
    else {
        return Err((id, invalid("`method` is missing or no text")));
    };
    // A misspelt `params` would otherwise be a request without any, such as a hangup of whatever call there is.
    if let Some(unknown) = object
        .keys()
        .find(|key| !["jsonrpc", "method", "params"].contains(&key.as_str()))
    {
        return Err((
            id,
            invalid(&format!(
                "unknown member `{unknown}`: a request has jsonrpc, id, method and params"
            )),
        ));
    }
    if !METHODS.contains(&method.as_str()) {
        let known = METHODS.join(", ");
        return Err((
            id,
            RpcError::new(
                Code::MethodNotFound,
                format!("no method `{method}`; there are {known}"),
            ),
        ));
    }
    match read_params(&method, object.remove("params")) {
        Ok(request) => Ok(Incoming { id, request }),
        Err(error) => Err((
            id,
            RpcError::new(Code::InvalidParams, format!("{method}: {error}")),
        )),
    }
}

/// Reads `params` of a known method. Parameters that are all optional may be left out whole; empty ones may stand.
fn read_params(method: &str, params: Option<Value>) -> Result<Request, serde_json::Error> {
    let empty = || Value::Object(serde_json::Map::new());
    let is_empty = match &params {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(_) => false,
    };
    let bare = serde_json::json!({ "method": method });
    if is_empty && let Ok(request) = serde_json::from_value::<Request>(bare) {
        return Ok(request);
    }
    let params = params
        .filter(|params| !params.is_null())
        .unwrap_or_else(empty);
    serde_json::from_value(serde_json::json!({ "method": method, "params": params }))
}

fn invalid(message: &str) -> RpcError {
    RpcError::new(Code::InvalidRequest, message)
}

/// Reads a line from the server.
pub fn read_from_server(line: &str) -> Result<FromServer, BadServerLine> {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        id: Option<RequestId>,
        #[serde(default)]
        method: Option<String>,
        #[serde(default)]
        params: Value,
        #[serde(default)]
        result: Option<Value>,
        #[serde(default)]
        error: Option<RpcError>,
    }
    let envelope: Envelope = serde_json::from_str(line)?;
    match envelope.method.as_deref() {
        Some("hello") => Ok(FromServer::Hello(serde_json::from_value(envelope.params)?)),
        // A kind of notice that this client does not know comes from a newer daemon: no fault of the line.
        Some("notice") => Ok(serde_json::from_value(envelope.params).map_or_else(
            |_| FromServer::Unknown("notice".to_owned()),
            FromServer::Notice,
        )),
        Some(method) => Ok(FromServer::Unknown(method.to_owned())),
        None => {
            let outcome = envelope
                .error
                .map_or_else(|| Ok(envelope.result.unwrap_or_default()), Err);
            Ok(FromServer::Reply(
                envelope.id.unwrap_or(RequestId::Null),
                outcome,
            ))
        }
    }
}

/// Reads the result of a reply as the type that the request promises.
pub fn read_result<T: DeserializeOwned>(result: Value) -> Result<T, BadServerLine> {
    Ok(serde_json::from_value(result)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::notice::Event;
    use crate::reply::{CallIds, Done, Quality};
    use crate::request::{
        Answer, AttachCalls, Broadcast, Call, Channels, ConferenceChat, Deaf, Dtmf, Echo, Follow,
        Fsapi, Hangup, Header, IceServer, Info, Jsapi, Level, LogLevel, Message, Moderate, Mute,
        OfAccount, OfCall, Publish, RefuseTransfer, Reject, Relay, Token, ToolAnswer, Transfer,
    };

    fn every_request() -> Vec<Request> {
        vec![
            Request::Status,
            Request::Call(Call {
                account: Some("desk".into()),
                number: "9196".into(),
                headers: vec![Header {
                    name: "X-Site".into(),
                    value: "north".into(),
                }],
                ice_servers: Some(vec![
                    IceServer::Url("stun:stun.example.com".into()),
                    IceServer::Relay(Relay {
                        url: "turn:turn.example.com".into(),
                        username: Some("u".into()),
                        password: Some("hunter2".into()),
                    }),
                ]),
                trickle: Some(true),
                ..Call::default()
            }),
            Request::Answer(Answer::default()),
            Request::Hangup(Hangup {
                call: Some("c".into()),
                cause: Some("USER_BUSY".into()),
                ..Hangup::default()
            }),
            Request::Dtmf(Dtmf {
                call: "c".into(),
                digits: "12#".into(),
            }),
            Request::Mute(Mute {
                call: "c".into(),
                on: true,
            }),
            Request::Deaf(Deaf {
                call: "c".into(),
                on: false,
            }),
            Request::Reject(Reject::default()),
            Request::Hold(OfCall::default()),
            Request::Resume(OfCall {
                call: Some("c".into()),
            }),
            Request::RestartIce(OfCall::default()),
            Request::Switch(Answer::default()),
            Request::Transfer(Transfer {
                to: Some("9198".into()),
                ..Transfer::default()
            }),
            Request::Message(Message {
                text: "hello".into(),
                images: vec!["https://x.example/a.png".into()],
                ..Message::default()
            }),
            Request::ToolAnswer(ToolAnswer {
                account: None,
                tool_call: "t-1".into(),
                output: "{}".into(),
            }),
            Request::AssistantAudio(OfCall::default()),
            Request::Follow(Follow { call: "c".into() }),
            Request::RefuseTransfer(RefuseTransfer {
                call: "c".into(),
                sip_code: Some(603),
            }),
            Request::Publish(Publish {
                open: true,
                ..Publish::default()
            }),
            Request::Token(Token {
                account: None,
                token: "a.b.c".into(),
            }),
            Request::Retry(OfAccount::default()),
            Request::Watch(Channels {
                account: None,
                channels: vec!["presence.1001".into()],
            }),
            Request::Unwatch(Channels::default()),
            Request::Broadcast(Broadcast {
                account: None,
                channel: "chat".into(),
                data: serde_json::json!({ "a": 1 }),
            }),
            Request::Jsapi(Jsapi {
                command: "status".into(),
                ..Jsapi::default()
            }),
            Request::Fsapi(Fsapi {
                command: "status".into(),
                ..Fsapi::default()
            }),
            Request::Echo(Echo {
                account: None,
                data: serde_json::json!({ "n": 1 }),
            }),
            Request::AttachCalls(AttachCalls {
                account: None,
                call: Some("c".into()),
            }),
            Request::DisablePushNotification(OfAccount::default()),
            Request::Moderate(Moderate {
                command: "mute".into(),
                member: Some("12".into()),
                ..Moderate::default()
            }),
            Request::ConferenceChat(ConferenceChat {
                call: None,
                text: "hello".into(),
            }),
            Request::Info(Info {
                text: Some("h".into()),
                ..Info::default()
            }),
            Request::Calls,
            Request::Subscribe,
            Request::LogLevel(LogLevel {
                level: Level::Debug,
            }),
        ]
    }

    #[test]
    fn every_request_comes_back_as_it_was_written() {
        assert_eq!(every_request().len(), METHODS.len());
        for (request, method) in every_request().into_iter().zip(METHODS) {
            let id = RequestId::Text("x".into());
            let line = write_request(&id, &request);
            assert!(line.contains(&format!("\"method\":\"{method}\"")), "{line}");
            assert!(!format!("{request:?}").contains("hunter2"), "{method}");
            assert_eq!(read_request(&line).unwrap(), Incoming { id, request });
        }
        let wrong = r#"{"jsonrpc":"2.0","id":1,"method":"call","params":{"number":"1","ice_servers":[{"url":"turn:a","password":2222}]}}"#;
        let (_, error) = read_request(wrong).unwrap_err();
        assert!(error.message.contains("ice_servers"), "{}", error.message);
        assert!(!error.message.contains("2222"), "{}", error.message);
    }

    #[test]
    fn the_reference_names_every_request() {
        let reference = include_str!("../../../docs/control.md");
        for method in METHODS {
            assert!(reference.contains(&format!("`{method}`")), "no {method}");
        }
    }

    #[test]
    fn every_number_of_the_browser_sdk_has_a_row() {
        let reference = include_str!("../../../docs/codes.md");
        let rows: Vec<Vec<&str>> = reference
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
            .map(|row| row.split(" | ").collect())
            .filter(|row: &Vec<&str>| row.first().is_some_and(|code| code.parse::<u16>().is_ok()))
            .collect();
        let numbers: Vec<u16> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
        let errors = [
            40001, 40002, 40003, 40004, 40005, 42001, 42002, 42003, 44001, 44002, 44003, 44004,
            44005, 45001, 45002, 45003, 45004, 46001, 46002, 46003, 47001, 48001, 48501, 49001,
        ];
        let warnings = [
            31001, 31002, 31003, 31004, 31005, 31006, 32001, 32002, 32003, 32004, 33001, 33002,
            33003, 33004, 33005, 33006, 33007, 33008, 33009, 33010, 33011, 34001, 35002, 36003,
            36004, 36005,
        ];
        assert_eq!(numbers, [&errors[..], &warnings[..]].concat());
        // What comes in its place is a notice or a reply of the reference, or there is a reason why nothing does.
        let control = include_str!("../../../docs/control.md");
        for row in rows {
            let [number, _, here] = row[..] else {
                panic!("three columns: {row:?}");
            };
            let first = here.split(['`', ':']).nth(1).unwrap_or_default();
            let known = control.contains(&format!("`{first}`"));
            let reply = here.starts_with("reply to `");
            let reason = here.starts_with("none") && here.len() > 30;
            assert!(known || reply || reason, "{number}: {here}");
        }
    }

    #[test]
    fn a_token_is_not_shown_by_debug() {
        let token = Request::Token(Token {
            account: Some("desk".into()),
            token: "eyJhbGci.x.y".into(),
        });
        let shown = format!("{token:?}");
        assert!(shown.contains("desk") && !shown.contains("eyJ"), "{shown}");
    }

    #[test]
    fn params_that_are_not_needed_may_be_absent_null_or_empty() {
        for method in ["status", "answer", "hangup", "calls", "subscribe"] {
            for params in ["", ",\"params\":null", ",\"params\":{}"] {
                let line =
                    format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\"{params}}}");
                assert!(read_request(&line).is_ok(), "{line}");
            }
        }
    }

    #[test]
    fn each_fault_of_a_line_is_told_under_the_id_it_came_with() {
        let cases = [
            ("nonsense", RequestId::Null, Code::ParseError, "no JSON"),
            (
                "[]",
                RequestId::Null,
                Code::InvalidRequest,
                "one JSON object",
            ),
            (
                r#"{"jsonrpc":"2.0","method":"status"}"#,
                RequestId::Null,
                Code::InvalidRequest,
                "`id` is missing",
            ),
            (
                r#"{"jsonrpc":"1.0","id":7,"method":"status"}"#,
                RequestId::Number(7),
                Code::InvalidRequest,
                "`jsonrpc`",
            ),
            (
                r#"{"jsonrpc":"2.0","id":7}"#,
                RequestId::Number(7),
                Code::InvalidRequest,
                "`method`",
            ),
            (
                r#"{"jsonrpc":"2.0","id":"a","method":"cal"}"#,
                RequestId::Text("a".into()),
                Code::MethodNotFound,
                "`cal`",
            ),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"hangup","parms":{"call":"x"}}"#,
                RequestId::Number(7),
                Code::InvalidRequest,
                "`parms`",
            ),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"dtmf"}"#,
                RequestId::Number(7),
                Code::InvalidParams,
                "call",
            ),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"call","params":{"number":"1","nummer":"2"}}"#,
                RequestId::Number(7),
                Code::InvalidParams,
                "nummer",
            ),
        ];
        for (line, id, code, word) in cases {
            let (seen_id, error) = read_request(line).unwrap_err();
            assert_eq!((seen_id, error.code), (id, code as i32), "{line}");
            assert!(error.message.contains(word), "{line}: {}", error.message);
        }
    }

    #[test]
    fn a_reply_and_a_notice_are_told_apart() {
        let done = Done {
            call: Some("c".into()),
            message: Some(1),
        };
        let FromServer::Reply(id, Ok(result)) =
            read_from_server(&write_result(&RequestId::Number(3), &done)).unwrap()
        else {
            panic!("no reply");
        };
        assert_eq!(
            (id, read_result::<Done>(result).unwrap()),
            (RequestId::Number(3), done)
        );
        let notice = Notice {
            seq: 9,
            time_ms: 1,
            account: None,
            call: Some("c".into()),
            ids: Some(CallIds {
                call_control_id: Some("v3:1".into()),
                ..CallIds::default()
            }),
            at_ms: Some(12.5),
            event: Event::Quality(Quality {
                jitter_ms: 1.5,
                ..Quality::default()
            }),
        };
        let line = write_notice(&notice);
        assert!(line.contains("\"event\":\"quality\""), "{line}");
        assert_eq!(
            read_from_server(&line).unwrap(),
            FromServer::Notice(Box::new(notice))
        );
    }

    #[test]
    fn a_notice_of_a_newer_daemon_is_passed_over() {
        let line = r#"{"jsonrpc":"2.0","method":"notice","params":{"seq":1,"time_ms":1,"event":"teleported"}}"#;
        assert_eq!(
            read_from_server(line).unwrap(),
            FromServer::Unknown("notice".into())
        );
    }

    proptest! {
        #[test]
        fn no_line_makes_the_readers_panic(line in ".{0,200}") {
            let _ = read_request(&line);
            let _ = read_from_server(&line);
        }
    }
}
