//! Many servers at once, from a list of lines: all of them are added, or none.

use super::demand_everything;
use super::jump_hosts::JumpHosts;
use super::server_events::added;
use super::servers::{ServerSpec, checked};
use super::values::{Address, Within};
use crate::access::Permit;
use crate::app::App;
use crate::domain::{Error, Name, Result, Server, ServerId};
use crate::store::servers;

/// How many servers one list may have.
pub const MOST_LINES: usize = 500;
/// The port of a line without one.
const SSH_PORT: &str = "22";

/// A line of the list.
#[derive(Debug, Clone)]
pub struct PastedServer {
    /// Its number in the text, from 1.
    pub number: usize,
    /// As it was written.
    pub text: String,
    /// The server, or what is wrong with the line.
    pub outcome: Result<Server, String>,
}

/// Reads `NAME [ADDRESS [PORT]]` from each line of `text` and compares it with the servers there are.
/// Empty lines and those that begin with `#` are passed over.
///
/// # Errors
/// A complaint about the field `lines` when there are none or too many; of the store.
pub async fn read(app: &App, permit: &Permit, text: &str) -> Result<Vec<PastedServer>> {
    demand_everything(permit)?;
    let lines = lines(text)?;
    Ok(compared(lines, &servers::list(&app.store).await?))
}

/// Adds all servers of the list, without host keys.
///
/// # Errors
/// As [`read`]; a complaint about the field `lines` when a line is wrong: then none is added.
pub async fn add(app: &App, permit: &Permit, text: &str) -> Result<Vec<Server>> {
    demand_everything(permit)?;
    let lines = lines(text)?;
    let mut change = app.store.change(permit, app.now()).await?;
    let known = servers::list(&change).await?;
    let mut new = Vec::new();
    for line in compared(lines, &known) {
        match line.outcome {
            Ok(server) => new.push(server),
            Err(why) => {
                let message = format!("Line {}: {why} No server was added.", line.number);
                return Err(Error::field("lines", message));
            }
        }
    }
    let mut stored = Vec::new();
    for server in &new {
        stored.push(servers::insert(&change, server).await?);
    }
    let (Some(first), rest) = (stored.first(), stored.iter().skip(1)) else {
        return Err(Error::field("lines", "Enter at least one server."));
    };
    rest.for_each(|server| change.also(added(&known, server)));
    change.commit(added(&known, first)).await?;
    Ok(stored)
}

fn lines(text: &str) -> Result<Vec<(usize, &str)>> {
    let all = (1..).zip(text.lines().map(str::trim));
    let lines: Vec<(usize, &str)> = all
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .collect();
    match lines.len() {
        0 => Err(Error::field("lines", "Enter at least one server.")),
        count if count > crate::sabotage::most("u23", MOST_LINES) => {
            let message = format!("These are {count} servers; enter at most {MOST_LINES} at once.");
            Err(Error::field("lines", message))
        }
        _ => Ok(lines),
    }
}

/// Each line with its server, unless that has the name or the address of another.
fn compared(lines: Vec<(usize, &str)>, known: &[Server]) -> Vec<PastedServer> {
    let mut taken: Vec<Server> = Vec::new();
    let mut compared = Vec::new();
    for (number, text) in lines {
        let outcome = server(text).and_then(|server| {
            no_other(&server, known, "")?;
            no_other(&server, &taken, " above")?;
            Ok(server)
        });
        taken.extend(outcome.iter().cloned());
        compared.push(PastedServer {
            number,
            text: text.to_owned(),
            outcome,
        });
    }
    compared
}

fn no_other(server: &Server, others: &[Server], place: &str) -> Result<(), String> {
    for other in others {
        if other.name.as_str().eq_ignore_ascii_case(server.name.as_str()) {
            return Err(format!("There is a server “{}” already{place}.", other.name));
        }
        if other.shares_address(server) {
            return Err(format!(
                "Server “{}”{place} has this address and port already.",
                other.name
            ));
        }
    }
    Ok(())
}

