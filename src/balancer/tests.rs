//! What can be tested without a HAProxy: addresses, where passwords are sent, names, CSV, sentences.

use std::io::Write as _;

use serde_json::json;
use url::Url;

use super::table::StatsTable;
use super::*;
use crate::domain::BalancerId;

const HEADER: &str =
    "# pxname,svname,qcur,scur,status,weight,type,check_status,check_code,last_chk,lastchg,addr,";

fn row(kind: &str, endpoints: &[&str]) -> domain::Balancer {
    domain::Balancer {
        id: BalancerId(1),
        name: "edge".parse().expect("a name"),
        kind: kind.to_owned(),
        endpoints: endpoints.iter().map(ToString::to_string).collect(),
        settings: json!({}),
    }
}

fn table(endpoint: &str, rows: &[&str]) -> StatsTable {
    StatsTable::parse(endpoint, &format!("{HEADER}\n{}\n\n", rows.join("\n"))).expect("HAProxy's CSV")
}

fn state(tables: &[(&str, &[&str])]) -> State {
    let tables = tables
        .iter()
        .map(|(endpoint, rows)| (endpoint.to_string(), table(endpoint, rows)));
    State::merge(tables.collect())
}

fn sought(name: &str) -> Sought<'_> {
    Sought {
        name,
        address: "10.0.0.7",
        balancer_name: None,
    }
}

#[test]
fn addresses_are_read_by_kind() {
    for good in [
        "/run/haproxy.sock",
        "unix:/run/haproxy.sock",
        "unix:///run/h",
        "tcp://lb:9999",
        "tcp://[::1]:9999",
    ] {
        assert!(
            BalancerClient::open(&row("runtime", &[good]), &Options::default()).is_ok(),
            "{good}"
        );
    }
    for good in [
        "http://lb/stats",
        "https://lb:8443/haproxy?stats",
        "http://[::1]:81/;csv",
    ] {
        assert!(
            BalancerClient::open(&row("stats", &[good]), &Options::default()).is_ok(),
            "{good}"
        );
    }
    for (kind, bad) in [
        ("runtime", "run/haproxy.sock"),
        ("runtime", "tcp://lb"),
        ("runtime", "tcp://lb:1/x"),
        ("runtime", "http://lb/stats"),
        ("runtime", ""),
        ("stats", "lb:80"),
        ("stats", "tcp://lb:80"),
        ("stats", "/run/haproxy.sock"),
        ("agent", "tcp://lb:80"),
    ] {
        let error = BalancerClient::open(&row(kind, &[bad]), &Options::default()).expect_err(bad);
        assert!(
            error
                .to_string()
                .starts_with("Balancer “edge” has invalid settings: "),
            "{error}"
        );
    }
    assert!(BalancerClient::open(&row("runtime", &[]), &Options::default()).is_err());
    assert!(BalancerClient::open(&row("runtime", &["/a", "/a"]), &Options::default()).is_err());
}

#[test]
fn a_password_in_the_database_is_refused_and_not_repeated() {
    let error = BalancerClient::open(&row("stats", &["http://u:geheim@lb/stats"]), &Options::default())
        .expect_err("refused");
    assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
    let mut with_settings = row("stats", &["http://lb/stats"]);
    with_settings.settings = json!({"password": "geheim"});
    let error = BalancerClient::open(&with_settings, &Options::default()).expect_err("refused");
    assert!(error.to_string().contains("“password”"), "{error}");
    assert!(!error.to_string().contains("geheim"), "{error}");
}

#[test]
fn a_password_goes_to_its_own_place_only() {
    let text = "# ours\n\nhttp://admin:p%40ss:word@lb1:8404/\nhttps://x:y@lb1\n";
    let logins = PasswordFile::parse(text).expect("good lines");
    let login = |url: &str| {
        logins
            .of(&Url::parse(url).expect("a URL"))
            .map(|login| (login.user, login.password))
    };
    assert_eq!(
        login("http://LB1:8404/stats"),
        Some(("admin".into(), "p@ss:word".into()))
    );
    assert_eq!(login("https://lb1:443/"), Some(("x".into(), "y".into())));
    for other in [
        "http://lb1/",
        "https://lb1:8404/",
        "http://lb2:8404/",
        "http://lb1.evil:8404/",
    ] {
        assert_eq!(login(other), None, "{other}");
    }
}

