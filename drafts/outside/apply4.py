exec(open('/tmp/slice4/apply.py').read().split("put('m2026")[0])
put('examples/login.sh','docs/examples/login.sh'); put('examples/login_ldap.py','docs/examples/login_ldap.py')
os.chmod(R+'docs/examples/login.sh',0o755); os.chmod(R+'docs/examples/login_ldap.py',0o755)
put('test_outside.rs','tests/web/outside.rs')
sub('tests/web/mod.rs',("mod second_factor;\n","mod outside;\nmod second_factor;\n"))
sub('src/app/outside.rs',('''/// Ends what [`link`] began''','''/// The same as [`link`], for a page.
///
/// # Errors
/// As [`link`].
pub async fn link_of(
    app: &App,
    permit: &Permit,
    name: &str,
    (provider, subject): (LoginProvider, String),
) -> Result<User> {
    link(&app.store, permit, name, (provider, &subject)).await
}

/// The same as [`unlink`], for a page.
///
/// # Errors
/// As [`unlink`].
pub async fn unlink_of(
    app: &App,
    permit: &Permit,
    name: &str,
    (provider, subject): (LoginProvider, &str),
) -> Result<User> {
    unlink(&app.store, permit, name, (provider, subject)).await
}

/// Ends what [`link`] began'''))
sub('src/web/pages/admin/users.rs',('''    is_own: bool,
    has_second_factor: bool,''','''    is_own: bool,
    has_second_factor: bool,
    /// By what it is known outside.
    identities: Vec<Identity>,
    /// What says who somebody is: word and title.
    providers: Vec<(&'static str, &'static str)>,'''),
('''    let has_second_factor = match &existing {
        Some(user) => second_factor::is_on(visitor.app(), user).await?,
        None => false,
    };
''','''    let (has_second_factor, identities) = match &existing {
        Some(user) => (
            second_factor::is_on(visitor.app(), user).await?,
            outside::of_account(visitor.app(), &may_administer(visitor).await?, user).await?,
        ),
        None => (false, Vec::new()),
    };
    let providers = LoginProvider::ALL.iter();
'''),
('''        has_second_factor,
''','''        has_second_factor,
        identities,
        providers: providers.map(|one| (one.as_str(), one.title())).collect(),
'''),
('''/// `POST /admin/users/{user}/password`''','''/// `POST /admin/users/{user}/link`: lets it be known to a login from outside.
#[handler]
pub async fn link(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(mut sent): Form<FormData>,
) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let linked = sent.submit(identity, |identity| {
        outside::link_of(visitor.app(), &permit, &name, identity)
    });
    let Some(user) = linked.await? else {
        let user = users::by_name(visitor.app(), &permit, &name).await?;
        let mut form = filled(&user);
        form.complaints = sent.complaints;
        let page = page(&visitor, Some(user), form).await?;
        return form_page(&page, &page.form.complaints);
    };
    let url = urls::admin_user(user.name.as_str());
    saved(&visitor, format!("The login of “{}” was linked.", user.name), &url).await
}

/// `POST /admin/users/{user}/unlink`
#[handler]
pub async fn unlink(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(form): Form<FormData>,
) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let (provider, subject) = form.read(identity)?;
    let outcome = outside::unlink_of(visitor.app(), &permit, &name, (provider, &subject)).await;
    let outcome = outcome.map(|user| format!("The login of “{}” was unlinked.", user.name));
    let url = urls::admin_user(&name);
    settle(&visitor, outcome, &url, &url).await
}

/// By what an account is to be known outside.
fn identity(form: &mut FormReader) -> Option<(LoginProvider, String)> {
    let provider = LoginProvider::parse(form.form.text("provider"));
    let provider = form.take(
        "provider",
        provider.ok_or_else(|| "Choose one from the list.".to_owned()),
    );
    Some((provider?, form.form.text("subject").to_owned()))
}

/// `POST /admin/users/{user}/password`'''),
("use crate::app::{passwords, second_factor};","use crate::app::{outside, passwords, second_factor};"),
("use crate::domain::{Area, Result, User};","use crate::domain::{Area, Identity, LoginProvider, Result, User};"))
sub('src/web/pages/admin/routes.rs',('''        .at("/admin/users/:user/second-factor",''','''        .at("/admin/users/:user/link", post(users::link))
        .at("/admin/users/:user/unlink", post(users::unlink))
        .at("/admin/users/:user/second-factor",'''))
