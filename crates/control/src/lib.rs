//! Requests, replies and notices of the control socket, with their line codec.
//!
//! One JSON-RPC 2.0 object a line, in both directions, over a local stream socket. The first line from the server is the
//! notification [`hello`](hello::Hello). A client sends [`Request`](request::Request)s, each answered by one reply under the same
//! id; after `subscribe` the server also sends [`Notice`](notice::Notice)s, numbered by `seq` without gaps: a gap would mean loss,
//! and loss is told by a notice of its own ([`Event::Overflow`](notice::Event::Overflow)).
//!
//! This crate has no I/O and knows no engine: it is the one place that a client in another language has to read.
//!
//! ```
//! use offhook_control::request::{Call, Request};
//! use offhook_control::rpc::{Incoming, RequestId, read_request, write_request};
//!
//! let line = write_request(&RequestId::Number(1), &Request::Call(Call { number: "9196".into(), ..Call::default() }));
//! assert_eq!(line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"call\",\"params\":{\"number\":\"9196\"}}\n");
//! let Incoming { id, request } = read_request(&line).unwrap();
//! assert_eq!(id, RequestId::Number(1));
//! assert!(matches!(request, Request::Call(call) if call.number == "9196"));
//! ```

pub mod error;
pub mod hello;
pub mod line;
pub mod notice;
pub mod reply;
pub mod request;
pub mod rpc;
pub mod socket_path;
