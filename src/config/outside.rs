//! Logins from outside: a proxy, a plugin, OpenID providers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::reader::KeyReader;
use super::sections::sections;
use super::values::{Secret, absolute_if_set, any, some_time};
use crate::domain::identity::SUBJECT_LIMIT;
use crate::domain::{Network, PluginPlace};

/// Where OpenID providers stand, each in a section of its own below.
const OIDC: &str = "oidc";

sections! {
    /// A proxy in front that says who somebody is.
    "login_proxy" LoginProxySettings {
        /// Its addresses; none: no proxy does.
        addresses: Vec<Network> = Vec::new(), any;
        /// By what it proves itself.
        secret: Option<Secret> = None, long_secret;
        /// The header that names somebody.
        user_header: String = "X-Forwarded-User".to_owned(), header_name;
        /// The header with their groups, separated by commas.
        groups_header: String = "X-Forwarded-Groups".to_owned(), header_name;
        /// The groups that are believed; `*` at the end stands for anything.
        groups: Vec<String> = Vec::new(), any;
    }

    /// A program or an HTTP endpoint that checks logins.
    "login_plugin" LoginPluginSettings {
        /// Where it is; `None`: there is none.
        place: Option<PluginPlace> = None, any;
        /// What signs questions to an endpoint.
        secret: Option<Secret> = None, long_secret;
        /// How long it may take.
        timeout: Duration = Duration::from_secs(10), some_time;
        /// The groups that are believed; `*` at the end stands for anything.
        groups: Vec<String> = Vec::new(), any;
        /// Whether it asks for a second factor, so that nobody else does.
        second_factor: bool = false, any;
        /// The cookie of another system that it is asked about; empty: none.
        cookie: String = String::new(), cookie_name;
    }

    /// An OpenID provider.
    "oidc" OidcSettings {
        /// What people call it; empty: the name of its section.
        title: String = String::new(), any;
        /// The address that it calls itself, byte by byte.
        issuer: String = String::new(), issuer;
        /// Our name there.
        client_id: String = String::new(), any;
        /// By what we prove ourselves there.
        client_secret: Option<Secret> = None, any;
        /// What is asked for beside `openid`.
        scopes: Vec<String> = vec!["profile".to_owned(), "email".to_owned()], any;
        /// The claim with the name of the account.
        name_claim: String = "preferred_username".to_owned(), any;
        /// The claim with the groups, or the way to it.
        groups_claim: String = "groups".to_owned(), any;
        /// The groups that are believed; `*` at the end stands for anything.
        groups: Vec<String> = Vec::new(), any;
        /// Whether it asks for a second factor, so that nobody else does.
        second_factor: bool = false, any;
        /// How long a login lasts.
        lifetime: Duration = Duration::from_secs(12 * 3600), some_time;
        /// Certificates to trust beside the system's.
        certificates: Option<PathBuf> = None, absolute_if_set;
    }
}

/// The proxy, with its settings checked together: an address alone proves nothing.
pub(super) fn login_proxy(reader: &mut KeyReader<'_>) -> LoginProxySettings {
    let proxy = LoginProxySettings::read(reader);
    if !proxy.addresses.is_empty() && proxy.secret.is_none() {
        let message = "must be set where login_proxy.addresses is: an address alone proves nothing, as every program \
                       of that host has it";
        reader.complain("login_proxy", "secret", message);
    }
    proxy
}

/// The plugin, with its settings checked together.
pub(super) fn login_plugin(reader: &mut KeyReader<'_>) -> LoginPluginSettings {
    let plugin = LoginPluginSettings::read(reader);
    let is_endpoint = matches!(plugin.place, Some(PluginPlace::Endpoint(_)));
    if is_endpoint && plugin.secret.is_none() {
        let message = "must be set where login_plugin.place is an address: the endpoint knows by it who asks";
        reader.complain("login_plugin", "secret", message);
    }
    plugin
}

/// The OpenID providers by the names of their sections.
pub(super) fn oidc(reader: &mut KeyReader<'_>) -> BTreeMap<String, OidcSettings> {
    let mut found: BTreeMap<String, OidcSettings> = BTreeMap::new();
    for name in reader.names_below(OIDC) {
        let section = format!("{OIDC}.{name}");
        let provider = OidcSettings::read_at(reader, &section);
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !name.bytes().all(is_plain) {
            let message = "must stand in a section whose name has only small letters, digits and “_”: it is part of \
                           an address";
            reader.complain(&section, "issuer", message);
        }
        for (key, value) in [("issuer", &provider.issuer), ("client_id", &provider.client_id)] {
            if value.is_empty() {
                reader.complain(&section, key, "must be set");
            }
        }
        if found.values().any(|other| other.issuer == provider.issuer) {
            reader.complain(
                &section,
                "issuer",
                "must not be that of another section: people are known by it",
            );
        }
        found.insert(name, provider);
    }
    found
}

/// Refuses what no provider can call itself.
fn issuer(text: &String) -> Result<(), String> {
    let url = text.parse::<Url>().ok();
    let fits = url.is_some_and(|url| {
        ["http", "https"].contains(&url.scheme())
            && url.host_str().is_some()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    match fits && text.chars().count() <= SUBJECT_LIMIT {
        true => Ok(()),
        false => Err(format!(
            "must be the address that the provider calls itself, such as \"https://login.example.org\", not “{text}”"
        )),
    }
}

/// Refuses what cannot be the name of an HTTP header.
#[allow(clippy::ptr_arg, reason = "settings are read as they are kept")]
fn header_name(name: &String) -> Result<(), String> {
    match !name.is_empty() && is_token(name) {
        true => Ok(()),
        false => Err("must be the name of a header, such as \"X-Forwarded-User\"".to_owned()),
    }
}

/// Refuses what cannot be the name of a cookie.
#[allow(clippy::ptr_arg, reason = "settings are read as they are kept")]
fn cookie_name(name: &String) -> Result<(), String> {
    match is_token(name) {
        true => Ok(()),
        false => Err("must be the name of a cookie: letters, digits, “-”, “_” and “.”".to_owned()),
    }
}

fn is_token(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || [b'-', b'_', b'.'].contains(&byte);
    text.bytes().all(plain)
}

/// Refuses a secret that can be guessed.
fn long_secret(secret: &Option<Secret>) -> Result<(), String> {
    const SHORTEST: usize = 16;
    match secret {
        Some(secret) if secret.expose().len() < SHORTEST => {
            Err(format!("must have at least {SHORTEST} characters"))
        }
        _ => Ok(()),
    }
}
