//! What calls bring along and take along, and what an account says to its gateway: through the daemon's control socket, on
//! real sockets, with the sandbox or a listener at the other end.

mod between_users;
mod gateway;
mod options;
