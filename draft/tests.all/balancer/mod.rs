//! Speaking to a real HAProxy, over its socket and over its statistics page: the same bodies for
//! both ([`serving`]), what differs ([`permission`]), and bad weather ([`weather`]).

use std::time::Duration;

use deployer::balancer::{BackendSlot, BalancerClient, Merged};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::backend::Backend;
use crate::support::haproxy::Haproxy;

mod permission;
mod serving;
mod weather;

/// What nothing here should take, on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// Both kinds of balancer for each body.
macro_rules! over_both {
    ($($body:ident)*) => {$(
        mod $body {
            #[tokio::test]
            async fn over_the_socket() {
                super::$body("runtime").await;
            }

            #[tokio::test]
            async fn over_the_page() {
                super::$body("stats").await;
            }
        }
    )*};
}
use over_both;

/// Two servers in the backend `web` of one HAProxy, both UP.
struct Pair {
    web1: Backend,
    web2: Backend,
    haproxy: Haproxy,
    balancer: BalancerClient,
}

impl Pair {
    async fn start(kind: &str) -> Self {
        let (web1, web2) = (Backend::start("web1").await, Backend::start("web2").await);
        let haproxy = Haproxy::builder()
            .backend("web", &[("web1", web1.port), ("web2", web2.port)])
            .start()
            .await;
        let balancer = haproxy.balancer(kind);
        let both = [slot("web/web1"), slot("web/web2")];
        balancer
            .wait_up(&both, LONG, &never())
            .await
            .expect("both come up");
        Self {
            web1,
            web2,
            haproxy,
            balancer,
        }
    }

    /// A request that one of the servers holds open; ends with its answer.
    async fn hold(&self) -> JoinHandle<String> {
        let held = tokio::spawn(get(format!("{}/hold", self.haproxy.url("web"))));
        while self.web1.held() + self.web2.held() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        held
    }

    /// The server that holds the request, its slot, and the other one.
    fn holder(&self) -> (&Backend, BackendSlot, &Backend) {
        match self.web1.held() {
            0 => (&self.web2, slot("web/web2"), &self.web1),
            _ => (&self.web1, slot("web/web1"), &self.web2),
        }
    }
}

fn slot(text: &str) -> BackendSlot {
    let (backend, server) = text.split_once('/').expect("backend/server");
    BackendSlot::new(backend, server).expect("plain names")
}

fn never() -> CancellationToken {
    CancellationToken::new()
}

async fn get(url: String) -> String {
    let answer = reqwest::get(url).await.expect("an answer");
    answer.text().await.expect("a whole one")
}

/// What the balancer says about a slot.
async fn seen(balancer: &BalancerClient, text: &str) -> Merged {
    let state = balancer.state().await.expect("it can be read");
    state.of(&slot(text)).expect("it is known").clone()
}
