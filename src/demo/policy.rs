//! The demo's policy: the files as shipped, with lines for the demo's people.
//!
//! They lie in the demo's directory, where visitors can edit them and see what happens.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::data;
use super::fleet::SampleEnvironment;
use super::people::PEOPLE;
use crate::access::SHIPPED;
use crate::domain::{Kind, PolicyLine};

const POLICY_FILE: &str = "policy.csv";

/// Writes the files to `dir`. Existing ones stay as they are: somebody may have edited them.
pub fn write(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for (name, shipped) in SHIPPED {
        let path = dir.join(name);
        if path.exists() {
            continue;
        }
        match name {
            POLICY_FILE => std::fs::write(path, policy())?,
            _ => std::fs::write(path, shipped)?,
        }
    }
    Ok(())
}

/// The text of the policy file.
fn policy() -> String {
    let shipped = SHIPPED.into_iter().find(|(name, _)| *name == POLICY_FILE);
    let shipped = shipped.map_or("", |(_, text)| text);
    let mut text = shipped.trim_end().to_owned();
    text.push('\n');
    text.push_str(&data::text("policy.csv"));
    for person in &PEOPLE.accounts {
        // The shipped policy already names some of them.
        let known = |line: &&str| columns(line).starts_with(&["g", &person.name]);
        if !shipped.lines().any(|line| known(&line)) {
            let _ = writeln!(text, "g, {}, role:{}", person.name, person.role);
        }
    }
    text
}

/// The line that allowed `actor` to deploy to `environment`.
pub fn line_for(actor: &str, kind: Kind, environment: &SampleEnvironment) -> Option<PolicyLine> {
    let role = PEOPLE.account(actor)?.role.as_str();
    let action = match kind {
        Kind::Rollback => "rollback",
        _ => "deploy",
    };
    let policy = policy();
    // A releaser also has the rights of a developer.
    let roles = if role == "releaser" {
        vec!["releaser", "developer"]
    } else {
        vec![role]
    };
    let mut lines = roles.iter().flat_map(|role| {
        policy
            .lines()
            .zip(1..)
            .map(move |(text, line)| (role, text, line))
    });
    lines.find_map(|(role, text, line)| {
        let subject = format!("role:{role}");
        let [kind, who, project, name, what, _, effect] = columns(text)[..] else {
            return None;
        };
        let allows = kind == "p" && who == subject && effect == "allow";
        let here = ["*", &environment.project].contains(&project) && ["*", &environment.name].contains(&name);
        let does = [action, "administer", "configure"].contains(&what);
        (allows && here && does).then(|| PolicyLine {
            policy: None,
            file: POLICY_FILE.to_owned(),
            line,
            text: text.to_owned(),
        })
    })
}

fn columns(line: &str) -> Vec<&str> {
    line.split(',').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fleet::FLEET;
    use super::*;
    use crate::access::Access;
    use crate::domain::{Action, Actor, Resource};

    #[test]
    fn the_policy_takes_effect_and_knows_everybody() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let access = Access::load(dir.path()).unwrap();
        let sunday = "2026-11-22T03:00:00Z".parse().unwrap();
        let may = |name: &str, action, project: &str, environment: &str| {
            let resource = Resource::Environment(project.into(), environment.into());
            access.may(&Actor::user(name, "cli"), action, &resource, sunday)
        };
        assert!(may("dora", Action::Deploy, "webshop", "dev"));
        assert!(may("tom", Action::Deploy, "mobile-backend", "preview"));
        assert!(!may("dora", Action::Deploy, "webshop", "beta"));
        assert!(may("ines", Action::Deploy, "webshop", "beta"));
        assert!(!may("rita", Action::Deploy, "webshop", "dev"));
        assert!(may("admin", Action::Deploy, "webshop", "prod"));
        for person in &PEOPLE.accounts {
            assert!(may(&person.name, Action::View, "site", "prod"), "{}", person.name);
        }
    }

    #[test]
    fn what_an_editor_wrote_stays() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(POLICY_FILE), "# mine\n").unwrap();
        write(dir.path()).unwrap();
        let kept = std::fs::read_to_string(dir.path().join(POLICY_FILE)).unwrap();
        assert_eq!(kept, "# mine\n");
    }

    #[test]
    fn every_past_deployment_can_name_its_line() {
        let find = |name| FLEET.environments.iter().find(|one| one.is("webshop", name));
        let prod = find("prod").unwrap();
        let line = line_for("ines", Kind::Regular, prod).unwrap();
        assert_eq!(columns(&line.text)[4], "deploy");
        let preview = FLEET.environments.iter().find(|one| one.name == "preview");
        assert!(line_for("tom", Kind::Regular, preview.unwrap()).is_some());
        assert!(line_for("rita", Kind::Regular, prod).is_none());
    }
}