fn server(text: &str) -> Result<Server, String> {
    let fields = text.split(|c: char| c.is_whitespace() || c == ',' || c == ';');
    let fields: Vec<&str> = fields.filter(|field| !field.is_empty()).collect();
    let (name, address, port) = match fields.as_slice() {
        [name] => (*name, *name, SSH_PORT),
        [name, address] => (*name, *address, SSH_PORT),
        [name, address, port] => (*name, *address, *port),
        _ => return Err("Write “NAME ADDRESS PORT”; address and port may be left out.".to_owned()),
    };
    if let Some((host, port)) = address.split_once(':').filter(|(_, rest)| !rest.contains(':')) {
        return Err(format!(
            "Write the port as a word of its own: “{name} {host} {port}”."
        ));
    }
    let spec = ServerSpec {
        name: name.parse::<Name>()?,
        address: address.parse::<Address>()?,
        port: port
            .parse::<Within<1, 65_535>>()
            .map_err(|why| format!("The port: {why}"))?,
        active: true,
        key: None,
        legacy: false,
        via: JumpHosts::default(),
    };
    checked(spec, ServerId(0), Vec::new()).map_err(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(text: &str, known: &[Server]) -> Vec<String> {
        let show = |line: PastedServer| match line.outcome {
            Ok(server) => format!("{} {}:{}", server.name, server.address, server.port),
            Err(why) => format!("{}! {why}", line.number),
        };
        compared(lines(text).unwrap(), known)
            .into_iter()
            .map(show)
            .collect()
    }

    #[test]
    fn each_line_is_a_server_or_says_what_is_wrong() {
        let text = "# the fleet\nweb1 10.0.0.1 2222\nweb2.example.org\n\nweb3, 10.0.0.3\nWEB1 10.0.0.9\n\
                    web4 10.0.0.1 2222\nweb5 10.0.0.5 no\nweb6 a b c\nhere 10.0.0.6\nwéb 10.0.0.7\nweb8 127.0.0.13:2213\nweb9 ::9 22";
        let found = outcomes(text, &[]);
        assert_eq!(found[0], "web1 10.0.0.1:2222");
        assert_eq!(found[1], "web2.example.org web2.example.org:22");
        assert_eq!(found[2], "web3 10.0.0.3:22");
        assert_eq!(found[3], "6! There is a server “web1” already above.");
        assert_eq!(
            found[4],
            "7! Server “web1” above has this address and port already."
        );
        assert_eq!(found[5], "8! The port: Write a whole number from 1 to 65535.");
        assert!(found[6].starts_with("9! Write “NAME ADDRESS PORT”"), "{found:?}");
        assert!(
            found[7].starts_with("10! ") && found[8].starts_with("11! "),
            "{found:?}"
        );
        assert_eq!(
            found[9],
            "12! Write the port as a word of its own: “web8 127.0.0.13 2213”."
        );
        assert_eq!(found[10], "web9 ::9:22");
        assert_eq!(found.len(), 11);
    }

    #[test]
    fn a_line_is_compared_with_the_servers_there_are() {
        let known = server("old 10.0.0.1").unwrap();
        let found = outcomes("OLD 10.0.0.2\nnew 10.0.0.1\nother 10.0.0.1 23", &[known]);
        assert_eq!(found[0], "1! There is a server “old” already.");
        assert_eq!(found[1], "2! Server “old” has this address and port already.");
        assert_eq!(found[2], "other 10.0.0.1:23");
    }

    #[test]
    fn too_few_and_too_many_are_refused() {
        assert!(lines("\n# none\n").is_err());
        let many: Vec<String> = (0..=MOST_LINES).map(|number| format!("web{number}")).collect();
        assert!(lines(&many.join("\n")).is_err());
        assert!(lines(&many[1..].join("\n")).is_ok());
    }
}
