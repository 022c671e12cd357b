//! Logins from outside: their sections, and the mistakes in them.

use super::*;

/// The commented lines of the sample about an OpenID provider, without what comments them out.
fn sample_provider() -> String {
    let (_, rest) = SAMPLE.split_once("#[oidc.example]\n").unwrap();
    let lines = rest.lines().take_while(|line| line.starts_with('#'));
    let keys = lines.filter_map(|line| line.strip_prefix("#").filter(|line| !line.starts_with(' ')));
    let keys: Vec<&str> = keys.collect();
    format!("[oidc.example]\n{}\n", keys.join("\n"))
}

#[test]
fn the_sample_shows_every_key_of_an_openid_provider_with_its_default() {
    let shown = sample_provider();
    let config = parsed(&shown).unwrap();
    let provider = config.oidc.get("example").unwrap();
    let by_default = OidcSettings::default();
    let wanted = OidcSettings {
        issuer: "https://login.example.org".to_owned(),
        client_id: "deployer".to_owned(),
        ..by_default
    };
    assert_eq!(provider, &wanted);
    let mut reader = KeyReader::default();
    OidcSettings::read(&mut reader);
    let mut keys: Vec<String> = reader.keys().into_iter().map(|(_, key)| key).collect();
    let mut written: Vec<String> = shown
        .lines()
        .filter_map(|line| Some(line.split_once(" = ")?.0.to_owned()))
        .collect();
    keys.sort();
    written.sort();
    assert_eq!(written, keys);
}

#[test]
fn openid_providers_stand_in_sections_of_their_own() {
    let set = variables(&[
        ("DEPLOYER__OIDC__WORK__CLIENT_SECRET", "from the environment"),
        ("DEPLOYER__OIDC__HOME__ISSUER", "https://home.example.org/"),
        ("DEPLOYER__OIDC__HOME__CLIENT_ID", "d"),
    ]);
    let text = "[oidc.work]\nissuer = 'https://work.example.org'\nclient_id = 'c'\ngroups = ['ops-*']";
    let config = Config::parse("d.toml", text, set).unwrap();
    let names: Vec<&String> = config.oidc.keys().collect();
    assert_eq!(names, ["home", "work"]);
    let work = &config.oidc["work"];
    assert_eq!(
        work.client_secret.as_ref().unwrap().expose(),
        "from the environment"
    );
    assert_eq!(work.groups, ["ops-*"]);
    let text = "[oidc.Work]\nissuer = 'https://a.example'\nclient_id = 'c'\n\
                [oidc.b]\nissuer = 'https://a.example'\nclient = 'c'\n[oidc.c]\n";
    assert_eq!(
        problems(text),
        "d.toml:2: oidc.Work.issuer must stand in a section whose name has only small letters, digits and “_”: it is \
         part of an address.\n\
         d.toml:5: oidc.b.issuer must not be that of another section: people are known by it.\n\
         d.toml:6: oidc.b.client is not a setting: the settings of [oidc.b] are certificates, client_id, \
         client_secret, groups, groups_claim, issuer, lifetime, name_claim, scopes, second_factor, title.\n\
         default: oidc.b.client_id must be set.\ndefault: oidc.c.client_id must be set.\ndefault: oidc.c.issuer must \
         be set."
    );
    assert_eq!(
        problems("[oidc]\nissuer = 'https://a.example'"),
        "d.toml:2: oidc.issuer must stand in a section with a name: write [oidc.NAME] and the keys below."
    );
    assert!(problems("oidc = 3").contains("write [oidc.NAME]"));
}
