//! The program as the client of a deployer elsewhere: what it prints, and how it ends.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use deployer::domain::EnvironmentOptions;

use super::{Ran, program, run};
use crate::support::world::World;
use crate::web::api::support::token;
use crate::web::support::TestSite;

/// Beside the shipped lines: lena looks, and does nothing.
const POLICY: &str = "g, lena, role:reader\ng, dora, role:developer";

/// A deployer that serves, and a client of it.
struct Served {
    world: World,
    site: TestSite,
}

impl Served {
    async fn start(options: EnvironmentOptions) -> Self {
        let world = World::project()
            .options(options)
            .environment("beta")
            .policy(POLICY)
            .start()
            .await;
        let site = TestSite::over(world.app.clone(), world.store.clone()).await;
        Self { world, site }
    }

    async fn client(&self, account: &str) -> Client {
        Client {
            url: self.site.url.clone(),
            token: token(&self.world.app, account).await,
        }
    }
}

struct Client {
    url: String,
    token: String,
}

impl Client {
    fn command(&self, arguments: &str) -> Command {
        let mut command = program();
        command
            .args(arguments.split_whitespace())
            .env("DEPLOYER_URL", &self.url)
            .env("DEPLOYER_TOKEN", &self.token);
        command
    }

    async fn run(&self, arguments: &str) -> Ran {
        finished(self.command(arguments)).await
    }
}

async fn finished(mut command: Command) -> Ran {
    tokio::task::spawn_blocking(move || run(&mut command))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_deploys_follows_promotes_and_goes_back() {
    let mut served = Served::start(EnvironmentOptions::default()).await;
    let admin = served.client("admin").await;
    served.world.repository.write("page", "one");
    let first = served.world.commit("One").await;
    admin.run("deploy shop/dev --plan").await.with(0, "web1", "");
    let done = admin
        .run(&format!("deploy shop/dev {first} --wait --key job-1"))
        .await;
    done.with(0, "1 of 1 servers done", "queued");
    let again = admin
        .run(&format!("deploy shop/dev {first} --wait --key job-1"))
        .await;
    again.with(0, "Deployment 1:", "");
    served.world.script("deploy.sh", "echo from the script");
    let second = served.world.commit("Two").await;
    let followed = admin.run("deploy shop/dev --follow --reason Second").await;
    followed.with(0, "web1 deploy: from the script", "");
    admin
        .run("log shop/dev --server web1")
        .await
        .with(0, "from the script", "");
    admin
        .run("log 2 --follow --json")
        .await
        .with(0, "\"stream\":\"stdout\"", "");
    admin.run("status shop/dev").await.with(0, &second[..8], "");
    admin.run("status 2").await.with(0, "Deployment 2:", "");
    admin.run("status").await.with(0, "Nothing is running.", "");
    admin
        .run("promote shop/dev --wait")
        .await
        .with(0, "to shop/beta: succeeded", "");
    admin
        .run("rollback shop/dev --wait --json")
        .await
        .with(0, &first, "");
    admin
        .run("open 2")
        .await
        .with(0, &format!("{}/deployments/2", served.site.url), "");
    admin.run("who shop/dev deploy").await.with(0, "may deploy", "");
    admin
        .run("cancel 2")
        .await
        .badly("Deployment 2 has ended already");

    admin
        .run("lock shop/dev --reason Stocktaking")
        .await
        .with(0, "shop/dev is locked", "");
    admin.run("deploy shop/dev").await.badly("Stocktaking");
    admin.run("unlock shop/dev").await.with(0, "is lifted", "");
    admin
        .run("unlock shop/dev")
        .await
        .badly("No lock is over shop/dev.");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_tells_what_became_of_it() {
    let mut served = Served::start(EnvironmentOptions {
        approval_hours: Some(2),
        ..EnvironmentOptions::default()
    })
    .await;
    let (admin, lena, dora) = (
        served.client("admin").await,
        served.client("lena").await,
        served.client("dora").await,
    );
    served.world.repository.write("page", "one");
    served.world.script("deploy.sh", "exit 3");
    served.world.commit("Fails").await;
    lena.run("deploy shop/dev")
        .await
        .with(3, "", "lena may not deploy shop/dev");
    dora.run("deploy shop/dev --wait")
        .await
        .with(4, "awaiting approval", "");
    dora.run("approve shop/dev").await.with(3, "", "");
    admin.run("approve shop/dev").await.with(0, "Deployment 1:", "");
    dora.run("log shop/dev --follow")
        .await
        .with(1, "web1 deploy", "failed");
    admin
        .run("deploy shop/dev nonsense")
        .await
        .with(2, "", "nonsense");
    admin.run("deploy shop").await.with(2, "", "PROJECT/ENVIRONMENT");
    admin
        .run("status nowhere/dev")
        .await
        .with(2, "", "There is nothing here that you may view");
    let nobody = Client {
        token: "wrong".to_owned(),
        url: admin.url.clone(),
    };
    nobody
        .run("status")
        .await
        .with(3, "", "There is no such API token");
    let nowhere = Client {
        url: "http://127.0.0.1:9".to_owned(),
        ..admin
    };
    nowhere.run("status").await.with(5, "", "refused the connection");
}

#[test]
fn the_file_of_settings_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("deployer/client.toml");
    std::fs::create_dir(dir.path().join("deployer")).unwrap();
    std::fs::write(&file, "url = \"http://127.0.0.1:9\"\ntoken = \"secret-token\"\n").unwrap();
    let status = |mode: u32| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        run(program().arg("status").env("XDG_CONFIG_HOME", dir.path()))
    };
    let open = status(0o644);
    open.with(2, "", "others may read it. Close it to them: chmod 600.");
    assert!(!open.err.contains("secret-token"));
    status(0o600).with(5, "", "refused the connection");
    let none = run(program()
        .arg("status")
        .env("XDG_CONFIG_HOME", dir.path().join("none")));
    none.with(2, "", "Say which deployer to ask");
}