sub('templates/admin/user.html',('''    {%- endif %}
  </div>
  {%- if let Some(known) = known %}''','''    <section class="card" id="outside">
      <header class="card-header"><h2 class="card-title">Logins from outside</h2></header>
      {%- for one in identities %}
      <form class="card-body line" method="post" action="{{ action }}/unlink">{{ forms::token(frame.csrf) }}<input type="hidden" name="provider" value="{{ one.provider.as_str() }}"><input type="hidden" name="subject" value="{{ one.subject }}"><span>{{ one.provider.title() }}: <b>{{ one.subject }}</b> <span class="muted">{{ ui::when(one.created_at, frame.now) }}</span></span> <button class="btn">Unlink</button></form>
      {%- endfor %}
      <form class="card-body" method="post" action="{{ action }}/link#outside">
        {{ forms::token(frame.csrf) }}
        {{ forms::choice("provider", "Known to", providers, form.text("provider"), "", form.complaints) }}
        {{ forms::input("text", "subject", "As", form.text("subject"), "What the other side calls this person. They log in there from then on.", form.complaints) }}
        <div class="form-actions"><button class="btn">Link</button></div>
      </form>
    </section>
    {%- endif %}
  </div>
  {%- if let Some(known) = known %}'''))
sub('src/web/labels.rs',('''    ("reason", "Reason"),
''','''    ("provider", "Known to"),
    ("reason", "Reason"),
'''),('''    ("submodules", "Submodules"),
''','''    ("subject", "As"),
    ("submodules", "Submodules"),
'''))
sub('src/cli/user.rs',('''    /// Enable an account again.''','''    /// Let an account be known to a login from outside: to the proxy or to the plugin.
    Link {
        /// The user's name.
        name: String,
        #[command(flatten)]
        identity: IdentityArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// End that.
    Unlink {
        /// The user's name.
        name: String,
        #[command(flatten)]
        identity: IdentityArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Enable an account again.'''),
('''/// How long a password is kept.
#[derive(Debug, clap::Args)]''','''/// By what an account is known outside.
#[derive(Debug, clap::Args)]
pub(super) struct IdentityArgs {
    /// What says who somebody is: proxy or plugin.
    #[arg(long, value_parser = provider)]
    provider: LoginProvider,
    /// What it calls them.
    #[arg(long, value_name = "TEXT")]
    subject: String,
}

fn provider(text: &str) -> Result<LoginProvider, String> {
    LoginProvider::parse(text).ok_or_else(|| format!("“{text}” is neither proxy nor plugin"))
}

/// How long a password is kept.
#[derive(Debug, clap::Args)]'''),
('''        UserCommand::Enable { name, config }''','''        UserCommand::Link {
            name,
            identity,
            config,
        } => {
            let store = data::open_current(&config.load()?).await?;
            let known = (identity.provider, identity.subject.as_str());
            let user = outside::link(&store, &data::operator(), &name, known).await?;
            say(format_args!("User “{}” logs in by the {}.", user.name, identity.provider));
        }
        UserCommand::Unlink {
            name,
            identity,
            config,
        } => {
            let store = data::open_current(&config.load()?).await?;
            let known = (identity.provider, identity.subject.as_str());
            let user = outside::unlink(&store, &data::operator(), &name, known).await?;
            say(format_args!("User “{}” no longer does.", user.name));
        }
        UserCommand::Enable { name, config }'''))
s=open(R+'src/cli/user.rs').read()
s=s.replace("use crate::app::{passwords, second_factor, sessions};","use crate::app::{outside, passwords, second_factor, sessions};")
s=s.replace("use crate::domain::{Error, Name, Result, WhichSessions};","use crate::domain::{Error, LoginProvider, Name, Result, WhichSessions};")
open(R+'src/cli/user.rs','w').write(s)
sub('tests/cli/words.rs',('''            "user list",
''','''            "user link",
            "user list",
'''),('''            "user reset-second-factor",
''','''            "user reset-second-factor",
            "user unlink",
'''))
sub('tests/house/arrows.rs',('''    ("confinement", &["process", "removal"]),
    ("http", &["domain", "small_file"]),
''','''    ("confinement", &["process", "removal"]),
    ("http", &["domain", "small_file"]),
    ("plugin", &["domain", "process", "http"]),
'''),('''            "balancer",
            "handshake",
        ],
    ),
    (
        "web",''','''            "balancer",
            "handshake",
            "plugin",
        ],
    ),
    (
        "web",'''))
