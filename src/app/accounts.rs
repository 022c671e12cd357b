//! Local accounts: adding users, giving them passwords, disabling them. What a user may do is decided
//! by policy.

use serde_json::json;

use super::App;
use super::admin::{demand_administer, mail_address};
use super::passwords::{self, hashed};
use crate::access::{Permit, is_taken_for};
use crate::domain::access::{AUTO, EVERYTHING, GUEST, VISITOR};
use crate::domain::user::GivenPassword;
use crate::domain::{
    Action, Area, Author, DeploymentId, DeploymentState, Error, Event, EventKind, Name, Result, User, UserId,
};
use crate::store::{Change, Reader, Store, deployments, users};

/// The longest name for people, in characters.
const TITLE_LIMIT: usize = 100;

/// A user to be added.
#[derive(Debug)]
pub struct NewUser {
    /// Unique; the name that policy lines use.
    pub name: Name,
    /// For people; may be empty.
    pub display_name: String,
    /// May be empty.
    pub email: String,
    /// Their first password; `None`: they cannot log in with one.
    pub password: Option<String>,
    /// How long they keep it.
    pub keeping: Keeping,
}

/// How long a password is kept that somebody gave to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Until the first login, at which it has to be changed.
    UntilLogin,
    /// Until somebody changes it; for programs that log in.
    ForGood,
}

/// Adds a user.
///
/// # Errors
/// Complaints about the fields `name` (taken, or reserved), `display_name`, `email` and
/// `password`.
pub async fn add(store: &Store, permit: &Permit, new: NewUser) -> Result<User> {
    demand_administer(permit)?;
    demand_free_name(&new.name)?;
    let (display_name, email) = match (check_title(&new.display_name), check_email(&new.email)) {
        (Ok(display_name), Ok(email)) => (display_name, email),
        (Err(title), Err(email)) => {
            let both = [title.field_errors(), email.field_errors()].concat();
            return Err(Error::fields(both));
        }
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error),
    };
    let names = [new.name.as_str(), &display_name, &email];
    let hash = match new.password {
        Some(password) => Some(hashed(password, &names).await?),
        None => None,
    };
    let user = User {
        given_password: hash.as_ref().map(|_| given_by(permit, new.keeping)),
        id: UserId(0),
        name: new.name,
        display_name,
        email,
        disabled: false,
        has_password: hash.is_some(),
        created_at: permit.at(),
        last_login_at: None,
    };
    let change = store.change(permit, permit.at()).await?;
    demand_new_name(&change, &user.name).await?;
    let user = users::insert(&change, &user, hash.as_deref()).await?;
    change
        .commit(
            Event::new(
                EventKind::UserAdded,
                json!({
                    "email": user.email, "display_name": user.display_name,
                    "password_digest": hash.as_deref().map(passwords::digest),
                }),
            )
            .about(format!("user {}", user.name)),
        )
        .await?;
    Ok(user)
}

/// Refuses a name by which policy or the audit log means somebody or something else, and one that a reader
/// takes for such a name.
pub(super) fn demand_free_name(name: &Name) -> Result<()> {
    let somebody = [
        (GUEST, "visitors without login"),
        (VISITOR, "visitors without login"),
        (AUTO, "deployments after a push"),
        (Author::ENGINE, "the deployer itself"),
        (EVERYTHING, "the whole installation"),
    ];
    let areas = Area::ALL.iter().map(|area| (area.as_str(), area.title()));
    let actions = Action::ALL.iter().map(|action| (action.as_str(), "an action"));
    let all = somebody.into_iter().chain(areas).chain(actions);
    let mut alike = all.filter(|(word, _)| is_taken_for(name.as_str(), word));
    let Some((word, what)) = alike.next() else {
        return Ok(());
    };
    let message = match name.as_str() == word {
        true => format!("“{word}” means {what}; choose another name."),
        false => format!("“{name}” is easily taken for “{word}”, which means {what}; choose another name."),
    };
    Err(Error::field("name", message))
}

