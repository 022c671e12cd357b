//! Shells that watch over scripts on a server which does not notice that a connection is gone.

use std::time::{Duration, Instant};

use deployer::domain::DeploymentState;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::killed::Served;
use crate::support::world::World;
use crate::web::support::{PASSWORD, TestSite};

/// What nothing here should take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The number of a process that a script wrote into a file of its home.
fn number(world: &World, file: &str) -> Pid {
    Pid::from_raw(world.read(1, file).trim().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_watches_over_a_script_is_named_as_long_as_it_is_there() {
    let mut world = World::project().workers(0).start().await;
    // What it becomes at last is not taken for the script.
    world.script(
        "deploy.sh",
        "echo $$ > ~/own; echo $PPID > ~/above; echo begun; exec sleep 300",
    );
    let commit = world.commit("Slow").await;
    let id = world.ask(World::request(&commit)).await;
    let first = Served::start(&world);
    world.until_it_says(id, "begun").await;
    // As where the network is away: this part of sshd does not notice that the connection is gone.
    let above = number(&world, "above");
    kill(above, Signal::SIGSTOP).unwrap();
    first.kill();

    let _second = Served::start(&world);

    assert_eq!(world.end(id).await.state, DeploymentState::Interrupted);
    let part = &world.parts(id).await[0];
    let told = part.remains_told();
    assert!(
        told.contains("a shell that ends what it watches over once the server notices"),
        "{told}"
    );
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    site.add_user("admin").await;
    site.log_in("admin", PASSWORD).await;
    let server = part.server_id.unwrap();
    for page in [format!("/deployments/{id}"), format!("/admin/servers/{server}")] {
        let shown = site.get(&page).await.text().await.unwrap();
        assert!(
            shown.contains("a shell that ends what it watches over"),
            "{page}: {shown}"
        );
    }
    let sleeper = number(&world, "own");
    assert!(kill(sleeper, None).is_ok(), "what the script became was ended");

    kill(above, Signal::SIGCONT).unwrap();

    let begun = Instant::now();
    while world.parts(id).await[0].remains.is_some() {
        assert!(begun.elapsed() < PATIENCE, "it is still named");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        kill(sleeper, None).is_err(),
        "nobody ended what the script became"
    );
}
