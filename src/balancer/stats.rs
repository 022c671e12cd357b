//! HAProxy's statistics page: its CSV to read, its form to change.
//!
//! The page answers a form with a redirect to itself whose address says what became of it:
//! `st=DONE`, or another code. A page without `stats admin` says `st=DENY`.

use tokio_util::sync::CancellationToken;

use super::credentials::Login;
use super::options::{ANSWER_BYTES, Limits};
use super::state::BackendSlot;
use super::table::StatsTable;
use super::{Admin, Error};
use crate::http::{self, Host, Longer, Request, Response};

/// A statistics page of one HAProxy.
#[derive(Debug, Clone)]
pub(super) struct StatsPage {
    pub(super) label: String,
    pub(super) host: Host,
    /// Path and query of the page.
    pub(super) target: String,
    pub(super) login: Option<Login>,
}

impl StatsPage {
    pub(super) async fn read(&self, limits: &Limits) -> Result<StatsTable, Error> {
        let request = Request::get(format!("{};csv", self.target));
        let answer = self.fetch(request, limits).await?;
        if answer.status != 200 {
            return Err(self.odd_status(answer.status));
        }
        let text = answer.text();
        if text.is_empty() {
            let endpoint = self.label.clone();
            return Err(Error::Empty { endpoint });
        }
        StatsTable::parse(&self.label, &text).ok_or_else(|| Error::not_haproxy(&self.label, &text))
    }

    pub(super) async fn set(&self, slot: &BackendSlot, admin: Admin, limits: &Limits) -> Result<(), Error> {
        slot.check()?;
        let fields = [
            ("s", slot.server.as_str()),
            ("action", admin.word()),
            ("b", slot.backend.as_str()),
        ];
        let code = self.post(&fields, limits).await?;
        let answer = match code.as_str() {
            "DONE" => return Ok(()),
            "ERRP" => "it found no such server.",
            "EXCD" => "the request did not fit its buffer.",
            "PART" => "it applied only a part of the change.",
            _ => "it did not understand the request.",
        };
        Err(Error::Refused {
            endpoint: self.label.clone(),
            act: admin.word(),
            slot: slot.to_string(),
            answer: answer.to_owned(),
        })
    }

    /// Sends the form with no server chosen: it changes nothing, but a page without admin rights denies it.
    pub(super) async fn may_change(&self, limits: &Limits) -> Result<(), Error> {
        self.post(&[("action", Admin::Ready.word())], limits)
            .await
            .map(drop)
    }

    /// Sends the form and returns the code in the redirect, unless that is a denial.
    async fn post(&self, fields: &[(&str, &str)], limits: &Limits) -> Result<String, Error> {
        let request = Request::post_form(self.target.as_str(), fields.iter().copied());
        let answer = self.fetch(request, limits).await?;
        let code = answer
            .header("location")
            .and_then(|location| location.rsplit_once(";st="))
            .map(|(_, code)| code.to_owned());
        match (answer.status, code) {
            (403, _) => Err(self.not_admin()),
            (303, Some(code)) if code == "DENY" => Err(self.not_admin()),
            (303, Some(code)) => Ok(code),
            (status, _) => Err(self.odd_status(status)),
        }
    }

    async fn fetch(&self, request: Request, limits: &Limits) -> Result<Response, Error> {
        let request = match &self.login {
            Some(login) => request.basic_auth(&login.user, &login.password),
            None => request,
        };
        let limits = http::Limits {
            connect: limits.connect,
            total: limits.connect + limits.answer,
            body: crate::sabotage::most("q24", ANSWER_BYTES),
            longer: Longer::Refuse,
        };
        let never = CancellationToken::new();
        // On the heap: it is large, and a balancer may ask many endpoints at once.
        let answer = Box::pin(self.host.fetch(&request, &limits, &never)).await;
        let answer = answer.map_err(|error| self.failure(error))?;
        if answer.status == 401 {
            return Err(Error::Password {
                endpoint: self.label.clone(),
                had_one: self.login.is_some(),
            });
        }
        Ok(answer)
    }

    fn failure(&self, error: http::Error) -> Error {
        let endpoint = self.label.clone();
        match error {
            http::Error::TimedOut { limit, .. } | http::Error::ConnectTimeout { limit, .. } => {
                Error::Timeout { endpoint, limit }
            }
            http::Error::TooLong { .. } => Error::TooLong { endpoint },
            http::Error::NotHttp { .. } => Error::NotHaproxy {
                endpoint,
                answer: "that is not HTTP".to_owned(),
            },
            http::Error::Closed { .. } => Error::Closed {
                endpoint,
                cause: Some(error.into()),
            },
            http::Error::Refused { .. } => Error::Unreachable {
                endpoint,
                reason: "nothing listens there".to_owned(),
                cause: Some(error.into()),
            },
            http::Error::Tls { .. } => Error::Tls(error),
            other => Error::Unreachable {
                endpoint,
                reason: other.to_string().trim_end_matches('.').to_owned(),
                cause: Some(other.into()),
            },
        }
    }

    fn odd_status(&self, status: u16) -> Error {
        Error::NotHaproxy {
            endpoint: self.label.clone(),
            answer: format!("HTTP status {status}"),
        }
    }

    fn not_admin(&self) -> Error {
        Error::NotAdmin {
            endpoint: self.label.clone(),
        }
    }
}