/// Refuses the name of an account that was deleted: whoever had it may still be known by it, in policy and elsewhere.
async fn demand_new_name(change: &Change, name: &Name) -> Result<()> {
    let message = format!("“{name}” was the name of an account that was deleted; choose another name.");
    match users::is_retired(change, name).await? {
        false => Ok(()),
        true => Err(Error::field("name", message)),
    }
}

/// Refuses an API token that acts on the account that it belongs to or acts as: that takes a login.
///
/// # Errors: a conflict.
pub(super) fn demand_login_for_own(permit: &Permit, account: &Name) -> Result<()> {
    let actor = permit.actor();
    match actor.token.is_some() && actor.is_by(account.as_str()) {
        true => Err(Error::conflict(format!(
            "An API token of “{account}” cannot do this to its own account. Log in for that."
        ))),
        false => Ok(()),
    }
}

/// Sets the password of a user.
///
/// # Errors
/// Not found; a complaint about the field `password`; a conflict for a service account, except on this host.
pub async fn set_password(
    store: &Store,
    permit: &Permit,
    name: &str,
    password: String,
    keeping: Keeping,
) -> Result<User> {
    demand_administer(permit)?;
    let known = users::by_name(store, name).await?;
    demand_login_for_own(permit, &known.name)?;
    if !known.has_password && !permit.is_of_host() {
        return Err(Error::conflict(format!(
            "“{}” is a service account: nobody logs in to it, and it acts by API tokens. Add an account for the person instead.",
            known.name
        )));
    }
    if permit.actor().impersonator.is_some() {
        // Who gave a password may not approve by it, and has to be known by their own name.
        return Err(Error::conflict(
            "Nobody sets passwords while acting as somebody else.",
        ));
    }
    let hash = hashed(password, &names_of(&known)).await?;
    let change = store.change(permit, permit.at()).await?;
    let user = users::by_name(&change, name).await?;
    let is_own = permit.actor().name == user.name.as_str() && !permit.is_of_host();
    let given = given_by(permit, keeping);
    match is_own {
        true => users::set_password_hash(&change, user.id, &hash).await?,
        false => users::give_password(&change, user.id, &hash, &given).await?,
    }
    let detail = json!({
        "must_change": !is_own && given.must_change, "awaiting": awaiting(&change, permit).await?,
        "password_digest": passwords::digest(&hash),
    });
    change
        .commit(Event::new(EventKind::PasswordSet, detail).about(format!("user {}", user.name)))
        .await?;
    Ok(user)
}

/// The deployments of the permit's holder that await an approval. Auditors see from them when
/// somebody sets another user's password while waiting for an approval.
async fn awaiting(on: &impl Reader, permit: &Permit) -> Result<Vec<DeploymentId>> {
    let open = deployments::active(on).await?.into_iter();
    let own = open.filter(|one| one.state == DeploymentState::Awaiting && one.actor == permit.actor().name);
    Ok(own.map(|one| one.id).collect())
}

/// A password from the holder of `permit`.
fn given_by(permit: &Permit, keeping: Keeping) -> GivenPassword {
    GivenPassword {
        by: permit.actor().name.clone(),
        at: permit.at(),
        must_change: keeping == Keeping::UntilLogin,
    }
}

/// Words that a password of `user` must not consist of.
pub(super) fn names_of(user: &User) -> [&str; 3] {
    [user.name.as_str(), &user.display_name, &user.email]
}

/// What an installation without any account needs.
#[derive(Debug, Clone)]
pub struct FirstAccount {
    /// Names that the policy makes administrators; may be empty.
    pub administrators: Vec<String>,
}

/// How to begin, while there is no account that anybody could log in with.
///
/// # Errors
/// Of the store.
pub async fn first_account(app: &App) -> Result<Option<FirstAccount>> {
    if users::exist(&app.store).await? {
        return Ok(None);
    }
    let administrators = app.access.administrators(app.now());
    Ok(Some(FirstAccount { administrators }))
}

impl FirstAccount {
    /// The command that creates it, on the host that runs the deployer.
    pub fn command(&self) -> String {
        let name = self.administrators.first().map_or("NAME", String::as_str);
        format!("deployer user add {name}")
    }
}

