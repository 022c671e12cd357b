//! Local accounts: adding users, their passwords, disabling them, checking a password.
//!
//! What a user may do is decided by policy. Passwords are kept as argon2id hashes
//! with the parameters of the `argon2` crate (those OWASP names); each takes some 20 MB and tens of
//! milliseconds, so hashing runs on threads that may block.

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use serde_json::json;
use zxcvbn::Score;

use super::admin::{demand_administer, mail_address};
use crate::access::Permit;
use crate::domain::access::GUEST;
use crate::domain::user::GivenPassword;
use crate::domain::{DeploymentId, DeploymentState, Error, Event, EventKind, Name, Result, User, UserId};
use crate::store::{Reader, Store, deployments, users};

/// Shorter passwords can be guessed when a copy of the database gets lost.
pub const SHORTEST_PASSWORD: usize = 10;

/// Longer ones only make hashing slow.
pub const LONGEST_PASSWORD: usize = 1000;

/// Some million guesses: with less, a password is a common one or close to it.
const WEAKEST_PASSWORD: Score = Score::Two;
/// The estimate takes more than linear time; nobody guesses what begins with this many characters.
const LONGEST_ESTIMATED: usize = 60;
/// What people put into passwords of this program.
const PRODUCT: &str = "deployer";

/// The hash to compare with when there is no such user, so that the answer takes as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5$l6t8mWT8sQf3gXrGj1O9y0bVd6q0v4HkM5f2n6rZbqM";

/// The longest name for people, in characters.
const TITLE_LIMIT: usize = 100;

/// Characters of a generated password, without those that look alike; 32 of them, so that each
/// byte picks one evenly.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Groups of five letters: 100 bits.
const PASSWORD_GROUPS: usize = 4;

/// A user to be added.
#[derive(Debug)]
pub struct NewUser {
    /// Unique; what policy lines call them.
    pub name: Name,
    /// For people; may be empty.
    pub display_name: String,
    /// May be empty.
    pub email: String,
    /// Their first password; `None`: they cannot log in with one.
    pub password: Option<String>,
}

/// Adds a user.
///
/// # Errors
/// Complaints about the fields `name` (taken, or the guest's), `display_name`, `email` and
/// `password`.
pub async fn add(store: &Store, permit: &Permit, new: NewUser) -> Result<User> {
    demand_administer(permit)?;
    if new.name.as_str() == GUEST {
        let message = format!("“{GUEST}” is the account of visitors without login; choose another name.");
        return Err(Error::field("name", message));
    }
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
        given_password: hash.as_ref().map(|_| given_by(permit)),
        id: UserId(0),
        name: new.name,
        display_name,
        email,
        disabled: false,
        created_at: permit.at(),
        last_login_at: None,
    };
    let change = store.change(permit, permit.at()).await?;
    let user = users::insert(&change, &user, hash.as_deref()).await?;
    change
        .commit(
            Event::new(EventKind::UserAdded, json!({ "email": user.email }))
                .about(format!("user {}", user.name)),
        )
        .await?;
    Ok(user)
}

/// Sets the password of a user.
///
/// # Errors
/// Not found; a complaint about the field `password`.
pub async fn set_password(store: &Store, permit: &Permit, name: &str, password: String) -> Result<User> {
    demand_administer(permit)?;
    let known = users::by_name(store, name).await?;
    let hash = hashed(password, &names_of(&known)).await?;
    let change = store.change(permit, permit.at()).await?;
    let user = users::by_name(&change, name).await?;
    if permit.actor().name == user.name.as_str() {
        users::set_password_hash(&change, user.id, &hash).await?;
    } else {
        users::give_password(&change, user.id, &hash, &given_by(permit)).await?;
    }
    let detail = json!({ "must_change": !permit.is_of_host(), "awaiting": awaiting(&change, permit).await? });
    change
        .commit(Event::new(EventKind::PasswordSet, detail).about(format!("user {}", user.name)))
        .await?;
    Ok(user)
}

/// The deployments of the permit's holder that await an approval: auditors see when somebody sets
/// another's password meanwhile.
async fn awaiting(on: &impl Reader, permit: &Permit) -> Result<Vec<DeploymentId>> {
    let open = deployments::active(on).await?.into_iter();
    let own = open.filter(|one| one.state == DeploymentState::Awaiting && one.actor == permit.actor().name);
    Ok(own.map(|one| one.id).collect())
}

/// A password from the holder of `permit`. An administrator's is changed at the next login; whoever has
/// the host gives accounts to themselves or to programs.
fn given_by(permit: &Permit) -> GivenPassword {
    GivenPassword {
        by: permit.actor().name.clone(),
        at: permit.at(),
        must_change: !permit.is_of_host(),
    }
}

/// What a password of `user` must not be made of.
pub(super) fn names_of(user: &User) -> [&str; 3] {
    [user.name.as_str(), &user.display_name, &user.email]
}

