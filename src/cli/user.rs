//! `deployer user …`: local users, also beside a running server.

use std::io::{self, BufRead, IsTerminal};

use clap::Subcommand;

use super::config_args::ConfigArgs;
use super::data;
use super::outcome::{CommandFailure, say};
use crate::app::accounts::{self, Keeping, NewUser};
use crate::app::outside::links;
use crate::app::{passwords, second_factor, sessions};
use crate::domain::{Error, LoginProvider, Name, Result, WhichSessions};
use crate::store;

/// Add, list and change local users.
///
/// What they may do is written in the policy files; see “deployer policy check”.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a user; asks for the password unless an option says otherwise.
    Add {
        /// The name they log in with and that policy lines use.
        name: String,
        /// Their display name.
        #[arg(long, value_name = "TEXT", default_value = "")]
        display_name: String,
        /// Their e-mail address.
        #[arg(long, value_name = "ADDRESS", default_value = "")]
        email: String,
        /// Make a service account: without a password, so that nobody can log in; it acts by API tokens.
        #[arg(long, conflicts_with_all = ["password_stdin", "generate", "keep"])]
        service: bool,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        keeping: KeepingArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Set a user's password; asks for it unless an option gives it.
    Passwd {
        /// The user's name.
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        keeping: KeepingArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// List all users: name, state, last login, display name, e-mail address, separated by tabs.
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Disable an account. Its history stays.
    Disable {
        /// The user's name.
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// End all sessions of an account: it is logged out everywhere.
    Logout {
        /// The user's name.
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Take the second factor of an account away, for somebody who lost it, and end its sessions.
    ResetSecondFactor {
        /// The user's name.
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Let an account be known by a login from outside.
    Link {
        /// The user's name.
        name: String,
        #[command(flatten)]
        identity: IdentityArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// End that, and the sessions that came of it.
    Unlink {
        /// The user's name.
        name: String,
        #[command(flatten)]
        identity: IdentityArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Enable an account again.
    Enable {
        /// The user's name.
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// Where a password comes from.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(super) struct PasswordArgs {
    /// Read the password from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
    /// Generate a password and print it.
    #[arg(long)]
    generate: bool,
}

/// By what an account is known outside.
#[derive(Debug, clap::Args)]
pub(super) struct IdentityArgs {
    /// What says who somebody is: proxy, plugin, or the issuer of an OpenID provider.
    #[arg(long, value_parser = provider)]
    provider: LoginProvider,
    /// What it calls them.
    #[arg(long, value_name = "TEXT")]
    subject: String,
}

fn provider(text: &str) -> Result<LoginProvider, String> {
    let wrong = "write proxy, plugin, or the issuer of an OpenID provider as the configuration has it";
    LoginProvider::parse(text).ok_or_else(|| wrong.to_owned())
}

/// Links an account, or ends that.
async fn link(
    name: &str,
    identity: IdentityArgs,
    is_on: bool,
    config: &ConfigArgs,
) -> Result<(), CommandFailure> {
    let store = data::open_current(&config.load()?).await?;
    let IdentityArgs { provider, subject } = identity;
    let (operator, known) = (data::operator(), (&provider, subject.as_str()));
    match is_on {
        true => {
            let user = links::link(&store, &operator, name, known).await?;
            say(format_args!(
                "User “{}” is known to {}.",
                user.name,
                provider.title()
            ));
        }
        false => {
            let user = links::unlink(&store, &operator, name, known).await?;
            say(format_args!("User “{}” is not known there any more.", user.name));
        }
    }
    Ok(())
}

/// How long a password is kept.
#[derive(Debug, clap::Args)]
pub(super) struct KeepingArgs {
    /// Let it be kept: for programs that log in. People have to change it at their first login.
    #[arg(long)]
    keep: bool,
}

impl KeepingArgs {
    fn keeping(&self) -> Keeping {
        match self.keep {
            true => Keeping::ForGood,
            false => Keeping::UntilLogin,
        }
    }
}

pub(super) async fn run(command: UserCommand) -> Result<(), CommandFailure> {
    match command {
        UserCommand::Add {
            name,
            display_name,
            email,
            service,
            password,
            keeping,
            config,
        } => {
            let name: Name = name
                .parse()
                .map_err(|complaint: String| Error::invalid(complaint))?;
            let secret = match service {
                true => None,
                false => Some(password.get()?),
            };
            let new = NewUser {
                name,
                display_name,
                email,
                password: secret,
                keeping: keeping.keeping(),
            };
            add(new, &password, &config).await?;
        }
        UserCommand::Passwd {
            name,
            password,
            keeping,
            config,
        } => change_password(&name, &password, &keeping, &config).await?,
        UserCommand::List { config } => list(&config).await?,
        UserCommand::Disable { name, config } => switch(&name, &config, true).await?,
        UserCommand::Logout { name, config } => {
            let store = data::open_current(&config.load()?).await?;
            let (operator, all) = (data::operator(), WhichSessions::All);
            let number = sessions::end(&store, &operator, &name, &all).await?;
            say(format_args!("Sessions of “{name}” that were ended: {number}."));
        }
        UserCommand::ResetSecondFactor { name, config } => {
            let store = data::open_current(&config.load()?).await?;
            let user = second_factor::reset(&store, &data::operator(), &name).await?;
            say(format_args!("User “{}” has no second factor now.", user.name));
        }
        UserCommand::Link {
            name,
            identity,
            config,
        } => link(&name, identity, true, &config).await?,
        UserCommand::Unlink {
            name,
            identity,
            config,
        } => link(&name, identity, false, &config).await?,
        UserCommand::Enable { name, config } => switch(&name, &config, false).await?,
    }
    Ok(())
}

async fn add(new: NewUser, password: &PasswordArgs, config: &ConfigArgs) -> Result<(), CommandFailure> {
    let store = data::open_current(&config.load()?).await?;
    let secret = new.password.clone().unwrap_or_default();
    let user = accounts::add(&store, &data::operator(), new).await?;
    say(format_args!(
        "User “{}” was added. The policy says what they may do.",
        user.name
    ));
    password.tell(&secret);
    Ok(())
}

async fn change_password(
    name: &str,
    password: &PasswordArgs,
    keeping: &KeepingArgs,
    config: &ConfigArgs,
) -> Result<(), CommandFailure> {
    let store = data::open_current(&config.load()?).await?;
    store::users::by_name(&store, name).await?;
    let secret = password.get()?;
    let (operator, keeping) = (data::operator(), keeping.keeping());
    let user = accounts::set_password(&store, &operator, name, secret.clone(), keeping).await?;
    say(format_args!("User “{}” has a new password.", user.name));
    password.tell(&secret);
    Ok(())
}

async fn list(config: &ConfigArgs) -> Result<(), CommandFailure> {
    let store = data::open_current(&config.load()?).await?;
    for user in store::users::list(&store).await? {
        let state = if user.disabled { "disabled" } else { "active" };
        let login = user
            .last_login_at
            .map_or("never".to_owned(), |at| at.format("%FT%TZ").to_string());
        say(format_args!(
            "{}\t{state}\t{login}\t{}\t{}",
            user.name, user.display_name, user.email
        ));
    }
    Ok(())
}

async fn switch(name: &str, config: &ConfigArgs, disabled: bool) -> Result<(), CommandFailure> {
    let store = data::open_current(&config.load()?).await?;
    let user = accounts::set_disabled(&store, &data::operator(), name, disabled).await?;
    let state = if disabled { "disabled" } else { "enabled" };
    say(format_args!("User “{}” is {state}.", user.name));
    Ok(())
}

impl PasswordArgs {
    fn get(&self) -> Result<String> {
        let password = match self {
            Self { generate: true, .. } => passwords::generated_password(),
            Self {
                password_stdin: true, ..
            } => from_stdin()?,
            _ => asked()?,
        };
        passwords::check_password(&password, &[])?;
        Ok(password)
    }

    /// Prints a generated password.
    fn tell(&self, password: &str) {
        if self.generate {
            say(format_args!("Password: {password}"));
        }
    }
}

fn from_stdin() -> Result<String> {
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|cause| Error::invalid("No password could be read from standard input.").because(cause))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

fn asked() -> Result<String> {
    if !io::stdin().is_terminal() {
        let sentence = "There is no terminal to ask for a password. Use --password-stdin or --generate.";
        return Err(Error::invalid(sentence));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map_err(|cause| Error::invalid("No password could be read from the terminal.").because(cause))
    };
    let password = ask("Password: ")?;
    passwords::check_password(&password, &[])?;
    if ask("The same again: ")? != password {
        return Err(Error::invalid("The two passwords differ. Nothing was changed."));
    }
    Ok(password)
}
