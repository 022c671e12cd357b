//! The part of an environment's form about its health check.
//!
//! It holds the fields of every kind of check at once, as a page without scripts cannot exchange
//! them when another kind is chosen; only those of the chosen kind are read and complained about.

use crate::app::admin::Wrongs;
use crate::domain::HealthCheck;
use crate::domain::health::{
    AskedFrom, CommandProbe, HttpProbe, LONGEST_INTERVAL, LONGEST_LIMIT, MOST_ATTEMPTS, Probe, TcpProbe,
};

/// Choosing this kind asks for no check at all.
pub const NONE: &str = "";

/// As typed. What is not said is as in [`HealthCheck`].
#[derive(Debug, Clone)]
pub struct HealthForm {
    /// `http`, `tcp`, `command` or [`NONE`].
    pub kind: String,
    /// `deployer` or `server`.
    pub from: String,
    /// For HTTP and TCP.
    pub port: String,
    /// For HTTP.
    pub path: String,
    /// For HTTP.
    pub tls: bool,
    /// For HTTP: whether *any* certificate will do.
    pub any_certificate: bool,
    /// For HTTP.
    pub host: String,
    /// For HTTP: `200` or `200-399`.
    pub status: String,
    /// For HTTP.
    pub text: String,
    /// For HTTP.
    pub redirects: bool,
    /// For commands.
    pub command: String,
    /// Seconds.
    pub interval: String,
    /// How often at most.
    pub attempts: String,
    /// How many good answers in a row.
    pub successes: String,
    /// Seconds.
    pub limit: String,
}

impl Default for HealthForm {
    /// No check, and sensible values for whoever chooses one.
    fn default() -> Self {
        Self::of(None)
    }
}

impl HealthForm {
    /// The form of a check as it is.
    pub(super) fn of(check: Option<&HealthCheck>) -> Self {
        let plain = HealthCheck::default();
        let wanted = check.unwrap_or(&plain);
        let (mut http, mut port, mut command) = (HttpProbe::default(), None, String::new());
        let mut kind = match &wanted.probe {
            Probe::Http(probe) => {
                http = probe.clone();
                "http"
            }
            Probe::Tcp(probe) => {
                port = Some(probe.port);
                "tcp"
            }
            Probe::Command(probe) => {
                command.clone_from(&probe.line);
                "command"
            }
        };
        if check.is_none() {
            kind = NONE;
        }
        Self {
            kind: kind.to_owned(),
            from: wanted.from.as_str().to_owned(),
            port: port.unwrap_or(http.port).to_string(),
            path: http.path,
            tls: http.tls,
            any_certificate: !http.verify,
            host: http.host,
            status: http.status.to_string(),
            text: http.text,
            redirects: http.redirects,
            command,
            interval: wanted.interval.to_string(),
            attempts: wanted.attempts.to_string(),
            successes: wanted.successes.to_string(),
            limit: wanted.limit.to_string(),
        }
    }

    /// The check, where one is wanted and nothing is wrong with it.
    pub(super) fn read(&self, wrong: &mut Wrongs) -> Option<Option<HealthCheck>> {
        let before = wrong.len();
        let probe = match self.kind.as_str() {
            NONE => return Some(None),
            "http" => Probe::Http(self.http(wrong)),
            "tcp" => Probe::Tcp(TcpProbe {
                port: self.port(wrong),
            }),
            "command" => Probe::Command(CommandProbe {
                line: self.command.trim().to_owned(),
            }),
            _ => {
                wrong.add("health_kind", "Choose one of the kinds of health check.");
                return None;
            }
        };
        let plain = HealthCheck::default();
        let small = |number: u64| u32::try_from(number).ok();
        let from = AskedFrom::parse(&self.from).ok_or_else(|| "Choose who asks.".to_owned());
        let interval = wrong.number("health_interval", &self.interval, 0..=LONGEST_INTERVAL);
        let attempts = wrong.number("health_attempts", &self.attempts, 1..=MOST_ATTEMPTS);
        let successes = wrong.number("health_successes", &self.successes, 1..=MOST_ATTEMPTS);
        let limit = wrong.number("health_limit", &self.limit, 1..=LONGEST_LIMIT);
        // What cannot be read was complained about; its default lets the rest be looked at too.
        let check = HealthCheck {
            probe,
            from: wrong.take("health_from", from).unwrap_or(plain.from),
            interval: interval.unwrap_or(plain.interval),
            attempts: attempts.and_then(small).unwrap_or(plain.attempts),
            successes: successes.and_then(small).unwrap_or(plain.successes),
            limit: limit.unwrap_or(plain.limit),
        };
        if let Err(error) = check.validate() {
            for complaint in error.field_errors() {
                wrong.add(&complaint.field, complaint.message.as_str());
            }
        }
        (wrong.len() == before).then_some(Some(check))
    }

