//! A person's own API tokens; and the list and the form that the pages of administrators share.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};

use super::profile::{ProfileTabs, account, profile_tabs};
use crate::app::tokens::{self, MadeToken, NewToken};
use crate::domain::{Action, ApiToken, Instant, Name, Result, TokenId, TokenScope, TokenState};
use crate::web::flash::Flash;
use crate::web::forms::{FormData, FormReader};
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::pages::form_page;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// How long tokens last that the form offers: days and words; no number: for ever.
const EXPIRIES: &[(&str, &str)] = &[
    ("30", "In 30 days"),
    ("7", "In 7 days"),
    ("90", "In 90 days"),
    ("365", "In a year"),
    ("never", "Never"),
];

/// The contract of `templates/profile/tokens.html`.
#[derive(Template)]
#[template(path = "profile/tokens.html")]
struct TokensPage {
    frame: Frame,
    tabs: ProfileTabs,
    tokens: TokenList,
}

/// The contract of `templates/profile/token.html`: shown once, in answer to the form.
#[derive(Template)]
#[template(path = "profile/token.html")]
struct MadePage {
    frame: Frame,
    made: MadeToken,
    scope: String,
    /// The address for calendar programs; empty where the token may do more than view.
    feed: String,
    /// Where the list of tokens is.
    url: String,
}

/// The contract of the macros of `templates/components/tokens.html`.
pub struct TokenList {
    pub rows: Vec<TokenRow>,
    pub form: FormData,
    /// Where the form is sent; a token is revoked below it.
    pub url: String,
    /// Actions of the form: word, title, whether it is ticked.
    pub actions: Vec<(&'static str, &'static str, bool)>,
    pub expiries: &'static [(&'static str, &'static str)],
}

/// One token of a list.
pub struct TokenRow {
    pub token: ApiToken,
    pub scope: String,
    pub state: TokenState,
    pub tone: &'static str,
    /// Where it is revoked; empty when it cannot be used anyway.
    pub revoke: String,
}

impl TokenList {
    /// `tokens` with the form as it was filled, whose address is `url`.
    pub fn new(tokens: Vec<ApiToken>, form: FormData, url: String, now: Instant) -> Self {
        let is_ticked = |action: &Action| form.all("actions").any(|one| one == action.as_str());
        Self {
            actions: Action::ALL
                .iter()
                .map(|action| (action.as_str(), action.title(), is_ticked(action)))
                .collect(),
            rows: tokens
                .into_iter()
                .map(|token| TokenRow::new(token, &url, now))
                .collect(),
            expiries: EXPIRIES,
            form,
            url,
        }
    }
}

impl TokenRow {
    fn new(token: ApiToken, url: &str, now: Instant) -> Self {
        let state = token.state(now);
        Self {
            scope: token.scope.to_string(),
            tone: match state {
                TokenState::Active => "t-good",
                TokenState::Expiring => "t-warn",
                TokenState::Expired | TokenState::Revoked => "t-quiet",
            },
            revoke: match token.is_usable(now) {
                true => format!("{url}/{}/revoke", token.id),
                false => String::new(),
            },
            state,
            token,
        }
    }
}

/// The token that a form asks for.
pub fn new_token(form: &mut FormReader<'_>, now: Instant) -> Option<NewToken> {
    let (name, expires_at) = (form.parse::<Name>("name"), expires_at(form, now));
    let actions: Option<Vec<Action>> = form
        .form
        .all("actions")
        .map(|word| form.take("actions", word.parse()))
        .collect();
    let (projects, environments) = (names(form, "projects"), names(form, "environments"));
    Some(NewToken {
        name: name?,
        expires_at: expires_at?,
        scope: TokenScope {
            actions: actions?,
            projects: projects?,
            environments: environments?,
        },
    })
}

fn expires_at(form: &mut FormReader<'_>, now: Instant) -> Option<Option<Instant>> {
    match form.form.text("expires") {
        "never" => Some(None),
        days => {
            let days = days.parse().unwrap_or_default();
            form.check(tokens::expiry(days, now)).map(Some)
        }
    }
}

/// Names with commas or blanks between them.
fn names(form: &mut FormReader<'_>, field: &str) -> Option<Vec<Name>> {
    let typed = form.form.text(field).split([',', ' ', '\n', '\r', '\t']);
    let typed: Vec<&str> = typed.filter(|name| !name.is_empty()).collect();
    let parsed = typed.into_iter().map(str::parse).collect();
    form.take(field, parsed)
}

/// Shows a new token, this once. Its list is at `url`.
pub async fn show_made(
    visitor: &Visitor,
    made: MadeToken,
    url: String,
    section: Section,
) -> Result<Response> {
    html(&MadePage {
        frame: visitor.frame("New API token", section).await?,
        scope: made.token.scope.to_string(),
        feed: match made.token.scope.only_views() {
            true => {
                let base = visitor.app().config().public_url();
                format!(
                    "{}{}",
                    base.trim_end_matches('/'),
                    urls::with_query(urls::calendar_feed(), &[("token", &made.secret)])
                )
            }
            false => String::new(),
        },
        made,
        url,
    })
}

/// `GET /profile/tokens`
#[handler]
pub async fn show(visitor: Visitor) -> Result<Response> {
    html(&page(&visitor, FormData::default()).await?)
}

/// `POST /profile/tokens`
#[handler]
pub async fn add(visitor: Visitor, Form(mut form): Form<FormData>) -> Result<Response> {
    account(&visitor)?;
    let (app, now) = (visitor.app(), visitor.now());
    let read = |form: &mut FormReader<'_>| new_token(form, now);
    let made = form.submit(read, |new| tokens::make_own(app, visitor.actor(), new));
    let Some(made) = made.await? else {
        let page = page(&visitor, form).await?;
        return form_page(&page, &page.tokens.form.complaints);
    };
    show_made(&visitor, made, urls::tokens().to_owned(), Section::Elsewhere).await
}

/// `POST /profile/tokens/{id}/revoke`
#[handler]
pub async fn revoke(visitor: Visitor, Path(id): Path<TokenId>) -> Result<Response> {
    let own = (visitor.actor(), account(&visitor)?);
    let token = tokens::revoke_own(visitor.app(), own, id).await?;
    visitor.flash(Flash::done(revoked(&token))).await?;
    Ok(go_to(urls::tokens()))
}

/// What is said after a token was revoked.
pub fn revoked(token: &ApiToken) -> String {
    format!("The API token “{}” is revoked.", token.name)
}

async fn page(visitor: &Visitor, form: FormData) -> Result<TokensPage> {
    let tokens = tokens::own(visitor.app(), account(visitor)?).await?;
    Ok(TokensPage {
        frame: visitor.frame("API tokens", Section::Elsewhere).await?,
        tabs: profile_tabs(urls::tokens()),
        tokens: TokenList::new(tokens, form, urls::tokens().to_owned(), visitor.now()),
    })
}