#[test]
fn a_bad_line_of_passwords_is_named_but_not_shown() {
    for bad in ["lb1 admin geheim", "http://lb1:80", "ftp://a:geheim@lb1"] {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        writeln!(file, "# first\n{bad}").expect("written");
        let error = PasswordFile::read(file.path()).expect_err(bad).to_string();
        assert!(error.contains("line 2") && !error.contains("geheim"), "{error}");
    }
}

#[test]
fn names_cannot_be_more_than_names() {
    for bad in [
        "",
        "a;b",
        "a b",
        "a\nb",
        "a/b",
        "a,b",
        "a&b=c",
        "#1",
        "é",
        &"x".repeat(256),
    ] {
        assert!(BackendSlot::new("web", bad).is_err(), "{bad}");
        assert!(BackendSlot::new(bad, "web1").is_err(), "{bad}");
    }
    assert!(BackendSlot::new("web", "a.b_c-d:80").is_ok());
}

#[test]
fn every_status_of_haproxy_means_something() {
    use Admin::{Drain, Maint, Ready};
    use Health::{Down, NoCheck, Rising, Stopping, Unknown, Up, Wavering};
    for (status, admin, health) in [
        ("UP", Ready, Up),
        ("UP 1/3", Ready, Wavering),
        ("DOWN", Ready, Down),
        ("DOWN 1/2", Ready, Rising),
        ("DOWN (agent)", Ready, Down),
        ("NOLB", Ready, Stopping),
        ("NOLB 1/3", Ready, Stopping),
        ("DRAIN", Drain, Up),
        ("DRAIN 1/3", Drain, Wavering),
        ("DRAIN (agent)", Drain, Up),
        ("MAINT", Maint, Unknown),
        ("MAINT (via web/web1)", Maint, Unknown),
        ("MAINT (resolution)", Maint, Unknown),
        ("no check", Ready, NoCheck),
    ] {
        let row = format!("web,a,0,0,{status},1,2,,,,5,,");
        let line = table("lb", &[&row]).servers.remove(0);
        assert_eq!((line.admin, line.health), (admin, health), "{status}");
        assert_eq!(line.inherited, status.contains('(') && admin == Maint, "{status}");
    }
}

#[test]
fn quoted_cells_may_hold_anything() {
    let row = "web,a,1,2,DOWN,1,2,* L7RSP,500,\"said \"\"no, never\"\"\n\",5,10.0.0.7:80,";
    let line = table("lb", &[row]).servers.remove(0);
    assert_eq!(line.last_check, "L7RSP 500: said \"no, never\"");
    assert_eq!(line.words(), "DOWN (L7RSP 500: said \"no, never\")");
    assert_eq!((line.sessions, line.queued, line.since.as_secs()), (2, 1, 5));
}

#[test]
fn a_check_that_is_being_made_has_no_code_yet() {
    let row = "web,a,0,0,DOWN,1,2,* L7STS,0,,5,10.0.0.7:80,";
    assert_eq!(table("lb", &[row]).servers.remove(0).words(), "DOWN (L7STS)");
}

#[test]
fn what_is_no_table_is_not_taken_for_one() {
    for odd in ["", "<html>", "# a,b\n1,2\n", "pxname,svname\n", "\u{0}\u{1}"] {
        assert_eq!(StatsTable::parse("lb", odd), None, "{odd}");
    }
}

#[test]
fn flags_know_what_the_status_hides() {
    let mut table = table(
        "lb",
        &[
            "web,a,0,0,DOWN,1,2,,,,5,,",
            "web,b,0,0,DOWN,1,2,,,,5,,",
            "web,c,0,0,UP,1,2,,,,5,,",
        ],
    );
    table.add_flags(
        "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port\n\
         3 web 1 a 10.0.0.7 0 8 80\n3 web 2 b 10.0.0.8 0 32 80\n3 web 3 c - 2 4 80",
    );
    let seen: Vec<_> = table
        .servers
        .iter()
        .map(|line| (line.admin, line.inherited))
        .collect();
    assert_eq!(
        seen,
        [(Admin::Drain, false), (Admin::Maint, true), (Admin::Ready, false)]
    );
    assert_eq!(table.servers[0].address.as_deref(), Some("10.0.0.7:80"));
    assert_eq!(table.servers[2].address, None);
}

const ENDPOINT: &[&str] = &[
    "web,web1,0,2,UP,1,2,,,,5,10.0.0.1:80,",
    "web,web2.example,1,3,UP,1,2,,,,5,10.0.0.7:80,",
    "web,BACKEND,0,0,UP,1,1,,,,5,,",
    "api,x1,0,0,UP,1,2,,,,5,10.0.0.7:80,",
    "api,x2,0,0,UP,1,2,,,,5,10.0.0.7:81,",
    "api,BACKEND,0,0,UP,1,1,,,,5,,",
];

