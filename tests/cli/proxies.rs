//! Which proxy repositories over HTTPS are reached through.

use super::{Installation, run};
use crate::git::https::GitHost;
use crate::git::support::Origin;
use crate::support::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_and_the_settings_name_the_proxy() {
    let mut origin = Origin::new();
    let commit = origin.commit("one");
    let host = GitHost::serving(&origin).await;
    let proxy = Proxy::start().await;
    let certificates = format!("[git]\nhttps_certificates = '{}'\n", host.certificate.display());
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let dead = "http://127.0.0.1:1";
    for (settings, environment, expected) in [
        (String::new(), vec![("https_proxy", address.as_str())], true),
        (String::new(), vec![("HTTPS_PROXY", &address)], true),
        (
            String::new(),
            vec![("https_proxy", &address), ("no_proxy", "a.test, 127.0.0.1")],
            false,
        ),
        (
            format!("https_proxy = '{address}'\n"),
            vec![("https_proxy", dead)],
            true,
        ),
        (
            format!("https_proxy = '{address}'\nno_proxy = ['a.test']\n"),
            vec![("no_proxy", "*")],
            true,
        ),
        (
            "no_proxy = ['*']\n".to_owned(),
            vec![("https_proxy", dead)],
            false,
        ),
    ] {
        let here = Installation::with(&format!("{certificates}{settings}"));
        let mut program = here.command(&format!("git-check {}", host.url("open")));
        for name in ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"] {
            program.env_remove(name);
        }
        for (name, value) in &environment {
            program.env(name, value);
        }
        tokio::task::block_in_place(|| run(&mut program)).well(&format!("{commit}\tmain\n"));
        let came = !proxy.asked().is_empty();
        assert_eq!(came, expected, "{settings} {environment:?}");
    }
}
