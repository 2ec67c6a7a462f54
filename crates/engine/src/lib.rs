//! Accounts and calls: the engine that embedders link, and the only crate that knows both signalling and media.
//!
//! Build an [`Engine`] inside a tokio runtime, listen to its events, place and answer calls:
//!
//! ```no_run
//! # #[cfg(feature = "freeswitch")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use offhook_engine::config::{AccountConfig, AudioConfig};
//! use offhook_engine::driver::events::Next;
//! use offhook_engine::event::EventKind;
//! use offhook_engine::request::CallRequest;
//! use offhook_engine::vocabulary::{FREESWITCH, Login, Secret, SinkSpec, SourceSpec};
//! use offhook_engine::Engine;
//!
//! let login = Login::Password { user: "1000".into(), password: Secret::new(std::fs::read_to_string("password")?) };
//! let engine = Engine::builder()
//!     .account(AccountConfig::new("desk", FREESWITCH, "wss://pbx.example:8082", login))
//!     .audio(AudioConfig {
//!         input: SourceSpec::File("greeting.wav".into()),
//!         output: SinkSpec::File("heard-{call}.wav".into()),
//!         ..AudioConfig::default()
//!     })
//!     .build()?;
//!
//! let mut events = engine.subscribe().await?.events;
//! while let Some(next) = events.next().await {
//!     let Next::Notice(notice) = next else { continue };
//!     match &notice.event.kind {
//!         EventKind::Ready => {
//!             let call = engine.call(CallRequest::to("9196")).await?;
//!             println!("calling: {call}");
//!         }
//!         EventKind::Ended(ended) => {
//!             println!("{}", ended.reason);
//!             break;
//!         }
//!         _ => {}
//!     }
//! }
//! engine.shut_down().await;
//! # Ok(())
//! # }
//! ```
//!
//! Inside, [`core`] is a machine without I/O, clock or chance, and [`driver`] the only place that waits.

pub mod account;
pub mod builder;
mod calendar;
mod call;
#[cfg(feature = "call-reports")]
mod call_report;
pub mod command_line;
pub mod config;
pub mod core;
pub mod driver;
pub mod ended;
pub mod error;
pub mod event;
pub mod ice;
pub mod output;
pub mod private_address;
pub mod protocol;
pub mod quality;
pub mod quality_warning;
pub mod request;
#[cfg(feature = "sip")]
pub mod sip;
pub mod status;
pub mod token_source;
pub mod tool;
pub mod vocabulary;

pub use driver::engine::Engine;