/// Disables or enables an account; does nothing when that is its state already.
pub async fn set_disabled(store: &Store, permit: &Permit, name: &str, disabled: bool) -> Result<User> {
    demand_administer(permit)?;
    let change = store.change(permit, permit.at()).await?;
    let mut user = users::by_name(&change, name).await?;
    if user.disabled != disabled {
        user.disabled = disabled;
        users::update(&change, &user).await?;
        let action = if disabled {
            EventKind::UserDisabled
        } else {
            EventKind::UserEnabled
        };
        change
            .commit(Event::new(action, json!({})).about(format!("user {}", user.name)))
            .await?;
    }
    Ok(user)
}

/// A display name without spaces around it; may be empty.
///
/// # Errors
/// A complaint about the field `display_name`.
pub fn check_title(text: &str) -> Result<String> {
    let text = text.trim();
    if text.chars().count() > TITLE_LIMIT || text.chars().any(char::is_control) {
        let message = format!("Keep it under {TITLE_LIMIT} characters, on one line.");
        return Err(Error::field("display_name", message));
    }
    Ok(text.to_owned())
}

/// An e-mail address without spaces around it; may be empty.
///
/// # Errors
/// A complaint about the field `email`.
pub fn check_email(text: &str) -> Result<String> {
    match text.trim() {
        "" => Ok(String::new()),
        text => mail_address(text).map_err(|message| Error::field("email", message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Access;
    use crate::clock::Clock;
    use crate::store::StoreOptions;

    async fn store(dir: &tempfile::TempDir) -> Store {
        let url = format!("sqlite://{}/d.sqlite", dir.path().display());
        let store = Store::open(&url, StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        store
    }

    fn alice(password: &str) -> NewUser {
        let name = "alice".parse().unwrap();
        let password = Some(password.to_owned());
        NewUser {
            name,
            display_name: String::new(),
            email: String::new(),
            password,
            keeping: Keeping::ForGood,
        }
    }

    #[tokio::test]
    async fn a_user_is_added_shut_out_and_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir).await;
        let permit = Access::local_operator("root", Clock::System.now());
        add(&store, &permit, alice("correct horse")).await.unwrap();
        let taken = add(&store, &permit, alice("correct horse")).await.unwrap_err();
        assert_eq!(taken.field_errors()[0].field, "name");
        assert!(
            set_disabled(&store, &permit, "ALICE", true)
                .await
                .unwrap()
                .disabled
        );
        set_disabled(&store, &permit, "alice", true).await.unwrap();
        set_password(&store, &permit, "alice", "another horse".into(), Keeping::ForGood)
            .await
            .unwrap();
        let (_, hash) = users::with_password_hash(&store, "alice").await.unwrap();
        assert!(
            crate::app::passwords::password_fits(hash.clone(), "another horse".into())
                .await
                .unwrap()
        );
        assert!(
            !crate::app::passwords::password_fits(hash, "correct horse".into())
                .await
                .unwrap()
        );
        let page = crate::store::audit::list(
            &store,
            &crate::store::AuditFilter::default(),
            crate::store::Page::Newest,
            10,
        )
        .await
        .unwrap();
        let told: Vec<_> = page
            .items
            .iter()
            .map(|one| (one.event.action.as_str(), one.event.actor.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("user.password_set", "root"),
                ("user.disabled", "root"),
                ("user.added", "root")
            ]
        );
    }

    #[test]
    fn a_name_that_means_something_else_is_taken() {
        for taken in [
            "default",
            "Guest",
            "auto",
            "AUTO",
            "AUT0",
            "engine",
            "everything",
            "audit",
            "Aud1t",
            "auto-",
            "users",
            "USERS",
            "policy",
            "po1icy",
            "servers",
            "deploy",
            "Administer",
        ] {
            let name: Name = taken.parse().expect(taken);
            let why = demand_free_name(&name).expect_err(taken);
            assert!(
                why.field_errors()
                    .iter()
                    .any(|one| one.message.contains("choose another name")),
                "{why}"
            );
        }
        for free in [
            "alice",
            "user",
            "server",
            "auditor",
            "automation",
            "deployer",
            "policies",
            "guest2",
        ] {
            let name: Name = free.parse().expect(free);
            assert!(demand_free_name(&name).is_ok(), "{free}");
        }
    }
}
