//! A TCP connection within a limit of time.
//!
//! A name may lead to several addresses, of which the first may be dead: each gets its share of
//! the time that is left, so that one silent address does not use up the others'.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Error, Guard};

/// Connects to `port` of `host`: a name or an address, IPv6 without brackets. Addresses that
/// `guard` refuses are passed over.
///
/// # Errors
/// [`Error::Guarded`] when there are no others, [`Error::Lookup`], [`Error::Refused`], [`Error::Unreachable`], [`Error::ConnectTimeout`] or
/// [`Error::Cancelled`]; of several addresses the last one's.
pub async fn tcp(
    host: &str,
    port: u16,
    guard: &Guard,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<TcpStream, Error> {
    let connecting = try_each(host, port, guard, limit);
    cancel
        .run_until_cancelled(connecting)
        .await
        .unwrap_or(Err(Error::Cancelled))
}

async fn try_each(host: &str, port: u16, guard: &Guard, limit: Duration) -> Result<TcpStream, Error> {
    let deadline = Instant::now() + limit;
    let lookup = |cause| Error::Lookup {
        name: host.to_owned(),
        cause,
    };
    let to = authority(host, port);
    let late = || Error::ConnectTimeout {
        to: to.clone(),
        limit,
    };
    let Ok(found) = timeout_at(deadline, lookup_host((host, port))).await else {
        return Err(late());
    };
    let mut addresses: Vec<SocketAddr> = found.map_err(|cause| lookup(Some(cause)))?.collect();
    let mut outcome = Err(lookup(None));
    if let Some(refused) = addresses.iter().find(|address| !guard.allows(address.ip())) {
        outcome = Err(Error::Guarded {
            to: to.clone(),
            address: refused.ip(),
        });
    }
    addresses.retain(|address| guard.allows(address.ip()));
    for (at, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        outcome = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without it small requests may wait for the other side's acknowledgement.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(cause)) if cause.kind() == io::ErrorKind::ConnectionRefused => {
                Err(Error::Refused { to: to.clone() })
            }
            Ok(Err(cause)) => Err(Error::Unreachable {
                to: to.clone(),
                cause,
            }),
            Err(_) => Err(late()),
        };
    }
    outcome
}

/// Host and port as people write them.
pub fn authority(host: &str, port: u16) -> String {
    match host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]:{port}"),
        Err(_) => format!("{host}:{port}"),
    }
}
