exec(open('/tmp/slice4/apply.py').read().split("put('m2026")[0])
put('logins_outside.rs','src/app/logins/from_outside.rs')
sub('src/domain/session.rs',('''    /// Afterwards the password is asked for again.
    pub until: Instant,''','''    /// Afterwards the password is asked for again.
    pub until: Instant,
    /// When the session ends that comes of it, where the login says so.
    #[serde(default)]
    pub ends: Option<Instant>,'''),
('''    /// Where it was last used from: an IP address.''','''    /// When it ends, where the login said so.
    #[serde(default)]
    pub until: Option<Instant>,
    /// Where it was last used from: an IP address.'''))
sub('src/app/logins.rs',("pub mod code;\n","pub mod code;\nmod from_outside;\n"),
('''    /// Whether a second factor was asked for.
    pub second_factor: bool,
}''','''    /// Whether a second factor was asked for.
    pub second_factor: bool,
    /// When the session ends, where the login says so.
    pub until: Option<Instant>,
}'''),
('''            second_factor: false,
        }
    }
}''','''            second_factor: false,
            until: None,
        }
    }
}

/// The login of `known`, of which a code of the second factor is awaited.
fn half_in(known: &LoggedIn, now: Instant) -> HalfIn {
    HalfIn {
        id: known.user.id,
        name: known.user.name.to_string(),
        groups: known.groups.clone(),
        stamp: known.stamp.clone(),
        until: now + HALF_FOR,
        ends: known.until,
    }
}'''),
('''            return Ok(LoginStep::Half(HalfIn {
                id: user.id,
                name: user.name.to_string(),
                groups: Vec::new(),
                stamp: stamp(&hash),
                until: now + HALF_FOR,
            }));
        }''','''            let known = LoggedIn::new(user, Vec::new(), &hash);
            return Ok(LoginStep::Half(half_in(&known, now)));
        }'''),
('''        let Some((user, Some(hash))) = found.filter(|_| fits) else {''','''        let user = found.as_ref().map(|(user, _)| user);
        if !fits && let Some(step) = self.by_plugin(app, user, login, now).await? {
            return Ok(step);
        }
        let Some((user, Some(hash))) = found.filter(|_| fits) else {'''),
('''    checks: Semaphore,
}''','''    checks: Semaphore,
    /// Cookies of another system that the plugin was asked about.
    cookies: Counter,
}'''),
('''            checks: Semaphore::new(CHECKS_AT_ONCE),
''','''            checks: Semaphore::new(CHECKS_AT_ONCE),
            cookies: counter(COOKIES),
'''),
('''/// Passwords checked at once; each takes 19 MiB.''','''/// How often the plugin is asked about one cookie.
const COOKIES: TryLimit = TryLimit {
    tries: NonZeroU32::MIN,
    pause: Duration::from_secs(30),
};
/// Passwords checked at once; each takes 19 MiB.'''),
('''    let is_same = user.id == id && stands(&user, hash.as_deref(), name, marked);
    Ok(is_same.then_some(user))
}

/// Whether a session of the account that was `marked` at the login still counts.
pub(super) fn stands(user: &User, hash: Option<&str>, name: &str, marked: &str) -> bool {
    let is_marked = hash.is_some_and(|hash| stamp(hash) == marked);
    !user.disabled && user.name.as_str() == name && is_marked
}''','''    let mut marks: Vec<String> = hash.as_deref().map(stamp).into_iter().collect();
    if !marks.iter().any(|mark| mark == marked) {
        marks = marks_of(app, &user, hash.as_deref()).await?;
    }
    let is_same = user.id == id && stands(&user, &marks, name, marked);
    Ok(is_same.then_some(user))
}

/// What marks the sessions of an account: its password, and the logins from outside that are linked to it.
pub(super) async fn marks_of(app: &App, user: &User, hash: Option<&str>) -> Result<Vec<String>> {
    let known = identities::of_user(&app.store, user.id).await?;
    let outside = known.iter().map(outside::mark);
    Ok(hash.map(stamp).into_iter().chain(outside).collect())
}

/// Whether a session of the account that was `marked` at the login still counts.
pub(super) fn stands(user: &User, marks: &[String], name: &str, marked: &str) -> bool {
    !user.disabled && user.name.as_str() == name && marks.iter().any(|mark| mark == marked)
}'''),
("use crate::store::{Right, Store, second_factors, users};","use crate::store::{Right, Store, identities, second_factors, users};"))
sub('src/app/logins/code.rs',('''        let Some((user, Some(hash))) = find(&app.store, &half.name).await? else {
            return Err(begin_again());
        };
        let is_same = user.id == half.id && stands(&user, Some(&hash), &half.name, &half.stamp);''','''        let Some((user, hash)) = find(&app.store, &half.name).await? else {
            return Err(begin_again());
        };
        let marks = marks_of(app, &user, hash.as_deref()).await?;
        let is_same = user.id == half.id && stands(&user, &marks, &half.name, &half.stamp);'''),
('''        let device = device.and_then(|mark| known_device(mark, &hash));''','''        let device = hash.as_deref().and_then(|hash| known_device(device?, hash));'''),
('''        Ok(LoggedIn {
            second_factor: true,
            ..LoggedIn::new(user, half.groups.clone(), &hash)
        })''','''        let known = match hash.filter(|hash| stamp(hash) == half.stamp) {
            Some(hash) => LoggedIn::new(user, half.groups.clone(), &hash),
            None => LoggedIn {
                groups: half.groups.clone(),
                stamp: half.stamp.clone(),
                device: String::new(),
                second_factor: true,
                until: half.ends,
                user,
            },
        };
        Ok(LoggedIn {
            second_factor: true,
            ..known
        })'''),
("known_device, record, stands}","known_device, marks_of, record, stamp, stands}"))
sub('src/app/sessions.rs',('''    let mut found = sessions::of_user(&app.store, user.id, now).await?;
    found.retain(|one| {
        let known = &one.signed_in;
        let stands = logins::stands(user, hash.as_deref(), &known.name, &known.stamp);''','''    let marks = logins::marks_of(app, user, hash.as_deref()).await?;
    let mut found = sessions::of_user(&app.store, user.id, now).await?;
    found.retain(|one| {
        let known = &one.signed_in;
        let stands = logins::stands(user, &marks, &known.name, &known.stamp);'''),
('''    age.unwrap_or_default() >= app.config.logins.session_limit
''','''    let is_told = known.until.is_some_and(|until| until <= now);
    is_told || age.unwrap_or_default() >= app.config.logins.session_limit
'''))
sub('src/web/session.rs',('''    if age >= settings.session_limit {''','''    if age >= settings.session_limit || known.until.is_some_and(|until| until <= now) {'''),
('''        since: Some(from.at),
''','''        since: Some(from.at),
        until: known.until,
'''),
('''pub fn mark_device(settings: &Settings, headers: &mut HeaderMap, known: &LoggedIn) {
''','''pub fn mark_device(settings: &Settings, headers: &mut HeaderMap, known: &LoggedIn) {
    if known.device.is_empty() {
        return;
    }
'''),
("/// Marks the browser as one that logged in.","/// Marks the browser as one that logged in, if the login gave it a mark."))

sub('src/app/logins.rs',("use super::{App, accounts, passwords};","use super::{App, accounts, outside, passwords};"))
