//! The settings of an environment, as requests and answers have them.

use std::collections::BTreeMap;

use poem_openapi::{Enum, Object};

use super::automatic::AutoDto;
use super::health::HealthCheckDto;
use crate::app::admin::environments::{
    ApprovalHours, DrainLimit, EnvironmentSpec, KeptDays, KeptReleases, Parallel, Timeout, UpLimit,
};
use crate::app::admin::inventory::Inventory;
use crate::app::admin::values::{Excluded, RemoteUser, SharedPaths};
use crate::app::admin::variables::VariablesSpec;
use crate::domain::{
    BranchName, ClusterId, Environment, EnvironmentOptions, Name, OnFailure, Result, TargetPath, Variable,
};
use crate::web::api::fields::Fields;
use crate::web::api::shapes::StrategyDto;

/// What happens when a server fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "kebab-case", rename = "OnFailure")]
pub enum OnFailureWord {
    Stop,
    Continue,
    RollBack,
    Ask,
}

/// A variable that scripts see.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Variable", skip_serializing_if_is_none)]
pub struct VariableDto {
    /// Absent in answers for a secret. Absent in a request for a secret: it keeps the one it has.
    value: Option<String>,
    /// Whether it is masked in every log, and shown nowhere.
    secret: Option<bool>,
    /// Whether `$NAME` in it stands for another variable.
    refers: Option<bool>,
}

impl From<&Variable> for VariableDto {
    fn from(variable: &Variable) -> Self {
        Self {
            value: (!variable.secret).then(|| variable.value.clone()),
            secret: variable.secret.then_some(true),
            refers: variable.refers.then_some(true),
        }
    }
}

/// The settings of an environment. In a request, what is absent stays as it is, or has its default.
#[derive(Debug, Clone, Object)]
#[oai(rename = "EnvironmentSettings", skip_serializing_if_is_none)]
pub struct SettingsDto {
    name: Option<String>,
    branch: Option<String>,
    /// The directory on each server: `/srv/shop`, `~/shop`.
    target_path: Option<String>,
    /// Whom to log in as on its servers.
    remote_user: Option<String>,
    /// Position in the promotion chain, from 1.
    position: Option<u32>,
    fail_on_failed_tests: Option<bool>,
    /// Whether pushes to its branch are deployed automatically.
    auto_deploy: Option<bool>,
    auto: Option<AutoDto>,
    /// The names of its clusters, in the order of deployment.
    clusters: Option<Vec<String>>,
    /// Paths that are never sent.
    excluded: Option<Vec<String>>,
    /// Paths that are kept beside the releases and linked into each.
    shared: Option<Vec<String>>,
    /// The group on servers that may read what is deployed; empty: every account may.
    readers: Option<String>,
    /// Those that are added or changed; the others stay.
    variables: Option<BTreeMap<String, VariableDto>>,
    /// The names of variables that are taken away; only in requests.
    variables_removed: Option<Vec<String>>,
    /// Seconds a script on the deployer's host may take.
    local_timeout: Option<u32>,
    /// Seconds a script on a server may take.
    remote_timeout: Option<u32>,
    /// How many servers are worked on at once.
    parallel: Option<u32>,
    keep_releases: Option<u32>,
    keep_days: Option<u32>,
    health: Option<HealthCheckDto>,
    strategy: Option<StrategyDto>,
    on_failure: Option<OnFailureWord>,
    /// How many servers may fail, where the rollout continues after failures.
    up_to: Option<u32>,
    /// Seconds that sessions have to end when a server is taken out of service.
    drain_limit: Option<u32>,
    /// Seconds within which a server has to be up that was put back.
    up_limit: Option<u32>,
    /// Hours within which a second person has to approve each deployment; 0: nobody has to.
    approval_hours: Option<u32>,
    watch_drift: Option<bool>,
    /// The file name of the private key to log in with; empty: those that are configured.
    key: Option<String>,
}