    fn http(&self, wrong: &mut Wrongs) -> HttpProbe {
        let status = wrong.take("health_status", self.status.parse());
        HttpProbe {
            port: self.port(wrong),
            path: self.path.trim().to_owned(),
            tls: self.tls,
            verify: !self.any_certificate,
            host: self.host.trim().to_owned(),
            status: status.unwrap_or_default(),
            text: self.text.clone(),
            redirects: self.redirects,
        }
    }

    fn port(&self, wrong: &mut Wrongs) -> u16 {
        let port = wrong.number("health_port", &self.port, 1..=u16::MAX.into());
        // As above: any other port than none.
        port.and_then(|port| u16::try_from(port).ok()).unwrap_or(1)
    }
}

/// Everything about a check in one line, for the audit log.
pub(super) fn told(check: Option<&HealthCheck>) -> String {
    let Some(check) = check else {
        return "none".to_owned();
    };
    let mut told = check.to_string();
    if let Probe::Http(http) = &check.probe {
        told.push_str(&format!(", wants {}", http.status));
        for (what, value) in [("host", &http.host), ("text", &http.text)] {
            if !value.is_empty() {
                told.push_str(&format!(", {what} “{value}”"));
            }
        }
        for (said, what) in [
            (http.redirects, "follows redirects"),
            (http.tls && !http.verify, "takes any certificate"),
        ] {
            if said {
                told.push_str(&format!(", {what}"));
            }
        }
    }
    let HealthCheck {
        interval,
        attempts,
        successes,
        limit,
        ..
    } = check;
    told.push_str(&format!(
        "; at most {attempts} times, {interval} s apart, each within {limit} s, {successes} well in a row"
    ));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(form: &HealthForm) -> Vec<String> {
        let mut wrong = Wrongs::default();
        match form.read(&mut wrong) {
            Some(_) => Vec::new(),
            None => {
                let error = wrong.into_error();
                error.field_errors().iter().map(|one| one.field.clone()).collect()
            }
        }
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
            let form = HealthForm::of(Some(&check));
            assert_eq!(form.read(&mut Wrongs::default()), Some(Some(check)));
        }
        assert_eq!(HealthForm::default().read(&mut Wrongs::default()), Some(None));
    }

    #[test]
    fn only_the_fields_of_the_chosen_kind_are_looked_at() {
        let mut form = HealthForm {
            kind: "http".to_owned(),
            from: "moon".to_owned(),
            port: "http".to_owned(),
            path: "up".to_owned(),
            status: "fine".to_owned(),
            attempts: "0".to_owned(),
            ..HealthForm::default()
        };
        let wanted = [
            "health_status",
            "health_port",
            "health_attempts",
            "health_from",
            "health_path",
        ];
        assert_eq!(complaints(&form), wanted);
        form.kind = "command".to_owned();
        let wanted = ["health_attempts", "health_from", "health_command"];
        assert_eq!(complaints(&form), wanted);
        form.kind = "seance".to_owned();
        assert_eq!(complaints(&form), ["health_kind"]);
        form.kind = NONE.to_owned();
        assert_eq!(complaints(&form), [""; 0]);
    }

    #[test]
    fn the_audit_log_is_told_everything() {
        let mut form = HealthForm {
            kind: "http".to_owned(),
            text: "well".to_owned(),
            tls: true,
            any_certificate: true,
            ..HealthForm::default()
        };
        form.redirects = true;
        let check = form.read(&mut Wrongs::default()).unwrap();
        assert_eq!(
            told(check.as_ref()),
            "GET / on port 80 with TLS, asked by the deployer, wants 200-399, text “well”, follows \
             redirects, takes any certificate; at most 15 times, 2 s apart, each within 5 s, 1 well in a row"
        );
        assert_eq!(told(None), "none");
    }
}
