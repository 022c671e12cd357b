//! What a saved form keeps, undoes and leaves behind.

use super::{environment, page, send, site};

#[tokio::test(flavor = "multi_thread")]
async fn a_form_opened_before_another_change_does_not_undo_it() {
    let (_world, site) = site().await;
    let (new, place) = (
        "/admin/projects/shop/new",
        "/admin/projects/shop/environments/prod",
    );
    let fields = environment("deploy", "");
    let (status, _, said) = send(&site, new, new, &fields).await;
    assert_eq!(status, 303, "{said}");
    let version = |text: &str| {
        let (_, rest) = text.split_once("name=\"version\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let opened = version(&page(&site, place).await);
    let mut other = fields.clone();
    other.extend([("approval_hours", "24"), ("version", opened.as_str())]);
    let (status, _, said) = send(&site, place, place, &other).await;
    assert_eq!(status, 303, "{said}");

    let mut late = fields.clone();
    late.extend([("version", opened.as_str())]);
    let (status, _, said) = send(&site, place, place, &late).await;

    assert_eq!(status, 422, "{said}");
    assert!(
        said.contains("This was changed after you had opened the page"),
        "{said}"
    );
    let now = version(&said);
    assert_ne!(now, opened);
    let mut again = fields.clone();
    again.extend([("version", now.as_str())]);
    assert_eq!(
        send(&site, place, place, &again).await.0,
        303,
        "whoever looked may save"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_changed_path_leaves_behind_is_said() {
    let (_world, site) = site().await;
    let (new, place) = (
        "/admin/projects/shop/new",
        "/admin/projects/shop/environments/prod",
    );
    let fields = environment("deploy", "");
    assert_eq!(send(&site, new, new, &fields).await.0, 303);
    let with = |name: &'static str, value: &'static str| {
        let mut fields = fields.clone();
        fields.retain(|(field, _)| *field != name);
        fields.push((name, value));
        fields
    };
    let said = async |fields: &[(&str, &str)]| {
        assert_eq!(send(&site, place, place, fields).await.0, 303);
        page(&site, place).await
    };
    let moved = said(&with("target_path", "~/elsewhere/books")).await;
    assert!(
        moved.contains("What applications wrote at uploads stays beside ~/live/books"),
        "{moved}"
    );
    let dropped = said(&with("excluded", "")).await;
    assert!(
        dropped.contains("What applications wrote at uploads stays beside the releases"),
        "{dropped}"
    );
    let again = said(&with("excluded", "uploads")).await;
    assert!(!again.contains("What applications wrote"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_that_turn_text_come_back_from_a_form_as_they_were() {
    let (_world, site) = site().await;
    let text = "\u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{200f}!";
    let url = "git@example.com:shop.git";
    let form = [
        ("name", "turned"),
        ("description", text),
        ("git_url", url),
        ("method", "symlink"),
    ];
    let (status, _, said) = send(&site, "/admin/new/project", "/admin/new/project", &form).await;
    assert_eq!(status, 303, "{said}");
    let shown = page(&site, "/admin/projects/turned").await;
    assert!(shown.contains(&format!("value=\"{text}\"")), "{shown}");
}