impl SettingsDto {
    /// The settings of `environment`, for whoever may change them.
    pub fn new(inventory: &Inventory, environment: &Environment) -> Self {
        let options = &environment.options;
        let small = |number: u64| Some(u32::try_from(number).unwrap_or(u32::MAX));
        let cluster = |id: &ClusterId| inventory.cluster(*id).map(|cluster| cluster.name.to_string());
        let variables = options.variables.iter();
        let (on_failure, up_to) = match options.rollout.on_failure {
            OnFailure::Stop => (OnFailureWord::Stop, None),
            OnFailure::Continue { up_to } => (OnFailureWord::Continue, Some(up_to)),
            OnFailure::RollBack => (OnFailureWord::RollBack, None),
            OnFailure::Ask => (OnFailureWord::Ask, None),
        };
        Self {
            name: Some(environment.name.to_string()),
            branch: Some(environment.branch.to_string()),
            target_path: Some(environment.target_path.to_string()),
            remote_user: Some(environment.remote_user.clone()),
            position: u32::try_from(environment.position).ok(),
            fail_on_failed_tests: Some(environment.fail_on_failed_tests),
            auto_deploy: Some(environment.auto_deploy),
            auto: Some((&options.auto).into()),
            clusters: Some(environment.clusters.iter().filter_map(cluster).collect()),
            excluded: Some(options.excluded.clone()),
            shared: Some(options.shared.clone()),
            readers: options.readers.clone(),
            variables: Some(variables.map(|(name, one)| (name.clone(), one.into())).collect()),
            variables_removed: None,
            local_timeout: small(options.local_timeout),
            remote_timeout: small(options.remote_timeout),
            parallel: Some(options.parallel),
            keep_releases: Some(options.keep_releases),
            keep_days: Some(options.keep_days),
            health: Some(options.health.as_ref().into()),
            strategy: Some(options.rollout.strategy.into()),
            on_failure: Some(on_failure),
            up_to,
            drain_limit: small(options.rollout.drain_limit),
            up_limit: small(options.rollout.up_limit),
            approval_hours: options.approval_hours,
            watch_drift: Some(options.watch_drift),
            key: options.key.as_ref().map(ToString::to_string),
        }
    }

    /// The settings of `before` with these; those of a new environment have defaults.
    ///
    /// # Errors
    /// Complaints about the fields.
    pub fn over(&self, inventory: &Inventory, before: Option<&Environment>) -> Result<EnvironmentSpec> {
        let mut fields = Fields::default();
        let defaults = EnvironmentOptions::default();
        let options = before.map_or(&defaults, |one| &one.options);
        let tests = self.fail_on_failed_tests;
        let names = self.names(&mut fields, before);
        let position = before.map_or(1, |one| u64::try_from(one.position).unwrap_or(1));
        let position = fields.number("position", self.position, position);
        let lists = self.lists(&mut fields, inventory, before, options);
        let variables = self.variables(&mut fields, options);
        let health = match &self.health {
            None => Some(options.health.clone()),
            Some(health) => health.read(&mut fields),
        };
        let readers = fields.optional("readers", self.readers.as_deref(), || {
            options.readers.as_ref().and_then(|readers| readers.parse().ok())
        });
        let key = fields.optional("key", self.key.as_deref(), || options.key.clone());
        let strategy = self
            .strategy
            .as_ref()
            .map_or(Ok(options.rollout.strategy), StrategyDto::read)?;
        let numbers = self.numbers(&mut fields, options);
        let auto = AutoDto::read(self.auto.as_ref(), &mut fields, &options.auto);
        let is_automatic = before.is_some_and(|one| one.auto_deploy);
        fields.done(|| {
            let (clusters, excluded, shared) = lists?;
            let numbers = numbers?;
            let (name, branch, target_path, remote_user) = names?;
            Some(EnvironmentSpec {
                name,
                branch,
                target_path,
                remote_user,
                position: position?,
                auto_deploy: self.auto_deploy.unwrap_or(is_automatic),
                auto: auto?,
                clusters,
                excluded,
                shared,
                readers: readers?,
                variables: variables?,
                health: health?,
                strategy,
                key: key?,
                fail_on_failed_tests: tests
                    .unwrap_or_else(|| before.is_none_or(|one| one.fail_on_failed_tests)),
                watch_drift: self.watch_drift.unwrap_or(options.watch_drift),
                on_failure: self.on_failure(options.rollout.on_failure),
                local_timeout: numbers.local_timeout,
                remote_timeout: numbers.remote_timeout,
                parallel: numbers.parallel,
                keep_releases: numbers.keep_releases,
                keep_days: numbers.keep_days,
                drain_limit: numbers.drain_limit,
                up_limit: numbers.up_limit,
                approval_hours: numbers.approval_hours,
            })
        })
    }

    fn names(
        &self,
        fields: &mut Fields,
        before: Option<&Environment>,
    ) -> Option<(Name, BranchName, TargetPath, RemoteUser)> {
        let kept = |text: fn(&Environment) -> String| before.map(text).unwrap_or_default();
        let name = fields.text("name", self.name.as_deref(), || kept(|one| one.name.to_string()));
        let branch = fields.text("branch", self.branch.as_deref(), || {
            kept(|one| one.branch.to_string())
        });
        let target_path = fields.text("target_path", self.target_path.as_deref(), || {
            kept(|one| one.target_path.to_string())
        });
        let remote_user = fields.text("remote_user", self.remote_user.as_deref(), || {
            kept(|one| one.remote_user.clone())
        });
        Some((name?, branch?, target_path?, remote_user?))
    }

