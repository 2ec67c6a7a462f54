//! What networks do to a call that is going on, between namespaces and with real programs: how soon the echo is heard again once
//! there is a path.

mod lines;
mod links;
mod relays;
mod routers;
mod world;