s=open(R+'tests/web/matrix.txt').read().splitlines()
def line(route,codes): return f"{route:<66} {codes}"
i=[n for n,l in enumerate(s) if l.startswith("POST /admin/users/:user/delete")][0]
s[i+1:i+1]=[line("POST /admin/users/:user/link","403 403 403 422"),line("POST /admin/users/:user/unlink","403 403 403 422")]
open(R+'tests/web/matrix.txt','w').write("\n".join(s)+"\n")
s=open(R+'docs/limits.md').read()
s=s.replace('''| what is kept of a browser's''','''| an answer of a login plugin, and its complaint | 64 KiB, 2 KiB | `ANSWER_LIMIT`, `COMPLAINT_LIMIT` in `src/plugin.rs` |
| how long it may take | 10 s | `logins.plugin_timeout` |
| groups of a login, the name that the other side has for somebody | 200, 255 characters | `MOST_GROUPS` in `src/app/outside.rs`, `SUBJECT_LIMIT` in `src/domain/identity.rs` |
| what is kept of a browser's''',1)
open(R+'docs/limits.md','w').write(s)
s=open(R+'docs/logins.md').read()
s=s.replace('''## API tokens
''','''## Logins from outside

Others can say who somebody is: a proxy in front, or a plugin. Accounts with a password of their own go on working
beside them, so that there is a way in when the other side is down.

**Nobody becomes somebody because another says so.** At their first login people get an account of the name that
the other side says, if that name is free: no account has it, no deleted one had it, and policy does not name it.
Otherwise an administrator links an account to them, on its page under “Logins from outside” or by:

```
deployer user link alice --provider plugin --subject alice@example.org
deployer user unlink alice --provider plugin --subject alice@example.org
```

Such accounts have no password. Groups that the other side says are `group:NAME` in policy; `logins.proxy_groups`
and `logins.plugin_groups` say which are believed. They count for this login: a session from outside ends when the
plugin says, after 24 hours unless it does, and then groups are asked for again. API tokens have no groups.

### A proxy

A proxy that logs people in (with Kerberos, SAML, or OpenID Connect as oauth2-proxy does) names them in a header of
each request:

```toml
[logins]
proxy_addresses = ["10.0.0.5"]
proxy_user_header = "X-Forwarded-User"
proxy_groups_header = "X-Forwarded-Groups"
```

From any other address the headers are refused with 403, and so are they without the secret of
`logins.proxy_secret`, which the proxy sends as `X-Deployer-Proxy-Secret`. The secret is necessary where the proxy
runs on the deployer's own host, because every program there has the loopback address. The proxy has to remove both
headers from what browsers send, and `Authorization`. A header that is there twice is refused. Forms are protected
as usual. What the proxy says is asked with each request, so there is no session to end: disable the account, or
end the session at the proxy. Its second factor is the proxy's business.

### A plugin

A program, or an HTTP endpoint, is asked about names and passwords of people who have no account with a password of
its own:

```toml
[logins]
plugin = "/etc/deployer/login.sh"
```

The question is one JSON document, on standard input or by POST:

```json
{"api": "deployer/v1", "call": "login", "id": "5f0c…", "deadline": "2026-11-23T10:00:10Z",
 "input": {"name": "alice", "password": "…", "address": "192.0.2.7"}}
```

The answer is one of

```json
{"output": {"name": "alice", "subject": "id-7", "display_name": "Alice", "email": "", "groups": ["ops"], "lifetime": 43200}}
{"error": "Too many attempts there."}
```

or nothing (exit code 0 without output, status 204): nobody is known by that. Only `name` has to be there. `subject`
is what stays the same when the name changes; without one it is the name. `lifetime` is in seconds. An error is
logged; people read that name or password are wrong. Anything else (another exit code, no JSON, too late, too long)
lets nobody in, and the log says why. The program finds nothing of the deployer's environment, and the password in
no argument. Questions to an endpoint are signed: `X-Deployer-Signature: sha256=…` is the HMAC-SHA256 of the body
with `logins.plugin_secret`, in hexadecimal digits.

With `logins.plugin_cookie = "NAME"` somebody who is not logged in and whose browser has that cookie of another
system is let in if the plugin knows it: then `input` holds `cookie` and `address`.

Two examples ship: `docs/examples/login.sh` checks a file of hashes, `docs/examples/login_ldap.py` binds to an LDAP
server.

## API tokens
''',1)
open(R+'docs/logins.md','w').write(s)
