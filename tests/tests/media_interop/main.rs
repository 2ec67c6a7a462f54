//! Our media transport against implementations that share no code of ours.

mod aiortc;
mod capture;
mod certificates;
mod firefox;
mod openssl;
mod peer_connection;
mod wiretap;
