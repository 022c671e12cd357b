//! How the scripts of the demo's repositories run on this host.

use crate::app::start;
use crate::config::{Config, ScriptConfinement};
use crate::confinement::Confinement;

/// The same configuration, or, where this host can confine no scripts, one without confinement: those of
/// the demo are ours.
pub(super) async fn confined_if_possible(mut config: Config) -> Config {
    let confinement = Confinement::new(start::confinement_options(&config));
    if let Err(why) = confinement.ready().await {
        tracing::warn!("{why}");
        tracing::warn!("The demo's own scripts run unconfined, as nothing foreign is in its repositories.");
        config.scripts.confinement = ScriptConfinement::Unconfined;
    }
    config
}
