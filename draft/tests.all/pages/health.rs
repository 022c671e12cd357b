//! What monitoring gets.

use reqwest::StatusCode;

use super::support::Pages;
use crate::engine::hardship::tamper;

#[tokio::test(flavor = "multi_thread")]
async fn health_is_200_while_all_is_well_and_500_with_the_reasons_when_it_is_not() {
    let mut pages = Pages::start(&["dev"], "admin").await;
    pages.world.script("deploy.sh", "exit 0");
    let commit = pages.world.commit("First").await;
    let deployment = pages.world.deploy(&commit).await;
    let (status, body) = pages.get("/health").await;
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &told["status"]),
        (StatusCode::OK, &"ok".into()),
        "{body}"
    );

    // As a deployment behind a balancer leaves a server that failed.
    tamper(&pages.world, "UPDATE deployment_servers SET service = 'out'").await;
    let (status, body) = pages.get("/health").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["status"], "degraded");
    let expected = format!(
        "shop/dev: web1 is out of service since deployment {}, because its release may be incomplete.",
        deployment.id
    );
    assert_eq!(told["reasons"], serde_json::json!([expected]));
}