#[test]
fn a_name_that_haproxy_should_never_have_given_is_not_sent_back_to_it() {
    for name in ["web1;shutdown", "web1 weight 0", &"n".repeat(256)] {
        let line = format!("web,{name},0,0,UP,1,2,L4OK,,,5,10.0.0.7:80,");
        let state = state(&[("a", &[line.as_str(), "web,BACKEND,0,0,UP,1,1,,,,5,,"])]);
        let error = state
            .slots_of(&["web".to_owned()], sought("elsewhere"))
            .expect_err("by address");
        assert!(matches!(error, Error::BadName { .. }), "{error}");
    }
}

#[test]
fn a_server_is_found_by_membership_name_short_name_or_address() {
    let state = state(&[("lb", ENDPOINT)]);
    let web = ["web".to_owned()];
    let found = |server| state.slots_of(&web, server).map(|slots| slots[0].server.clone());
    assert_eq!(found(sought("web1")).expect("by name"), "web1");
    assert_eq!(found(sought("web1.example.org")).expect("by short name"), "web1");
    assert_eq!(found(sought("other")).expect("by address"), "web2.example");
    let renamed = Sought {
        balancer_name: Some("web2.example"),
        ..sought("web1")
    };
    assert_eq!(found(renamed).expect("by membership"), "web2.example");
}

#[test]
fn a_server_that_is_not_there_is_told_with_those_that_are() {
    let state = state(&[("lb", ENDPOINT)]);
    let told = |backend: &str, server: Sought<'_>| {
        state
            .slots_of(&[backend.to_owned()], server)
            .expect_err("not there")
            .to_string()
    };
    assert_eq!(
        told("api", sought("web9.example.org")),
        "Backend api of lb has no server “web9.example.org” or “web9”; it has: x1, x2."
    );
    let misnamed = Sought {
        balancer_name: Some("web3"),
        ..sought("web1")
    };
    assert_eq!(
        told("web", misnamed),
        "Backend web of lb has no server “web3”; it has: web1, web2.example."
    );
    assert_eq!(
        told("shop", sought("web1")),
        "lb has no backend “shop”; it has: web, api."
    );
    assert!(matches!(
        state.slots_of(&[], sought("web1")),
        Err(Error::NoBackend)
    ));
}

#[test]
fn endpoints_are_added_up_and_must_agree() {
    let other = [
        "web,web1,0,5,MAINT,1,2,,,,5,10.0.0.1:80,",
        "web,web2.example,0,4,UP 2/3,1,2,,,,5,10.0.0.7:80,",
        "web,BACKEND,0,0,UP,1,1,,,,5,,",
    ];
    let state = state(&[("lb1", ENDPOINT), ("lb2", &other)]);
    let of = |name: &str| {
        state
            .of(&BackendSlot::new("web", name).expect("a slot"))
            .expect("known")
            .clone()
    };
    let (web1, web2) = (of("web1"), of("web2.example"));
    assert_eq!(
        (web1.sessions, web1.admin, web1.up, web1.agree),
        (7, Admin::Maint, false, false)
    );
    assert_eq!(
        (web2.sessions, web2.admin, web2.up, web2.agree),
        (8, Admin::Ready, true, true)
    );
    assert!(!web2.is_proven());
    let agreed = |slot: &BackendSlot| state.require(slot)?.agreed();
    assert_eq!(
        agreed(&web1.slot).expect_err("different").to_string(),
        "The balancer's endpoints disagree about web/web1: lb1 says web/web1 is UP, lb2 says web/web1 is MAINT."
    );
    agreed(&web2.slot).expect("the same");
    let only_one = BackendSlot::new("api", "x1").expect("a slot");
    assert_eq!(
        agreed(&only_one).expect_err("missing").to_string(),
        "lb2 has no backend “api”; it has: web."
    );
}

#[test]
fn a_socket_that_is_closed_to_us_is_told_with_the_way_in() {
    let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let error = Error::unreachable("unix:/run/haproxy/admin.sock", denied);
    let sentence = error.to_string();
    assert!(
        sentence.starts_with("The deployer's account may not open unix:/run/haproxy/admin.sock. Add it to"),
        "{sentence}"
    );
    assert!(
        sentence.contains("usermod -aG haproxy deployer") && sentence.ends_with("restart the deployer."),
        "{sentence}"
    );
    assert!(error.is_absence(), "it could not be asked");
}