/// Disables or enables an account; does nothing when it already is.
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

/// Whether `password` is the one behind `hash`. Takes as long without a hash, so that nobody learns
/// from the time which users exist.
///
/// # Errors
/// A hash that is none.
pub async fn password_fits(hash: Option<String>, password: String) -> Result<bool> {
    blocking(move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        let hash = PasswordHash::new(&hash).map_err(|cause| Error::internal(cause.to_string()))?;
        let fits = Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok();
        Ok(known && fits)
    })
    .await
}

/// A password that nobody can guess and anybody can type: `k3mfa-9qwxz-…`.
pub fn generated_password() -> String {
    let group = || {
        let bytes = rand::random::<[u8; 5]>();
        let letters = bytes.iter().map(|byte| LETTERS[usize::from(byte % 32)]);
        letters.map(char::from).collect::<String>()
    };
    let groups: Vec<String> = std::iter::repeat_with(group).take(PASSWORD_GROUPS).collect();
    groups.join("-")
}

/// Whether `password` may become one of an account with these `names`.
///
/// # Errors
/// A complaint about the field `password`.
pub fn check_password(password: &str, names: &[&str]) -> Result<()> {
    let length = password.chars().count();
    if length < SHORTEST_PASSWORD {
        let message =
            format!("A password has at least {SHORTEST_PASSWORD} characters; this one has {length}.");
        return Err(Error::field("password", message));
    }
    if length > LONGEST_PASSWORD {
        return Err(Error::field(
            "password",
            format!("A password has at most {LONGEST_PASSWORD} characters."),
        ));
    }
    if strength(password, names) < WEAKEST_PASSWORD {
        return Err(Error::field(
            "password",
            "This password is among the first that anybody would try: a common one, a simple pattern, or the account's own name. A few unrelated words are hard to guess and easy to remember.",
        ));
    }
    Ok(())
}

/// How hard `password` is to guess for somebody who knows `names`.
fn strength(password: &str, names: &[&str]) -> Score {
    let words = |name: &&str| -> Vec<String> {
        let parts = name.split(|c: char| !c.is_alphanumeric());
        parts
            .chain([*name])
            .filter(|part| !part.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let words: Vec<String> = names.iter().flat_map(words).chain([PRODUCT.to_owned()]).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let beginning: String = password.chars().take(LONGEST_ESTIMATED).collect();
    zxcvbn::zxcvbn(&beginning, &words).score()
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

/// The argon2id hash of `password`, salted, as a PHC string.
pub(super) async fn hashed(password: String, names: &[&str]) -> Result<String> {
    check_password(&password, names)?;
    blocking(move || {
        let salt = SaltString::generate(&mut OsRng);
        let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
        hash.map(|hash| hash.to_string())
            .map_err(|cause| Error::internal(cause.to_string()))
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
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
        set_password(&store, &permit, "alice", "another horse".into())
            .await
            .unwrap();
        let (_, hash) = users::with_password_hash(&store, "alice").await.unwrap();
        assert!(password_fits(hash.clone(), "another horse".into()).await.unwrap());
        assert!(!password_fits(hash, "correct horse".into()).await.unwrap());
        let page = crate::store::audit::list(
            &store,
            &crate::store::HistoryFilter::default(),
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

    #[tokio::test]
    async fn without_a_user_no_password_fits_and_the_comparison_is_made() {
        assert!(PasswordHash::new(NOBODY).is_ok_and(|hash| hash.hash.is_some()));
        assert!(!password_fits(None, "correct horse".into()).await.unwrap());
    }

    #[test]
    fn generated_passwords_are_long_enough_and_differ() {
        let (one, other) = (generated_password(), generated_password());
        assert_eq!(one.len(), 23);
        assert!(check_password(&one, &[]).is_ok());
        assert_ne!(one, other);
    }

    #[test]
    fn common_passwords_and_the_own_name_are_refused() {
        let names = ["carla", "Carla Montgomery", "carla.m@example.org"];
        for bad in [
            "1234567890",
            "aaaaaaaaaa",
            "password123",
            "qwertyuiop",
            "carlacarla",
            "montgomery",
            "Montgomery1",
            "deployer123",
        ] {
            let refused = check_password(bad, &names).unwrap_err();
            assert_eq!(refused.field_errors()[0].field, "password", "{bad}");
        }
        for good in [
            "correct horse",
            "k3mfa-9qwxz",
            "another long one",
            "blue-otter-0417",
        ] {
            check_password(good, &names).expect(good);
        }
    }

    #[test]
    fn short_passwords_are_refused_with_their_length() {
        let error = check_password("123456789", &[]).unwrap_err();
        assert_eq!(
            error.message(),
            "A password has at least 10 characters; this one has 9."
        );
        assert!(check_password("pässwörter", &[]).is_ok());
        assert!(check_password(&"x".repeat(1001), &[]).is_err());
    }
}
