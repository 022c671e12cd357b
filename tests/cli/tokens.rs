//! API tokens and service accounts on the command line, and the commands that `docs/logins.md` shows.

use std::path::Path;

use deployer::store::{Store, environments, projects};

use super::{Installation, run};

/// The commands of a page, in order.
fn commands(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("deployer "));
    lines.map(str::to_owned).collect()
}

/// Adds a project with an environment to the installation's database.
fn add_project(here: &Installation, name: &str, environment: &str) {
    here.run("migrate").well("");
    let url = format!("sqlite://{}", here.database().display());
    let adding = async {
        let store = Store::open(&url, Default::default()).await.unwrap();
        let change = crate::support::store::change(&store).await;
        let project = projects::insert(&change, &crate::support::store::project(name))
            .await
            .unwrap();
        let place = crate::support::store::environment(&project, environment);
        environments::insert(&change, &place).await.unwrap();
        crate::support::store::bring_in(change).await;
        store.close().await.unwrap();
    };
    tokio::runtime::Runtime::new().unwrap().block_on(adding);
}

#[test]
fn the_commands_of_the_page_about_logins_do_what_it_says() {
    let here = Installation::new();
    add_project(&here, "webshop", "beta");
    let commands = commands("docs/logins.md");
    assert!(commands.len() > 4, "{commands:?}");
    for command in commands {
        here.run(&command).well("");
    }
    here.run("token list ci")
        .well("\tdeploy; projects webshop; environments beta");
    let list = here.run("token list ci");
    assert!(list.out.contains("\trevoked\t"), "{}", list.out);
}

#[test]
fn accounts_are_linked_to_logins_from_outside_and_names_stay_taken() {
    let here = Installation::new();
    here.run("user add olga --service").well("User “olga” was added.");
    here.run("user link olga --provider https://login.example.org --subject id-7")
        .well("User “olga” is known to https://login.example.org.");
    here.run("user link olga --provider https://login.example.org --subject id-7")
        .badly("An account is known by this already.");
    here.run("user link olga --provider plugin --subject olga")
        .well("User “olga” is known to the login plugin.");
    here.run("user link olga --provider ldap --subject olga").with(
        2,
        "",
        "write proxy, plugin, or the issuer of an OpenID provider",
    );
    here.run("user unlink olga --provider plugin --subject nobody")
        .badly("There is no login “nobody” of “olga”.");
    here.run("user unlink olga --provider plugin --subject olga")
        .well("User “olga” is not known there any more.");
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let here = Installation::new();
    add_project(&here, "shop", "prod");
    here.run("user add other --service").well("");
    here.run("token add other x --project nowhere")
        .badly("There is no project “nowhere”.");
    here.run("user add robot --service")
        .well("User “robot” was added.");
    here.run("user add robot2 --service --generate")
        .with(2, "", "cannot be used with");
    let made = here.run("token add robot ci --days 7 --action deploy --action cancel");
    made.well("Token number 1 of “robot” was made. It is shown this once.\nToken: dpl_");
    here.run("token add robot ci")
        .badly("“robot” has a token “ci” already.");
    here.run("token add robot other --never --project shop")
        .well("Token: dpl_");
    let list = here.run("token list robot");
    list.well("2\tother\tactive\tnever\tnever\tprojects shop\n1\tci\texpiring\t");
    list.well("\tnever\tdeploy, cancel\n");
    here.run("token revoke 1").well("Token “ci” is revoked.");
    here.run("token revoke 1").well("Token “ci” is revoked.");
    here.run("token list robot").well("1\tci\trevoked\t");
    here.run("token revoke 9")
        .badly("There is no API token number 9.");
    here.run("token list nobody").badly("There is no user “nobody”.");
    here.run("token add robot x --days 0")
        .badly("A token expires within 1 to 3650 days, or never.");
    run(here.command("token add robot x").args(["--action", "fly"])).with(2, "", "is not an action");
    run(here.command("token add robot x").args(["--project", "a/b"])).with(2, "", "cannot be a name");
}
