//! A form that came after its session had ended: it goes through the login and back to its sender.
//!
//! Nothing of it is stored here. The answer to the form is the login, which carries what was typed in
//! a hidden field; the answer to the login is the form again, to be looked at and sent. Passwords and
//! the values of secrets are left out, and typed again. The browser has to say that one of our pages
//! sent the form: no other site can put one in front of somebody who logs in.

use askama::Template;
use poem::Response;
use url::form_urlencoded;

use super::csrf;
use super::forms::Complaints;
use super::frame::{Frame, Section, html};
use super::urls;
use super::visitor::Visitor;
use crate::app::accounts::{self, FirstAccount};
use crate::app::outside::at_provider;
use crate::app::outside::oidc::OidcChoice;
use crate::domain::Result;

/// The fields whose content is a secret.
const SECRETS: [&str; 5] = ["old", "password", "again", "code", SECRET_LINES];
/// The one of them that may have several lines.
const SECRET_LINES: &str = "secret-value";
/// The form travels inside another one, encoded once more, with room for the login's own fields.
const LIMIT: usize = csrf::FORM_LIMIT - 8 * 1024;
/// Addresses whose forms are buttons that lose nothing.
const WITHOUT: [fn() -> &'static str; 2] = [urls::logout, urls::theme];
/// Addresses whose forms lose nothing but the form that waits for them.
const LOGINS: [fn() -> &'static str; 2] = [urls::login, urls::login_code];
/// The field of a login that has the form which waits for it.
const WAITING: &str = "kept";

/// A form that was filled and not accepted yet.
#[derive(Debug, Clone)]
pub struct KeptForm {
    /// Where it is sent.
    pub action: String,
    /// The page that it was on.
    pub page: String,
    /// Names and values in order. A secret's value is empty.
    pub fields: Vec<(String, String)>,
}

impl KeptForm {
    /// The form that was sent to `action` from the page at `page`, without its token, or the one that waited for
    /// it; `None` where nothing would be lost, or where it is too large.
    pub fn sent(action: &str, page: Option<&str>, body: &[u8]) -> Option<Self> {
        if WITHOUT.iter().any(|address| address() == action) {
            return None;
        }
        if LOGINS.iter().any(|address| address() == action) {
            let mut fields = form_urlencoded::parse(body);
            let (_, packed) = fields.find(|(name, _)| name == WAITING)?;
            return Self::unpacked(&packed);
        }
        let fields = form_urlencoded::parse(body)
            .filter(|(name, _)| name != csrf::FIELD)
            .map(|(name, value)| match is_secret(&name) {
                true => (name.into_owned(), String::new()),
                false => (name.into_owned(), value.into_owned()),
            });
        let kept = Self {
            action: action.to_owned(),
            page: urls::local_or_overview(page.unwrap_or(action)).to_owned(),
            fields: fields.collect(),
        };
        let length: usize = form_urlencoded::byte_serialize(kept.packed().as_bytes())
            .map(str::len)
            .sum();
        Some(kept).filter(|_| length <= LIMIT)
    }

    /// What [`KeptForm::packed`] wrote; `None` for anything else.
    pub fn unpacked(text: &str) -> Option<Self> {
        let mut pairs =
            form_urlencoded::parse(text.as_bytes()).map(|(a, b)| (a.into_owned(), b.into_owned()));
        let (action, page) = pairs.next()?;
        let is_local = |address: &str| urls::local_or_overview(address) == address;
        (is_local(&action) && is_local(&page)).then(|| Self {
            action,
            page,
            fields: pairs.collect(),
        })
    }

    /// As a hidden field of the login carries it.
    pub fn packed(&self) -> String {
        let mut packed = form_urlencoded::Serializer::new(String::new());
        packed.append_pair(&self.action, &self.page);
        packed.extend_pairs(&self.fields);
        packed.finish()
    }

    /// Whether `name` is a field whose content has to be typed again.
    pub fn is_secret(&self, name: &str) -> bool {
        is_secret(name)
    }

    /// Whether what is typed there may have several lines.
    pub fn may_have_lines(&self, name: &str) -> bool {
        name == SECRET_LINES
    }
}

fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// The contract of `templates/login/index.html`.
#[derive(Template)]
#[template(path = "login/index.html")]
pub struct LoginPage {
    pub frame: Frame,
    pub name: String,
    pub next: String,
    pub left: bool,
    /// The OpenID provider where a session goes on after the logout.
    pub still_at: Option<OidcChoice>,
    /// The OpenID providers where one can log in.
    pub providers: Vec<OidcChoice>,
    /// The form that waits for the login.
    pub kept: Option<KeptForm>,
    /// How to make the first account, while there is none.
    pub first_account: Option<FirstAccount>,
    pub complaints: Complaints,
}

impl LoginPage {
    /// The form as it is shown first.
    ///
    /// # Errors
    /// Of the store.
    pub async fn new(visitor: &Visitor, next: &str) -> Result<Self> {
        Ok(Self {
            frame: visitor.frame("Log in", Section::Elsewhere).await?,
            name: String::new(),
            next: next.to_owned(),
            left: false,
            still_at: None,
            providers: at_provider::choices(visitor.app()),
            kept: None,
            first_account: accounts::first_account(visitor.app()).await?,
            complaints: Complaints::default(),
        })
    }
}

/// The contract of `templates/login/code.html`.
#[derive(Template)]
#[template(path = "login/code.html")]
pub struct CodePage {
    pub frame: Frame,
    pub next: String,
    /// The form that waits for the login.
    pub kept: Option<KeptForm>,
    pub complaints: Complaints,
}

impl CodePage {
    /// The form as it is shown first.
    ///
    /// # Errors
    /// Of the store.
    pub async fn new(visitor: &Visitor, next: &str, kept: Option<KeptForm>) -> Result<Self> {
        Ok(Self {
            frame: visitor.frame("Second factor", Section::Elsewhere).await?,
            next: next.to_owned(),
            kept,
            complaints: Complaints::default(),
        })
    }
}

/// The contract of `templates/login/kept.html`.
#[derive(Template)]
#[template(path = "login/kept.html")]
struct KeptPage {
    frame: Frame,
    kept: KeptForm,
}

/// Shows the form again to a logged-in user, and the login to a guest.
///
/// # Errors
/// Of the store.
pub async fn show(visitor: &Visitor, kept: KeptForm) -> Result<Response> {
    if visitor.user().is_some() {
        return html(&KeptPage {
            frame: visitor.frame("Check and send", Section::Elsewhere).await?,
            kept,
        });
    }
    let mut page = LoginPage::new(visitor, &kept.page).await?;
    page.kept = Some(kept);
    let mut response = html(&page)?;
    response.set_status(poem::http::StatusCode::UNAUTHORIZED);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_came_too_late_keeps_the_form_that_waited_for_it() {
        let kept = KeptForm::sent("/admin/users", None, b"name=ada").unwrap();
        let login = form_urlencoded::Serializer::new(String::new())
            .append_pair("name", "ada")
            .append_pair("password", "hush")
            .append_pair("kept", &kept.packed())
            .finish();
        for address in LOGINS {
            let again = KeptForm::sent(address(), None, login.as_bytes()).unwrap();
            assert_eq!((again.action.as_str(), again.fields.len()), ("/admin/users", 1));
            assert!(KeptForm::sent(address(), None, b"name=ada&password=hush").is_none());
        }
    }

    #[test]
    fn a_form_is_the_same_after_the_login_but_for_its_secrets() {
        let body = b"csrf=00&name=caf%C3%A9&name=b%26c&password=hush&secret-name=KEY&secret-value=hush";
        let kept = KeptForm::sent("/admin/users", Some("/admin/users/new"), body).unwrap();
        let packed = kept.packed();
        assert!(!packed.contains("hush"), "{packed}");
        let again = KeptForm::unpacked(&packed).unwrap();
        assert_eq!(
            (again.action.as_str(), again.page.as_str()),
            ("/admin/users", "/admin/users/new")
        );
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let wanted = [
            pair("name", "café"),
            pair("name", "b&c"),
            pair("password", ""),
            pair("secret-name", "KEY"),
            pair("secret-value", ""),
        ];
        assert_eq!(again.fields, wanted);
    }

    #[test]
    fn a_kept_form_is_sent_to_this_site_only() {
        for address in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", ""] {
            assert!(
                KeptForm::unpacked(&format!("{address}=%2F&a=b")).is_none(),
                "{address}"
            );
            assert!(
                KeptForm::unpacked(&format!("%2Fadmin={address}")).is_none(),
                "{address}"
            );
        }
        let large = vec![b'a'; LIMIT + 1];
        assert!(KeptForm::sent("/admin/users", None, &large).is_none());
        assert!(KeptForm::sent("/login", None, b"name=a").is_none());
    }
}
