//! The sample file against the defaults, overrides, and the message of each mistake.

use proptest::prelude::*;

use super::error::Origin;
use super::*;

mod outside;

const SAMPLE: &str = include_str!("../../deployer.sample.toml");

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn parsed(text: &str) -> Result<Config, Error> {
    Config::parse("d.toml", text, [])
}

/// The problems of a file, one line each.
fn problems(text: &str) -> String {
    parsed(text).expect_err(text).to_string()
}

fn all_keys() -> Vec<(String, String)> {
    let mut reader = KeyReader::default();
    Config::read(&mut reader);
    reader.keys()
}

#[test]
fn the_sample_file_holds_every_default() {
    assert_eq!(parsed(SAMPLE).unwrap(), Config::default());
}

#[test]
fn every_key_stands_in_the_sample_file_with_a_comment() {
    let mut section = "";
    let mut found = Vec::new();
    let mut commented = false;
    for line in SAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            assert!(commented, "{key} has no comment");
            found.push((section.to_owned(), key.to_owned()));
        }
        commented = line.starts_with('#');
    }
    found.sort();
    assert_eq!(found, all_keys());
}

#[test]
fn every_key_can_come_from_the_environment() {
    for (section, key) in all_keys() {
        let mut name = format!("DEPLOYER__{}", key.to_uppercase());
        if !section.is_empty() {
            name = format!("DEPLOYER__{}__{}", section.to_uppercase(), key.to_uppercase());
        }
        // Text that no key accepts, so that silence would mean the variable was ignored; the few
        // that hold free text of any kind are seen below.
        let result = Config::parse("", "", variables(&[(name.as_str(), ",x y,")]));
        match (section.as_str(), key.as_str()) {
            // Names of groups may hold anything.
            ("login_proxy" | "login_plugin", "groups") => drop(result.unwrap()),
            ("masking", "secrets") => assert_eq!(result.unwrap().masking.secrets[0].expose(), "x y"),
            _ => {
                let problems = result.expect_err(&name).problems;
                assert_eq!(problems[0].place, Origin::Variable(name), "{problems:?}");
            }
        }
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let text =
        "data_dir = '/srv/a'\n[http]\nbind = '127.0.0.1:1'\nmax_connections = 300\n[ssh]\nuse_agent = true";
    let set = variables(&[
        ("DEPLOYER__HTTP__BIND", "[::1]:2"),
        ("DEPLOYER__SSH__KEY_FILES", "/a, /b"),
        ("DEPLOYER_COMMIT", "not ours"),
    ]);
    let config = Config::parse("d.toml", text, set).unwrap();
    assert_eq!(config.http.bind.to_string(), "[::1]:2");
    assert_eq!((config.http.max_connections, config.ssh.use_agent), (300, true));
    assert_eq!(config.ssh.key_files, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!(config.mirror_dir(), PathBuf::from("/srv/a/mirrors"));
    assert_eq!(config.store_url().expose(), "sqlite:///srv/a/deployer.sqlite");
}

#[test]
fn unknown_keys_and_sections_are_named_with_their_line() {
    let text = "dat_dir = '/x'\n\n[http]\nbnd = 'x'\n[htp]\nbind = 'x'\n";
    assert_eq!(
        problems(text),
        "d.toml:1: dat_dir is not a setting: there are data_dir and the sections access, audit, balancer, \
         drift, engine, git, http, log, login_plugin, login_proxy, logins, masking, scripts, secrets, ssh, store.\n\
         d.toml:4: http.bnd is not a setting: the settings of [http] are api_requests_per_minute, bind, \
         max_connections, public_url, quiet_timeout, trusted_proxies.\n\
         d.toml:5: htp is not a section: there are data_dir and the sections access, audit, balancer, drift, \
         engine, git, http, log, login_plugin, login_proxy, logins, masking, scripts, secrets, ssh, store."
    );
    assert_eq!(
        problems("http = 3"),
        "d.toml:1: http must be a section: write [http] and its keys below."
    );
}

#[test]
fn unknown_variables_are_named() {
    let set = variables(&[("DEPLOYER__HTTP__BNID", "x"), ("DEPLOYER__WORKERS", "3")]);
    let told = Config::parse("", "", set).unwrap_err().to_string();
    assert!(
        told.contains("environment variable DEPLOYER__HTTP__BNID: sets nothing: the settings of [http] are DEPLOYER__HTTP__API_REQUESTS_PER_MINUTE, DEPLOYER__HTTP__BIND,"),
        "{told}"
    );
    assert!(
        told.contains("DEPLOYER__WORKERS: sets nothing: there are DEPLOYER__DATA_DIR and"),
        "{told}"
    );
}

/// A file, and the message about it.
const IMPOSSIBLE: &[(&str, &str)] = &[
    (
        "[login_proxy]\naddresses = ['127.0.0.1']",
        "login_proxy.secret must be set where login_proxy.addresses is: an address alone proves nothing",
    ),
    (
        "[login_proxy]\naddresses = ['10.0.0.5']\nsecret = 'short'",
        "d.toml:3: login_proxy.secret must have at least 16 characters",
    ),
    (
        "[login_proxy]\nuser_header = 'a b'",
        "login_proxy.user_header must be the name of a header",
    ),
    (
        "[login_plugin]\nplace = 'login.sh'",
        "login_plugin.place must be the absolute path of a program, or an address",
    ),
    (
        "[login_plugin]\nplace = 'https://login.example.org/'",
        "login_plugin.secret must be set where login_plugin.place is an address",
    ),
    (
        "[oidc.a]\nissuer = 'login'\nclient_id = 'c'",
        "oidc.a.issuer must be the address that the provider calls itself",
    ),
    (
        "data_dir = 'x'",
        "data_dir must be an absolute path (beginning with “/”), not “x”",
    ),
    ("data_dir = '/'", "data_dir must not be “/” itself"),
    ("data_dir = '/srv/a?b'", "data_dir must be a path without “?”"),
    (
        "[store]\nurl = 'sqlite:///srv/d.sqlite?mode=rwc'",
        "d.toml:2: store.url must name the SQLite file by an absolute path, without options",
    ),
    (
        "[http]\nbind = 'localhost'",
        "http.bind must be an address and a port",
    ),
    (
        "[http]\nbind = '0.0.0.0:0'",
        "http.bind must have a port other than 0",
    ),
    (
        "[http]\nbind = 8080",
        "http.bind must be an address and a port in quotes, such as \"127.0.0.1:8080\", not a TOML integer",
    ),
    ("[http]\npublic_url = 'deployer'", "http.public_url must be a URL"),
    (
        "[http]\npublic_url = 'ftp://x/'",
        "must begin with http:// or https://",
    ),
    ("[http]\npublic_url = 'https://x/y'", "must end after the host"),
    (
        "[http]\ntrusted_proxies = ['10.0.0.0/33']",
        "must be an IP address or a range",
    ),
    ("[http]\ntrusted_proxies = '10.0.0.0/8', ", "This is not TOML"),
    (
        "[http]\nmax_connections = 3",
        "must be between 16 and 100000, not 3",
    ),
    ("[http]\nquiet_timeout = '15s'", "must be at least 20s"),
    ("[engine]\nstep_log_mib = 0", "must be between 1 and 1024, not 0"),
    ("[logins]\nsession_idle = '1m'", "must be between 5m and 365d"),
    (
        "[http]\nmax_connections = -1",
        "must be a whole number, such as 4, not -1",
    ),
    (
        "[http]\nmax_connections = '400'",
        "without quotes, not a TOML string",
    ),
    (
        "[git]\nfetch_timeout = 30",
        "git.fetch_timeout must be a time in quotes",
    ),
    ("[git]\nfetch_timeout = '0s'", "must be longer than 0"),
    ("[git]\nfetch_timeout = '10 min'", "\"7d\", not “10 min”"),
    ("[git]\nfetch_timeout = 'm'", "not “m”"),
    ("[git]\nfetch_timeout = '99999999999999999999d'", "must be a time"),
    ("[git]\nuse_agent = 'yes'", "must be true or false without quotes"),
    ("[ssh]\nkey_files = ['~/.ssh/id_rsa']", "must be an absolute path"),
    ("[engine]\nlease = '1h'", "must be between 5s and 30s"),
    ("[engine]\nworkers = 0x1FF", "must be between 1 and 256, not 511"),
    ("[log]\nformat = 'xml'", "must be \"text\" or \"json\", not “xml”"),
    ("[log]\nfilter = 'deployer=loud'", "must be a level"),
    ("[log]\nfilter = ''", "must be a level"),
    ("[log]\nfilter = 'inof'", "must be a level"),
    ("[masking]\nsecrets = ['x']", "shorter than 3"),
    (
        "[http]\nbind = '1.1.1.1:1'\nbind = '1.1.1.1:1'",
        "d.toml:3: This is not TOML",
    ),
];

#[test]
fn impossible_values_say_what_would_be_possible() {
    for (text, told) in IMPOSSIBLE {
        let all = problems(text);
        assert!(all.contains(told), "{text}:\n{all}");
    }
}

#[test]
fn a_database_password_is_never_told() {
    for url in [
        "oracle://u:hunter2@h/d",
        "postgres://u:hunter2@h",
        "mysql://hunter2",
        "sqlite:hunter2.db",
    ] {
        let told = problems(&format!("[store]\nurl = '{url}'"));
        assert!(
            told.contains("store.url must ") && !told.contains("hunter2"),
            "{told}"
        );
    }
    let config = parsed("[store]\nurl = 'postgres://u:hunter2@h/d'").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(config.store_url().expose(), "postgres://u:hunter2@h/d");
}

#[test]
fn every_database_there_is_a_driver_for_can_be_set() {
    for url in [
        "sqlite:/srv/d.sqlite",
        "mariadb://u@h/d",
        "mysql://u@h/d",
        "postgresql://u@h/d",
    ] {
        let config = parsed(&format!("[store]\nurl = '{url}'")).unwrap();
        assert_eq!(config.store_url().expose(), url);
    }
}

#[test]
fn times_are_read_in_their_units() {
    for (text, seconds) in [("30s", 30), ("10m", 600), ("2h", 7200), ("7d", 604_800)] {
        let config = parsed(&format!("[git]\nfetch_timeout = '{text}'")).unwrap();
        assert_eq!(config.git.fetch_timeout.as_secs(), seconds, "{text}");
    }
}

#[test]
fn a_network_holds_its_addresses_only() {
    let network: Network = "10.1.0.0/16".parse().unwrap();
    assert!(
        network.contains("10.1.255.1".parse().unwrap())
            && network.contains("::ffff:10.1.0.1".parse().unwrap())
    );
    assert!(!network.contains("10.2.0.1".parse().unwrap()) && !network.contains("::1".parse().unwrap()));
    let single: Network = "::1".parse().unwrap();
    assert!(single.contains("::1".parse().unwrap()) && !single.contains("::2".parse().unwrap()));
    assert!(
        "0.0.0.0/0"
            .parse::<Network>()
            .unwrap()
            .contains("9.9.9.9".parse().unwrap())
    );
}

#[test]
fn files_that_are_not_there_are_told_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("d.toml");
    let text = "data_dir = '/no/such'\n[access]\npolicies = '/no/policies'\n[ssh]\nkey_files = ['/no/key']\n\
                [store]\nurl = 'sqlite:/no/store/d.sqlite'\n";
    std::fs::write(&file, text).unwrap();
    let told = Config::load(Some(&file), []).unwrap_err().to_string();
    let file = file.display();
    for line in [
        format!("{file}:1: data_dir names “/no/such”, but the directory “/no” above it does not exist"),
        format!("{file}:3: access.policies names “/no/policies”, which is not a directory."),
        format!("{file}:5: ssh.key_files names “/no/key”, which cannot be read"),
        format!("{file}:7: store.url names “/no/store/d.sqlite”, but there is no directory “/no/store”"),
    ] {
        assert!(told.contains(&line), "{told}");
    }
    let told = Config::load(Some(Path::new("/no/d.toml")), [])
        .unwrap_err()
        .to_string();
    assert!(told.starts_with("/no/d.toml: There is no such file."), "{told}");
}

#[test]
fn cookies_demand_https_only_where_people_use_it() {
    let https = parsed("[http]\npublic_url = 'https://deployer.example.org/'").unwrap();
    assert_eq!(
        (https.is_https(), https.public_url().as_str()),
        (true, "https://deployer.example.org")
    );
    let plain = Config::default();
    assert_eq!(
        (plain.is_https(), plain.public_url().as_str()),
        (false, "http://127.0.0.1:8080")
    );
}

/// Documents of keys and values, whole and in pieces.
fn document() -> impl Strategy<Value = String> {
    let words = vec![
        "data_dir = ",
        "\"/srv/x\"",
        "[http]\n",
        "[git]\n",
        "[engine]\n",
        "[store]\n",
        "[nothing]\n",
        "bind = ",
        "\"127.0.0.1:80\"",
        "max_connections = ",
        "14",
        "-1",
        "99999999999999999999",
        "1e400",
        "fetch_timeout = ",
        "\"10m\"",
        "\"99999999999999h\"",
        "key_files = ",
        "[\"/a\", \"b\"]",
        "other_hosts = ",
        "[\"a:b\"]",
        "trusted_proxies = ",
        "[\"10.0.0.0/99\"]",
        "url = ",
        "\"postgres://u:hunter2@h/d\"",
        "\n",
        "[",
        "]",
        "{",
        "}",
        "=",
        ".",
        "\"",
        "#",
        "true",
        "2026-01-01",
        "nan",
        "public_url = ",
        "\"https://[\"",
        "\u{202e}",
        "\0",
        "lease = ",
        "workers = ",
    ];
    let piece = prop_oneof![
        12 => prop::sample::select(words).prop_map(str::to_owned),
        1 => "\\PC{0,10}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(crate::cases::cases(300))]

    #[test]
    fn any_text_is_a_configuration_or_has_problems_with_lines(text in document(), value in "\\PC{0,12}") {
        let env = variables(&[("DEPLOYER__HTTP__BIND", &value), ("DEPLOYER__ENGINE__WORKERS", &value)]);
        let lines = text.split('\n').count();
        let Err(error) = Config::parse("d.toml", &text, env) else { return Ok(()) };
        prop_assert!(!error.problems.is_empty());
        for problem in &error.problems {
            if let Origin::File { line, .. } = &problem.place {
                prop_assert!(*line <= lines, "{}", problem);
            }
            prop_assert!(problem.message.ends_with(['.', '”']), "{}", problem);
            let is_secret = problem.key == "store.url";
            prop_assert!(!is_secret || !problem.message.contains("hunter2"), "{}", problem);
        }
    }
}
