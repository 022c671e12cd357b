//! How an SSH connection begins, to servers and to Git hosts alike: which algorithms we offer and what to
//! say when the other side has none of them, whether the other side is who it should be
//! ([`known_hosts`]), and logging in with our keys ([`keys`], [`login`]).

pub mod keys;
pub mod known_hosts;
pub mod login;
mod refusal;

use std::borrow::Cow;
use std::fmt::Write as _;

use russh::keys::{Algorithm, PublicKey};
use russh::{AlgorithmKind, Preferred, cipher, kex, mac};

use known_hosts::KnownHost;

/// AES-GCM is about twice as fast as the usual first choice on processors with AES instructions.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// Key exchanges, the quick ones first. The group exchange comes last: with it a server looks for
/// primes, which takes seconds.
const KEY_EXCHANGES: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G14_SHA256,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_G15_SHA512,
    kex::DH_G17_SHA512,
    kex::DH_GEX_SHA256,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// What old servers have and nobody should: only where somebody allowed it for one server.
const LEGACY_KEY_EXCHANGES: &[kex::Name] = &[kex::DH_GEX_SHA1, kex::DH_G14_SHA1, kex::DH_G1_SHA1];
const LEGACY_CIPHERS: &[cipher::Name] = &[cipher::AES_256_CBC, cipher::AES_192_CBC, cipher::AES_128_CBC];
const LEGACY_MACS: &[mac::Name] = &[mac::HMAC_SHA1_ETM, mac::HMAC_SHA1];

/// What we offer to `host`, with the algorithms first of which we have a key: the pinned one, or those in
/// `host`. `legacy` adds what is too weak for anybody else, last.
pub fn preferred(host: &KnownHost, pinned: Option<&PublicKey>, legacy: bool) -> Preferred {
    let legacy = legacy || crate::sabotage::on("h24");
    let all = Preferred::DEFAULT;
    // RSA means RSA with SHA-2.
    let is_offered = |algorithm: &&Algorithm| legacy || **algorithm != Algorithm::Rsa { hash: None };
    let keys: Vec<Algorithm> = all.key.iter().filter(is_offered).cloned().collect();
    Preferred {
        host_key_certificates: host.certificates(&keys).into(),
        key: host.order(&keys, pinned).into(),
        kex: match legacy {
            true => [KEY_EXCHANGES, LEGACY_KEY_EXCHANGES].concat().into(),
            false => Cow::Borrowed(KEY_EXCHANGES),
        },
        cipher: match legacy {
            true => [CIPHERS, LEGACY_CIPHERS].concat().into(),
            false => Cow::Borrowed(CIPHERS),
        },
        mac: match legacy {
            true => [&*all.mac, LEGACY_MACS].concat().into(),
            false => all.mac.clone(),
        },
        ..all
    }
}

/// How many names of a server's list a sentence repeats, and how much of each.
const NAMES: usize = 12;
const NAME_LENGTH: usize = 60;

/// What to do about a server with which a handshake found no common algorithm, as two sentences;
/// `None` for any other failure.
pub fn no_common_algorithm(error: &russh::Error) -> Option<String> {
    let russh::Error::NoCommonAlgo { kind, ours, theirs } = error else {
        return None;
    };
    let is_certificate = |name: &String| name.contains("-cert-v01@");
    let (what, setting) = match kind {
        AlgorithmKind::Kex => ("key exchange", "KexAlgorithms"),
        AlgorithmKind::Key if !theirs.is_empty() && theirs.iter().all(is_certificate) => {
            return Some(format!(
                "It shows only host certificates ({}). Name the authority that signs them, as @cert-authority, in a file of known hosts of the configuration, or let its sshd show a plain host key as well (HostKeyAlgorithms).",
                names(theirs)
            ));
        }
        AlgorithmKind::Key => ("type of host key", "HostKeyAlgorithms"),
        AlgorithmKind::Cipher => ("cipher", "Ciphers"),
        AlgorithmKind::Mac => ("MAC", "MACs"),
        AlgorithmKind::Compression => ("compression", "Compression"),
    };
    Some(format!(
        "They have no {what} in common: it offers {}. Allow one of these in its sshd_config ({setting}): {}.",
        names(theirs),
        names(ours)
    ))
}

/// Whether a handshake that found no common algorithm would have, had weak ones been allowed.
pub fn is_too_old(error: &russh::Error) -> bool {
    let russh::Error::NoCommonAlgo { kind, theirs, .. } = error else {
        return false;
    };
    let weak: Vec<&str> = match kind {
        AlgorithmKind::Kex => LEGACY_KEY_EXCHANGES.iter().map(AsRef::as_ref).collect(),
        AlgorithmKind::Key => vec!["ssh-rsa"],
        AlgorithmKind::Cipher => LEGACY_CIPHERS.iter().map(AsRef::as_ref).collect(),
        AlgorithmKind::Mac => LEGACY_MACS.iter().map(AsRef::as_ref).collect(),
        AlgorithmKind::Compression => Vec::new(),
    };
    theirs.iter().any(|name| weak.contains(&name.as_str()))
}

/// The first of some names. A server may have sent anything.
fn names(all: &[String]) -> String {
    let real = all
        .iter()
        .filter(|name| !name.starts_with("ext-info-") && !name.starts_with("kex-strict-"));
    let mut text = String::new();
    for (at, name) in real.enumerate() {
        if at == crate::sabotage::most("u29", NAMES) {
            text.push_str(", …");
            break;
        }
        let shown: String = name.escape_debug().take(crate::sabotage::most("u43", NAME_LENGTH)).collect();
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{shown}", if at == 0 { "" } else { ", " });
    }
    if text.is_empty() { "none".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: AlgorithmKind, theirs: &[String]) -> String {
        let ours = vec!["ours".to_owned()];
        let theirs = theirs.to_vec();
        no_common_algorithm(&russh::Error::NoCommonAlgo { kind, ours, theirs }).unwrap()
    }

    #[test]
    fn a_server_that_shows_certificates_alone_is_told_so() {
        let certificates = ["ssh-ed25519-cert-v01@openssh.com".to_owned()];
        let said = told(AlgorithmKind::Key, &certificates);
        assert!(said.starts_with("It shows only host certificates"), "{said}");
        let mixed = [certificates[0].clone(), "ssh-dss".to_owned()];
        let said = told(AlgorithmKind::Key, &mixed);
        assert!(said.contains("no type of host key in common"), "{said}");
    }

    #[test]
    fn what_a_server_sends_is_no_sentence_of_its_own() {
        let many: Vec<String> = (0..40)
            .map(|n| format!("a{n}\u{1b}[31m{}", "x".repeat(500)))
            .collect();
        let said = told(AlgorithmKind::Cipher, &many);
        assert!(said.len() < 1200 && !said.contains('\u{1b}'), "{said}");
        assert!(told(AlgorithmKind::Mac, &[]).contains("it offers none"));
    }
}
