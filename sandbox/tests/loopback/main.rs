//! The sandbox as a process, called over loopback by clients with real media, in both dialects.

mod client;
mod numbers;
mod phone;
mod process;
mod robust;
mod users;
