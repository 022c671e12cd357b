//! Our HTTP/1 client: one request, one answer, over any stream.
//!
//! [`send`] speaks over any stream: a TCP connection, TLS around it, a channel through a server's
//! sshd, a unix socket. [`Host::fetch`] makes the connection first ([`connect`], [`tls`]), and
//! [`Host::stream`] does so for bodies that are too long to be held. [`Client::fetch`] asks for an
//! absolute URL on the internet: through a proxy where one is set, and never at an address that its
//! [`Guard`] refuses. Every exchange has a limit of time and of bytes, ends when its token is
//! cancelled, and uses its connection once: our requests are rare, and the connection proves that
//! the server answers now. Nothing is followed or repeated automatically: a redirect is an answer
//! like any other.
//!
//! Why hyper and not a larger client: health checks ask through SSH channels, and those and
//! HAProxy's statistics page need a `Host` header of our choice. A larger client cannot take such a
//! stream.

pub mod client;
pub mod connect;
pub mod error;
mod exchange;
mod fetch;
mod guard;
mod host;
mod proxy;
mod request;
pub mod tls;

pub use client::Client;
pub use error::Error;
pub use exchange::{Limits, Longer, Response, send};
pub use guard::Guard;
pub use host::{Host, name_of};
pub use hyper::{HeaderMap, Method};
pub use proxy::{Proxies, Proxy};
pub use request::Request;
pub use tls::Tls;

#[cfg(test)]
mod tests;
