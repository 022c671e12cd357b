//! The part of an environment's form about its health check.
//!
//! It holds the fields of every kind of check at once, as a page without scripts cannot exchange
//! them; only those of the chosen kind are read and complained about.

use crate::app::admin::values::Within;
use crate::domain::HealthCheck;
use crate::domain::health::{
    AskedFrom, CommandProbe, HttpProbe, LONGEST_INTERVAL, LONGEST_LIMIT, MOST_ATTEMPTS, Probe, TcpProbe,
};
use crate::web::forms::{FormData, FormReader};

/// The kinds of check, as the form names them.
pub(super) const KINDS: &[(&str, &str)] = &[
    ("", "None"),
    ("http", "HTTP: fetch a page"),
    ("tcp", "TCP: connect to a port"),
    ("command", "Command: exit code 0"),
];

/// Where a check is run from, as the form names it.
pub(super) const ASKERS: &[(&str, &str)] = &[
    ("deployer", "The deployer, over the network"),
    ("server", "The server itself, through the SSH connection"),
];

type Interval = Within<0, { LONGEST_INTERVAL as u32 }>;
type Attempts = Within<1, { MOST_ATTEMPTS as u32 }>;
type Limit = Within<1, { LONGEST_LIMIT as u32 }>;

/// All fields of this part.
pub(super) const FIELDS: &[&str] = &[
    "health_kind",
    "health_from",
    "health_port",
    "health_path",
    "health_tls",
    "health_any_certificate",
    "health_host",
    "health_status",
    "health_text",
    "health_redirects",
    "health_command",
    "health_interval",
    "health_attempts",
    "health_successes",
    "health_limit",
];

/// Adds the fields of a check. Without one, `health_kind` is empty and the others have defaults.
pub(super) fn fill(form: FormData, check: Option<&HealthCheck>) -> FormData {
    let plain = HealthCheck::default();
    let wanted = check.unwrap_or(&plain);
    let (mut http, mut port, mut command) = (HttpProbe::default(), None, "");
    let kind = match &wanted.probe {
        Probe::Http(probe) => {
            http = probe.clone();
            "http"
        }
        Probe::Tcp(probe) => {
            port = Some(probe.port);
            "tcp"
        }
        Probe::Command(probe) => {
            command = &probe.line;
            "command"
        }
    };
    form.with("health_kind", if check.is_some() { kind } else { "" })
        .with("health_from", wanted.from.as_str())
        .with("health_port", port.unwrap_or(http.port))
        .with("health_path", http.path)
        .with_tick("health_tls", http.tls)
        .with_tick("health_any_certificate", !http.verify)
        .with("health_host", http.host)
        .with("health_status", http.status)
        .with("health_text", http.text)
        .with_tick("health_redirects", http.redirects)
        .with("health_command", command)
        .with("health_interval", wanted.interval)
        .with("health_attempts", wanted.attempts)
        .with("health_successes", wanted.successes)
        .with("health_limit", wanted.limit)
}

/// The check, where one is chosen and nothing is wrong with it.
pub(super) fn read(form: &mut FormReader) -> Option<Option<HealthCheck>> {
    let before = form.complaints();
    let probe = match form.form.text("health_kind") {
        "" => return Some(None),
        "http" => Probe::Http(http(form)),
        "tcp" => Probe::Tcp(TcpProbe { port: port(form) }),
        "command" => Probe::Command(CommandProbe {
            line: form.form.text("health_command").trim().to_owned(),
        }),
        _ => {
            form.complain("health_kind", "Choose a kind of health check from the list.");
            return None;
        }
    };
    // A field that cannot be read has its complaint; a default lets the rest be checked too.
    let plain = HealthCheck::default();
    let from = AskedFrom::parse(form.form.text("health_from"));
    let from = form.take(
        "health_from",
        from.ok_or_else(|| "Choose where it runs.".to_owned()),
    );
    let check = HealthCheck {
        probe,
        from: from.unwrap_or(plain.from),
        interval: form
            .parse::<Interval>("health_interval")
            .map_or(plain.interval, Within::get),
        attempts: form
            .parse::<Attempts>("health_attempts")
            .map_or(plain.attempts, Within::get),
        successes: form
            .parse::<Attempts>("health_successes")
            .map_or(plain.successes, Within::get),
        limit: form
            .parse::<Limit>("health_limit")
            .map_or(plain.limit, Within::get),
    };
    form.check(check.validate());
    (form.complaints() == before).then_some(Some(check))
}

fn http(form: &mut FormReader) -> HttpProbe {
    let status = form.parse("health_status");
    HttpProbe {
        port: port(form),
        path: form.form.text("health_path").trim().to_owned(),
        tls: form.form.has("health_tls"),
        verify: !form.form.has("health_any_certificate"),
        host: form.form.text("health_host").trim().to_owned(),
        status: status.unwrap_or_default(),
        text: form.form.text("health_text").to_owned(),
        redirects: form.form.has("health_redirects"),
    }
}

fn port(form: &mut FormReader) -> u16 {
    // As above: any other port than none.
    form.parse::<Within<1, 65_535>>("health_port")
        .map_or(1, Within::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(form: &FormData) -> Result<Option<HealthCheck>, Vec<String>> {
        form.read(read)
            .map_err(|error| error.field_errors().iter().map(|one| one.field.clone()).collect())
    }

    #[test]
    fn a_check_goes_into_its_form_and_comes_out_the_same() {
        let http = Probe::Http(HttpProbe {
            port: 8080,
            path: "/up?deep".to_owned(),
            tls: true,
            verify: false,
            host: "shop.example".to_owned(),
            status: "204".parse().unwrap(),
            text: " is well ".to_owned(),
            redirects: true,
        });
        let tcp = Probe::Tcp(TcpProbe { port: 5432 });
        let command = Probe::Command(CommandProbe {
            line: "bin/up --fast".to_owned(),
        });
        for probe in [http, tcp, command] {
            let check = HealthCheck {
                probe,
                from: AskedFrom::Server,
                interval: 1,
                attempts: 7,
                successes: 3,
                limit: 9,
            };
            let form = fill(FormData::default(), Some(&check));
            assert_eq!(read_back(&form), Ok(Some(check)));
        }
        assert_eq!(read_back(&fill(FormData::default(), None)), Ok(None));
    }

    #[test]
    fn only_the_fields_of_the_chosen_kind_are_read() {
        let of_kind = |kind: &str| {
            FormData::default()
                .with("health_kind", kind)
                .with("health_from", "moon")
                .with("health_port", "http")
                .with("health_path", "up")
                .with("health_status", "fine")
                .with("health_attempts", "0")
                .with("health_interval", 2)
                .with("health_successes", 1)
                .with("health_limit", 5)
        };
        let wrong = |kind: &str| read_back(&of_kind(kind)).unwrap_err();
        let http = [
            "health_status",
            "health_port",
            "health_from",
            "health_attempts",
            "health_path",
        ];
        assert_eq!(wrong("http"), http);
        let command = ["health_from", "health_attempts", "health_command"];
        assert_eq!(wrong("command"), command);
        assert_eq!(wrong("seance"), ["health_kind"]);
        assert_eq!(read_back(&of_kind("")), Ok(None));
    }
}
