//! `deployer token …`: API tokens, also beside a running server.

use clap::Subcommand;

use super::config_args::ConfigArgs;
use super::data;
use super::outcome::{CommandFailure, say};
use crate::app::tokens::{self, NewToken};
use crate::clock::Clock;
use crate::domain::{Action, Error, Instant, Name, Result, TokenId, TokenScope};

/// Make, list and revoke API tokens, by which programs act as an account.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token and print it, this once.
    Add {
        /// The account it acts as.
        account: String,
        /// What uses it: ci, chat-bot.
        name: String,
        #[command(flatten)]
        end: TokenEnd,
        #[command(flatten)]
        scope: ScopeArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// List the tokens of an account: number, name, state, end, last use, scope, separated by tabs.
    List {
        /// Whose tokens they are.
        account: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Revoke a token: it is refused from now on.
    Revoke {
        /// Its number, as “token list” shows it.
        number: i64,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// When a token expires.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(super) struct TokenEnd {
    /// Days until it expires.
    #[arg(long, value_name = "NUMBER", default_value_t = 90)]
    days: u32,
    /// Let it never expire.
    #[arg(long)]
    never: bool,
}

/// What a token may do of what its account may.
#[derive(Debug, clap::Args)]
pub(super) struct ScopeArgs {
    /// An action that it may do; none: all. Can be given several times.
    #[arg(long = "action", value_name = "ACTION")]
    actions: Vec<Action>,
    /// A project that it may act in; none: all. Can be given several times.
    #[arg(long = "project", value_name = "NAME")]
    projects: Vec<Name>,
    /// An environment that it may act in; none: all. Can be given several times.
    #[arg(long = "environment", value_name = "NAME")]
    environments: Vec<Name>,
}

impl TokenEnd {
    fn at(&self, now: Instant) -> Result<Option<Instant>> {
        match self.never {
            true => Ok(None),
            false => tokens::expiry(self.days, now).map(Some),
        }
    }
}

pub(super) async fn run(command: TokenCommand) -> Result<(), CommandFailure> {
    match command {
        TokenCommand::Add {
            account,
            name,
            end,
            scope,
            config,
        } => {
            let name: Name = name
                .parse()
                .map_err(|complaint: String| Error::invalid(complaint))?;
            let operator = data::operator();
            let new = NewToken {
                name,
                expires_at: end.at(operator.at())?,
                scope: TokenScope {
                    actions: scope.actions,
                    projects: scope.projects,
                    environments: scope.environments,
                },
            };
            let store = data::open_current(&config.load()?).await?;
            let made = tokens::make(&store, &operator, &account, new).await?;
            say(format_args!(
                "Token number {} of “{account}” was made. It is shown this once.",
                made.token.id
            ));
            say(format_args!("Token: {}", made.secret));
        }
        TokenCommand::List { account, config } => list(&account, &config).await?,
        TokenCommand::Revoke { number, config } => {
            let store = data::open_current(&config.load()?).await?;
            let operator = data::operator();
            let token = tokens::revoke(&store, &operator, None, TokenId(number)).await?;
            say(format_args!("Token “{}” is revoked.", token.name));
        }
    }
    Ok(())
}

async fn list(account: &str, config: &ConfigArgs) -> Result<(), CommandFailure> {
    let store = data::open_current(&config.load()?).await?;
    let (_, tokens) = tokens::of_named(&store, account).await?;
    let now = Clock::System.now();
    let written = |at: Option<Instant>| at.map_or("never".to_owned(), |at| at.format("%FT%TZ").to_string());
    for token in tokens {
        say(format_args!(
            "{}\t{}\t{}\t{}\t{}\t{}",
            token.id,
            token.name,
            token.state(now),
            written(token.expires_at),
            written(token.last_used_at),
            token.scope
        ));
    }
    Ok(())
}
