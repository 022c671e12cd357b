//! The pages over real HTTP: a server on a free port, asked by a client with a cookie jar.

mod abuse;
mod doors;
mod forms;
mod logins;
mod matrix;
mod shell;
pub mod support;

use std::time::Duration;

use self::support::{Options, TestSite};

/// Not a test: serves the gallery for as long as somebody wants to look at it. Log in as `admin`.
#[tokio::test]
#[ignore = "serves /gallery on 127.0.0.1:8097 for ten minutes, to look at"]
async fn look_at_the_gallery() {
    let address = "127.0.0.1:8097";
    let site = TestSite::start_with(Options {
        address,
        ..Options::default()
    })
    .await;
    site.add_user("admin").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
}