    /// Its clusters, and the paths that are not sent or are shared.
    fn lists(
        &self,
        fields: &mut Fields,
        inventory: &Inventory,
        before: Option<&Environment>,
        options: &EnvironmentOptions,
    ) -> Option<(Vec<ClusterId>, Excluded, SharedPaths)> {
        let clusters = match &self.clusters {
            None => Some(before.map(|one| one.clusters.clone()).unwrap_or_default()),
            Some(names) => {
                let find = |name: &String| {
                    let found = inventory.clusters.iter().find(|one| one.name.as_str() == name);
                    found
                        .map(|one| one.id)
                        .ok_or_else(|| format!("There is no cluster “{name}”."))
                };
                fields.take("clusters", names.iter().map(find).collect())
            }
        };
        let excluded = self.excluded.clone().unwrap_or_else(|| options.excluded.clone());
        let excluded = fields.take("excluded", Excluded::try_from(excluded));
        let shared = self.shared.clone().unwrap_or_else(|| options.shared.clone());
        let shared = fields.take("shared", SharedPaths::try_from(shared));
        Some((clusters?, excluded?, shared?))
    }

    fn variables(&self, fields: &mut Fields, options: &EnvironmentOptions) -> Option<VariablesSpec> {
        let known = options.variables.iter();
        let mut wanted: BTreeMap<String, VariableDto> =
            known.map(|(name, one)| (name.clone(), one.into())).collect();
        for name in self.variables_removed.iter().flatten() {
            if wanted.remove(name).is_none() {
                fields.complain("variables_removed", format!("There is no variable {name}."));
            }
        }
        wanted.extend(self.variables.clone().unwrap_or_default());
        let mut spec = VariablesSpec::default();
        let mut complete = true;
        for (name, one) in &wanted {
            let value = one.value.as_deref();
            let added = match (one.secret == Some(true), one.refers == Some(true), value) {
                (true, _, value) => spec.secret(name, value),
                (false, _, None) => Err("It needs a value, or has to be secret.".to_owned()),
                (false, true, Some(value)) => spec.referring(name, value),
                (false, false, Some(value)) => spec.plain(name, value),
            };
            complete &= fields.take(&format!("variables.{name}"), added).is_some();
        }
        complete.then_some(spec)
    }

    fn numbers(&self, fields: &mut Fields, options: &EnvironmentOptions) -> Option<Numbers> {
        let rollout = &options.rollout;
        let local_timeout = fields.number("local_timeout", self.local_timeout, options.local_timeout);
        let remote_timeout = fields.number("remote_timeout", self.remote_timeout, options.remote_timeout);
        let parallel = fields.number("parallel", self.parallel, options.parallel.into());
        let keep_releases = fields.number("keep_releases", self.keep_releases, options.keep_releases.into());
        let keep_days = fields.number("keep_days", self.keep_days, options.keep_days.into());
        let drain_limit = fields.number("drain_limit", self.drain_limit, rollout.drain_limit);
        let up_limit = fields.number("up_limit", self.up_limit, rollout.up_limit);
        let hours = self
            .approval_hours
            .or(options.approval_hours)
            .filter(|hours| *hours > 0);
        let approval_hours = match hours {
            None => Some(None),
            Some(hours) => fields
                .take("approval_hours", ApprovalHours::try_from(hours))
                .map(Some),
        };
        Some(Numbers {
            local_timeout: local_timeout?,
            remote_timeout: remote_timeout?,
            parallel: parallel?,
            keep_releases: keep_releases?,
            keep_days: keep_days?,
            drain_limit: drain_limit?,
            up_limit: up_limit?,
            approval_hours: approval_hours?,
        })
    }

    fn on_failure(&self, before: OnFailure) -> OnFailure {
        let known = match before {
            OnFailure::Continue { up_to } => up_to,
            _ => 1,
        };
        let up_to = self.up_to.unwrap_or(known);
        match (self.on_failure, before) {
            (Some(OnFailureWord::Stop), _) => OnFailure::Stop,
            (Some(OnFailureWord::RollBack), _) => OnFailure::RollBack,
            (Some(OnFailureWord::Ask), _) => OnFailure::Ask,
            (Some(OnFailureWord::Continue), _) | (None, OnFailure::Continue { .. }) => {
                OnFailure::Continue { up_to }
            }
            (None, before) => before,
        }
    }
}

/// The numbers among the settings.
struct Numbers {
    local_timeout: Timeout,
    remote_timeout: Timeout,
    parallel: Parallel,
    keep_releases: KeptReleases,
    keep_days: KeptDays,
    drain_limit: DrainLimit,
    up_limit: UpLimit,
    approval_hours: Option<ApprovalHours>,
}
