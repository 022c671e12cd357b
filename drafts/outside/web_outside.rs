//! What a login proxy in front says about the sender of a request.
//!
//! It is believed only from the configured addresses, and with the shared secret where there is one. The headers from
//! anywhere else are refused, not passed over: somebody tries to be somebody else, or the configuration is wrong.

use poem::Request;
use poem::http::HeaderMap;
use sha2::{Digest, Sha256};

use super::settings::LoginProxy;
use crate::domain::{Error, ErrorKind, Result};

/// The header by which the proxy proves itself.
const SECRET: &str = "x-deployer-proxy-secret";

/// Somebody as a proxy names them.
pub struct ByProxy {
    pub subject: String,
    /// All of them, believed or not.
    pub groups: Vec<String>,
}

/// Whom `proxy` names as the sender of `request`; `None` when nobody is named.
///
/// # Errors
/// Forbidden for headers from elsewhere; invalid for those that are there twice.
pub fn named(proxy: &LoginProxy, request: &Request) -> Result<Option<ByProxy>> {
    let headers = request.headers();
    let names = [proxy.user_header.as_str(), proxy.groups_header.as_str()];
    let found: Vec<&str> = names.into_iter().filter(|name| headers.contains_key(*name)).collect();
    let Some(first) = found.first() else { return Ok(None) };
    if !is_proxy(proxy, request) {
        return Err(Error::new(
            ErrorKind::Forbidden,
            format!("The header {first} is taken from the login proxy alone, and this did not come from it. Nothing was done."),
        ));
    }
    let mut values = Vec::new();
    for name in names {
        values.push(match (headers.contains_key(name), only(headers, name)) {
            (false, _) => "",
            (true, Some(value)) => value.trim(),
            (true, None) => {
                return Err(Error::invalid(format!(
                    "The header {name} has to be there once and hold plain text. Nothing was done."
                )));
            }
        });
    }
    let (subject, groups) = (values[0], values[1]);
    if subject.is_empty() {
        return Ok(None);
    }
    let groups = groups.split([',', ';']).map(|group| group.trim().to_owned());
    Ok(Some(ByProxy {
        subject: subject.to_owned(),
        groups: groups.collect(),
    }))
}

fn is_proxy(proxy: &LoginProxy, request: &Request) -> bool {
    let peer = request.remote_addr().as_socket_addr();
    let is_near = peer.is_some_and(|peer| {
        let address = peer.ip().to_canonical();
        proxy.addresses.iter().any(|network| network.contains(address))
    });
    is_near && knows_secret(proxy, request.headers())
}

fn knows_secret(proxy: &LoginProxy, headers: &HeaderMap) -> bool {
    let Some(secret) = &proxy.secret else { return true };
    // Compared as digests, so that the time does not reveal how much of it matches.
    let told = only(headers, SECRET).unwrap_or_default();
    Sha256::digest(told) == Sha256::digest(secret.expose())
}

/// The value of the header `name`, if there is just one and it is plain text.
pub fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
