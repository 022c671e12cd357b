//! Codes of a second factor: at a login, and for what an account does to its own second factor.

use serde_json::json;

use super::{LoggedIn, Logins, done, find, known_device, marks_of, own, stands, throttled};
use crate::app::App;
use crate::app::outside;
use crate::app::second_factor::{self, recovery};
use crate::domain::{Actor, Error, ErrorKind, EventKind, HalfIn, Instant, Result, SecondFactor, User};
use crate::store::{Change, second_factors, users};

/// What a code is entered for, other than a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeAct {
    /// The second factor counts from now on. Recovery codes are made.
    Confirm,
    /// It counts no more.
    TurnOff,
    /// Other recovery codes take the place of the present ones.
    NewCodes,
}

impl Logins {
    /// Completes a login with a code of the second factor. `device` is the mark that the browser got at an earlier
    /// login.
    ///
    /// # Errors
    /// A complaint about the field `code`; throttled; unauthenticated, when the login has to begin again.
    pub async fn complete(
        &self,
        app: &App,
        (half, code): (&HalfIn, &str),
        (address, device): (&str, Option<&str>),
        now: Instant,
    ) -> Result<LoggedIn> {
        let begin_again = || Error::new(ErrorKind::Unauthenticated, "This took too long. Log in again.");
        let Some((user, hash)) = find(&app.store, &half.name).await? else {
            return Err(begin_again());
        };
        let marks = marks_of(app, &user, hash.as_deref()).await?;
        let is_same = user.id == half.id && stands(&user, &marks, &half.name, &half.stamp);
        if !is_same || now >= half.until {
            return Err(begin_again());
        }
        let actor = Actor::user(user.name.as_str(), address);
        let device = hash.as_deref().and_then(|hash| known_device(device?, hash));
        let (change, _) = self.with_code(app, (&actor, &user), (code, device), now).await?;
        users::logged_in(&change, user.id, now).await?;
        let (_, mut event) = done(&actor, EventKind::LoginSucceeded);
        if let Some(provider) = &half.provider {
            outside::note_groups(&change, (&user, provider), &half.groups).await?;
            event = event
                .with("by", json!(provider))
                .with("groups", json!(half.groups));
        }
        change.commit(event.with("second_factor", json!(true))).await?;
        let known = match hash.filter(|_| half.provider.is_none()) {
            Some(hash) => LoggedIn::new(user, half.groups.clone(), &hash),
            None => LoggedIn {
                user,
                groups: half.groups.clone(),
                stamp: half.stamp.clone(),
                device: String::new(),
                second_factor: true,
                until: half.ends,
                provider: half.provider.clone(),
            },
        };
        Ok(LoggedIn {
            second_factor: true,
            ..known
        })
    }

    /// Begins to set up a second factor for `actor`, whose password this is, where they have one. It counts once it is
    /// confirmed.
    ///
    /// # Errors
    /// A complaint about the field `old`; throttled; a conflict when there is one.
    pub async fn begin_second_factor(
        &self,
        app: &App,
        actor: &Actor,
        password: &str,
        now: Instant,
    ) -> Result<()> {
        let kinds = (EventKind::CodeFailed, EventKind::LoginThrottled);
        let (own, hash) = users::with_password_hash(&app.store, &actor.name).await?;
        // Whoever has none came by a login from outside.
        let user = match hash {
            Some(_) => self.demand_password(app, actor, (password, kinds)).await?,
            None => own,
        };
        if second_factors::confirmed_at(&app.store, user.id).await?.is_some() {
            return Err(Error::conflict(
                "There is a second factor already. Turn it off first.",
            ));
        }
        let (right, event) = done(actor, EventKind::SecondFactorBegun);
        let change = app.store.change(right, now).await?;
        second_factors::begin(&change, user.id, &second_factor::new_secret()).await?;
        change.commit(event).await
    }

    /// Does something to the second factor of `user`, who proves with `code` that they have it. Returns new recovery
    /// codes, to be shown once.
    ///
    /// # Errors
    /// A complaint about the field `code`; throttled; a conflict when there is none.
    pub async fn act_with_code(
        &self,
        app: &App,
        (actor, user): (&Actor, &User),
        (act, code): (CodeAct, &str),
        now: Instant,
    ) -> Result<Vec<String>> {
        let (change, factor) = self.with_code(app, (actor, user), (code, None), now).await?;
        if factor.confirmed_at.is_some() == (act == CodeAct::Confirm) {
            return Err(Error::conflict(
                "The second factor was changed elsewhere. Look again.",
            ));
        }
        let kind = match act {
            CodeAct::Confirm => EventKind::SecondFactorOn,
            CodeAct::TurnOff => EventKind::SecondFactorOff,
            CodeAct::NewCodes => EventKind::RecoveryCodesMade,
        };
        let mut codes = Vec::new();
        match act {
            CodeAct::TurnOff => second_factors::delete(&change, user.id).await?,
            CodeAct::Confirm | CodeAct::NewCodes => {
                codes = recovery::generated();
                let digests = recovery::digests(user.id, &codes);
                // The code that was just spent may have been one of them.
                let Some(now_known) = second_factors::of_user(&change, user.id).await? else {
                    return Err(Error::internal("a second factor went within its change"));
                };
                second_factors::set_recovery(&change, &now_known, &digests).await?;
            }
        }
        if act == CodeAct::Confirm {
            second_factors::confirm(&change, user.id, now).await?;
        }
        change.commit(done(actor, kind).1).await?;
        Ok(codes)
    }

    /// A change in which `code` of the second factor of `user` is spent.
    async fn with_code(
        &self,
        app: &App,
        (actor, user): (&Actor, &User),
        (code, device): (&str, Option<&str>),
        now: Instant,
    ) -> Result<(Change, SecondFactor)> {
        let store = &app.store;
        if !self.throttle.admits_code(user.name.as_str(), device).await {
            app.note(own(actor, EventKind::LoginThrottled)).await?;
            return Err(throttled());
        }
        let (right, _) = done(actor, EventKind::LoginSucceeded);
        let change = store.change(right, now).await?;
        let Some(factor) = second_factors::of_user(&change, user.id).await? else {
            return Err(Error::conflict(
                "The account has no second factor any more. Log in again.",
            ));
        };
        if second_factor::spend(&change, &factor, code, now).await? {
            return Ok((change, factor));
        }
        drop(change);
        app.note(own(actor, EventKind::CodeFailed)).await?;
        Err(Error::field(
            "code",
            "This code is wrong, or it was used already: each is taken once. Wait for the next one.",
        ))
    }
}
