//! What a login proxy in front says about the sender of a request.
//!
//! It is believed only from the configured addresses and with the shared secret. The headers from anywhere else are
//! refused, not passed over: somebody tries to be somebody else, or the configuration is wrong.

use poem::Request;
use poem::http::HeaderMap;
use sha2::{Digest, Sha256};

use super::settings::LoginProxy;
use crate::app::outside::believed::groups;
use crate::domain::{Error, ErrorKind, LoginProvider, OutsideLogin, Result};

/// The header by which the proxy proves itself.
const SECRET: &str = "x-deployer-proxy-secret";

/// Somebody as a proxy names them.
pub struct NamedByProxy {
    pub subject: String,
    /// All of them, believed or not.
    pub groups: Vec<String>,
}

impl NamedByProxy {
    /// The same as a login, with those of the groups that `believed` names.
    pub fn into_login(self, believed: &[String]) -> OutsideLogin {
        OutsideLogin {
            provider: LoginProvider::Proxy,
            name: self.subject.clone(),
            subject: self.subject,
            display_name: String::new(),
            email: String::new(),
            groups: groups(self.groups, believed),
            lifetime: None,
            second_factor: true,
        }
    }
}

/// Whom `proxy` names as the sender of `request`; `None` when nobody is named.
///
/// # Errors
/// Forbidden for headers from elsewhere; invalid for those that are there twice.
pub fn named(proxy: &LoginProxy, request: &Request) -> Result<Option<NamedByProxy>> {
    let headers = request.headers();
    let names = [proxy.user_header.as_str(), proxy.groups_header.as_str()];
    let Some(first) = names.into_iter().find(|name| headers.contains_key(*name)) else {
        return Ok(None);
    };
    if !is_proxy(proxy, request) {
        return Err(Error::new(
            ErrorKind::Forbidden,
            format!(
                "The header {first} is taken from the login proxy alone, and this did not come from it. Nothing was \
                 done. If it did, an administrator has to check login_proxy.addresses and the secret that it sends."
            ),
        ));
    }
    let subject = value(headers, &proxy.user_header)?;
    let groups = value(headers, &proxy.groups_header)?;
    if subject.is_empty() {
        return Ok(None);
    }
    let groups = groups.split(',').map(|group| group.trim().to_owned());
    Ok(Some(NamedByProxy {
        subject,
        groups: groups.collect(),
    }))
}

/// The text of a header; empty where it is not there.
fn value(headers: &HeaderMap, name: &str) -> Result<String> {
    let mut all = headers.get_all(name).iter();
    let text = match (all.next(), all.next()) {
        (None, _) => Some(""),
        (Some(value), None) => std::str::from_utf8(value.as_bytes()).ok(),
        _ => None,
    };
    match text {
        Some(text) => Ok(text.trim().to_owned()),
        None => Err(Error::invalid(format!(
            "The header {name} has to be there once and hold text in UTF-8. Nothing was done. The login proxy has to \
             remove what browsers send under this name."
        ))),
    }
}

fn is_proxy(proxy: &LoginProxy, request: &Request) -> bool {
    let peer = request.remote_addr().as_socket_addr();
    let is_near = peer.is_some_and(|peer| {
        let address = peer.ip().to_canonical();
        proxy.addresses.iter().any(|network| network.contains(address))
    });
    // Compared as digests, so that the time does not reveal how much of it matches.
    let told = only(request.headers(), SECRET).unwrap_or_default();
    is_near && Sha256::digest(told) == Sha256::digest(proxy.secret.expose())
}

/// The value of the header `name`, if there is just one and it is plain text.
pub fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
