//! What may be asked, and that stored checks stay readable.

use serde_json::json;

use super::*;

fn complaints(check: &HealthCheck) -> Vec<String> {
    match check.validate() {
        Ok(()) => Vec::new(),
        Err(error) => error.field_errors().iter().map(|one| one.field.clone()).collect(),
    }
}

#[test]
fn what_was_stored_before_a_field_existed_gets_its_default() {
    let stored = json!({"probe": {"kind": "http", "path": "/up"}, "attempts": 3});
    let read: HealthCheck = serde_json::from_value(stored).unwrap();
    let probe = HttpProbe {
        path: "/up".to_owned(),
        ..HttpProbe::default()
    };
    let wanted = HealthCheck {
        probe: Probe::Http(probe),
        attempts: 3,
        ..HealthCheck::default()
    };
    assert_eq!(read, wanted);
    assert_eq!(complaints(&read), [""; 0]);
}

#[test]
fn every_check_is_read_back_as_it_was_written() {
    let probes = [
        Probe::Http(HttpProbe {
            status: "204".parse().unwrap(),
            ..HttpProbe::default()
        }),
        Probe::Tcp(TcpProbe { port: 5432 }),
        Probe::Command(CommandProbe {
            line: "test -f up".to_owned(),
        }),
    ];
    for probe in probes {
        let check = HealthCheck {
            probe,
            from: AskedFrom::Server,
            ..HealthCheck::default()
        };
        let stored = serde_json::to_value(&check).unwrap();
        assert_eq!(serde_json::from_value::<HealthCheck>(stored).unwrap(), check);
    }
}

#[test]
fn statuses_are_one_or_a_range() {
    for (text, shown, holds, lacks) in [
        ("200", "200", 200, 201),
        (" 200 - 299", "200-299", 299, 300),
        ("401–403", "401-403", 402, 404),
    ] {
        let statuses: Statuses = text.parse().unwrap();
        assert_eq!(statuses.to_string(), shown);
        assert!(statuses.contains(holds) && !statuses.contains(lacks), "{text}");
    }
    for bad in [
        "", "ok", "99", "200-", "-200", "300-200", "200-600", "2 00", "200,204",
    ] {
        assert!(bad.parse::<Statuses>().is_err(), "{bad}");
    }
}

#[test]
fn each_field_is_complained_about_by_its_name() {
    let http = |change: fn(&mut HttpProbe)| {
        let mut probe = HttpProbe::default();
        change(&mut probe);
        HealthCheck {
            probe: Probe::Http(probe),
            ..HealthCheck::default()
        }
    };
    let command = |line: &str| HealthCheck {
        probe: Probe::Command(CommandProbe {
            line: line.to_owned(),
        }),
        ..HealthCheck::default()
    };
    for (check, field) in [
        (http(|probe| probe.port = 0), "health_port"),
        (http(|probe| probe.path = "up".to_owned()), "health_path"),
        (http(|probe| probe.path = String::new()), "health_path"),
        (http(|probe| probe.path = "/a b".to_owned()), "health_path"),
        (http(|probe| probe.path = "/é".to_owned()), "health_path"),
        (http(|probe| probe.path = "/a\r\nX: y".to_owned()), "health_path"),
        (http(|probe| probe.path = "/#top".to_owned()), "health_path"),
        (http(|probe| probe.host = "a\r\nb".to_owned()), "health_host"),
        (http(|probe| probe.host = "http://shop".to_owned()), "health_host"),
        (http(|probe| probe.text = "x".repeat(501)), "health_text"),
        (command(" "), "health_command"),
        (command("true\nfalse"), "health_command"),
        (command(&"x".repeat(4001)), "health_command"),
    ] {
        assert_eq!(complaints(&check), [field], "{check:?}");
    }
    let numbers = HealthCheck {
        probe: Probe::Tcp(TcpProbe { port: 0 }),
        interval: 601,
        attempts: 2,
        successes: 3,
        limit: 0,
        ..HealthCheck::default()
    };
    let fields = [
        "health_port",
        "health_interval",
        "health_successes",
        "health_limit",
    ];
    assert_eq!(complaints(&numbers), fields);
}

#[test]
fn a_check_reads_as_part_of_a_sentence() {
    let mut check = HealthCheck::default();
    assert_eq!(check.to_string(), "GET / on port 80, asked by the deployer");
    check.probe = Probe::Command(CommandProbe {
        line: "bin/up".to_owned(),
    });
    check.from = AskedFrom::Server;
    assert_eq!(check.to_string(), "“bin/up”, run on the server");
}
