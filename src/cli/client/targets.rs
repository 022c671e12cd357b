//! What a command is about: an environment, or a deployment by its number.

use std::str::FromStr;

use serde_json::Value;

use super::connection::DeployerClient;
use crate::cli::outcome::CommandFailure;
use crate::domain::Error;

/// `PROJECT/ENVIRONMENT`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlaceName {
    pub(super) project: String,
    pub(super) environment: String,
}

impl FromStr for PlaceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("“{}” is not PROJECT/ENVIRONMENT", text.escape_debug());
        let (project, environment) = text.split_once('/').ok_or_else(wrong)?;
        if project.is_empty() || environment.is_empty() || environment.contains('/') {
            return Err(wrong());
        }
        Ok(Self {
            project: project.to_owned(),
            environment: environment.to_owned(),
        })
    }
}

impl PlaceName {
    /// Its address below the root of the API.
    pub(super) fn path(&self) -> String {
        format!(
            "/projects/{}/environments/{}",
            segment(&self.project),
            segment(&self.environment)
        )
    }
}

/// A text as one segment of an address.
pub(super) fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A deployment: by its number, or the present one of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    Number(i64),
    Of(PlaceName),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => text.parse().map(Self::Of).map_err(|_| {
                format!(
                    "“{}” is neither a deployment's number nor PROJECT/ENVIRONMENT",
                    text.escape_debug()
                )
            }),
        }
    }
}

impl Which {
    /// The number of the deployment: of an environment the one that runs or waits, else the last one.
    pub(super) async fn number(&self, connection: &DeployerClient) -> Result<i64, CommandFailure> {
        let place = match self {
            Self::Number(number) => return Ok(*number),
            Self::Of(place) => place,
        };
        let view = connection.get(&place.path()).await?;
        let first = |list: &str| {
            view.get(list)
                .and_then(|list| list.get(0))
                .and_then(Value::as_i64)
        };
        first("open").or_else(|| first("deployments")).ok_or_else(|| {
            CommandFailure::Failed(Error::conflict("Nothing was deployed to this environment yet."))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_number_or_a_place() {
        assert_eq!("17".parse(), Ok(Which::Number(17)));
        let place = "shop/prod".parse::<Which>().unwrap();
        assert!(matches!(place, Which::Of(place) if place.path() == "/projects/shop/environments/prod"));
        for odd in ["", "shop", "shop/", "/prod", "a/b/c"] {
            assert!(odd.parse::<Which>().is_err(), "{odd}");
        }
    }
}