#[test]
fn shells_and_manuals_are_told_of_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        run(program().args(["completions", shell])).with(0, "rollback", "");
    }
    let dir = tempfile::tempdir().unwrap();
    let man = dir.path().join("man1");
    run(program().arg("man").arg(&man)).with(0, "The manual pages are in", "");
    let page = std::fs::read_to_string(man.join("deployer-deploy.1")).unwrap();
    assert!(page.contains("Deploy a commit to an environment"), "{page}");
}

/// The commands of the ready steps of `docs/cli.md`.
fn ready_steps() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, steps) = page.split_once("## Ready steps").unwrap();
    let mut found: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in steps.lines() {
        let line = line.trim();
        if line.starts_with("deployer deploy") {
            found.push(String::new());
        } else if !goes_on {
            continue;
        }
        goes_on = line.ends_with('\\');
        let command = found.last_mut().unwrap();
        command.push_str(line);
        command.push('\n');
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ready_steps_of_the_manual_do_what_they_say() {
    let mut served = Served::start(EnvironmentOptions::default()).await;
    let admin = served.client("admin").await;
    served.world.repository.write("page", "one");
    let commit = served.world.commit("One").await;
    let bin = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_deployer"), bin.path().join("deployer")).unwrap();
    let steps = ready_steps();
    assert_eq!(steps.len(), 5, "{steps:#?}");
    for step in steps {
        let step = step
            .replace("webshop/prod", "shop/dev")
            .replace("webshop/beta", "shop/dev");
        let mut command = Command::new("sh");
        command
            .arg("-euc")
            .arg(&step)
            .env("DEPLOYER_URL", &admin.url)
            .env("DEPLOYER_TOKEN", &admin.token);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", bin.path().display()));
        for name in ["GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT"] {
            command.env(name, &commit);
        }
        for name in [
            "GITHUB_WORKFLOW",
            "GITHUB_RUN_NUMBER",
            "GITHUB_RUN_ID",
            "GITHUB_RUN_ATTEMPT",
            "CI_PIPELINE_ID",
            "CI_JOB_ID",
            "CI_PIPELINE_NUMBER",
            "CI_REPO",
            "JOB_NAME",
            "BUILD_NUMBER",
            "BUILD_TAG",
        ] {
            command.env(name, "17");
        }
        finished(command).await.with(0, "succeeded", "");
    }
}
