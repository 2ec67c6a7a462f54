//! Credentials of Telnyx's WebRTC gateway: a typed client of the REST API, and provisioning that can be interrupted.
//!
//! The hierarchy is: a *credential connection* (settings, made once), *telephony credentials* on it (one per user and
//! device, each with a SIP name of its own), *tokens* of a credential (JWTs that a client logs in with).
//!
//! ```no_run
//! use offhook_credentials::api::client::Client;
//! use offhook_credentials::api::http::{Http, HttpConfig};
//! use offhook_credentials::secret::Secret;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = Secret::new(std::fs::read_to_string("/etc/offhook/api.key")?);
//! let http = Http::new(&HttpConfig::default())?;
//! let client = Client::new("https://api.telnyx.com/v2", key, http)?;
//! for credential in client.credentials(&Default::default())? {
//!     println!("{} {}", credential.name, credential.sip_username);
//! }
//! # Ok(())
//! # }
//! ```

pub mod api;
pub mod api_key;
pub mod owner_file;
pub mod pem;
pub mod provision;
pub mod secret;
pub mod timestamp;
pub mod token_life;
pub mod users_file;
